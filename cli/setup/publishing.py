"""`setup --enable`: publishing switched on, and Postfix set up to ask the map, which by then has been made.

The order matters. An smtpd that is told of a map which is not there yet answers 451 to everybody, and goes on to for a
hundred sessions after the map has come. So the watcher makes the map first, and Postfix is told of it afterwards.
"""

from __future__ import annotations

import shlex

import click
import msgspec

from cli import admin_sentences as common
from cli import exits, mail_flow, mail_side, waiting
from cli.host.postfix import Postfix, lookup
from cli.output import Prose, complain, counted, fill, prose, tell
from cli.setup import sentences
from cli.setup.config_file import set_key
from cli.watcher_state import is_down
from schemas.config import Settings
from schemas.errors import TroubleError
from schemas.status import read_status
from watcher.publish.commands import CommandError, run_well

_RELOAD_SECONDS = 60.0
_ANY_KEY = "postmaster"


def enable(settings: Settings, *, dry_run: bool, ask: bool) -> tuple[int, bool]:
    """Do it, or show it where *dry_run*; give the exit status, and whether there was anything to do."""
    try:
        side = mail_side.look(Postfix(), settings)
    except CommandError as error:
        return _failed(fill(sentences.POSTFIX_UNASKED, why=prose(str(error)))), False
    if (trouble := _trouble(side, settings)) is not None:
        return _failed(trouble), False
    if settings.config.enabled and not side.missing:
        tell(fill(sentences.ENABLE_NOTHING, domain=settings.domain))
        return exits.DONE, False
    _show(side, settings)
    if dry_run:
        return exits.DONE, True
    if ask and not _agreed():
        tell(sentences.ENABLE_NO)
        return exits.FAILED, False
    return _carry_out(side, settings), True


def _trouble(side: mail_side.MailSide, settings: Settings) -> Prose | None:
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


def _show(side: mail_side.MailSide, settings: Settings) -> None:
    tell(sentences.ENABLE_INTRO)
    if not settings.config.enabled:
        tell(fill(sentences.ENABLE_LINE, line=fill(sentences.ENABLE_CONFIG, path=settings.path)))
    if side.missing:
        # The value of a parameter may be long, and a line that is cut short cannot be pasted.
        tell(fill(sentences.ENABLE_LINE, line=prose(mail_side.edit_line(side.missing))))
        tell(fill(sentences.ENABLE_LINE, line=prose(shlex.join(settings.config.reload_command))))


def _agreed() -> bool:
    try:
        return click.confirm(sentences.ENABLE_QUESTION, default=False)
    except (click.Abort, RuntimeError, ValueError) as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise
        # Nobody is there to answer, not even a standard input, or what came is no text.
        tell("")
        return False


def _carry_out(side: mail_side.MailSide, settings: Settings) -> int:
    if not settings.config.enabled:
        try:
            set_key(settings.path, "enabled", True)
        except (TroubleError, OSError) as error:
            return _failed(fill(sentences.COULD_NOT, what=fill(sentences.ENABLE_CONFIG, path=settings.path), why=error))
        tell(fill(sentences.ENABLED_CONFIG, path=settings.path))
        settings = msgspec.structs.replace(settings, config=msgspec.structs.replace(settings.config, enabled=True))
    if is_down(settings) or read_status(settings.config.runtime_dir) is None:
        complain(fill(sentences.WATCHER_DOWN, unit=common.UNIT))
        return exits.LATER
    flow = _flow_once_on(settings)
    # A status that tells of an earlier configuration still says that all is well.
    if flow.state != "live" or waiting.wait_for(lambda: _there(side.table), waiting.MARKER_SECONDS) is None:
        why = flow.problems[0] if flow.problems else fill(sentences.NO_MAP_YET, program=common.PROGRAM)
        return _failed(fill(sentences.NO_MAP, table=side.table, why=why))
    return _tell_postfix(side, settings) if side.missing else _say_how_it_is(settings)


def _flow_once_on(settings: Settings) -> mail_flow.Flow:
    def on() -> bool | None:
        status = read_status(settings.config.runtime_dir)
        taken_up = status is not None and status.enabled and status.backend == settings.config.backend
        return True if taken_up else None

    waiting.wait_for(on, waiting.MARKER_SECONDS)
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
        return exits.DONE
    for problem in flow.problems or [fill(sentences.NO_MAP_YET, program=common.PROGRAM)]:
        complain(fill(sentences.NOT_LIVE, what=problem))
    return exits.FAILED


def _failed(told: Prose) -> int:
    complain(told)
    return exits.FAILED
