"""Checks of aliases: whether the map answers for each, and whether something else answers first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from cli.doctor.checks import Check, Finding, Severity, command, command_line, examples
from cli.messages import _, ngettext
from cli.output import SafeText, format_message, safe_text
from cli.server.facts import Facts
from cli.server.postfix_setup import Setting, edit_command
from cli.server.virtual_aliases import fix_table, table_kind
from schemas.errors import ExpectedError
from watcher.publish.commands import CommandError
from watcher.publish.plan import Plan, make_plan
from watcher.publish.postfix import Postfix, lookups, names_map, split

_SYNC = "runv-admin-email-alias sync"

_ANSWERED = _("{alias} -> {found} (not {wanted})")

SAMPLE = 1000
"""Of how many aliases a map in a database is asked at most."""
_LOOKS = 3
"""How often it is looked again when the registry has changed meanwhile."""


def _answers(facts: Facts) -> Iterator[Finding]:
    if not facts.settings.config.enabled or facts.postfix is None or facts.registry is None:
        return
    if facts.settings.config.in_database and isinstance(facts.published, ExpectedError):
        return  # told by the check of the database
    try:
        plan = _differences(facts)
    except CommandError as error:
        if not facts.privileged:
            raise
        yield Finding(
            "answers",
            "problem",
            format_message(
                _(
                    "The map {map} cannot be asked, so where virtual_alias_maps names it, Postfix "
                    "puts all mail off. {why}"
                ),
                map=facts.map,
                why=safe_text(str(error)),
            ),
            _SYNC,
        )
        return
    if plan.changed:
        message = [
            format_message(_ANSWERED, alias=alias, found=found, wanted=wanted)
            for alias, (found, wanted) in plan.changed.items()
        ]
        yield _wrong(
            message,
            _("The map sends an alias elsewhere than the registry has it: {examples}."),
            _("The map sends {count} aliases elsewhere than the registry has it: {examples}."),
        )
    if plan.added:
        yield _wrong(
            list(plan.added),
            _("The map does not answer for an active alias: {examples}."),
            _("The map does not answer for {count} active aliases: {examples}."),
        )
    if plan.removed:
        yield _wrong(
            list(plan.removed),
            _("The map still answers for an alias that is not active: {examples}."),
            _("The map still answers for {count} aliases that are not active: {examples}."),
        )
    if plan.empty:
        yield Finding("answers", "ok", _fine(facts, plan.published))


def _fine(facts: Facts, count: int) -> SafeText:
    if facts.settings.config.in_database and count > SAMPLE:
        return format_message(
            _(
                "The map answers as the registry has it for {asked} of {count} active aliases, "
                "which were picked at random, and the database has the rows of all of them."
            ),
            asked=SAMPLE,
            count=count,
        )
    return format_message(
        ngettext(
            "The map answers for the one active alias as the registry has it.",
            "The map answers for all {count} active aliases as the registry has it.",
            count,
        ),
        count=count,
    )


def _wrong(items: list[SafeText] | list[str], one: str, more: str) -> Finding:
    message = format_message(one if len(items) == 1 else more, count=len(items), examples=examples(items))
    return Finding("answers", "problem", message, _SYNC)


def _differences(facts: Facts) -> Plan:
    for _look in range(_LOOKS):
        registry = facts.registry
        plan = _plan(facts, registry.rows() if registry else {})
        if plan.empty or registry is None:
            break
        # A decision may have been applied between the two looks: then the registry is another by now.
        now = facts.registry_again()
        if now is None or now.sha256 == registry.sha256:
            break
    return plan


def _plan(facts: Facts, wanted: Mapping[str, str]) -> Plan:
    """What the map answers for the aliases that it should know, and the other rows that it can tell of."""
    published = facts.published
    if isinstance(published, ExpectedError):
        raise published
    # Those that another's row holds are told of by the check of the database.
    wanted = published.without_conflicts(wanted)
    others = {alias: found for alias, found in published.rows.items() if alias not in wanted}
    if facts.settings.config.in_database and len(wanted) > SAMPLE:
        # Each question is one to the database.
        asked = set(random.sample(sorted(wanted), SAMPLE))
        fields = {alias: published.rows[alias] for alias in wanted.keys() & published.rows.keys()}
        fields = {alias: found for alias, found in fields.items() if alias not in asked}
        return make_plan(others | fields | lookups(facts.map, asked), wanted)
    return make_plan(others | lookups(facts.map, wanted), wanted)


ANSWER_CHECKS = (Check("answers", _("Whether the map answers as the registry has it"), _answers),)


_ASKED_BY_FILE = frozenset(
    {"hash", "btree", "lmdb", "cdb", "texthash", "regexp", "pcre", "inline", "static", "cidr", "sdbm", "dbm", "tcp"}
)
"""Types that postmap(1) asks just as cleanup(8) does. Others may lead to a socket that is named from its chroot."""


def _tables(facts: Facts) -> Iterator[Finding]:
    aliases = facts.virtual_aliases
    if aliases is None or facts.postfix is None:
        return
    others = [table for table in aliases.tables if not names_map(table, facts.map)]
    for table in others:
        aliases.ask(table, [f"postmaster@{facts.settings.domain}"])
    broken = [table for table in others if table in aliases.troubles]
    for table in broken:
        severity = severity_of(table, facts, facts.postfix)
        sentence = (
            _("The table {table} of virtual_alias_maps cannot be asked, so Postfix puts all mail off. {why}")
            if severity == "problem"
            else _("The table {table} of virtual_alias_maps could not be asked from here. {why}")
        )
        message = format_message(sentence, table=table, why=safe_text(str(aliases.troubles[table])))
        yield Finding("tables", severity, message, fix_table(facts.postfix, table))
    if not broken:
        yield Finding(
            "tables",
            "ok",
            format_message(_("Every other table of virtual_alias_maps can be asked ({count})."), count=len(others)),
        )


def severity_of(table: str, facts: Facts, postfix: Postfix) -> Severity:
    """What it means that *table*, or a file of patterns, could not be asked: that Postfix cannot either, or nothing."""
    kind = table_kind(table)
    same = table.startswith("/") or kind in _ASKED_BY_FILE or kind not in postfix.table_types()
    return "problem" if same and facts.privileged else "warning"


def _shadowed(facts: Facts) -> Iterator[Finding]:
    aliases = facts.virtual_aliases
    if facts.postfix is None or aliases is None or facts.registry is None or not facts.settings.config.enabled:
        return
    rows = facts.registry.rows()
    mine = next((at for at, table in enumerate(aliases.tables) if names_map(table, facts.map)), None)
    if mine is None:
        return  # told by the check of virtual_alias_maps
    shadowed = False
    for table in aliases.tables[:mine]:
        answers = aliases.ask(table, rows).items()
        others = [
            format_message(_ANSWERED, alias=alias, found=found, wanted=rows[alias])
            for alias, found in answers
            if found.strip().lower() != rows[alias].lower()
        ]
        if others:
            shadowed = True
            sentence = ngettext(
                "The table {table} comes before the map and answers for an alias with something else: {examples}.",
                "The table {table} comes before the map and answers for {count} aliases with "
                "something else: {examples}.",
                len(others),
            )
            message = format_message(sentence, table=table, count=len(others), examples=examples(others))
            yield Finding("shadowed", "problem", message, _ours_first(facts, facts.postfix))
    if not shadowed:
        yield Finding(
            "shadowed",
            "ok",
            format_message(_("No table before the map answers for an active alias with something else.")),
        )


def _ours_first(facts: Facts, postfix: Postfix) -> str:
    value = postfix.value("virtual_alias_maps")
    if not names_map(value, facts.map):
        value = postfix.expanded("virtual_alias_maps")
    tables = list(split(value))
    mine = [table for table in tables if names_map(table, facts.map)]
    setting = Setting("virtual_alias_maps", ", ".join([*mine, *(table for table in tables if table not in mine)]))
    return command_line(edit_command([setting]), facts.settings.config.reload_command)


def _mailboxes(facts: Facts) -> Iterator[Finding]:
    if facts.postfix is None or facts.postfix_state is None or facts.registry is None:
        return
    if facts.postfix_state.accepted_by == "mydestination":
        yield Finding(
            "mailboxes",
            "ok",
            format_message(
                _(
                    "The domain is one of local accounts: mail to an active alias is forwarded and "
                    "no longer reaches the account's own mailbox, as is meant."
                )
            ),
        )
        return
    rows = facts.registry.rows()
    found: dict[str, str] = {}
    for table in facts.postfix.items("virtual_mailbox_maps"):
        found |= lookups(table, rows)
    if found:
        sentence = ngettext(
            "An active alias is the address of a mailbox too, which gets no mail any more: {examples}.",
            "{count} active aliases are the addresses of mailboxes too, which get no mail any more: {examples}.",
            len(found),
        )
        user = min(found).partition("@")[0]
        message = format_message(sentence, count=len(found), examples=examples(sorted(found)))
        yield Finding(
            "mailboxes",
            "warning",
            message,
            command("runv-admin-email-alias revoke {user} --reason 'The address has a mailbox.'", user=user),
        )
    else:
        yield Finding(
            "mailboxes",
            "ok",
            format_message(_("No active alias is the address of a mailbox in virtual_mailbox_maps too.")),
        )


SHADOW_CHECKS = (
    Check("tables", _("Whether the other tables of virtual_alias_maps can be asked"), _tables),
    Check("shadowed", _("Whether another table answers for an alias first"), _shadowed),
    Check("mailboxes", _("Whether an alias is the address of a mailbox too"), _mailboxes),
)
