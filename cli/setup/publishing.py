"""`setup --enable`: publishing switched on, and Postfix set up to ask the map, which by then has been made.

The order matters. An smtpd that is told of a map which is not there yet answers 451 to everybody, and goes on to for a
hundred sessions after the map has come. So the watcher makes the map first, and Postfix is told of it afterwards.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping

import click
import msgspec

from cli import admin_sentences as common
from cli import exits, mail_flow, mail_side, waiting
from cli.database.naming import NamedMap
from cli.deciding import open_desk
from cli.host.postfix import Postfix, lookup
from cli.output import Prose, complain, counted, fill, prose, tell
from cli.setup import overrides, sentences
from cli.setup.config_file import set_keys
from cli.setup.database import prepare
from cli.setup.steps import Plan, Progress
from cli.watcher_state import is_down
from cli.who import operator
from schemas.decisions import Decision
from schemas.errors import TroubleError, reason
from schemas.settings import Settings
from schemas.status import read_status
from schemas.times import now
from watcher.publish.commands import CommandError, run_well

_RELOAD_SECONDS = 60.0
_ANY_KEY = "postmaster"


def enable(
    settings: Settings, progress: Progress, *, ask: bool, etc: str, named: NamedMap | None = None
) -> tuple[int, bool]:
    """Do it, or show it in a dry run; give the exit status, and whether there was anything to do.

    Args:
        settings: by the config as it is.
        progress: how far `setup` has come, and whether it is a dry run.
        ask: whether it needs a yes.
        etc: where the overrides of units are kept.
        named: the map in a database to which the aliases belong from now on.
    """
    try:
        configured, (settings, keys) = settings, prepare(settings, named)
        unit = overrides.plan(settings, etc) if keys else Plan()
    except (TroubleError, OSError) as error:
        return _failed(fill(sentences.DATABASE_TROUBLE, why=_sentence(error))), False
    if not configured.config.enabled:
        keys = {"enabled": True} | keys
    try:
        side = mail_side.look(Postfix(), settings)
    except CommandError as error:
        return _failed(fill(sentences.POSTFIX_UNASKED, why=prose(str(error)))), False
    if (trouble := _trouble(side, settings)) is not None:
        return _failed(trouble), False
    if not keys and not side.missing:
        tell(fill(sentences.ENABLE_NOTHING, domain=settings.domain))
        return exits.DONE, False
    _show(side, settings, keys, unit)
    if progress.dry_run:
        return exits.DONE, True
    if ask and not _agreed():
        tell(sentences.ENABLE_NO)
        return exits.FAILED, False
    return _carry_out(side, settings, keys, unit, progress), True


def _sentence(error: TroubleError | OSError) -> Prose:
    return prose(str(error) if isinstance(error, TroubleError) else f"{reason(error)}.")


def _trouble(side: mail_side.MailSide, settings: Settings) -> Prose | None:
    if not side.type_known and settings.config.in_database:
        return fill(sentences.TYPE_MISSING, type=settings.config.map_type)
    if not side.type_known:
        return fill(sentences.TYPE_UNKNOWN, type=settings.config.map_type, path=settings.path)
    if side.accepted_by is None and side.unasked:
        first = side.unasked[0]
        return fill(
            sentences.DOMAIN_UNASKED,
            domain=settings.domain,
            pattern=first.pattern,
            parameter=first.parameter,
            why=prose(first.why),
        )
    return None


def _show(side: mail_side.MailSide, settings: Settings, keys: Mapping[str, object], unit: Plan) -> None:
    tell(sentences.ENABLE_INTRO)
    for key, value in keys.items():
        for line in _key_lines(settings.path, key, value):
            tell(fill(sentences.ENABLE_LINE, line=line))
    for step in unit.steps:
        tell(fill(sentences.ENABLE_LINE, line=step.what))
    if side.missing:
        # The value of a parameter may be long, and a line that is cut short cannot be pasted.
        tell(fill(sentences.ENABLE_LINE, line=prose(mail_side.edit_line(side.missing))))
        tell(fill(sentences.ENABLE_LINE, line=prose(shlex.join(settings.config.reload_command))))


def _key_lines(path: str, key: str, value: object) -> Iterator[Prose]:
    if key == "enabled":
        yield fill(sentences.ENABLE_CONFIG, path=path)
    elif isinstance(value, dict):
        yield fill(sentences.ENABLE_BLOCK, key=key, path=path)
        # In ASCII, and every control character escaped.
        yield from (Prose(f"  {line}") for line in json.dumps(value, indent=2).splitlines())
    else:
        yield fill(sentences.ENABLE_KEY, key=key, value=value, path=path)


def _agreed() -> bool:
    try:
        return click.confirm(sentences.ENABLE_QUESTION, default=False)
    except (click.Abort, RuntimeError, ValueError) as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise
        # Nobody is there to answer, not even a standard input, or what came is no text.
        tell("")
        return False


def _carry_out(
    side: mail_side.MailSide, settings: Settings, keys: Mapping[str, object], unit: Plan, progress: Progress
) -> int:
    if keys:
        only_on = list(keys) == ["enabled"]
        names = ", ".join(f"`{key}`" for key in keys)
        try:
            set_keys(settings.path, keys)
        except (TroubleError, OSError) as error:
            what = fill(sentences.ENABLE_CONFIG if only_on else sentences.ENABLE_KEYS, path=settings.path, keys=names)
            return _failed(fill(sentences.COULD_NOT, what=what, why=error))
        done = sentences.ENABLED_CONFIG if only_on else sentences.SET_KEYS
        tell(fill(done, path=settings.path, keys=names))
        settings = msgspec.structs.replace(settings, config=msgspec.structs.replace(settings.config, enabled=True))
    progress.carry_out(unit)
    if is_down(settings) or read_status(settings.config.runtime_dir) is None:
        complain(fill(sentences.WATCHER_DOWN, unit=common.UNIT))
        return exits.LATER
    flow = _flow_once_on(settings)
    if flow.state == "behind":
        flow = _flow_after_another_try(settings)
    # A status that tells of an earlier configuration still says that all is well.
    if flow.state != "live" or waiting.wait_for(lambda: _there(side.table), waiting.MARKER_SECONDS) is None:
        why = flow.problems[0] if flow.problems else fill(sentences.NO_MAP_YET, program=common.PROGRAM)
        sentence = sentences.NO_ROWS if settings.config.in_database else sentences.NO_MAP
        return _failed(fill(sentence, table=side.table, why=why))
    return _tell_postfix(side, settings) if side.missing else _say_how_it_is(settings)


def _flow_once_on(settings: Settings) -> mail_flow.Flow:
    def on() -> bool | None:
        status = read_status(settings.config.runtime_dir)
        taken_up = status is not None and status.enabled and status.backend == settings.config.backend
        return True if taken_up else None

    waiting.wait_for(on, waiting.MARKER_SECONDS)
    return mail_flow.find_flow(settings)


def _flow_after_another_try(settings: Settings) -> mail_flow.Flow:
    """Have the watcher try again: what stood in its way may be mended by now, and a database tells it nothing."""
    decision = Decision(decision="sync", operator=operator(), created_at=now(), force=False, registry_sha256=None)
    with open_desk(settings) as desk:
        desk.await_gone([desk.drop(decision)])
    return mail_flow.find_flow(settings)


def _there(table: str) -> bool | None:
    """Whether Postfix can ask *table*; `None` for no, so that it can be waited for."""
    try:
        lookup(table, _ANY_KEY)
    except CommandError:
        return None
    return True


def _tell_postfix(side: mail_side.MailSide, settings: Settings) -> int:
    line = prose(mail_side.edit_line(side.missing))
    try:
        run_well(mail_side.edit_command(side.missing))
    except CommandError as error:
        return _failed(fill(sentences.COULD_NOT, what=fill(sentences.EDIT_POSTFIX, line=line), why=prose(str(error))))
    tell(fill(sentences.EDITED_POSTFIX, line=line))
    command = settings.config.reload_command
    try:
        run_well(command, timeout=_RELOAD_SECONDS)
    except CommandError as error:
        return _failed(fill(sentences.RELOAD_FAILED, why=prose(str(error))))
    tell(fill(sentences.RELOADED_POSTFIX, line=prose(shlex.join(command))))
    return _say_how_it_is(settings)


def _say_how_it_is(settings: Settings) -> int:
    def without_problems() -> mail_flow.Flow | None:
        found = mail_flow.find_flow(settings)
        return found if found.state == "live" and not found.problems else None

    # The watcher looks at main.cf as soon as it has changed; until then its status tells of what was.
    flow = waiting.wait_for(without_problems, waiting.MARKER_SECONDS) or mail_flow.find_flow(settings)
    if flow.state == "live" and not flow.problems:
        aliases = counted(flow.aliases, common.ALIASES_ONE, common.ALIASES_MORE)
        tell(fill(sentences.LIVE, domain=settings.domain, aliases=aliases))
        for reservation in flow.reservations.values():
            complain(fill(sentences.WARNING, what=reservation))
        return exits.DONE
    for problem in flow.problems or [fill(sentences.NO_MAP_YET, program=common.PROGRAM)]:
        complain(fill(sentences.NOT_LIVE, what=problem))
    return exits.FAILED


def _failed(told: Prose) -> int:
    complain(told)
    return exits.FAILED
