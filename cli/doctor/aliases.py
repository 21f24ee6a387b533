"""Checks of aliases: whether the map answers for each, and whether something else answers first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from cli.doctor.checks import SYNC, Finding, check, command, command_line, examples
from cli.doctor.postfix import fix_table, table_severity
from cli.messages import _, ngettext
from cli.output import SafeText, format_message, safe_text
from cli.server.facts import Facts
from cli.server.postfix_setup import Setting, edit_command
from watcher.publish.commands import CommandError
from watcher.publish.plan import Plan, make_plan
from watcher.publish.postfix import lookups, names_map, split

SAMPLE = 1000
"""Of how many aliases a map in a database is asked at most."""
_ATTEMPTS = 3
"""How often the map is asked when the registry has changed meanwhile."""


@check("answers", _("Whether the map answers as the registry has it"), needs=("enabled", "postfix", "registry"))
def answers(facts: Facts) -> Iterator[Finding]:
    """That the map answers for each active alias with its destination, and for no other."""
    if facts.in_database and not facts.has("published"):
        return  # said by the check of the database
    try:
        plan = _differences(facts)
    except CommandError as error:
        if not facts.privileged:
            raise
        message = format_message(
            _("The map {map} cannot be asked, so where virtual_alias_maps names it, Postfix puts all mail off. {why}"),
            map=facts.map,
            why=safe_text(str(error)),
        )
        yield Finding("answers", "problem", message, SYNC)
        return
    if plan.changed:
        changed = [_answer(alias, found, wanted) for alias, (found, wanted) in plan.changed.items()]
        sentence = ngettext(
            "The map sends an alias elsewhere than the registry has it: {examples}.",
            "The map sends {count} aliases elsewhere than the registry has it: {examples}.",
            len(changed),
        )
        message = format_message(sentence, count=len(changed), examples=examples(changed))
        yield Finding("answers", "problem", message, SYNC)
    if plan.added:
        sentence = ngettext(
            "The map does not answer for an active alias: {examples}.",
            "The map does not answer for {count} active aliases: {examples}.",
            len(plan.added),
        )
        message = format_message(sentence, count=len(plan.added), examples=examples(plan.added))
        yield Finding("answers", "problem", message, SYNC)
    if plan.removed:
        sentence = ngettext(
            "The map still answers for an alias that is not active: {examples}.",
            "The map still answers for {count} aliases that are not active: {examples}.",
            len(plan.removed),
        )
        message = format_message(sentence, count=len(plan.removed), examples=examples(plan.removed))
        yield Finding("answers", "problem", message, SYNC)
    if plan.empty:
        yield Finding("answers", "ok", _all_answered(facts, plan.published))


def _answer(alias: str, found: str, wanted: str) -> SafeText:
    return format_message(_("{alias} -> {found} (not {wanted})"), alias=alias, found=found, wanted=wanted)


def _all_answered(facts: Facts, count: int) -> SafeText:
    if facts.in_database and count > SAMPLE:
        return format_message(
            _(
                "The map answers as the registry has it for {asked} of {count} active aliases, which were picked at "
                "random, and the database has the rows of all of them."
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


def _differences(facts: Facts) -> Plan:
    for _attempt in range(_ATTEMPTS):
        registry = facts.registry
        plan = _plan(facts, registry.rows())
        if plan.empty:
            break
        # A decision may have been applied since the registry was read: then it is another by now.
        facts.forget_registry()
        if not facts.has("registry") or facts.registry.sha256 == registry.sha256:
            break
    return plan


def _plan(facts: Facts, wanted: Mapping[str, str]) -> Plan:
    """What the map answers for the aliases that it should know, and the other rows that it can tell of."""
    published = facts.published
    # Those that another's row holds are said by the check of the database.
    wanted = published.without_conflicts(wanted)
    others = {alias: found for alias, found in published.rows.items() if alias not in wanted}
    if facts.in_database and len(wanted) > SAMPLE:
        # Each question is one to the database.
        asked = set(random.sample(sorted(wanted), SAMPLE))
        not_asked = {alias: found for alias, found in published.rows.items() if alias in wanted and alias not in asked}
        return make_plan(others | not_asked | lookups(facts.map, asked), wanted)
    return make_plan(others | lookups(facts.map, wanted), wanted)


@check("tables", _("Whether the other tables of virtual_alias_maps can be asked"), needs=("postfix",))
def tables(facts: Facts) -> Iterator[Finding]:
    """That each table of virtual_alias_maps answers: while one does not, Postfix puts all mail off."""
    aliases = facts.virtual_aliases
    others = [table for table in aliases.tables if not names_map(table, facts.map)]
    for table in others:
        aliases.ask(table, [f"postmaster@{facts.settings.domain}"])
    broken = [table for table in others if table in aliases.troubles]
    for table in broken:
        severity = table_severity(table, facts)
        sentence = (
            _("The table {table} of virtual_alias_maps cannot be asked, so Postfix puts all mail off. {why}")
            if severity == "problem"
            else _("The table {table} of virtual_alias_maps could not be asked from here. {why}")
        )
        message = format_message(sentence, table=table, why=safe_text(str(aliases.troubles[table])))
        yield Finding("tables", severity, message, fix_table(facts.postfix, table))
    if not broken:
        message = format_message(
            _("Every other table of virtual_alias_maps can be asked ({count})."), count=len(others)
        )
        yield Finding("tables", "ok", message)


@check("shadowed", _("Whether another table answers for an alias first"), needs=("enabled", "postfix", "registry"))
def shadowed(facts: Facts) -> Iterator[Finding]:
    """That no table before the map answers for an active alias with something else."""
    aliases = facts.virtual_aliases
    rows = facts.registry.rows()
    ours = next((at for at, table in enumerate(aliases.tables) if names_map(table, facts.map)), None)
    if ours is None:
        return  # said by the check of virtual_alias_maps
    found_any = False
    for table in aliases.tables[:ours]:
        others = [
            _answer(alias, found, rows[alias])
            for alias, found in aliases.ask(table, rows).items()
            if found.strip().lower() != rows[alias].lower()
        ]
        if others:
            found_any = True
            sentence = ngettext(
                "The table {table} comes before the map and answers for an alias with something else: {examples}.",
                "The table {table} comes before the map and answers for {count} aliases with something else: "
                "{examples}.",
                len(others),
            )
            message = format_message(sentence, table=table, count=len(others), examples=examples(others))
            yield Finding("shadowed", "problem", message, _ours_first(facts))
    if not found_any:
        message = format_message(_("No table before the map answers for an active alias with something else."))
        yield Finding("shadowed", "ok", message)


def _ours_first(facts: Facts) -> str:
    value = facts.postfix.value("virtual_alias_maps")
    if not names_map(value, facts.map):
        value = facts.postfix.expanded("virtual_alias_maps")
    every = list(split(value))
    ours = [table for table in every if names_map(table, facts.map)]
    setting = Setting("virtual_alias_maps", ", ".join([*ours, *(table for table in every if table not in ours)]))
    return command_line(edit_command([setting]), facts.settings.config.reload_command)


@check("mailboxes", _("Whether an alias is the address of a mailbox too"), needs=("postfix", "registry"))
def mailboxes(facts: Facts) -> Iterator[Finding]:
    """That no active alias takes the mail of a mailbox with the same address, unless it is meant to."""
    if facts.postfix_state.accepted_by == "mydestination":
        message = format_message(
            _(
                "The domain is one of local accounts: mail to an active alias is forwarded and no longer reaches the "
                "account's own mailbox, as is meant."
            )
        )
        yield Finding("mailboxes", "ok", message)
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
        message = format_message(sentence, count=len(found), examples=examples(sorted(found)))
        fix = "runv-admin-email-alias revoke {user} --reason 'The address has a mailbox.'"
        yield Finding("mailboxes", "warning", message, command(fix, user=min(found).partition("@")[0]))
    else:
        message = format_message(_("No active alias is the address of a mailbox in virtual_mailbox_maps too."))
        yield Finding("mailboxes", "ok", message)
