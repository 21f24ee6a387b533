"""Checks of Postfix: whether it has tables of the map's type, asks the map, and takes mail for the domain."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cli.doctor.checks import ENABLE, Finding, Severity, check, command, command_line, severity_before_publishing
from cli.messages import _
from cli.output import format_message, safe_text
from cli.server.facts import Facts
from cli.server.postfix_setup import PostfixState, Setting, UnavailableTable, edit_command
from cli.server.systemd import unit as find_unit
from cli.server.virtual_aliases import table_kind
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix, split
from watcher.publish.postmap import SUFFIXES

_BERKELEY_DB = frozenset({"hash", "btree"})
_PACKAGED = frozenset({"cdb", "ldap", "lmdb", "mongodb", "mysql", "pcre", "pgsql", "sqlite"})
"""Types for which Debian has a package `postfix-<type>`."""
_ASKED_ALIKE = frozenset(
    {"hash", "btree", "lmdb", "cdb", "texthash", "regexp", "pcre", "inline", "static", "cidr", "sdbm", "dbm", "tcp"}
)
"""Types that postmap(1) asks just as cleanup(8) does. Others may lead to a socket that is named from its chroot."""
_DOWN = frozenset({"inactive", "failed", "deactivating"})


@check("postfix", _("Whether Postfix is there"))
def postfix_there(facts: Facts) -> Iterator[Finding]:
    """That Postfix answers and runs."""
    try:
        postfix = facts.postfix
    except CommandError as error:
        message = format_message(
            _("Postfix could not be asked, so nothing that depends on it was looked at. {why}"),
            why=safe_text(str(error)),
        )
        yield Finding("postfix", severity_before_publishing(facts), message, fix_postfix())
        return
    state = _unit_state()
    if state in _DOWN:
        message = format_message(
            _("Postfix is {state}, so no mail is taken in or forwarded, and what its programs hold waits."),
            state=state,
        )
        yield Finding("postfix", severity_before_publishing(facts), message, "systemctl start postfix")
    else:
        message = format_message(_("Postfix {version} answers."), version=postfix.version())
        yield Finding("postfix", "ok", message)


def fix_postfix() -> str:
    """The command for a Postfix that cannot be asked. Its version it tells even with a broken main.cf."""
    try:
        Postfix().version()
    except CommandError:
        return "apt-get install postfix"
    return "postfix check"


def _unit_state() -> str | None:
    """How systemd has Postfix; `None` where it is not systemd that runs it."""
    try:
        unit = find_unit("postfix.service")
    except CommandError:
        return None  # said by the check of the watcher's own unit
    return unit.active if unit.there else None


@check("map-type", _("Whether Postfix has maps of that type"), needs=("postfix",))
def map_type(facts: Facts) -> Iterator[Finding]:
    """That the installed Postfix has lookup tables of the type that the configuration names."""
    kind = facts.settings.config.map_type
    known = facts.postfix.table_types()
    if kind in known:
        yield Finding("map-type", "ok", format_message(_("Postfix has maps of type {type}."), type=kind))
    elif kind in _BERKELEY_DB:
        message = format_message(
            _(
                "The installed Postfix has no maps of type {type}: it was built without Berkeley DB. Set "
                '`"backend": "postfix-lmdb"` in {config}, and name the map as lmdb in virtual_alias_maps.'
            ),
            type=kind,
            config=facts.settings.path,
        )
        fix = None if "lmdb" in known else "apt-get install postfix-lmdb"
        yield Finding("map-type", severity_before_publishing(facts), message, fix)
    else:
        message = format_message(
            _("The installed Postfix has no maps of type {type}. Install it, or set another `backend` in {config}."),
            type=kind,
            config=facts.settings.path,
        )
        yield Finding("map-type", severity_before_publishing(facts), message, _install(kind))


def _install(kind: str) -> str | None:
    return command("apt-get install postfix-{type}", type=kind) if kind in _PACKAGED else None


@check("map-named", _("Whether Postfix asks the map"), needs=("postfix",))
def map_named(facts: Facts) -> Iterator[Finding]:
    """That virtual_alias_maps names the map, and no earlier one of ours."""
    state = facts.postfix_state
    fix = _set(state, "virtual_alias_maps", facts)
    if state.outdated:
        message = format_message(
            _(
                "virtual_alias_maps of Postfix still names {tables}, from before the aliases were in a database: it "
                "answers for aliases that are revoked by now."
            ),
            tables=", ".join(state.outdated),
        )
        yield Finding("map-named", severity_before_publishing(facts), message, fix)
    if not state.named:
        message = format_message(
            _("virtual_alias_maps of Postfix does not name {map}, so no alias is live."), map=state.table
        )
        yield Finding("map-named", severity_before_publishing(facts), message, fix)
    elif not state.outdated:
        message = format_message(_("virtual_alias_maps of Postfix names {map}."), map=state.table)
        yield Finding("map-named", "ok", message)


@check("domain", _("Whether Postfix takes mail for the domain"), needs=("postfix",))
def domain(facts: Facts) -> Iterator[Finding]:
    """That Postfix takes mail for the domain of the aliases, by one parameter alone."""
    state, name, aliases = facts.postfix_state, facts.settings.domain, facts.virtual_aliases
    for table in state.unavailable:
        # The check `tables` asks those of virtual_alias_maps.
        if table.pattern not in aliases.tables:
            yield _unavailable_table(table, facts)
    if state.accepted_by is not None:
        yield from _accepted(state, state.accepted_by, facts)
    elif not state.unavailable:
        message = format_message(_("Postfix takes no mail for {domain}."), domain=name)
        fix = _set(state, "virtual_alias_domains", facts)
        yield Finding("domain", severity_before_publishing(facts), message, fix)


def _unavailable_table(table: UnavailableTable, facts: Facts) -> Finding:
    severity = table_severity(table.pattern, facts)
    message = format_message(
        _("{parameter} of Postfix names {pattern}, which cannot be asked, so Postfix puts all mail off. {why}")
        if severity == "problem"
        else _(
            "Whether Postfix takes mail for {domain} could not be found out, since {parameter} names {pattern}: {why}"
        ),
        domain=facts.settings.domain,
        parameter=table.parameter,
        pattern=table.pattern,
        why=table.why,
    )
    return Finding("domain", severity, message, fix_table(facts.postfix, table.pattern))


def _accepted(state: PostfixState, accepted_by: str, facts: Facts) -> Iterator[Finding]:
    name = facts.settings.domain
    sentences = {
        "mydestination": _("Postfix takes mail for {domain}, as a domain of local accounts (mydestination)."),
        "virtual_alias_domains": _("Postfix takes mail for {domain} (virtual_alias_domains)."),
        "virtual_mailbox_domains": _(
            "Postfix takes mail for {domain}, as a domain of mailboxes (virtual_mailbox_domains)."
        ),
        "relay_domains": _(
            "Postfix takes mail for {domain} only to relay it (relay_domains): an address without an alias is sent on "
            "to another server."
        ),
    }
    severity: Severity = "warning" if accepted_by == "relay_domains" else "ok"
    yield Finding("domain", severity, format_message(sentences[accepted_by], domain=name))
    if state.also:
        message = format_message(
            _(
                "Postfix takes mail for {domain} by {first} and by {others} too. A domain may stand in one of them "
                "only: Postfix warns at each message, and goes by the first for addresses without an alias."
            ),
            domain=name,
            first=accepted_by,
            others=", ".join(state.also),
        )
        yield Finding("domain", "warning", message, _leave_first(state, facts))


def _leave_first(state: PostfixState, facts: Facts) -> str | None:
    """The line that takes the domain out of all parameters but the first, where it stands there by its name."""
    settings = []
    for name in state.also:
        patterns = list(split(facts.postfix.value(name)))
        others = [pattern for pattern in patterns if pattern.lower() != facts.settings.domain]
        if len(others) == len(patterns):
            return None
        settings.append(Setting(name, ", ".join(others)))
    return command_line(edit_command(settings), facts.settings.config.reload_command)


def _set(state: PostfixState, name: str, facts: Facts) -> str:
    """The line that gives the parameter *name* the value that it lacks."""
    if not facts.enabled:
        # It sees to the order too: there has to be a map before Postfix is told of it.
        return ENABLE
    settings = [setting for setting in state.missing if setting.name == name]
    return command_line(edit_command(settings), facts.settings.config.reload_command)


def table_severity(table: str, facts: Facts) -> Severity:
    """What it means that *table*, or a file of patterns, could not be asked: that Postfix cannot either, or nothing."""
    kind = table_kind(table)
    alike = table.startswith("/") or kind in _ASKED_ALIKE or kind not in facts.postfix.table_types()
    return "problem" if alike and facts.privileged else "warning"


def fix_table(postfix: Postfix, table: str) -> str | None:
    """The command that makes *table*, which cannot be asked, answer; `None` where there is no telling."""
    kind, _separator, name = table.removeprefix("proxy:").partition(":")
    if kind not in postfix.table_types():
        return _install(kind)
    if SUFFIXES.get(kind) and os.path.isfile(name):
        return command("postmap {table}", table=f"{kind}:{name}")
    return None
