"""Postfix: whether it has such tables, asks the map, and takes mail for the domain."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Grade, Verdict, command, command_line
from cli.mail_side import MailSide, edit_command
from cli.output import fill, prose

_BERKELEY = frozenset({"hash", "btree"})
_WITH_PACKAGES = frozenset({"lmdb", "cdb"})


def _there(context: Context) -> Iterator[Verdict]:
    if context.postfix is None:
        told = fill(sentences.NO_POSTFIX, why=prose(str(context.postfix_trouble)))
        yield Verdict("postfix", _grade(context), told, sentences.INSTALL_POSTFIX)
    else:
        yield Verdict("postfix", "ok", fill(sentences.POSTFIX_OK, version=context.postfix.version()))


def _type(context: Context) -> Iterator[Verdict]:
    if context.postfix is None:
        return
    kind = context.settings.config.map_type
    known = context.postfix.table_types()
    if kind in known:
        yield Verdict("map-type", "ok", fill(sentences.TYPE_OK, type=kind))
    elif kind in _BERKELEY:
        told = fill(sentences.NO_BERKELEY, type=kind, config=context.settings.path)
        yield Verdict("map-type", _grade(context), told, None if "lmdb" in known else sentences.INSTALL_LMDB)
    else:
        told = fill(sentences.NO_TYPE, type=kind, config=context.settings.path)
        mend = command(sentences.INSTALL_TYPE, type=kind) if kind in _WITH_PACKAGES else None
        yield Verdict("map-type", _grade(context), told, mend)


def _named(context: Context) -> Iterator[Verdict]:
    side = context.mail_side
    if side is None:
        return
    if side.named:
        yield Verdict("map-named", "ok", fill(sentences.NAMED_OK, map=side.table))
    else:
        told = fill(sentences.NOT_NAMED, map=side.table)
        yield Verdict("map-named", _grade(context), told, _lines(side, "virtual_alias_maps", context))


def _domain(context: Context) -> Iterator[Verdict]:
    side, domain = context.mail_side, context.settings.domain
    if side is None:
        return
    if side.accepted_by is None and not side.unasked:
        told = fill(sentences.NOT_ACCEPTED, domain=domain)
        yield Verdict("domain", _grade(context), told, _lines(side, "virtual_alias_domains", context))
    elif side.accepted_by is None:
        first = side.unasked[0]
        told = fill(
            sentences.DOMAIN_UNASKED, domain=domain, parameter=first.parameter, pattern=first.pattern, why=first.why
        )
        yield Verdict("domain", "warning", told)
    else:
        sentence = sentences.DOMAIN_OK[side.accepted_by]
        grade: Grade = "warning" if side.accepted_by == "relay_domains" else "ok"
        yield Verdict("domain", grade, fill(sentence, domain=domain))


def _grade(context: Context) -> Grade:
    """Before publishing is switched on, Postfix need not be ready for it."""
    return "problem" if context.settings.config.enabled else "warning"


def _lines(side: MailSide, name: str, context: Context) -> str:
    if not context.settings.config.enabled:
        # It sees to the order too: there has to be a map before Postfix is told of it.
        return sentences.SETUP_ENABLE
    settings = [setting for setting in side.missing if setting.name == name]
    return command_line(edit_command(settings), context.settings.config.reload_command)


CHECKS = (
    Check("postfix", sentences.ABOUT_POSTFIX, _there),
    Check("map-type", sentences.ABOUT_TYPE, _type),
    Check("map-named", sentences.ABOUT_NAMED, _named),
    Check("domain", sentences.ABOUT_DOMAIN, _domain),
)
