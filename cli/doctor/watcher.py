"""Checks of the watcher: running, up to date, and what its configuration gives up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from cli.doctor.checks import ENABLE, SETUP, SYNC, SYNC_DRY_RUN, Finding, check, command, command_line
from cli.doctor.postfix import fix_postfix
from cli.messages import _
from cli.output import SafeText, format_message, safe_text, timestamp
from cli.server.facts import Facts, NoStatusError
from cli.server.status import find_publish_state
from cli.server.systemd import unit as find_unit
from schemas.config import Settings
from schemas.errors import StateError
from schemas.fs.directory import Directory
from schemas.program import WATCHER_UNIT, installed_version
from schemas.status import Status
from schemas.times import iso
from watcher.publish.commands import shown
from watcher.publish.postmap import is_plain_postmap

_START = command("systemctl start {unit}", unit=WATCHER_UNIT)
_RESTART = command("systemctl restart {unit}", unit=WATCHER_UNIT)

_FIXES = {
    "group-missing": SETUP,
    "state-unwritable": SETUP,
    "queue-unsafe": SETUP,
    "map-not-used": ENABLE,
    "publish-held": SYNC_DRY_RUN,
    "publish-failed": SYNC,
    "orphans-held": SYNC_DRY_RUN,
}
"""What fixes a problem that the watcher reports, by the problem's code."""

_LONG_NS = 30 * 1_000_000_000
"""How long a decision may wait: the watcher notices within that time too that it has missed an event."""
_STOPPED = frozenset({b"T", b"t"})
_UNDERWAY = frozenset({"active", "activating", "reloading"})
_AT_BOOT = frozenset({"enabled", "enabled-runtime", "static", "generated", "alias", "linked"})


@check("watcher-running", _("Whether the watcher is running"))
def watcher_running(facts: Facts) -> Iterator[Finding]:
    """That the watcher's process is there, and deals with decisions."""
    try:
        status = facts.status
    except NoStatusError:
        message = format_message(_("The watcher is not running, and has left no status since the machine started."))
        yield Finding("watcher-running", "problem", message, _START)
        return
    if facts.running:
        yield _dealing_with_decisions(facts, status)
    else:
        message = format_message(
            _("The watcher is not running; it last reported on {updated}."), updated=timestamp(status.updated_at)
        )
        yield Finding("watcher-running", "problem", message, _START)


def _dealing_with_decisions(facts: Facts, status: Status) -> Finding:
    if _is_stopped(facts.proc, status.pid):
        message = format_message(
            _(
                "The watcher's process {pid} has been stopped by a signal: it is there and does nothing. systemd ends "
                "it after a while, or you do now."
            ),
            pid=status.pid,
        )
        return Finding("watcher-running", "problem", message, _RESTART)
    overdue = _overdue(facts.settings) if facts.privileged and not status.problems else []
    if overdue:
        message = format_message(
            _(
                "The watcher is running and tells of no problem, but decisions have waited for it since {since} "
                "({count}): it does not get to them."
            ),
            since=timestamp(iso(min(overdue))),
            count=len(overdue),
        )
        return Finding("watcher-running", "problem", message, _RESTART)
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
    """The times of the markers that a working watcher would have dealt with long ago."""
    try:
        with Directory(settings.decisions) as directory:
            names = [name for name in directory.names() if name.endswith(".json") and not name.startswith(".")]
            times = [status.st_mtime_ns for status in map(directory.status, names) if status is not None]
    except (StateError, OSError):
        return []  # said by the check of the paths; or one has gone meanwhile
    return [time_ns for time_ns in times if 0 <= time_ns < time.time_ns() - _LONG_NS]


@check("watcher-unit", _("Whether systemd starts the watcher"))
def watcher_unit(facts: Facts) -> Iterator[Finding]:
    """That systemd starts the watcher with the machine, and has started it."""
    unit = find_unit(f"{WATCHER_UNIT}.service")
    if not unit.there:
        message = format_message(_("systemd knows no unit {unit}."), unit=WATCHER_UNIT)
        yield Finding("watcher-unit", "problem", message, "apt-get install --reinstall runv-email-alias")
    elif unit.load == "masked" or unit.enabled not in _AT_BOOT:
        message = format_message(
            _("The unit {unit} is {state}: the watcher will not run after the next start of the machine."),
            unit=WATCHER_UNIT,
            state=unit.enabled or unit.load,
        )
        if unit.enabled == "masked-runtime":
            fix = "systemctl unmask --runtime {unit} && systemctl enable --now {unit}"
        elif unit.load == "masked":
            fix = "systemctl unmask {unit} && systemctl enable --now {unit}"
        else:
            fix = "systemctl enable --now {unit}"
        yield Finding("watcher-unit", "problem", message, command(fix, unit=WATCHER_UNIT))
    elif unit.active not in _UNDERWAY or (unit.active == "activating" and not facts.running):
        message = format_message(
            _("The unit {unit} is {state}; look into `journalctl -u {unit}` for the reason."),
            unit=WATCHER_UNIT,
            state=unit.active,
        )
        journal = command("journalctl --no-pager --lines=20 --unit={unit}", unit=WATCHER_UNIT)
        yield Finding("watcher-unit", "problem", message, journal if unit.active == "activating" else _START)
    else:
        message = format_message(
            _("systemd starts the watcher with the machine, and again when it ends ({unit})."), unit=WATCHER_UNIT
        )
        yield Finding("watcher-unit", "ok", message)


@check("watcher-version", _("Whether the watcher is of the installed version"), needs=("running",))
def watcher_version(facts: Facts) -> Iterator[Finding]:
    """That the running watcher is of the installed version."""
    found, installed = facts.status.version, installed_version()
    if found != installed:
        message = format_message(
            _("The watcher that is running has version {running}, and version {installed} is installed."),
            running=found,
            installed=installed,
        )
        yield Finding("watcher-version", "warning", message, _RESTART)
    else:
        message = format_message(_("The watcher has the version that is installed, {version}."), version=installed)
        yield Finding("watcher-version", "ok", message)


@check("watcher-problems", _("Whether the watcher has problems"), needs=("running",))
def watcher_problems(facts: Facts) -> Iterator[Finding]:
    """What the watcher itself reports, each problem under its own code."""
    conflicts_are_checked = facts.in_database and facts.has("published")
    for problem in facts.status.problems:
        if problem.code == "alias-conflict" and conflicts_are_checked:
            continue  # said with the destinations, by the check of the database
        message = format_message(
            _("The watcher says: {what} (since {since})"), what=safe_text(problem.what), since=timestamp(problem.since)
        )
        yield Finding(safe_text(problem.code), "problem", message, _fix(problem.code, facts))
    if not facts.status.problems:
        yield Finding("watcher-problems", "ok", format_message(_("The watcher tells of no problem.")))


def _fix(code: str, facts: Facts) -> str | None:
    settings = facts.settings
    if code == "map-not-used" and not facts.has("postfix"):
        return fix_postfix()
    if code == "reload-failed":
        return command_line(settings.config.reload_command)
    if code == "queue-mounted":
        return command("findmnt --list --submounts --target {queue}", queue=settings.queue)
    return _FIXES.get(code)


@check("converged", _("Whether the map follows the registry"), needs=("enabled", "registry", "status"))
def converged(facts: Facts) -> Iterator[Finding]:
    """That what was published last is the registry as it is now."""
    if not facts.running:
        published = facts.status.published
        if published is None or published.registry_sha256 != facts.registry.sha256:
            message = format_message(
                _("The map does not follow the registry, which has changed since the watcher ran.")
            )
            yield Finding("converged", "problem", message, _START)
        return
    found = find_publish_state(facts.settings)
    if found.state == "live":
        message = format_message(
            _("The map follows the registry as it is now; aliases published: {aliases}."), aliases=found.aliases
        )
        yield Finding("converged", "ok", message)
    elif found.state == "off":
        message = format_message(
            _("The watcher publishes nothing though `enabled` is true in {config}: it has not taken that up."),
            config=facts.settings.path,
        )
        yield Finding("converged", "problem", message, command("systemctl reload {unit}", unit=WATCHER_UNIT))
    else:
        # What stands in the way is among the watcher's own problems.
        message = SafeText(_("The map does not follow the registry: what was published last was another state of it."))
        yield Finding("converged", "problem", message, SYNC)
    # That may have waited for the watcher, and decisions been applied meanwhile.
    facts.forget_registry()


@check("publishing", _("Whether the configuration gives something up"))
def publishing(facts: Facts) -> Iterator[Finding]:
    """That publishing is switched on."""
    if facts.enabled:
        yield Finding("publishing", "ok", format_message(_("Publishing is switched on.")))
    else:
        message = format_message(
            _("Publishing is switched off (`enabled` is false in {config}): approvals are recorded only."),
            config=facts.settings.path,
        )
        yield Finding("publishing", "warning", message, ENABLE)


@check("map-build", _("Whether the configuration gives something up"))
def map_build(facts: Facts) -> Iterator[Finding]:
    """That a map in files is built aside by plain postmap(1)."""
    config, path = facts.settings.config, facts.settings.path
    if config.in_database:
        return  # nothing is built: a transaction is made or is not
    if not config.run_postmap:
        message = format_message(
            _(
                "`run_postmap` is false in {config}: only {text} is written, and that somebody else builds the table "
                "from it is not proved at each change."
            ),
            config=path,
            text=config.virtual_alias_file,
        )
        yield Finding("map-build", "warning", message)
    elif not is_plain_postmap(config.postmap_command, config.map_type, config.virtual_alias_file):
        message = format_message(
            _(
                "`postmap_command` in {config} is a command of its own ({command}), which works on the live map: when "
                "it is interrupted, or the disk is full, it may leave a broken map, and no earlier one is put back. "
                "Plain `postmap` gives the safe build."
            ),
            config=path,
            command=shown(config.postmap_command),
        )
        yield Finding("map-build", "warning", message)
    else:
        message = format_message(_("A new map is built aside, asked, and renamed into place."))
        yield Finding("map-build", "ok", message)


@check("map-reload", _("Whether the configuration gives something up"))
def map_reload(facts: Facts) -> Iterator[Finding]:
    """That Postfix is reloaded where it would not see a new map otherwise."""
    config = facts.settings.config
    if config.map_type == "texthash" and config.reload_postfix is False:
        message = format_message(
            _(
                "`reload_postfix` is false in {config}, but Postfix reads a texthash map only when it starts or "
                'reloads: changes are not live. Set it to "auto".'
            ),
            config=facts.settings.path,
        )
        yield Finding("map-reload", "warning", message)
