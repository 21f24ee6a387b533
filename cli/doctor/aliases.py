"""Checks of aliases: whether the map answers for each, and whether something else answers first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from cli.doctor import sentences
from cli.doctor.checks import Check, Finding, Severity, command, command_line, examples
from cli.output import SafeText, counted, format_message, safe_text
from cli.server.facts import Facts
from cli.server.postfix_setup import Setting, edit_command
from cli.server.virtual_aliases import fix_table, table_kind
from schemas.errors import ExpectedError
from watcher.publish.commands import CommandError
from watcher.publish.plan import Plan, make_plan
from watcher.publish.postfix import Postfix, lookups, names_map, split

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
            format_message(sentences.MAP_BROKEN, map=facts.map, why=safe_text(str(error))),
            sentences.SYNC,
        )
        return
    if plan.changed:
        message = [
            format_message(sentences.ANSWERED, alias=alias, found=found, wanted=wanted)
            for alias, (found, wanted) in plan.changed.items()
        ]
        yield _wrong(message, sentences.ANSWERS_WRONG_ONE, sentences.ANSWERS_WRONG_MORE)
    if plan.added:
        yield _wrong(list(plan.added), sentences.ANSWERS_NONE_ONE, sentences.ANSWERS_NONE_MORE)
    if plan.removed:
        yield _wrong(list(plan.removed), sentences.ANSWERS_STILL_ONE, sentences.ANSWERS_STILL_MORE)
    if plan.empty:
        yield Finding("answers", "ok", _fine(facts, plan.published))


def _fine(facts: Facts, count: int) -> SafeText:
    if facts.settings.config.in_database and count > SAMPLE:
        return format_message(sentences.ANSWERS_OK_SOME, asked=SAMPLE, count=count)
    return counted(count, sentences.ANSWERS_OK_ONE, sentences.ANSWERS_OK_MORE)


def _wrong(items: list[SafeText] | list[str], one: str, more: str) -> Finding:
    message = format_message(one if len(items) == 1 else more, count=len(items), examples=examples(items))
    return Finding("answers", "problem", message, sentences.SYNC)


def _differences(facts: Facts) -> Plan:
    for _ in range(_LOOKS):
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


ANSWER_CHECKS = (Check("answers", sentences.ABOUT_ANSWERS, _answers),)


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
        sentence = sentences.TABLE_BROKEN if severity == "problem" else sentences.TABLE_UNASKED
        message = format_message(sentence, table=table, why=safe_text(str(aliases.troubles[table])))
        yield Finding("tables", severity, message, fix_table(facts.postfix, table))
    if not broken:
        yield Finding("tables", "ok", format_message(sentences.TABLES_OK, count=len(others)))


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
            format_message(sentences.ANSWERED, alias=alias, found=found, wanted=rows[alias])
            for alias, found in answers
            if found.strip().lower() != rows[alias].lower()
        ]
        if others:
            shadowed = True
            sentence = sentences.SHADOWED_ONE if len(others) == 1 else sentences.SHADOWED_MORE
            message = format_message(sentence, table=table, count=len(others), examples=examples(others))
            yield Finding("shadowed", "problem", message, _ours_first(facts, facts.postfix))
    if not shadowed:
        yield Finding("shadowed", "ok", format_message(sentences.NOT_SHADOWED))


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
        yield Finding("mailboxes", "ok", format_message(sentences.LOCAL_MAILBOXES))
        return
    rows = facts.registry.rows()
    found: dict[str, str] = {}
    for table in facts.postfix.items("virtual_mailbox_maps"):
        found |= lookups(table, rows)
    if found:
        sentence = sentences.MAILBOX_ONE if len(found) == 1 else sentences.MAILBOX_MORE
        user = min(found).partition("@")[0]
        message = format_message(sentence, count=len(found), examples=examples(sorted(found)))
        yield Finding("mailboxes", "warning", message, command(sentences.REVOKE_MAILBOX, user=user))
    else:
        yield Finding("mailboxes", "ok", format_message(sentences.NO_MAILBOXES))


SHADOW_CHECKS = (
    Check("tables", sentences.ABOUT_TABLES, _tables),
    Check("shadowed", sentences.ABOUT_SHADOWED, _shadowed),
    Check("mailboxes", sentences.ABOUT_MAILBOXES, _mailboxes),
)
