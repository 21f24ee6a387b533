"""The watcher: running, running after the next start of the machine too, of the installed version, and up to date."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from cli.admin_sentences import UNIT
from cli.doctor import mail_server, sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict, command, command_line
from cli.host.systemd import unit as find_unit
from cli.mail_flow import find_flow
from cli.output import Prose, fill, moment, prose
from schemas.errors import StateError, TroubleError
from schemas.files import Directory
from schemas.settings import Settings
from schemas.status import Status
from schemas.times import iso
from watcher.version import VERSION

_UNDERWAY = frozenset({"active", "activating", "reloading"})
_STOPPED = frozenset({b"T", b"t"})
_LONG_NS = 30 * 1_000_000_000
"""How long a decision may wait: the watcher notices within that time too that it has not been told of one."""
_AT_BOOT = frozenset({"enabled", "enabled-runtime", "static", "generated", "alias", "linked"})


def _running(context: Context) -> Iterator[Verdict]:
    status = context.read_status()
    start = command(sentences.START, unit=UNIT)
    if status is None:
        yield Verdict("watcher-running", "problem", fill(sentences.NEVER_RAN), start)
    elif not context.running:
        told = fill(sentences.STOPPED, updated=moment(status.updated_at))
        yield Verdict("watcher-running", "problem", told, start)
    else:
        yield _at_work(context, status)


def _at_work(context: Context, status: Status) -> Verdict:
    restart = command(sentences.RESTART, unit=UNIT)
    if _is_stopped(context.proc, status.pid):
        return Verdict("watcher-running", "problem", fill(sentences.HUNG, pid=status.pid), restart)
    waiting = _overdue(context.settings) if context.privileged and not status.problems else []
    if waiting:
        told = fill(sentences.NOT_DECIDING, since=moment(iso(min(waiting))), count=len(waiting))
        return Verdict("watcher-running", "problem", told, restart)
    told = fill(sentences.RUNNING, pid=status.pid, since=moment(status.started_at))
    return Verdict("watcher-running", "ok", told)


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


def _enabled(context: Context) -> Iterator[Verdict]:
    unit = find_unit(f"{UNIT}.service")
    if not unit.there:
        yield Verdict("watcher-unit", "problem", fill(sentences.NO_UNIT, unit=UNIT), sentences.INSTALL_UNIT)
    elif unit.load == "masked" or unit.enabled not in _AT_BOOT:
        told = fill(sentences.UNIT_NOT_ENABLED, unit=UNIT, state=unit.enabled or unit.load)
        unmask = sentences.UNMASK if unit.load == "masked" else sentences.ENABLE
        if unit.enabled == "masked-runtime":
            unmask = sentences.UNMASK_RUNTIME
        yield Verdict("watcher-unit", "problem", told, command(unmask, unit=UNIT))
    elif unit.active not in _UNDERWAY:
        told = fill(sentences.UNIT_NOT_ACTIVE, unit=UNIT, state=unit.active)
        yield Verdict("watcher-unit", "problem", told, command(sentences.START, unit=UNIT))
    elif unit.active == "activating" and not context.running:
        told = fill(sentences.UNIT_NOT_ACTIVE, unit=UNIT, state=unit.active)
        yield Verdict("watcher-unit", "problem", told, command(sentences.JOURNAL, unit=UNIT))
    else:
        yield Verdict("watcher-unit", "ok", fill(sentences.UNIT_OK, unit=UNIT))


def _version(context: Context) -> Iterator[Verdict]:
    if not context.running or context.status is None:
        return
    found = context.status.version
    if found != VERSION:
        told = fill(sentences.OTHER_VERSION, running=found, installed=VERSION)
        yield Verdict("watcher-version", "warning", told, command(sentences.RESTART, unit=UNIT))
    else:
        yield Verdict("watcher-version", "ok", fill(sentences.VERSION_OK, version=VERSION))


def _problems(context: Context) -> Iterator[Verdict]:
    if not context.running or context.status is None:
        return
    told_in_full = context.settings.config.in_database and not isinstance(context.published, TroubleError)
    for problem in context.status.problems:
        if problem.code == "alias-conflict" and told_in_full:
            continue  # told with the destinations, by the check of the database
        told = fill(sentences.WATCHER_SAYS, what=prose(problem.what), since=moment(problem.since))
        yield Verdict(prose(problem.code), "problem", told, _mend(problem.code, context))
    if not context.status.problems:
        yield Verdict("watcher-problems", "ok", fill(sentences.NO_PROBLEMS))


def _mend(code: str, context: Context) -> str | None:
    settings = context.settings
    if code == "map-not-used" and context.postfix is None:
        return mail_server.mend_postfix()
    if code == "reload-failed":
        return command_line(settings.config.reload_command)
    if code == "queue-mounted":
        return command(sentences.SHOW_MOUNTS, queue=settings.queue)
    return sentences.MENDS_OF_THE_WATCHER.get(code)


def _converged(context: Context) -> Iterator[Verdict]:
    if not context.settings.config.enabled or context.registry is None or context.status is None:
        return
    if not context.running:
        published = context.status.published
        if published is None or published.registry_sha256 != context.registry.sha256:
            told = fill(sentences.BEHIND_STOPPED)
            yield Verdict("converged", "problem", told, command(sentences.START, unit=UNIT))
        return
    flow = find_flow(context.settings)
    if flow.state == "live":
        yield Verdict("converged", "ok", fill(sentences.CONVERGED, aliases=flow.aliases))
    elif flow.state == "off":
        told = fill(sentences.NOT_TAKEN_UP, config=context.settings.path)
        yield Verdict("converged", "problem", told, command(sentences.RELOAD, unit=UNIT))
    else:
        # What stands in the way is among the watcher's own problems.
        yield Verdict("converged", "problem", Prose(sentences.BEHIND), sentences.SYNC)
    context.registry_again()


CHECKS = (
    Check("watcher-running", sentences.ABOUT_RUNNING, _running),
    Check("watcher-unit", sentences.ABOUT_UNIT, _enabled),
    Check("watcher-version", sentences.ABOUT_VERSION, _version),
    Check("watcher-problems", sentences.ABOUT_PROBLEMS, _problems),
    Check("converged", sentences.ABOUT_CONVERGED, _converged),
)
