"""Aliases that something else answers for first, or that are the address of a mailbox too."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.tables import mend_table, table_kind
from cli.doctor.verdicts import Check, Grade, Verdict, command, command_line, examples
from cli.host.postfix import Postfix, lookups
from cli.mail_side import Setting, edit_command
from cli.output import fill, prose
from watcher.publish.mapcheck import names_map, split

_ASKED_BY_FILE = frozenset(
    {"hash", "btree", "lmdb", "cdb", "texthash", "regexp", "pcre", "inline", "static", "cidr", "sdbm", "dbm", "tcp"}
)
"""Types that postmap(1) asks just as cleanup(8) does. Others may lead to a socket that is named from its chroot."""


def _tables(context: Context) -> Iterator[Verdict]:
    aliases = context.virtual_aliases
    if aliases is None or context.postfix is None:
        return
    others = [table for table in aliases.tables if not names_map(table, context.map)]
    for table in others:
        aliases.ask(table, [f"postmaster@{context.settings.domain}"])
    broken = [table for table in others if table in aliases.troubles]
    for table in broken:
        grade = grade_of(table, context, context.postfix)
        sentence = sentences.TABLE_BROKEN if grade == "problem" else sentences.TABLE_UNASKED
        told = fill(sentence, table=table, why=prose(str(aliases.troubles[table])))
        yield Verdict("tables", grade, told, mend_table(context.postfix, table))
    if not broken:
        yield Verdict("tables", "ok", fill(sentences.TABLES_OK, count=len(others)))


def grade_of(table: str, context: Context, postfix: Postfix) -> Grade:
    """What it means that *table*, or a file of patterns, could not be asked: that Postfix cannot either, or nothing."""
    kind = table_kind(table)
    same = table.startswith("/") or kind in _ASKED_BY_FILE or kind not in postfix.table_types()
    return "problem" if same and context.privileged else "warning"


def _shadowed(context: Context) -> Iterator[Verdict]:
    aliases = context.virtual_aliases
    if context.postfix is None or aliases is None or context.registry is None or not context.settings.config.enabled:
        return
    rows = context.registry.rows()
    mine = next((at for at, table in enumerate(aliases.tables) if names_map(table, context.map)), None)
    if mine is None:
        return  # told by the check of virtual_alias_maps
    shadowed = False
    for table in aliases.tables[:mine]:
        answers = aliases.ask(table, rows).items()
        others = [
            fill(sentences.ANSWERED, alias=alias, found=found, wanted=rows[alias])
            for alias, found in answers
            if found.strip().lower() != rows[alias].lower()
        ]
        if others:
            shadowed = True
            sentence = sentences.SHADOWED_ONE if len(others) == 1 else sentences.SHADOWED_MORE
            told = fill(sentence, table=table, count=len(others), examples=examples(others))
            yield Verdict("shadowed", "problem", told, _ours_first(context, context.postfix))
    if not shadowed:
        yield Verdict("shadowed", "ok", fill(sentences.NOT_SHADOWED))


def _ours_first(context: Context, postfix: Postfix) -> str:
    value = postfix.value("virtual_alias_maps")
    if not names_map(value, context.map):
        value = postfix.expanded("virtual_alias_maps")
    tables = list(split(value))
    mine = [table for table in tables if names_map(table, context.map)]
    setting = Setting("virtual_alias_maps", ", ".join([*mine, *(table for table in tables if table not in mine)]))
    return command_line(edit_command([setting]), context.settings.config.reload_command)


def _mailboxes(context: Context) -> Iterator[Verdict]:
    if context.postfix is None or context.mail_side is None or context.registry is None:
        return
    if context.mail_side.accepted_by == "mydestination":
        yield Verdict("mailboxes", "ok", fill(sentences.LOCAL_MAILBOXES))
        return
    rows = context.registry.rows()
    found: dict[str, str] = {}
    for table in context.postfix.items("virtual_mailbox_maps"):
        found |= lookups(table, rows)
    if found:
        sentence = sentences.MAILBOX_ONE if len(found) == 1 else sentences.MAILBOX_MORE
        user = min(found).partition("@")[0]
        told = fill(sentence, count=len(found), examples=examples(sorted(found)))
        yield Verdict("mailboxes", "warning", told, command(sentences.REVOKE_MAILBOX, user=user))
    else:
        yield Verdict("mailboxes", "ok", fill(sentences.NO_MAILBOXES))


CHECKS = (
    Check("tables", sentences.ABOUT_TABLES, _tables),
    Check("shadowed", sentences.ABOUT_SHADOWED, _shadowed),
    Check("mailboxes", sentences.ABOUT_MAILBOXES, _mailboxes),
)
