"""Aliases that something else answers for first, or that are the address of a mailbox too."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.tables import fix_table, table_kind
from cli.doctor.verdicts import Check, Finding, Severity, command, command_line, examples
from cli.host.postfix import Postfix, lookups
from cli.mail_side import Setting, edit_command
from cli.output import format_message, safe_text
from watcher.publish.mapcheck import names_map, split

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


CHECKS = (
    Check("tables", sentences.ABOUT_TABLES, _tables),
    Check("shadowed", sentences.ABOUT_SHADOWED, _shadowed),
    Check("mailboxes", sentences.ABOUT_MAILBOXES, _mailboxes),
)
