"""Checks of forwarding: where mail goes after an alias, and whether the other side will refuse it (SPF, SRS).

What an alias leads to is itself looked up in virtual_alias_maps, again and again until nothing answers, or an address
stands for itself: see virtual(5). An outside address may stand there as well as one of our own domain.

Google ("Email sender guidelines"), Yahoo ("Sender Requirements & Recommendations"), Microsoft ("Outlook's requirements
for high-volume senders") and Apple ("Postmaster information for iCloud Mail") say so to senders. The others are large
ones whose members are found among the destinations of such servers; one too many here only changes a sentence.

RFC 7208, appendix D, on mediators. PostSRSd's README has the settings of Postfix, which are others since its
version 2; Debian 13 has version 1.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from cli.doctor.checks import Check, Finding, command, command_line, examples
from cli.messages import _
from cli.output import SafeText, format_message
from cli.server.facts import Facts
from cli.server.packages import installed
from cli.server.postfix_setup import Setting, edit_command
from cli.server.systemd import Unit
from cli.server.systemd import unit as find_unit
from cli.server.virtual_aliases import own_domains
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix

_WAYS = {
    "loops": (
        _("An alias leads back to where it came from, so mail to it never arrives: {examples}."),
        _("{count} aliases lead back to where they came from, so mail to them never arrives: {examples}."),
    ),
    "dead-ends": (
        _("An alias leads to an address of this server that nobody has, so mail to it bounces: {examples}."),
        _("{count} aliases lead to addresses of this server that nobody has, so mail to them bounces: {examples}."),
    ),
    "own-domains": (
        _("An alias leads to an address that this server keeps for itself, and not out of it: {examples}."),
        _("{count} aliases lead to addresses that this server keeps for itself, and not out of it: {examples}."),
    ),
}

_REVOKES = {
    "loops": "runv-admin-email-alias revoke {user} --reason 'The address leads back here.'",
    "dead-ends": "runv-admin-email-alias revoke {user} --reason 'Nobody has that address.'",
    "own-domains": "runv-admin-email-alias revoke {user} --reason 'The address is on this server.'",
}

_INSTALL_SRS = "apt-get install postsrsd"

DEEPEST = 20
"""How many times one address is followed. Postfix gives up after virtual_alias_recursion_limit, which is 1000."""

Graph = Mapping[str, list[str]]
"""Address -> where it is sent on to, both in lower case. What is not in it stays where it is."""


def follow(
    rows: Mapping[str, str], find: Callable[[Iterable[str]], Mapping[str, list[str]]], deepest: int = DEEPEST
) -> dict[str, list[str]]:
    """Ask *find* where the destinations of *rows* are sent on to, then those, and so on: once for each step."""
    graph = {alias: [destination.lower()] for alias, destination in rows.items()}
    fresh = {destination.lower() for destination in rows.values()} - graph.keys()
    seen = set(graph)
    for _step in range(deepest):
        if not fresh:
            break
        seen |= fresh
        found = find(sorted(fresh))
        graph |= found
        fresh = {target for targets in found.values() for target in targets} - seen
    return graph


def loops(starts: Iterable[str], graph: Graph) -> dict[str, list[str]]:
    """Those of *starts* from which a way leads round in a circle, each with the way; a step to itself ends a way."""
    safe: set[str] = set()
    return {start: way for start in starts if (way := _circle(start, graph, safe))}


def _circle(start: str, graph: Graph, safe: set[str]) -> list[str] | None:
    way = [start]
    branches = [iter(graph.get(start, ()))]
    while branches:
        step = next(branches[-1], None)
        if step is None:
            safe.add(way.pop())
            branches.pop()
        elif step in way and step != way[-1]:
            return [*way, step]
        elif step != way[-1] and step not in safe:
            way.append(step)
            branches.append(iter(graph.get(step, ())))
    return None


def _ways(facts: Facts) -> Iterator[Finding]:
    aliases = facts.virtual_aliases
    if facts.postfix is None or aliases is None or facts.registry is None:
        return
    rows = facts.registry.rows()
    graph = follow(rows, aliases.find)
    round_trips = loops(rows, graph)
    ends = {
        alias: destination.lower()
        for alias, destination in rows.items()
        if alias not in round_trips and graph.get(destination.lower(), [destination.lower()]) == [destination.lower()]
    }
    own = own_domains(facts.postfix, {end.rpartition("@")[2] for end in ends.values()}, aliases.troubles)
    nobody = {alias: end for alias, end in ends.items() if own.get(end.rpartition("@")[2]) == "virtual_alias_domains"}
    here = {alias: end for alias, end in ends.items() if alias not in nobody and end.rpartition("@")[2] in own}
    yield from _findings("loops", round_trips, {alias: " -> ".join(way) for alias, way in round_trips.items()})
    yield from _findings("dead-ends", nobody, {alias: f"{alias} -> {end}" for alias, end in nobody.items()})
    yield from _findings("own-domains", here, {alias: f"{alias} -> {end}" for alias, end in here.items()})
    if not round_trips and not nobody and not here:
        yield Finding("loops", "ok", format_message(_("Every active alias leads out of this server.")))


def _findings(code: str, aliases: Iterable[str], ways: Mapping[str, str]) -> Iterator[Finding]:
    first = min(aliases, default=None)
    if first is None:
        return
    one, more = _WAYS[code]
    message: SafeText = format_message(
        one if len(ways) == 1 else more, count=len(ways), examples=examples(ways.values())
    )
    fix = command(_REVOKES[code], user=first.partition("@")[0])
    yield Finding(code, "warning" if code == "own-domains" else "problem", message, fix)


LOOP_CHECKS = (Check("loops", _("Whether every alias leads out of this server"), _ways),)


_NAMES = frozenset(
    {
        *("gmail.com", "googlemail.com"),
        *("outlook.com", "outlook.com.br", "hotmail.com", "hotmail.com.br", "live.com", "msn.com"),
        *("aol.com", "icloud.com", "me.com", "mac.com"),
        *("proton.me", "protonmail.com", "pm.me", "fastmail.com", "fastmail.fm", "web.de"),
        *("uol.com.br", "bol.com.br", "terra.com.br", "ig.com.br"),
    }
)
_IN_MANY_COUNTRIES = re.compile(r"(?:yahoo|ymail|rocketmail|gmx|hotmail|outlook|live)\.(?:[a-z]{2,3}\.)?[a-z]{2,4}")


def checks_spf(domain: str) -> bool:
    """Whether *domain*, in lower case, is one where forwarded mail is known to be held to SPF."""
    return domain in _NAMES or _IN_MANY_COUNTRIES.fullmatch(domain) is not None


_SENDERS = ("sender_canonical_maps", "canonical_maps")
_MILTERS = ("smtpd_milters", "non_smtpd_milters")
_LOOKS_LIKE_SRS = re.compile(r"srs|tcp:(?:localhost|127\.0\.0\.1|\[?::1\]?):10001|:10003:forward", re.IGNORECASE)

_PATIENCE = 1.0
"""Seconds for a connection to this machine itself."""

_VERSION_1 = {"sender_canonical_maps": "tcp:127.0.0.1:10001", "recipient_canonical_maps": "tcp:127.0.0.1:10002"}
_VERSION_2 = {
    "sender_canonical_maps": "socketmap:unix:srs:forward",
    "recipient_canonical_maps": "socketmap:unix:srs:reverse",
}
_CLASSES = {
    "sender_canonical_classes": "envelope_sender",
    "recipient_canonical_classes": "envelope_recipient, header_recipient",
}


def _srs(facts: Facts) -> Iterator[Finding]:
    if facts.postfix is None or facts.registry is None:
        return
    domains = Counter(destination.rpartition("@")[2] for destination in facts.registry.rows().values())
    if not domains:
        yield Finding(
            "srs",
            "ok",
            format_message(_("Nothing is forwarded yet, so no sender's address has to be rewritten (SRS).")),
        )
        return
    named = _named(facts.postfix)
    unit = _unit()
    if named and unit is not None and unit.there and unit.active != "active":
        message = format_message(
            _(
                "Postfix is told to have senders' addresses rewritten by {table}, but postsrsd "
                "is {state}: until it runs, Postfix puts all mail off."
            ),
            table=named,
            state=unit.active,
        )
        yield Finding("srs", "problem", message, "systemctl enable --now postsrsd")
    elif named and (unit is None or not unit.there) and (why := _refused(named)):
        message = format_message(
            _(
                "Postfix is told to have senders' addresses rewritten by {table}, but nothing "
                "answers there ({why}): until something does, Postfix puts all mail off."
            ),
            table=named,
            why=why,
        )
        yield Finding("srs", "problem", message, _INSTALL_SRS)
    elif named:
        yield Finding(
            "srs",
            "ok",
            format_message(_("Senders' addresses are rewritten on forwarding (SRS, {table})."), table=named),
        )
    elif unit is not None and unit.active == "active":
        settings = srs_settings(facts.postfix, _version())
        fix = command_line(edit_command(settings), facts.settings.config.reload_command)
        yield Finding(
            "srs",
            "warning",
            format_message(
                _(
                    "postsrsd runs, but Postfix is not told to ask it, so forwarded mail keeps its "
                    "author's address as its sender and fails the SPF check of the other side. "
                    "These settings have every sender rewritten to an address of this server, to "
                    "which bounces find their way back."
                )
            ),
            fix,
        )
    else:
        # Only the package: while nothing answers there, a Postfix that was told to ask it refuses all mail for now.
        message = format_message(
            _why(domains), examples=_examples(domains), count=_count(domains), domain=facts.settings.domain
        )
        yield Finding("srs", "warning", message, _INSTALL_SRS)


def _named(postfix: Postfix) -> str | None:
    tables = [table for name in (*_SENDERS, *_MILTERS) for table in postfix.items(name)]
    return next((table for table in tables if _LOOKS_LIKE_SRS.search(table)), None)


def _refused(table: str) -> str | None:
    """Why nothing can be asked at *table*, of type tcp; `None` where something answers, or of another type."""
    kind, _separator, path = table.partition(":")
    host, _separator, port = path.rpartition(":")
    if kind != "tcp" or not port.isdecimal():
        return None
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def _unit() -> Unit | None:
    try:
        return find_unit("postsrsd.service")
    except CommandError:
        return None  # told by the check of the watcher's own unit


def _version() -> str:
    try:
        return installed(["postsrsd"]).get("postsrsd", "")
    except CommandError:
        return ""


def srs_settings(postfix: Postfix, version: str) -> list[Setting]:
    """What Postfix has to be told of the postsrsd that is installed; tables that are there already stay behind it.

    Raises:
        CommandError: Postfix cannot be asked.
    """
    tables = _VERSION_1 if version.startswith("1.") else _VERSION_2
    found = [
        Setting(name, ", ".join(filter(None, [table, postfix.value(name)]))) for name, table in sorted(tables.items())
    ]
    return [*found, *(Setting(name, value) for name, value in sorted(_CLASSES.items()))]


def _strict(domains: Counter[str]) -> dict[str, int]:
    return {domain: count for domain, count in domains.most_common() if checks_spf(domain)}


def _why(domains: Counter[str]) -> str:
    return (
        _(
            "Forwarded mail comes from this server but keeps its author's address as its "
            "sender, so it fails the SPF check of {examples} (active aliases that lead "
            "there: {count}), and some of it will bounce or be taken for spam. SRS rewrites "
            "the sender to an address of this server: install postsrsd, see that it has "
            "{domain} as its own domain, and look here again for the settings of Postfix."
        )
        if _strict(domains)
        else _(
            "Forwarded mail comes from this server but keeps its author's address as its "
            "sender, so it fails wherever SPF is checked, and some of it may bounce or be "
            "taken for spam (active aliases: {count}, leading to {examples}). SRS rewrites "
            "the sender to an address of this server: install postsrsd, see that it has "
            "{domain} as its own domain, and look here again for the settings of Postfix."
        )
    )


def _examples(domains: Counter[str]) -> str:
    return examples(_strict(domains) or dict(domains.most_common()))


def _count(domains: Counter[str]) -> int:
    return sum((_strict(domains) or domains).values())


REWRITING_CHECKS = (Check("srs", _("Whether forwarded mail will bounce for want of SRS"), _srs),)
