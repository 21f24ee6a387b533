"""Checks of the watcher: running, up to date, and what its configuration gives up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from cli.admin.sentences import UNIT
from cli.doctor import postfix, sentences
from cli.doctor.checks import Check, Finding, command, command_line
from cli.output import SafeText, format_message, safe_text, timestamp
from cli.server.facts import Facts
from cli.server.status import find_publish_state
from cli.server.systemd import unit as find_unit
from schemas.config import Settings
from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import Directory
from schemas.program import installed_version
from schemas.status import Status
from schemas.times import iso
from watcher.publish.commands import shown
from watcher.publish.postmap import is_plain_postmap

_UNDERWAY = frozenset({"active", "activating", "reloading"})
_STOPPED = frozenset({b"T", b"t"})
_LONG_NS = 30 * 1_000_000_000
"""How long a decision may wait: the watcher notices within that time too that it has not been told of one."""
_AT_BOOT = frozenset({"enabled", "enabled-runtime", "static", "generated", "alias", "linked"})


def _running(facts: Facts) -> Iterator[Finding]:
    status = facts.read_status()
    start = command(sentences.START, unit=UNIT)
    if status is None:
        yield Finding("watcher-running", "problem", format_message(sentences.NEVER_RAN), start)
    elif not facts.running:
        message = format_message(sentences.STOPPED, updated=timestamp(status.updated_at))
        yield Finding("watcher-running", "problem", message, start)
    else:
        yield _at_work(facts, status)


def _at_work(facts: Facts, status: Status) -> Finding:
    restart = command(sentences.RESTART, unit=UNIT)
    if _is_stopped(facts.proc, status.pid):
        return Finding("watcher-running", "problem", format_message(sentences.HUNG, pid=status.pid), restart)
    waiting = _overdue(facts.settings) if facts.privileged and not status.problems else []
    if waiting:
        message = format_message(sentences.NOT_DECIDING, since=timestamp(iso(min(waiting))), count=len(waiting))
        return Finding("watcher-running", "problem", message, restart)
    message = format_message(sentences.RUNNING, pid=status.pid, since=timestamp(status.started_at))
    return Finding("watcher-running", "ok", message)


def _is_stopped(proc: str, pid: int) -> bool:
    """Whether a signal or a debugger has stopped the process: field 3 of /proc/<pid>/stat, proc_pid_stat(5)."""
    try:
        with open(os.path.join(proc, str(pid), "stat"), "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in _STOPPED
    except (OSError, IndexError):
        return False


def _overdue(settings: Settings) -> list[int]:
    """When the markers were made that a watcher at work would have dealt with long ago."""
    try:
        with Directory(settings.decisions) as directory:
            names = [name for name in directory.names() if name.endswith(".json") and not name.startswith(".")]
            made = [status.st_mtime_ns for status in map(directory.status, names) if status is not None]
    except (StateError, OSError):
        return []  # told by the check of the paths; or one has gone meanwhile
    return [moment_ns for moment_ns in made if 0 <= moment_ns < time.time_ns() - _LONG_NS]


def _enabled(facts: Facts) -> Iterator[Finding]:
    unit = find_unit(f"{UNIT}.service")
    if not unit.there:
        yield Finding("watcher-unit", "problem", format_message(sentences.NO_UNIT, unit=UNIT), sentences.INSTALL_UNIT)
    elif unit.load == "masked" or unit.enabled not in _AT_BOOT:
        message = format_message(sentences.UNIT_NOT_ENABLED, unit=UNIT, state=unit.enabled or unit.load)
        unmask = sentences.UNMASK if unit.load == "masked" else sentences.ENABLE
        if unit.enabled == "masked-runtime":
            unmask = sentences.UNMASK_RUNTIME
        yield Finding("watcher-unit", "problem", message, command(unmask, unit=UNIT))
    elif unit.active not in _UNDERWAY:
        message = format_message(sentences.UNIT_NOT_ACTIVE, unit=UNIT, state=unit.active)
        yield Finding("watcher-unit", "problem", message, command(sentences.START, unit=UNIT))
    elif unit.active == "activating" and not facts.running:
        message = format_message(sentences.UNIT_NOT_ACTIVE, unit=UNIT, state=unit.active)
        yield Finding("watcher-unit", "problem", message, command(sentences.JOURNAL, unit=UNIT))
    else:
        yield Finding("watcher-unit", "ok", format_message(sentences.UNIT_OK, unit=UNIT))


def _version(facts: Facts) -> Iterator[Finding]:
    if not facts.running or facts.status is None:
        return
    found = facts.status.version
    if found != installed_version():
        message = format_message(sentences.OTHER_VERSION, running=found, installed=installed_version())
        yield Finding("watcher-version", "warning", message, command(sentences.RESTART, unit=UNIT))
    else:
        yield Finding("watcher-version", "ok", format_message(sentences.VERSION_OK, version=installed_version()))


def _problems(facts: Facts) -> Iterator[Finding]:
    if not facts.running or facts.status is None:
        return
    told_in_full = facts.settings.config.in_database and not isinstance(facts.published, ExpectedError)
    for problem in facts.status.problems:
        if problem.code == "alias-conflict" and told_in_full:
            continue  # told with the destinations, by the check of the database
        message = format_message(sentences.WATCHER_SAYS, what=safe_text(problem.what), since=timestamp(problem.since))
        yield Finding(safe_text(problem.code), "problem", message, _fix(problem.code, facts))
    if not facts.status.problems:
        yield Finding("watcher-problems", "ok", format_message(sentences.NO_PROBLEMS))


def _fix(code: str, facts: Facts) -> str | None:
    settings = facts.settings
    if code == "map-not-used" and facts.postfix is None:
        return postfix.fix_postfix()
    if code == "reload-failed":
        return command_line(settings.config.reload_command)
    if code == "queue-mounted":
        return command(sentences.SHOW_MOUNTS, queue=settings.queue)
    return sentences.MENDS_OF_THE_WATCHER.get(code)


def _converged(facts: Facts) -> Iterator[Finding]:
    if not facts.settings.config.enabled or facts.registry is None or facts.status is None:
        return
    if not facts.running:
        published = facts.status.published
        if published is None or published.registry_sha256 != facts.registry.sha256:
            message = format_message(sentences.BEHIND_STOPPED)
            yield Finding("converged", "problem", message, command(sentences.START, unit=UNIT))
        return
    flow = find_publish_state(facts.settings)
    if flow.state == "live":
        yield Finding("converged", "ok", format_message(sentences.CONVERGED, aliases=flow.aliases))
    elif flow.state == "off":
        message = format_message(sentences.NOT_TAKEN_UP, config=facts.settings.path)
        yield Finding("converged", "problem", message, command(sentences.RELOAD, unit=UNIT))
    else:
        # What stands in the way is among the watcher's own problems.
        yield Finding("converged", "problem", SafeText(sentences.BEHIND), sentences.SYNC)
    facts.registry_again()


WATCHER_CHECKS = (
    Check("watcher-running", sentences.ABOUT_RUNNING, _running),
    Check("watcher-unit", sentences.ABOUT_UNIT, _enabled),
    Check("watcher-version", sentences.ABOUT_VERSION, _version),
    Check("watcher-problems", sentences.ABOUT_PROBLEMS, _problems),
    Check("converged", sentences.ABOUT_CONVERGED, _converged),
)


_NEEDS_RELOAD = "texthash"


def _publishing(facts: Facts) -> Iterator[Finding]:
    path = facts.settings.path
    if facts.settings.config.enabled:
        yield Finding("publishing", "ok", format_message(sentences.PUBLISHING_ON))
    else:
        yield Finding(
            "publishing", "warning", format_message(sentences.PUBLISHING_OFF, config=path), sentences.SETUP_ENABLE
        )


def _build(facts: Facts) -> Iterator[Finding]:
    config, path = facts.settings.config, facts.settings.path
    if config.in_database:
        return  # nothing is built: a transaction is made or is not
    if not config.run_postmap:
        yield Finding(
            "map-build", "warning", format_message(sentences.NO_POSTMAP, config=path, text=config.virtual_alias_file)
        )
    elif not is_plain_postmap(config.postmap_command, config.map_type, config.virtual_alias_file):
        message = format_message(sentences.OWN_POSTMAP, config=path, command=shown(config.postmap_command))
        yield Finding("map-build", "warning", message)
    else:
        yield Finding("map-build", "ok", format_message(sentences.SAFE_BUILD))


def _reload(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if config.map_type == _NEEDS_RELOAD and config.reload_postfix is False:
        yield Finding("map-reload", "warning", format_message(sentences.NO_RELOAD, config=facts.settings.path))


CONFIGURATION_CHECKS = (
    Check("publishing", sentences.ABOUT_CONFIGURATION, _publishing),
    Check("map-build", sentences.ABOUT_CONFIGURATION, _build),
    Check("map-reload", sentences.ABOUT_CONFIGURATION, _reload),
)
