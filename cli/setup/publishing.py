"""`setup --enable`: publishing switched on, and Postfix or the database set up for it.

The watcher makes the map first, and Postfix is set up to ask it afterwards: an smtpd that asks a map which is not there
answers 451 to everybody, and goes on to for a hundred sessions after the map has come.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import click
import msgspec

from cli import polling
from cli.decisions_directory import open_decisions
from cli.identity import operator
from cli.messages import _, ngettext
from cli.output import SafeText, echo, echo_error, format_message, safe_text
from cli.server.database import NamedMap, hidden_file, sql_type
from cli.server.packages import missing_packages
from cli.server.postfix_setup import PostfixState, edit_command, edit_line, find_postfix_state
from cli.server.sql_block import as_written, propose
from cli.server.status import PublishState, find_publish_state, is_down, read_published
from cli.setup import sandbox
from cli.setup.config import set_keys
from cli.setup.steps import Progress, Steps, could_not, error_sentence
from schemas.config import Config, Settings
from schemas.decision import Decision
from schemas.errors import ExpectedError
from schemas.program import ADMIN_PROGRAM, WATCHER_UNIT, ExitStatus
from schemas.sql_block import Database
from schemas.status import read_status
from schemas.times import now
from watcher.publish.commands import CommandError, run_well
from watcher.publish.postfix import Postfix, lookup
from watcher.publish.sql.map_file import read_sql_map

_RELOAD_SECONDS = 60.0
_ANY_KEY = "postmaster"


class NotReadyError(ExpectedError):
    """The database is not ready for aliases; the message says why, and the next step."""


def enable(
    settings: Settings, progress: Progress, *, ask: bool, etc: str, named: NamedMap | None = None
) -> tuple[int, bool]:
    """Switch publishing on, or show how in a dry run; give the exit status, and whether there was anything to do.

    Args:
        settings: by the config as it is.
        progress: how far `setup` has come, and whether it is a dry run.
        ask: whether it needs a yes.
        etc: where the overrides of units are kept.
        named: the map in a database to which the aliases belong from now on.
    """
    was_enabled = settings.config.enabled
    try:
        settings, keys = _prepare(settings, named)
        unit = sandbox.plan(settings, etc) if keys else Steps()
    except (ExpectedError, OSError) as error:
        return _failed(format_message(_("{why} Publishing was not switched on."), why=error_sentence(error))), False
    if not was_enabled:
        keys = {"enabled": True} | keys
    try:
        state = find_postfix_state(Postfix(), settings)
    except CommandError as error:
        return _failed(
            format_message(
                _("Postfix could not be asked how it is set up: {why} Publishing was not switched on."),
                why=safe_text(str(error)),
            )
        ), False
    if (obstacle := _obstacle(state, settings)) is not None:
        return _failed(obstacle), False
    if not keys and not state.missing:
        echo(
            format_message(
                _("Publishing is on, and Postfix asks the map and takes mail for {domain}."), domain=settings.domain
            )
        )
        return ExitStatus.DONE, False
    _echo_plan(state, settings, keys, unit)
    if progress.dry_run:
        return ExitStatus.DONE, True
    if ask and not _agreed():
        echo(_("Nothing of that was done."))
        return ExitStatus.FAILED, False
    return _carry_out(state, settings, keys, unit, progress), True


class _Prepared(NamedTuple):
    """How the configuration will be.

    Attributes:
        settings: by it.
        keys: what has to be set in the configuration for that, by key.
    """

    settings: Settings
    keys: dict[str, Any]


def _prepare(settings: Settings, named: NamedMap | None) -> _Prepared:
    """Work out how the configuration has to be for the map *named*, or else for its own.

    The database is asked, and nothing in it is changed.

    Raises:
        ExpectedError: it cannot be used as it is.
    """
    config = settings.config
    if named is None and not config.in_database:
        return _Prepared(settings, {})
    kind = named.kind if named else sql_type(config)
    path = named.path if named else config.map_path
    if packages := missing_packages(kind):
        raise NotReadyError(
            format_message(
                _(
                    "The libraries for the database are not there. Run `apt-get install {packages}`, then this command "
                    "once more."
                ),
                packages=" ".join(packages),
            )
        )
    present = config.sql or config.mysql
    given = config.database if config.database.map_file == path else Database(map_file=path)
    found = propose(given, read_sql_map(path, kind), settings.domain)
    if found.open:
        names = ", ".join(f"`{column.name}`" for column in found.open)
        raise NotReadyError(
            format_message(
                _(
                    "New rows of the table {table} need a value in {columns}, which cannot be told. Set `sql` in "
                    "{path} to what `runv-admin-email-alias discover --map {map}` shows, with that value in "
                    "`constants`."
                ),
                table=found.database.table,
                columns=names,
                path=settings.path,
                map=path,
            )
        )
    wanted = found.database
    keys: dict[str, Any] = {}
    if config.map_type != kind:
        keys["backend"] = f"postfix-{kind}"
    if wanted != present:
        keys["mysql" if config.mysql is not None else "sql"] = as_written(wanted)
    if config.mysql_map_file not in {None, path}:
        keys["mysql_map_file"] = path
    changed = msgspec.convert(msgspec.to_builtins(config) | keys, Config)
    ready = msgspec.structs.replace(settings, config=changed)
    if (unseen := hidden_file(ready.config)) is not None:
        raise NotReadyError(
            format_message(
                _(
                    "The service does not see {path}: it sees nothing below /home, /root and /run/user. Put the file "
                    "elsewhere, such as below /etc or /var/lib."
                ),
                path=unseen,
            )
        )
    # Over the connection by which rows will be written.
    read_published(ready, {})
    return _Prepared(ready, keys)


def _obstacle(state: PostfixState, settings: Settings) -> SafeText | None:
    if not state.type_known and settings.config.in_database:
        return format_message(
            _(
                "This Postfix has no tables of type {type}. Run `apt-get install postfix-{type}`, then this command "
                "once more; publishing was not switched on."
            ),
            type=settings.config.map_type,
        )
    if not state.type_known:
        return format_message(
            _(
                "This Postfix has no tables of type {type} (`postconf -m` tells which). Install the package for it, or "
                "set another `backend` in {path}; publishing was not switched on."
            ),
            type=settings.config.map_type,
            path=settings.path,
        )
    if state.accepted_by is None and state.unavailable:
        first = state.unavailable[0]
        return format_message(
            _(
                "Whether Postfix takes mail for {domain} could not be found out, because {pattern} in `{parameter}` "
                "could not be asked: {why} Mend that and try again; publishing was not switched on."
            ),
            domain=settings.domain,
            pattern=first.pattern,
            parameter=first.parameter,
            why=safe_text(first.why),
        )
    return None


def _echo_plan(state: PostfixState, settings: Settings, keys: Mapping[str, object], unit: Steps) -> None:
    echo(_("To have mail flow, this will be done:"))
    for key, value in keys.items():
        for line in _key_lines(settings.path, key, value):
            echo(format_message("  {line}", line=line))
    for step in unit.todo:
        echo(format_message("  {line}", line=step.description))
    if state.missing:
        # The value of a parameter may be long, and a line that is cut short cannot be pasted.
        echo(format_message("  {line}", line=safe_text(edit_line(state.missing))))
        echo(format_message("  {line}", line=safe_text(shlex.join(settings.config.reload_command))))


def _key_lines(path: str, key: str, value: object) -> Iterator[SafeText]:
    if key == "enabled":
        yield format_message(_("set `enabled` to true in {path}"), path=path)
    elif isinstance(value, dict):
        yield format_message(_("set `{key}` in {path} to:"), key=key, path=path)
        # In ASCII, and every control character escaped.
        yield from (SafeText(f"  {line}") for line in json.dumps(value, indent=2).splitlines())
    else:
        yield format_message(_("set `{key}` to {value} in {path}"), key=key, value=value, path=path)


def _agreed() -> bool:
    try:
        return click.confirm(_("Do it?"), default=False)
    except (click.Abort, RuntimeError, ValueError) as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise
        # Nobody is there to answer, not even a standard input, or what came is no text.
        echo("")
        return False


def _carry_out(
    state: PostfixState, settings: Settings, keys: Mapping[str, object], unit: Steps, progress: Progress
) -> int:
    if keys:
        only_on = list(keys) == ["enabled"]
        names = ", ".join(f"`{key}`" for key in keys)
        try:
            set_keys(settings.path, keys)
        except (ExpectedError, OSError) as error:
            sentence = _("set `enabled` to true in {path}") if only_on else _("set {keys} in {path}")
            return _failed(could_not(format_message(sentence, path=settings.path, keys=names), error))
        done = _("Set `enabled` to true in {path}.") if only_on else _("Set {keys} in {path}.")
        echo(format_message(done, path=settings.path, keys=names))
        settings = msgspec.structs.replace(settings, config=msgspec.structs.replace(settings.config, enabled=True))
    progress.carry_out(unit)
    if is_down(settings) or read_status(settings.config.runtime_dir) is None:
        echo_error(
            format_message(
                _(
                    "The watcher is not running, so there is no map yet, and Postfix was left as it is. Run `systemctl "
                    "start {unit}`, then this command once more."
                ),
                unit=WATCHER_UNIT,
            )
        )
        return ExitStatus.LATER
    publish_state = _state_once_on(settings)
    if publish_state.state == "behind":
        publish_state = _state_after_another_try(settings)
    # The status may still be that of an earlier configuration, so the map itself is asked as well.
    if publish_state.state != "live" or polling.wait_for(lambda: _answers(state.table), polling.MARKER_SECONDS) is None:
        why = publish_state.problems[0] if publish_state.problems else _see_status()
        sentence = (
            _("The map {table} cannot be asked, or does not follow yet, so Postfix was left as it is: {why}")
            if settings.config.in_database
            else _("The map {table} has not been made, so Postfix was left as it is: {why}")
        )
        return _failed(format_message(sentence, table=state.table, why=why))
    return _set_up_postfix(state, settings) if state.missing else _echo_result(settings)


def _state_once_on(settings: Settings) -> PublishState:
    def on() -> bool | None:
        status = read_status(settings.config.runtime_dir)
        taken_up = status is not None and status.enabled and status.backend == settings.config.backend
        return True if taken_up else None

    polling.wait_for(on, polling.MARKER_SECONDS)
    return find_publish_state(settings)


def _state_after_another_try(settings: Settings) -> PublishState:
    """Have the watcher try again: what kept it may be put right by now, and no change of a database wakes it."""
    decision = Decision(decision="sync", operator=operator(), created_at=now(), force=False, registry_sha256=None)
    with open_decisions(settings) as directory:
        directory.await_gone([directory.write(decision)])
    return find_publish_state(settings)


def _answers(table: str) -> bool | None:
    """Whether Postfix can ask *table*; `None` for no, so that it can be waited for."""
    try:
        lookup(table, _ANY_KEY)
    except CommandError:
        return None
    return True


def _set_up_postfix(state: PostfixState, settings: Settings) -> int:
    line = safe_text(edit_line(state.missing))
    try:
        run_well(edit_command(state.missing))
    except CommandError as error:
        return _failed(could_not(format_message(_("run: {line}"), line=line), safe_text(str(error))))
    echo(format_message(_("Done: {line}"), line=line))
    command = settings.config.reload_command
    try:
        run_well(command, timeout=_RELOAD_SECONDS)
    except CommandError as error:
        return _failed(
            format_message(
                _("Postfix is set up, but it was not told: {why} Reload it, or it goes on as before."),
                why=safe_text(str(error)),
            )
        )
    echo(format_message(_("Done: {line}"), line=safe_text(shlex.join(command))))
    return _echo_result(settings)


def _echo_result(settings: Settings) -> int:
    def without_problems() -> PublishState | None:
        found = find_publish_state(settings)
        return found if found.state == "live" and not found.problems else None

    # The watcher looks at main.cf as soon as it has changed; until then its status is of the time before.
    publish_state = polling.wait_for(without_problems, polling.MARKER_SECONDS) or find_publish_state(settings)
    if publish_state.state == "live" and not publish_state.problems:
        aliases = format_message(
            ngettext("1 alias", "{count} aliases", publish_state.aliases), count=publish_state.aliases
        )
        echo(
            format_message(
                _("Mail to the aliases at {domain} flows: {aliases} in the map."),
                domain=settings.domain,
                aliases=aliases,
            )
        )
        for reservation in publish_state.reservations.values():
            echo_error(format_message(_("Warning: {problem}"), problem=reservation))
        return ExitStatus.DONE
    for problem in publish_state.problems or [_see_status()]:
        echo_error(format_message(_("Postfix is set up, but something stands in the way: {problem}"), problem=problem))
    return ExitStatus.FAILED


def _see_status() -> SafeText:
    return format_message(_("see `{program} status`"), program=ADMIN_PROGRAM)


def _failed(message: SafeText) -> int:
    echo_error(message)
    return ExitStatus.FAILED
