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
from cli.deciding import open_decisions
from cli.host.postfix import Postfix, lookup
from cli.output import SafeText, counted, echo, echo_error, format_message, safe_text
from cli.setup import overrides, sentences
from cli.setup.config_file import set_keys
from cli.setup.database import prepare
from cli.setup.steps import Plan, Progress
from cli.watcher_state import is_down
from cli.who import operator
from schemas.decisions import Decision
from schemas.errors import ExpectedError, error_text
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
    except (ExpectedError, OSError) as error:
        return _failed(format_message(sentences.DATABASE_TROUBLE, why=_sentence(error))), False
    if not configured.config.enabled:
        keys = {"enabled": True} | keys
    try:
        state = mail_side.find_postfix_state(Postfix(), settings)
    except CommandError as error:
        return _failed(format_message(sentences.POSTFIX_UNASKED, why=safe_text(str(error)))), False
    if (trouble := _trouble(state, settings)) is not None:
        return _failed(trouble), False
    if not keys and not state.missing:
        echo(format_message(sentences.ENABLE_NOTHING, domain=settings.domain))
        return exits.DONE, False
    _show(state, settings, keys, unit)
    if progress.dry_run:
        return exits.DONE, True
    if ask and not _agreed():
        echo(sentences.ENABLE_NO)
        return exits.FAILED, False
    return _carry_out(state, settings, keys, unit, progress), True


def _sentence(error: ExpectedError | OSError) -> SafeText:
    return safe_text(str(error) if isinstance(error, ExpectedError) else f"{error_text(error)}.")


def _trouble(state: mail_side.PostfixState, settings: Settings) -> SafeText | None:
    if not state.type_known and settings.config.in_database:
        return format_message(sentences.TYPE_MISSING, type=settings.config.map_type)
    if not state.type_known:
        return format_message(sentences.TYPE_UNKNOWN, type=settings.config.map_type, path=settings.path)
    if state.accepted_by is None and state.unasked:
        first = state.unasked[0]
        return format_message(
            sentences.DOMAIN_UNASKED,
            domain=settings.domain,
            pattern=first.pattern,
            parameter=first.parameter,
            why=safe_text(first.why),
        )
    return None


def _show(state: mail_side.PostfixState, settings: Settings, keys: Mapping[str, object], unit: Plan) -> None:
    echo(sentences.ENABLE_INTRO)
    for key, value in keys.items():
        for line in _key_lines(settings.path, key, value):
            echo(format_message(sentences.ENABLE_LINE, line=line))
    for step in unit.steps:
        echo(format_message(sentences.ENABLE_LINE, line=step.what))
    if state.missing:
        # The value of a parameter may be long, and a line that is cut short cannot be pasted.
        echo(format_message(sentences.ENABLE_LINE, line=safe_text(mail_side.edit_line(state.missing))))
        echo(format_message(sentences.ENABLE_LINE, line=safe_text(shlex.join(settings.config.reload_command))))


def _key_lines(path: str, key: str, value: object) -> Iterator[SafeText]:
    if key == "enabled":
        yield format_message(sentences.ENABLE_CONFIG, path=path)
    elif isinstance(value, dict):
        yield format_message(sentences.ENABLE_BLOCK, key=key, path=path)
        # In ASCII, and every control character escaped.
        yield from (SafeText(f"  {line}") for line in json.dumps(value, indent=2).splitlines())
    else:
        yield format_message(sentences.ENABLE_KEY, key=key, value=value, path=path)


def _agreed() -> bool:
    try:
        return click.confirm(sentences.ENABLE_QUESTION, default=False)
    except (click.Abort, RuntimeError, ValueError) as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise
        # Nobody is there to answer, not even a standard input, or what came is no text.
        echo("")
        return False


def _carry_out(
    state: mail_side.PostfixState, settings: Settings, keys: Mapping[str, object], unit: Plan, progress: Progress
) -> int:
    if keys:
        only_on = list(keys) == ["enabled"]
        names = ", ".join(f"`{key}`" for key in keys)
        try:
            set_keys(settings.path, keys)
        except (ExpectedError, OSError) as error:
            what = format_message(
                sentences.ENABLE_CONFIG if only_on else sentences.ENABLE_KEYS, path=settings.path, keys=names
            )
            return _failed(format_message(sentences.COULD_NOT, what=what, why=error))
        done = sentences.ENABLED_CONFIG if only_on else sentences.SET_KEYS
        echo(format_message(done, path=settings.path, keys=names))
        settings = msgspec.structs.replace(settings, config=msgspec.structs.replace(settings.config, enabled=True))
    progress.carry_out(unit)
    if is_down(settings) or read_status(settings.config.runtime_dir) is None:
        echo_error(format_message(sentences.WATCHER_DOWN, unit=common.UNIT))
        return exits.LATER
    publish_state = _flow_once_on(settings)
    if publish_state.state == "behind":
        publish_state = _flow_after_another_try(settings)
    # A status that tells of an earlier configuration still says that all is well.
    if publish_state.state != "live" or waiting.wait_for(lambda: _there(state.table), waiting.MARKER_SECONDS) is None:
        why = (
            publish_state.problems[0]
            if publish_state.problems
            else format_message(sentences.NO_MAP_YET, program=common.PROGRAM)
        )
        sentence = sentences.NO_ROWS if settings.config.in_database else sentences.NO_MAP
        return _failed(format_message(sentence, table=state.table, why=why))
    return _tell_postfix(state, settings) if state.missing else _say_how_it_is(settings)


def _flow_once_on(settings: Settings) -> mail_flow.PublishState:
    def on() -> bool | None:
        status = read_status(settings.config.runtime_dir)
        taken_up = status is not None and status.enabled and status.backend == settings.config.backend
        return True if taken_up else None

    waiting.wait_for(on, waiting.MARKER_SECONDS)
    return mail_flow.find_publish_state(settings)


def _flow_after_another_try(settings: Settings) -> mail_flow.PublishState:
    """Have the watcher try again: what stood in its way may be mended by now, and a database tells it nothing."""
    decision = Decision(decision="sync", operator=operator(), created_at=now(), force=False, registry_sha256=None)
    with open_decisions(settings) as directory:
        directory.await_gone([directory.write(decision)])
    return mail_flow.find_publish_state(settings)


def _there(table: str) -> bool | None:
    """Whether Postfix can ask *table*; `None` for no, so that it can be waited for."""
    try:
        lookup(table, _ANY_KEY)
    except CommandError:
        return None
    return True


def _tell_postfix(state: mail_side.PostfixState, settings: Settings) -> int:
    line = safe_text(mail_side.edit_line(state.missing))
    try:
        run_well(mail_side.edit_command(state.missing))
    except CommandError as error:
        return _failed(
            format_message(
                sentences.COULD_NOT, what=format_message(sentences.EDIT_POSTFIX, line=line), why=safe_text(str(error))
            )
        )
    echo(format_message(sentences.EDITED_POSTFIX, line=line))
    command = settings.config.reload_command
    try:
        run_well(command, timeout=_RELOAD_SECONDS)
    except CommandError as error:
        return _failed(format_message(sentences.RELOAD_FAILED, why=safe_text(str(error))))
    echo(format_message(sentences.RELOADED_POSTFIX, line=safe_text(shlex.join(command))))
    return _say_how_it_is(settings)


def _say_how_it_is(settings: Settings) -> int:
    def without_problems() -> mail_flow.PublishState | None:
        found = mail_flow.find_publish_state(settings)
        return found if found.state == "live" and not found.problems else None

    # The watcher looks at main.cf as soon as it has changed; until then its status tells of what was.
    publish_state = waiting.wait_for(without_problems, waiting.MARKER_SECONDS) or mail_flow.find_publish_state(settings)
    if publish_state.state == "live" and not publish_state.problems:
        aliases = counted(publish_state.aliases, common.ALIASES_ONE, common.ALIASES_MORE)
        echo(format_message(sentences.LIVE, domain=settings.domain, aliases=aliases))
        for reservation in publish_state.reservations.values():
            echo_error(format_message(sentences.WARNING, what=reservation))
        return exits.DONE
    for problem in publish_state.problems or [format_message(sentences.NO_MAP_YET, program=common.PROGRAM)]:
        echo_error(format_message(sentences.NOT_LIVE, what=problem))
    return exits.FAILED


def _failed(message: SafeText) -> int:
    echo_error(message)
    return exits.FAILED
