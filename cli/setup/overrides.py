"""What the service is installed with names the usual group; where the group is another, files in /etc say so.

A drop-in of the unit (systemd.unit(5)) and a file of tmpfiles.d that goes before the packaged one (tmpfiles.d(5)).
"""

from __future__ import annotations

import os
from typing import NamedTuple

from cli import house
from cli.admin_sentences import UNIT
from cli.host import systemd
from cli.output import Prose, fill
from cli.setup import sentences
from cli.setup.steps import Plan, Remark, Step
from schemas.config import Config, Settings
from schemas.errors import StateError, TroubleError, UnsafeFileError
from schemas.files import Directory, read_plain
from schemas.status import is_running, read_status
from watcher.publish.commands import run_well

USUAL = Config().group
"""The group that the unit and tmpfiles.d are shipped with."""

_MARK = "# Made by `runv-admin-email-alias setup`, which keeps it in line with `group` in the config.\n"
_LIMIT = 64 * 1024


class _Override(NamedTuple):
    path: str
    text: str


def plan(settings: Settings, etc: str) -> Plan:
    """The files below *etc* that have to be written, or to go; and what systemd has to be told."""
    if not os.path.isdir(os.path.join(etc, "systemd", "system")):
        return Plan()
    group = settings.config.group
    steps: list[Step] = []
    remarks: list[Remark] = []
    for override in _overrides(settings, etc):
        present = _read(override.path)
        wanted = None if group == USUAL else override.text
        if present == wanted or (present is not None and not present.startswith(_MARK) and wanted is None):
            continue
        if present is not None and not present.startswith(_MARK):
            remarks.append(Remark(fill(sentences.OVERRIDE_FOREIGN, path=override.path, group=group)))
        elif wanted is None:
            steps.append(_removing(override.path))
        else:
            steps.append(_writing(override, etc, group))
    return Plan(steps + _telling_systemd(settings, bool(steps)), remarks)


def _overrides(settings: Settings, etc: str) -> list[_Override]:
    service, tmpfiles = contents(settings)
    return [
        _Override(os.path.join(etc, "systemd", "system", f"{UNIT}.service.d", "group.conf"), service),
        _Override(os.path.join(etc, "tmpfiles.d", "runv-email-alias.conf"), tmpfiles),
    ]


def contents(settings: Settings) -> tuple[str, str]:
    """What the drop-in and the file of tmpfiles.d have to say."""
    service = f"{_MARK}[Service]\n# An empty one takes back those of the unit itself.\nSupplementaryGroups=\n"
    service += f"SupplementaryGroups={' '.join(_groups(settings))}\n"
    rows = []
    for place in house.places(settings):
        if place.needed:
            kind = "d" if place.kind == "directory" else "z"
            # Of several modes that are right it keeps the one that is there (the colon).
            mode = f"{':' if len(place.modes) > 1 else ''}{place.modes[0]:04o}"
            rows.append(f"{kind} {_quoted(place.path)} {mode} root {place.group} -\n")
    return service, _MARK + "".join(rows)


def _groups(settings: Settings) -> list[str]:
    # A group that does not exist would keep the unit from starting.
    logs = next(place.group for place in house.places(settings) if place.name == "audit log")
    return [settings.config.group, *([logs] if logs != "root" else [])]


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if escaped == path and not any(map(str.isspace, path)) else f'"{escaped}"'


def _read(path: str) -> str | None:
    try:
        return read_plain(path, _LIMIT).data.decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except UnsafeFileError:
        return ""  # the administrator's: a link to /dev/null switches such a file off
    except StateError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _writing(override: _Override, etc: str, group: str) -> Step:
    def write() -> Prose:
        folder, name = os.path.split(override.path)
        parent, below = os.path.split(folder)
        with Directory(parent) as above:
            above.make(below, 0o755)
        with Directory(folder) as directory:
            directory.write(name, override.text.encode(), 0o644, 0)
        return fill(sentences.OVERRIDDEN, path=override.path, group=group)

    return Step(fill(sentences.OVERRIDE, path=override.path, usual=USUAL), write)


def _removing(path: str) -> Step:
    def remove() -> Prose:
        folder, name = os.path.split(path)
        with Directory(folder) as directory:
            directory.remove(name)
            directory.sync()
        return fill(sentences.OVERRIDE_REMOVED, path=path)

    return Step(fill(sentences.OVERRIDE_GONE, path=path), remove)


def _telling_systemd(settings: Settings, changed: bool) -> list[Step]:
    if not systemd.booted():
        return []
    steps = []
    if changed or _units_are_old():
        steps.append(Step(fill(sentences.RELOAD_UNITS), _reload_units))
    group, pid = settings.config.group, _watcher(settings)
    if pid is not None and (changed or not _has_group(pid, group)):

        def restart() -> Prose:
            # One that does not run is left so.
            run_well(["systemctl", "try-restart", UNIT], timeout=60)
            return fill(sentences.RESTARTED, group=group)

        steps.append(Step(fill(sentences.RESTART, group=group), restart))
    return steps


def _reload_units() -> Prose:
    run_well(["systemctl", "daemon-reload"], timeout=60)
    return fill(sentences.RELOADED_UNITS)


def _units_are_old() -> bool:
    try:
        told = run_well(["systemctl", "show", "--property=NeedDaemonReload", "--value", UNIT])
    except TroubleError:
        return False
    return told.strip() == b"yes"


def _watcher(settings: Settings) -> int | None:
    """The process id of the watcher that systemd has started, if it runs."""
    try:
        status = read_status(settings.config.runtime_dir)
        if status is None or not is_running(status):
            return None
        told = run_well(["systemctl", "show", "--property=MainPID", "--value", UNIT])
    except TroubleError:
        return None
    return status.pid if told.strip() == str(status.pid).encode() else None


def _has_group(pid: int, group: str) -> bool:
    """Whether the process *pid* has the group *group*, without which it cannot give files to it."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            groups = next((line.split()[1:] for line in file if line.startswith("Groups:")), [])
    except OSError:
        return True
    return str(house.group_id(group)) in groups
