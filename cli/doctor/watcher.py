"""Checks of the watcher: running, up to date, and what its configuration gives up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from cli.doctor import postfix
from cli.doctor.checks import Check, Finding, command, command_line
from cli.messages import _
from cli.output import SafeText, format_message, safe_text, timestamp
from cli.server.facts import Facts
from cli.server.status import find_publish_state
from cli.server.systemd import unit as find_unit
from schemas.config import Settings
from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import Directory
from schemas.program import WATCHER_UNIT, installed_version
from schemas.status import Status
from schemas.times import iso
from watcher.publish.commands import shown
from watcher.publish.postmap import is_plain_postmap

_START = "systemctl start {unit}"

_RESTART = "systemctl restart {unit}"

_ABOUT_CONFIGURATION = _("Whether the configuration gives something up")

_MENDS_OF_THE_WATCHER = {
    "group-missing": "runv-admin-email-alias setup",
    "state-unwritable": "runv-admin-email-alias setup",
    "queue-unsafe": "runv-admin-email-alias setup",
    "map-not-used": "runv-admin-email-alias setup --enable",
    "publish-held": "runv-admin-email-alias sync --dry-run",
    "publish-failed": "runv-admin-email-alias sync",
    "orphans-held": "runv-admin-email-alias sync --dry-run",
}

_UNIT_NOT_ACTIVE = _("The unit {unit} is {state}; look into `journalctl -u {unit}` for the reason.")

_UNDERWAY = frozenset({"active", "activating", "reloading"})
_STOPPED = frozenset({b"T", b"t"})
_LONG_NS = 30 * 1_000_000_000
"""How long a decision may wait: the watcher notices within that time too that it has not been told of one."""
_AT_BOOT = frozenset({"enabled", "enabled-runtime", "static", "generated", "alias", "linked"})


def _running(facts: Facts) -> Iterator[Finding]:
    status = facts.read_status()
    start = command(_START, unit=WATCHER_UNIT)
    if status is None:
        yield Finding(
            "watcher-running",
            "problem",
            format_message(_("The watcher is not running, and has left no status since the machine started.")),
            start,
        )
    elif not facts.running:
        message = format_message(
            _("The watcher is not running; it last reported on {updated}."), updated=timestamp(status.updated_at)
        )
        yield Finding("watcher-running", "problem", message, start)
    else:
        yield _at_work(facts, status)


def _at_work(facts: Facts, status: Status) -> Finding:
    restart = command(_RESTART, unit=WATCHER_UNIT)
    if _is_stopped(facts.proc, status.pid):
        return Finding(
            "watcher-running",
            "problem",
            format_message(
                _(
                    "The watcher's process {pid} has been stopped by a signal: it is there and does "
                    "nothing. systemd ends it after a while, or you do now."
                ),
                pid=status.pid,
            ),
            restart,
        )
    waiting = _overdue(facts.settings) if facts.privileged and not status.problems else []
    if waiting:
        message = format_message(
            _(
                "The watcher is running and tells of no problem, but decisions have waited for "
                "it since {since} ({count}): it does not get to them."
            ),
            since=timestamp(iso(min(waiting))),
            count=len(waiting),
        )
        return Finding("watcher-running", "problem", message, restart)
    message = format_message(
        _("The watcher is running since {since}, process {pid}."), pid=status.pid, since=timestamp(status.started_at)
    )
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
    unit = find_unit(f"{WATCHER_UNIT}.service")
    if not unit.there:
        yield Finding(
            "watcher-unit",
            "problem",
            format_message(_("systemd knows no unit {unit}."), unit=WATCHER_UNIT),
            "apt-get install --reinstall runv-email-alias",
        )
    elif unit.load == "masked" or unit.enabled not in _AT_BOOT:
        message = format_message(
            _("The unit {unit} is {state}: the watcher will not run after the next start of the machine."),
            unit=WATCHER_UNIT,
            state=unit.enabled or unit.load,
        )
        unmask = (
            "systemctl unmask {unit} && systemctl enable --now {unit}"
            if unit.load == "masked"
            else "systemctl enable --now {unit}"
        )
        if unit.enabled == "masked-runtime":
            unmask = "systemctl unmask --runtime {unit} && systemctl enable --now {unit}"
        yield Finding("watcher-unit", "problem", message, command(unmask, unit=WATCHER_UNIT))
    elif unit.active not in _UNDERWAY:
        message = format_message(_UNIT_NOT_ACTIVE, unit=WATCHER_UNIT, state=unit.active)
        yield Finding("watcher-unit", "problem", message, command(_START, unit=WATCHER_UNIT))
    elif unit.active == "activating" and not facts.running:
        message = format_message(_UNIT_NOT_ACTIVE, unit=WATCHER_UNIT, state=unit.active)
        yield Finding(
            "watcher-unit",
            "problem",
            message,
            command("journalctl --no-pager --lines=20 --unit={unit}", unit=WATCHER_UNIT),
        )
    else:
        yield Finding(
            "watcher-unit",
            "ok",
            format_message(
                _("systemd starts the watcher with the machine, and again when it ends ({unit})."), unit=WATCHER_UNIT
            ),
        )


def _version(facts: Facts) -> Iterator[Finding]:
    if not facts.running or facts.status is None:
        return
    found = facts.status.version
    if found != installed_version():
        message = format_message(
            _("The watcher that is running has version {running}, and version {installed} is installed."),
            running=found,
            installed=installed_version(),
        )
        yield Finding("watcher-version", "warning", message, command(_RESTART, unit=WATCHER_UNIT))
    else:
        yield Finding(
            "watcher-version",
            "ok",
            format_message(_("The watcher has the version that is installed, {version}."), version=installed_version()),
        )


def _problems(facts: Facts) -> Iterator[Finding]:
    if not facts.running or facts.status is None:
        return
    told_in_full = facts.settings.config.in_database and not isinstance(facts.published, ExpectedError)
    for problem in facts.status.problems:
        if problem.code == "alias-conflict" and told_in_full:
            continue  # told with the destinations, by the check of the database
        message = format_message(
            _("The watcher says: {what} (since {since})"), what=safe_text(problem.what), since=timestamp(problem.since)
        )
        yield Finding(safe_text(problem.code), "problem", message, _fix(problem.code, facts))
    if not facts.status.problems:
        yield Finding("watcher-problems", "ok", format_message(_("The watcher tells of no problem.")))


def _fix(code: str, facts: Facts) -> str | None:
    settings = facts.settings
    if code == "map-not-used" and facts.postfix is None:
        return postfix.fix_postfix()
    if code == "reload-failed":
        return command_line(settings.config.reload_command)
    if code == "queue-mounted":
        return command("findmnt --list --submounts --target {queue}", queue=settings.queue)
    return _MENDS_OF_THE_WATCHER.get(code)


def _converged(facts: Facts) -> Iterator[Finding]:
    if not facts.settings.config.enabled or facts.registry is None or facts.status is None:
        return
    if not facts.running:
        published = facts.status.published
        if published is None or published.registry_sha256 != facts.registry.sha256:
            message = format_message(
                _("The map does not follow the registry, which has changed since the watcher ran.")
            )
            yield Finding("converged", "problem", message, command(_START, unit=WATCHER_UNIT))
        return
    flow = find_publish_state(facts.settings)
    if flow.state == "live":
        yield Finding(
            "converged",
            "ok",
            format_message(
                _("The map follows the registry as it is now; aliases published: {aliases}."), aliases=flow.aliases
            ),
        )
    elif flow.state == "off":
        message = format_message(
            _("The watcher publishes nothing though `enabled` is true in {config}: it has not taken that up."),
            config=facts.settings.path,
        )
        yield Finding("converged", "problem", message, command("systemctl reload {unit}", unit=WATCHER_UNIT))
    else:
        # What stands in the way is among the watcher's own problems.
        yield Finding(
            "converged",
            "problem",
            SafeText(_("The map does not follow the registry: what was published last was another state of it.")),
            "runv-admin-email-alias sync",
        )
    facts.registry_again()


WATCHER_CHECKS = (
    Check("watcher-running", _("Whether the watcher is running"), _running),
    Check("watcher-unit", _("Whether systemd starts the watcher"), _enabled),
    Check("watcher-version", _("Whether the watcher is of the installed version"), _version),
    Check("watcher-problems", _("Whether the watcher has problems"), _problems),
    Check("converged", _("Whether the map follows the registry"), _converged),
)


_NEEDS_RELOAD = "texthash"


def _publishing(facts: Facts) -> Iterator[Finding]:
    path = facts.settings.path
    if facts.settings.config.enabled:
        yield Finding("publishing", "ok", format_message(_("Publishing is switched on.")))
    else:
        yield Finding(
            "publishing",
            "warning",
            format_message(
                _("Publishing is switched off (`enabled` is false in {config}): approvals are recorded only."),
                config=path,
            ),
            "runv-admin-email-alias setup --enable",
        )


def _build(facts: Facts) -> Iterator[Finding]:
    config, path = facts.settings.config, facts.settings.path
    if config.in_database:
        return  # nothing is built: a transaction is made or is not
    if not config.run_postmap:
        yield Finding(
            "map-build",
            "warning",
            format_message(
                _(
                    "`run_postmap` is false in {config}: only {text} is written, and that somebody "
                    "else builds the table from it is not proved at each change."
                ),
                config=path,
                text=config.virtual_alias_file,
            ),
        )
    elif not is_plain_postmap(config.postmap_command, config.map_type, config.virtual_alias_file):
        message = format_message(
            _(
                "`postmap_command` in {config} is a command of its own ({command}), which works "
                "on the live map: when it is interrupted, or the disk is full, it may leave a "
                "broken map, and no earlier one is put back. Plain `postmap` gives the safe "
                "build."
            ),
            config=path,
            command=shown(config.postmap_command),
        )
        yield Finding("map-build", "warning", message)
    else:
        yield Finding("map-build", "ok", format_message(_("A new map is built aside, asked, and renamed into place.")))


def _reload(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if config.map_type == _NEEDS_RELOAD and config.reload_postfix is False:
        yield Finding(
            "map-reload",
            "warning",
            format_message(
                _(
                    "`reload_postfix` is false in {config}, but Postfix reads a texthash map only "
                    'when it starts or reloads: changes are not live. Set it to "auto".'
                ),
                config=facts.settings.path,
            ),
        )


CONFIGURATION_CHECKS = (
    Check("publishing", _ABOUT_CONFIGURATION, _publishing),
    Check("map-build", _ABOUT_CONFIGURATION, _build),
    Check("map-reload", _ABOUT_CONFIGURATION, _reload),
)
