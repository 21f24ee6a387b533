"""Postfix: whether it has such tables, asks the map, and takes mail for the domain."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor.aliases import severity_of
from cli.doctor.checks import Check, Finding, Severity, command, command_line
from cli.messages import _
from cli.output import format_message, safe_text
from cli.server.facts import Facts
from cli.server.postfix_setup import PostfixState, Setting, UnavailableTable, edit_command
from cli.server.systemd import unit as find_unit
from cli.server.virtual_aliases import PACKAGED, fix_table
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix, split

_DOMAIN_OK = {
    "mydestination": _("Postfix takes mail for {domain}, as a domain of local accounts (mydestination)."),
    "virtual_alias_domains": _("Postfix takes mail for {domain} (virtual_alias_domains)."),
    "virtual_mailbox_domains": _(
        "Postfix takes mail for {domain}, as a domain of mailboxes (virtual_mailbox_domains)."
    ),
    "relay_domains": _(
        "Postfix takes mail for {domain} only to relay it (relay_domains): an address "
        "without an alias is sent on to another server."
    ),
}

_BERKELEY = frozenset({"hash", "btree"})
_DOWN = frozenset({"inactive", "failed", "deactivating"})


def _there(facts: Facts) -> Iterator[Finding]:
    if facts.postfix is None:
        message = format_message(
            _("Postfix could not be asked, so nothing that depends on it was looked at. {why}"),
            why=safe_text(str(facts.postfix_trouble)),
        )
        yield Finding("postfix", _severity(facts), message, fix_postfix())
    elif (state := _unit_state()) in _DOWN:
        yield Finding(
            "postfix",
            _severity(facts),
            format_message(
                _("Postfix is {state}, so no mail is taken in or forwarded, and what its programs hold waits."),
                state=state,
            ),
            "systemctl start postfix",
        )
    else:
        yield Finding("postfix", "ok", format_message(_("Postfix {version} answers."), version=facts.postfix.version()))


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
        return None  # told by the check of the watcher's own unit
    return unit.active if unit.there else None


def _type(facts: Facts) -> Iterator[Finding]:
    if facts.postfix is None:
        return
    kind = facts.settings.config.map_type
    known = facts.postfix.table_types()
    if kind in known:
        yield Finding("map-type", "ok", format_message(_("Postfix has maps of type {type}."), type=kind))
    elif kind in _BERKELEY:
        message = format_message(
            _(
                "The installed Postfix has no maps of type {type}: it was built without "
                'Berkeley DB. Set `"backend": "postfix-lmdb"` in {config}, and name the map as '
                "lmdb in virtual_alias_maps."
            ),
            type=kind,
            config=facts.settings.path,
        )
        yield Finding(
            "map-type", _severity(facts), message, None if "lmdb" in known else "apt-get install postfix-lmdb"
        )
    else:
        message = format_message(
            _("The installed Postfix has no maps of type {type}. Install it, or set another `backend` in {config}."),
            type=kind,
            config=facts.settings.path,
        )
        fix = command("apt-get install postfix-{type}", type=kind) if kind in PACKAGED else None
        yield Finding("map-type", _severity(facts), message, fix)


def _named(facts: Facts) -> Iterator[Finding]:
    state = facts.postfix_state
    if state is None:
        return
    if state.outdated:
        message = format_message(
            _(
                "virtual_alias_maps of Postfix still names {tables}, from before the aliases "
                "were in a database: it answers for aliases that are revoked by now."
            ),
            tables=", ".join(state.outdated),
        )
        yield Finding("map-named", _severity(facts), message, _lines(state, "virtual_alias_maps", facts))
    if state.named:
        if not state.outdated:
            yield Finding(
                "map-named", "ok", format_message(_("virtual_alias_maps of Postfix names {map}."), map=state.table)
            )
    else:
        message = format_message(
            _("virtual_alias_maps of Postfix does not name {map}, so no alias is live."), map=state.table
        )
        yield Finding("map-named", _severity(facts), message, _lines(state, "virtual_alias_maps", facts))


def _domain(facts: Facts) -> Iterator[Finding]:
    state, domain = facts.postfix_state, facts.settings.domain
    if state is None or facts.postfix is None or facts.virtual_aliases is None:
        return
    for each in state.unasked:
        # Those that are asked for aliases too are told of there.
        if each.pattern not in facts.virtual_aliases.tables:
            yield _unasked(each, facts, facts.postfix)
    if state.accepted_by is None and not state.unasked:
        message = format_message(_("Postfix takes no mail for {domain}."), domain=domain)
        yield Finding("domain", _severity(facts), message, _lines(state, "virtual_alias_domains", facts))
    elif state.accepted_by is not None:
        sentence = _DOMAIN_OK[state.accepted_by]
        severity: Severity = "warning" if state.accepted_by == "relay_domains" else "ok"
        yield Finding("domain", severity, format_message(sentence, domain=domain))
        if state.also:
            message = format_message(
                _(
                    "Postfix takes mail for {domain} by {first} and by {others} too. A domain may "
                    "stand in one of them only: Postfix warns at each message, and goes by the "
                    "first for addresses without an alias."
                ),
                domain=domain,
                first=state.accepted_by,
                others=", ".join(state.also),
            )
            yield Finding("domain", "warning", message, _once(state, facts.postfix, facts))


def _unasked(unasked: UnavailableTable, facts: Facts, postfix: Postfix) -> Finding:
    severity = severity_of(unasked.pattern, facts, postfix)
    message = format_message(
        _("{parameter} of Postfix names {pattern}, which cannot be asked, so Postfix puts all mail off. {why}")
        if severity == "problem"
        else _(
            "Whether Postfix takes mail for {domain} could not be found out, since {parameter} names {pattern}: {why}"
        ),
        domain=facts.settings.domain,
        parameter=unasked.parameter,
        pattern=unasked.pattern,
        why=unasked.why,
    )
    return Finding("domain", severity, message, fix_table(postfix, unasked.pattern))


def _once(state: PostfixState, postfix: Postfix, facts: Facts) -> str | None:
    """The line that takes the domain out of all parameters but the first, where it stands there by its name."""
    domain = facts.settings.domain
    settings = []
    for name in state.also:
        patterns = list(split(postfix.value(name)))
        others = [pattern for pattern in patterns if pattern.lower() != domain]
        if len(others) == len(patterns):
            return None
        settings.append(Setting(name, ", ".join(others)))
    return command_line(edit_command(settings), facts.settings.config.reload_command)


def _severity(facts: Facts) -> Severity:
    """Before publishing is switched on, Postfix need not be ready for it."""
    return "problem" if facts.settings.config.enabled else "warning"


def _lines(state: PostfixState, name: str, facts: Facts) -> str:
    if not facts.settings.config.enabled:
        # It sees to the order too: there has to be a map before Postfix is told of it.
        return "runv-admin-email-alias setup --enable"
    settings = [setting for setting in state.missing if setting.name == name]
    return command_line(edit_command(settings), facts.settings.config.reload_command)


CHECKS = (
    Check("postfix", _("Whether Postfix is there"), _there),
    Check("map-type", _("Whether Postfix has maps of that type"), _type),
    Check("map-named", _("Whether Postfix asks the map"), _named),
    Check("domain", _("Whether Postfix takes mail for the domain"), _domain),
)
