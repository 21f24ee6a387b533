"""Postfix: whether it has such tables, asks the map, and takes mail for the domain."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.shadows import grade_of
from cli.doctor.tables import PACKAGED, mend_table
from cli.doctor.verdicts import Check, Grade, Verdict, command, command_line
from cli.host.postfix import Postfix
from cli.host.systemd import unit as find_unit
from cli.mail_side import MailSide, Setting, Unasked, edit_command
from cli.output import fill, prose
from watcher.publish.commands import CommandError
from watcher.publish.mapcheck import split

_BERKELEY = frozenset({"hash", "btree"})
_DOWN = frozenset({"inactive", "failed", "deactivating"})


def _there(context: Context) -> Iterator[Verdict]:
    if context.postfix is None:
        told = fill(sentences.NO_POSTFIX, why=prose(str(context.postfix_trouble)))
        yield Verdict("postfix", _grade(context), told, mend_postfix())
    elif (state := _unit_state()) in _DOWN:
        yield Verdict("postfix", _grade(context), fill(sentences.POSTFIX_DOWN, state=state), sentences.START_POSTFIX)
    else:
        yield Verdict("postfix", "ok", fill(sentences.POSTFIX_OK, version=context.postfix.version()))


def mend_postfix() -> str:
    """The command for a Postfix that cannot be asked. Its version it tells even with a broken main.cf."""
    try:
        Postfix().version()
    except CommandError:
        return sentences.INSTALL_POSTFIX
    return sentences.CHECK_POSTFIX


def _unit_state() -> str | None:
    """How systemd has Postfix; `None` where it is not systemd that runs it."""
    try:
        unit = find_unit("postfix.service")
    except CommandError:
        return None  # told by the check of the watcher's own unit
    return unit.active if unit.there else None


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
        mend = command(sentences.INSTALL_TYPE, type=kind) if kind in PACKAGED else None
        yield Verdict("map-type", _grade(context), told, mend)


def _named(context: Context) -> Iterator[Verdict]:
    side = context.mail_side
    if side is None:
        return
    if side.outdated:
        told = fill(sentences.OUTDATED, tables=", ".join(side.outdated))
        yield Verdict("map-named", _grade(context), told, _lines(side, "virtual_alias_maps", context))
    if side.named:
        if not side.outdated:
            yield Verdict("map-named", "ok", fill(sentences.NAMED_OK, map=side.table))
    else:
        told = fill(sentences.NOT_NAMED, map=side.table)
        yield Verdict("map-named", _grade(context), told, _lines(side, "virtual_alias_maps", context))


def _domain(context: Context) -> Iterator[Verdict]:
    side, domain = context.mail_side, context.settings.domain
    if side is None or context.postfix is None or context.virtual_aliases is None:
        return
    for each in side.unasked:
        # Those that are asked for aliases too are told of there.
        if each.pattern not in context.virtual_aliases.tables:
            yield _unasked(each, context, context.postfix)
    if side.accepted_by is None and not side.unasked:
        told = fill(sentences.NOT_ACCEPTED, domain=domain)
        yield Verdict("domain", _grade(context), told, _lines(side, "virtual_alias_domains", context))
    elif side.accepted_by is not None:
        sentence = sentences.DOMAIN_OK[side.accepted_by]
        grade: Grade = "warning" if side.accepted_by == "relay_domains" else "ok"
        yield Verdict("domain", grade, fill(sentence, domain=domain))
        if side.also:
            told = fill(sentences.DOMAIN_TWICE, domain=domain, first=side.accepted_by, others=", ".join(side.also))
            yield Verdict("domain", "warning", told, _once(side, context.postfix, context))


def _unasked(unasked: Unasked, context: Context, postfix: Postfix) -> Verdict:
    grade = grade_of(unasked.pattern, context, postfix)
    told = fill(
        sentences.DOMAIN_BROKEN if grade == "problem" else sentences.DOMAIN_UNASKED,
        domain=context.settings.domain,
        parameter=unasked.parameter,
        pattern=unasked.pattern,
        why=unasked.why,
    )
    return Verdict("domain", grade, told, mend_table(postfix, unasked.pattern))


def _once(side: MailSide, postfix: Postfix, context: Context) -> str | None:
    """The line that takes the domain out of all parameters but the first, where it stands there by its name."""
    domain = context.settings.domain
    settings = []
    for name in side.also:
        patterns = list(split(postfix.value(name)))
        others = [pattern for pattern in patterns if pattern.lower() != domain]
        if len(others) == len(patterns):
            return None
        settings.append(Setting(name, ", ".join(others)))
    return command_line(edit_command(settings), context.settings.config.reload_command)


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
