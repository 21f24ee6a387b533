"""Checks of forwarding: where mail goes after an alias, and whether the other side will refuse it (SPF, SRS).

What an alias leads to is itself looked up in virtual_alias_maps, again and again until nothing answers, or an address
stands for itself: see virtual(5). An outside address may stand there as well as one of our own domain.

A forwarded message fails SPF unless its sender is rewritten to an address of this server: RFC 7208, appendix D, on
mediators. PostSRSd does that (SRS); its README has the settings of Postfix, which are others since its version 2.
Debian 13 has version 1.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from cli.doctor.checks import Finding, check, command, command_line, examples
from cli.messages import _, ngettext
from cli.output import format_message
from cli.server.facts import Facts
from cli.server.packages import installed
from cli.server.postfix_setup import Setting, edit_command
from cli.server.systemd import Unit
from cli.server.systemd import unit as find_unit
from cli.server.virtual_aliases import own_domains
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix

DEEPEST = 20
"""How many times one address is followed. Postfix gives up after virtual_alias_recursion_limit, which is 1000."""

# Google ("Email sender guidelines"), Yahoo ("Sender Requirements & Recommendations"), Microsoft ("Outlook's
# requirements for high-volume senders") and Apple ("Postmaster information for iCloud Mail") say to senders that they
# hold them to SPF. The others are large ones whose members are found among the destinations of such servers; one too
# many here only changes a sentence.
_HOLD_TO_SPF = frozenset(
    {
        *("gmail.com", "googlemail.com"),
        *("outlook.com", "outlook.com.br", "hotmail.com", "hotmail.com.br", "live.com", "msn.com"),
        *("aol.com", "icloud.com", "me.com", "mac.com"),
        *("proton.me", "protonmail.com", "pm.me", "fastmail.com", "fastmail.fm", "web.de"),
        *("uol.com.br", "bol.com.br", "terra.com.br", "ig.com.br"),
    }
)
_HOLD_TO_SPF_ABROAD = re.compile(r"(?:yahoo|ymail|rocketmail|gmx|hotmail|outlook|live)\.(?:[a-z]{2,3}\.)?[a-z]{2,4}")

_REWRITING_PARAMETERS = ("sender_canonical_maps", "canonical_maps", "smtpd_milters", "non_smtpd_milters")
_LOOKS_LIKE_SRS = re.compile(r"srs|tcp:(?:localhost|127\.0\.0\.1|\[?::1\]?):10001|:10003:forward", re.IGNORECASE)
_CONNECT_SECONDS = 1.0
"""For a connection to this machine itself."""
_INSTALL_POSTSRSD = "apt-get install postsrsd"
_TABLES_OF_VERSION_1 = {
    "sender_canonical_maps": "tcp:127.0.0.1:10001",
    "recipient_canonical_maps": "tcp:127.0.0.1:10002",
}
_TABLES_OF_VERSION_2 = {
    "sender_canonical_maps": "socketmap:unix:srs:forward",
    "recipient_canonical_maps": "socketmap:unix:srs:reverse",
}
_CLASSES = {
    "sender_canonical_classes": "envelope_sender",
    "recipient_canonical_classes": "envelope_recipient, header_recipient",
}

Graph = Mapping[str, list[str]]
"""Address -> where it is sent on to, both in lower case. What is not in it stays where it is."""


@check("loops", _("Whether every alias leads out of this server"), needs=("postfix", "registry"))
def loops(facts: Facts) -> Iterator[Finding]:
    """That every active alias leads out of this server, and neither in a circle nor to nobody."""
    aliases = facts.virtual_aliases
    rows = facts.registry.rows()
    graph = follow(rows, aliases.find)
    circles = find_circles(rows, graph)
    ends = {
        alias: destination.lower()
        for alias, destination in rows.items()
        if alias not in circles and graph.get(destination.lower(), [destination.lower()]) == [destination.lower()]
    }
    own = own_domains(facts.postfix, {_domain_of(end) for end in ends.values()}, aliases.troubles)
    nobody = {alias: end for alias, end in ends.items() if own.get(_domain_of(end)) == "virtual_alias_domains"}
    here = {alias: end for alias, end in ends.items() if alias not in nobody and _domain_of(end) in own}
    if circles:
        sentence = ngettext(
            "An alias leads back to where it came from, so mail to it never arrives: {examples}.",
            "{count} aliases lead back to where they came from, so mail to them never arrives: {examples}.",
            len(circles),
        )
        message = format_message(
            sentence, count=len(circles), examples=examples(" -> ".join(way) for way in circles.values())
        )
        fix = "runv-admin-email-alias revoke {user} --reason 'The address leads back here.'"
        yield Finding("loops", "problem", message, _for_first(fix, circles))
    if nobody:
        sentence = ngettext(
            "An alias leads to an address of this server that nobody has, so mail to it bounces: {examples}.",
            "{count} aliases lead to addresses of this server that nobody has, so mail to them bounces: {examples}.",
            len(nobody),
        )
        message = format_message(sentence, count=len(nobody), examples=_steps(nobody))
        fix = "runv-admin-email-alias revoke {user} --reason 'Nobody has that address.'"
        yield Finding("dead-ends", "problem", message, _for_first(fix, nobody))
    if here:
        sentence = ngettext(
            "An alias leads to an address that this server keeps for itself, and not out of it: {examples}.",
            "{count} aliases lead to addresses that this server keeps for itself, and not out of it: {examples}.",
            len(here),
        )
        message = format_message(sentence, count=len(here), examples=_steps(here))
        fix = "runv-admin-email-alias revoke {user} --reason 'The address is on this server.'"
        yield Finding("own-domains", "warning", message, _for_first(fix, here))
    if not circles and not nobody and not here:
        yield Finding("loops", "ok", format_message(_("Every active alias leads out of this server.")))


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2]


def _steps(destinations: Mapping[str, str]) -> str:
    return examples(f"{alias} -> {end}" for alias, end in destinations.items())


def _for_first(fix: str, aliases: Iterable[str]) -> str:
    return command(fix, user=min(aliases).partition("@")[0])


def follow(
    rows: Mapping[str, str], find: Callable[[Iterable[str]], Mapping[str, list[str]]], deepest: int = DEEPEST
) -> dict[str, list[str]]:
    """Ask *find* where the destinations of *rows* are sent on to, then those, and so on: once for each step."""
    # fresh: the addresses to ask for next; seen: those that were asked for, or are aliases of *rows*.
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


def find_circles(starts: Iterable[str], graph: Graph) -> dict[str, list[str]]:
    """Those of *starts* from which a way leads round in a circle, each with the way; a step to itself ends a way."""
    safe: set[str] = set()
    return {start: way for start in starts if (way := _circle(start, graph, safe))}


def _circle(start: str, graph: Graph, safe: set[str]) -> list[str] | None:
    # Depth first:
    #   way       the addresses from *start* to where it is now
    #   branches  for each of them, where it is sent on to and was not yet followed
    #   safe      addresses from which no way leads round in a circle, over all starts
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


@check("srs", _("Whether forwarded mail will bounce for want of SRS"), needs=("postfix", "registry"))
def srs(facts: Facts) -> Iterator[Finding]:
    """That the senders of forwarded mail are rewritten to addresses of this server, where that matters."""
    domains = Counter(_domain_of(destination) for destination in facts.registry.rows().values())
    if not domains:
        message = format_message(_("Nothing is forwarded yet, so no sender's address has to be rewritten (SRS)."))
        yield Finding("srs", "ok", message)
        return
    table = _rewriting_table(facts.postfix)
    unit = _postsrsd()
    if table and unit is not None and unit.there and unit.active != "active":
        message = format_message(
            _(
                "Postfix is told to have senders' addresses rewritten by {table}, but postsrsd is {state}: until it "
                "runs, Postfix puts all mail off."
            ),
            table=table,
            state=unit.active,
        )
        yield Finding("srs", "problem", message, "systemctl enable --now postsrsd")
    elif table and (unit is None or not unit.there) and (why := _connection_error(table)):
        message = format_message(
            _(
                "Postfix is told to have senders' addresses rewritten by {table}, but nothing answers there ({why}): "
                "until something does, Postfix puts all mail off."
            ),
            table=table,
            why=why,
        )
        yield Finding("srs", "problem", message, _INSTALL_POSTSRSD)
    elif table:
        message = format_message(_("Senders' addresses are rewritten on forwarding (SRS, {table})."), table=table)
        yield Finding("srs", "ok", message)
    elif unit is not None and unit.active == "active":
        message = format_message(
            _(
                "postsrsd runs, but Postfix is not told to ask it, so forwarded mail keeps its author's address as its "
                "sender and fails the SPF check of the other side. These settings have every sender rewritten to an "
                "address of this server, to which bounces find their way back."
            )
        )
        settings = srs_settings(facts.postfix, _version())
        fix = command_line(edit_command(settings), facts.settings.config.reload_command)
        yield Finding("srs", "warning", message, fix)
    else:
        yield _without_srs(domains, facts.settings.domain)


def _without_srs(domains: Counter[str], domain: str) -> Finding:
    strict = {name: count for name, count in domains.most_common() if checks_spf(name)}
    sentence = (
        _(
            "Forwarded mail comes from this server but keeps its author's address as its sender, so it fails the SPF "
            "check of {examples} (active aliases that lead there: {count}), and some of it will bounce or be taken for "
            "spam. SRS rewrites the sender to an address of this server: install postsrsd, see that it has {domain} as "
            "its own domain, and look here again for the settings of Postfix."
        )
        if strict
        else _(
            "Forwarded mail comes from this server but keeps its author's address as its sender, so it fails wherever "
            "SPF is checked, and some of it may bounce or be taken for spam (active aliases: {count}, leading to "
            "{examples}). SRS rewrites the sender to an address of this server: install postsrsd, see that it has "
            "{domain} as its own domain, and look here again for the settings of Postfix."
        )
    )
    counts = strict or dict(domains.most_common())
    message = format_message(sentence, examples=examples(counts), count=sum(counts.values()), domain=domain)
    # Only the package: while nothing answers there, a Postfix that was told to ask it refuses all mail for now.
    return Finding("srs", "warning", message, _INSTALL_POSTSRSD)


def _rewriting_table(postfix: Postfix) -> str | None:
    tables = [table for name in _REWRITING_PARAMETERS for table in postfix.items(name)]
    return next((table for table in tables if _LOOKS_LIKE_SRS.search(table)), None)


def checks_spf(domain: str) -> bool:
    """Whether *domain*, in lower case, is one where forwarded mail is known to be held to SPF."""
    return domain in _HOLD_TO_SPF or _HOLD_TO_SPF_ABROAD.fullmatch(domain) is not None


def _connection_error(table: str) -> str | None:
    """Why nothing can be asked at *table*, of type tcp; `None` where something answers, or of another type."""
    kind, _separator, path = table.partition(":")
    host, _separator, port = path.rpartition(":")
    if kind != "tcp" or not port.isdecimal():
        return None
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def _postsrsd() -> Unit | None:
    try:
        return find_unit("postsrsd.service")
    except CommandError:
        return None  # said by the check of the watcher's own unit


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
    tables = _TABLES_OF_VERSION_1 if version.startswith("1.") else _TABLES_OF_VERSION_2
    found = [
        Setting(name, ", ".join(filter(None, [table, postfix.value(name)]))) for name, table in sorted(tables.items())
    ]
    return [*found, *(Setting(name, value) for name, value in sorted(_CLASSES.items()))]
