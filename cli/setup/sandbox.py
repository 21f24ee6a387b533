"""Files in /etc that fit the watcher's unit to this server: another group, or a database that it has to reach.

The unit and tmpfiles.d, as installed, name the usual group, and the sandbox lets the watcher reach maps and databases
on the same machine. All else is said by drop-ins of the unit (systemd.unit(5)) and by a file of tmpfiles.d that goes
before the packaged one (tmpfiles.d(5)).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from cli.messages import _
from cli.output import SafeText, format_message
from cli.server import database, paths, systemd
from cli.setup.steps import Remark, Step, Steps
from schemas.config import Config, Settings
from schemas.errors import ExpectedError, StateError, UnsafeFileError
from schemas.fs.directory import Directory, read_plain
from schemas.program import WATCHER_UNIT
from schemas.status import is_running, read_status
from watcher.publish.commands import run_well

USUAL = Config().group
"""The group that the unit and tmpfiles.d are shipped with."""

_MARK = "# Made by `runv-admin-email-alias setup`, which keeps it in line with `group` in the config.\n"
_SIZE_LIMIT = 64 * 1024
_DROP_INS = ("systemd", "system", f"{WATCHER_UNIT}.service.d")


class _Sentences(NamedTuple):
    """What is said of an override; `write` and `remove` are steps, `wrote` and `removed` say that they are done."""

    write: str
    wrote: str
    remove: str
    removed: str
    foreign: str


_OF_GROUP = _Sentences(
    write=_("write {path}, since the service is installed for the group {usual}"),
    wrote=_("Wrote {path}: the service works for the group {group}."),
    remove=_("remove {path}, which names another group"),
    removed=_("Removed {path}, which named another group."),
    foreign=_("{path} is not of this program's making and was left alone. It has to name the group {group}."),
)
_OF_DATABASE = _Sentences(
    write=_("write {path}, which lets the watcher reach the database"),
    wrote=_("Wrote {path}, which lets the watcher reach the database."),
    remove=_("remove {path}, which lets the watcher reach a database that it does not use"),
    removed=_("Removed {path}, which let the watcher reach a database that it does not use."),
    foreign=_(
        "{path} is not of this program's making and was left alone. It has to let the watcher reach the database."
    ),
)


class _Override(NamedTuple):
    """A file below /etc.

    Attributes:
        path: where it is.
        text: what it has to say; `None` where it is not needed.
        mark: the first line of one that this program has made.
        sentences: what is said of it.
    """

    path: str
    text: str | None
    mark: str
    sentences: _Sentences


def plan(settings: Settings, etc: str) -> Steps:
    """Write or remove the files below *etc*, and have systemd go by them.

    Raises:
        SqlMapError: the file that leads to the database cannot be used.
    """
    if not os.path.isdir(os.path.join(etc, "systemd", "system")):
        return Steps()
    remarks: list[Remark] = []
    group = [step for override in _for_group(settings, etc) for step in _override_steps(override, settings, remarks)]
    reach = list(_override_steps(_for_database(settings, etc), settings, remarks))
    return Steps(group + reach + _systemd_steps(settings, group=bool(group), reach=bool(reach)), remarks)


def _override_steps(override: _Override, settings: Settings, remarks: list[Remark]) -> Iterator[Step]:
    present = _read(override.path)
    ours = present is not None and present.startswith(override.mark)
    if present == override.text or (present is not None and not ours and override.text is None):
        return
    if present is not None and not ours:
        remarks.append(
            Remark(format_message(override.sentences.foreign, path=override.path, group=settings.config.group))
        )
    elif override.text is None:
        yield _remove_step(override)
    else:
        yield _write_step(override, override.text, settings.config.group)


def _for_group(settings: Settings, etc: str) -> list[_Override]:
    service, tmpfiles = contents(settings)
    usual = settings.config.group == USUAL
    return [
        _Override(os.path.join(etc, *_DROP_INS, "group.conf"), None if usual else service, _MARK, _OF_GROUP),
        _Override(
            os.path.join(etc, "tmpfiles.d", "runv-email-alias.conf"), None if usual else tmpfiles, _MARK, _OF_GROUP
        ),
    ]


def _for_database(settings: Settings, etc: str) -> _Override:
    path = os.path.join(etc, *_DROP_INS, "database.conf")
    return _Override(path, database.drop_in(settings.config), database.MARK, _OF_DATABASE)


def contents(settings: Settings) -> tuple[str, str]:
    """What the drop-in and the file of tmpfiles.d have to say."""
    service = f"{_MARK}[Service]\n# An empty one takes back those of the unit itself.\nSupplementaryGroups=\n"
    service += f"SupplementaryGroups={' '.join(_groups(settings))}\n"
    rows = []
    for spec in paths.path_specs(settings):
        if spec.needed:
            kind = "d" if spec.kind == "directory" else "z"
            # Of several modes that are right it keeps the one that is there (the colon).
            mode = f"{':' if len(spec.modes) > 1 else ''}{spec.modes[0]:04o}"
            rows.append(f"{kind} {systemd.quoted(spec.path)} {mode} root {spec.group} -\n")
    return service, _MARK + "".join(rows)


def _groups(settings: Settings) -> list[str]:
    # A group that does not exist would keep the unit from starting.
    logs = next(spec.group for spec in paths.path_specs(settings) if spec.name == "audit log")
    return [settings.config.group, *([logs] if logs != "root" else [])]


def _read(path: str) -> str | None:
    try:
        return read_plain(path, _SIZE_LIMIT).data.decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except UnsafeFileError:
        return ""  # the administrator's: a link to /dev/null switches such a file off
    except StateError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _write_step(override: _Override, text: str, group: str) -> Step:
    def write() -> SafeText:
        folder, name = os.path.split(override.path)
        parent, below = os.path.split(folder)
        with Directory(parent) as above:
            above.make(below, 0o755)
        with Directory(folder) as directory:
            directory.write(name, text.encode(), 0o644, 0)
        return format_message(override.sentences.wrote, path=override.path, group=group)

    return Step(format_message(override.sentences.write, path=override.path, usual=USUAL), write)


def _remove_step(override: _Override) -> Step:
    path = override.path

    def remove() -> SafeText:
        folder, name = os.path.split(path)
        with Directory(folder) as directory:
            directory.remove(name)
            directory.sync()
        return format_message(override.sentences.removed, path=path)

    return Step(format_message(override.sentences.remove, path=path), remove)


def _systemd_steps(settings: Settings, *, group: bool, reach: bool) -> list[Step]:
    if not systemd.booted():
        return []
    steps = []
    if group or reach or _units_are_old():
        steps.append(Step(format_message(_("have systemd read its units again")), _reload_units))
    name, pid = settings.config.group, _watcher_pid(settings)
    if pid is not None and (group or not _has_group(pid, name)):
        steps.append(
            _restart_step(
                format_message(_("restart the watcher, which was started without the group {group}"), group=name),
                format_message(_("Restarted the watcher: it has the group {group} now."), group=name),
            )
        )
    elif pid is not None and reach:
        steps.append(
            _restart_step(
                format_message(_("restart the watcher, which was started behind other walls")),
                format_message(_("Restarted the watcher: its walls are those for this database now.")),
            )
        )
    return steps


def _restart_step(description: SafeText, done: SafeText) -> Step:
    def restart() -> SafeText:
        # One that does not run is left so.
        run_well(["systemctl", "try-restart", WATCHER_UNIT], timeout=60)
        return done

    return Step(description, restart)


def _reload_units() -> SafeText:
    run_well(["systemctl", "daemon-reload"], timeout=60)
    return format_message(_("systemd has read its units again."))


def _units_are_old() -> bool:
    try:
        output = run_well(["systemctl", "show", "--property=NeedDaemonReload", "--value", WATCHER_UNIT])
    except ExpectedError:
        return False
    return output.strip() == b"yes"


def _watcher_pid(settings: Settings) -> int | None:
    """The process id of the watcher that systemd has started, if it runs."""
    try:
        status = read_status(settings.config.runtime_dir)
        if status is None or not is_running(status):
            return None
        output = run_well(["systemctl", "show", "--property=MainPID", "--value", WATCHER_UNIT])
    except ExpectedError:
        return None
    return status.pid if output.strip() == str(status.pid).encode() else None


def _has_group(pid: int, group: str) -> bool:
    """Whether the process *pid* has the group *group*, without which it cannot give files to it."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            groups = next((line.split()[1:] for line in file if line.startswith("Groups:")), [])
    except OSError:
        return True
    return str(paths.group_id(group)) in groups
