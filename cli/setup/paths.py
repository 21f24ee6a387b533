"""The service's directories and files: made where missing, given their mode and owner, renewed where others hold them.

A change of owner or mode does not reach whoever has a file open already. Whoever holds the lock keeps every decision
waiting, flock(2); whoever holds the registry or the config open for writing goes on writing it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator

from cli.messages import _
from cli.output import SafeText, format_message, safe_text
from cli.polling import wait_for
from cli.server import paths
from cli.server.status import read_published
from cli.setup.steps import Remark, Step, Steps
from schemas.config import SIZE_LIMIT as CONFIG_LIMIT
from schemas.config import Settings
from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import Directory, read_plain
from schemas.registry import SIZE_LIMIT as REGISTRY_LIMIT
from schemas.request import FOLDERS
from watcher.registry_store import RegistryLock

_LOCK_SECONDS = 1.0
_BY_OTHERS = 0o022
_UNTOUCHED = {"link", "kind"}
"""Faults that only the administrator can mend."""
_NOT_THERE = (FileNotFoundError, NotADirectoryError)


def plan(settings: Settings) -> Steps:
    """Make what is missing, and give what is there the mode and owner that it has to have."""
    steps: list[Step] = []
    remarks: list[Remark] = []
    for spec in paths.path_specs(settings):
        found = paths.faults(spec)
        kinds = {fault.kind for fault in found}
        if not found:
            continue
        if kinds & _UNTOUCHED:
            text = format_message(
                _("{path} is {found}, and a {kind} was expected. It was left alone; look at it, and remove it."),
                path=spec.path,
                found=found[0].found,
                kind=spec.kind,
            )
            remarks.append(Remark(text, failed=True))
        elif "unasked" in kinds:
            text = format_message(_("{path} cannot be looked at: {why}."), path=spec.path, why=found[0].found)
            remarks.append(Remark(text, failed=True))
        elif "missing" in kinds and spec.name == "registry" and (refusal := _why_no_new_registry(settings, spec.path)):
            remarks.append(Remark(refusal, failed=True))
        elif "missing" in kinds:
            steps.append(_make_step(spec, settings))
        else:
            steps.append(_repair_step(spec, settings))
    steps += [step for folder in FOLDERS if (step := _records_step(settings, folder)) is not None]
    return Steps(steps, remarks)


def _why_no_new_registry(settings: Settings, path: str) -> SafeText | None:
    """What an empty registry would take away; `None` where it would take nothing."""
    if settings.config.in_database:
        table = settings.config.map_name
        try:
            lost = bool(read_published(settings, {}).rows)
        except ExpectedError as error:
            return format_message(
                _(
                    "The registry {path} is not there, and whether the database of {map} has aliases that an empty one "
                    "would switch off could not be found out: {why} Mend that and run this command again."
                ),
                path=path,
                map=table,
                why=safe_text(str(error)),
            )
        return (
            format_message(
                _(
                    "The registry {path} is not there, and the database of {map} has aliases of its, which an empty "
                    "registry would switch off. Put the registry back from a backup; if the aliases are to go, delete "
                    "their rows and run this command again."
                ),
                path=path,
                map=table,
            )
            if lost
            else None
        )
    fields = {"path": path, "map": settings.config.virtual_alias_file}
    return (
        format_message(
            _(
                "The registry {path} is not there, and {map} has aliases, which an empty registry would switch off. "
                "Put the registry back from a backup; if the aliases are to go, empty {map} and run this command again."
            ),
            **fields,
        )
        if _map_has_rows(settings)
        else None
    )


def _map_has_rows(settings: Settings) -> bool:
    """Whether there is something that an empty registry would take out of the map."""
    try:
        data = read_plain(settings.config.virtual_alias_file, REGISTRY_LIMIT).data
    except (OSError, StateError) as error:
        return not isinstance(error if isinstance(error, OSError) else error.__cause__, _NOT_THERE)
    except ExpectedError:
        return True
    return any(line.strip() and not line.startswith(b"#") for line in data.splitlines())


def _make_step(spec: paths.PathSpec, settings: Settings) -> Step:
    if spec.kind == "directory":
        fields = {"path": spec.path, "wanted": spec.wanted}

        def make() -> SafeText:
            _make_directory(spec)
            return format_message(_("Made the directory {path} ({wanted})."), **fields)

        return Step(format_message(_("make the directory {path} ({wanted})"), **fields), make)

    def make_registry() -> SafeText | None:
        with RegistryLock(settings.lock):
            folder, name = os.path.split(spec.path)
            with Directory(folder) as directory:
                if directory.has(name):
                    return None
                directory.write(name, b"{}\n", spec.modes[0], _existing_group(spec.group))
        return format_message(
            _("Made the registry {path}, without aliases ({wanted})."), path=spec.path, wanted=spec.wanted
        )

    return Step(
        format_message(_("make the registry {path}, without aliases ({wanted})"), path=spec.path, wanted=spec.wanted),
        make_registry,
    )


def _make_directory(spec: paths.PathSpec) -> None:
    _existing_group(spec.group)
    folder, name = os.path.split(os.path.normpath(spec.path))
    with Directory(folder) as directory:
        # Closed until its group is right.
        directory.make(name, 0o700)
        directory.sync()
    _set_mode_and_owner(spec)


def _repair_step(spec: paths.PathSpec, settings: Settings) -> Step:
    status = os.lstat(spec.path)
    fields = {"path": spec.path, "wanted": spec.wanted, "found": _mode_and_owner(status)}
    if _must_be_renewed(spec, status):
        lock = spec.name == "lock"

        def renew() -> SafeText:
            if lock:
                _renew_lock(spec)
            else:
                _renew_file(spec, settings, _existing_group(spec.group))
            return format_message(
                _("Put a new file in place of the lock {path}, which others than root could hold; it had {found}.")
                if lock
                else _(
                    "Put a new file with the same contents in place of {path}, which others could have open; it had "
                    "{found}."
                ),
                **fields,
            )

        return Step(
            format_message(
                _("put a new file in place of the lock {path}, which others than root could hold ({found} before)")
                if lock
                else _(
                    "put a new file with the same contents in place of {path}, which others could have open ({found} "
                    "before)"
                ),
                **fields,
            ),
            renew,
        )

    def repair() -> SafeText:
        _set_mode_and_owner(spec)
        return format_message(_("Gave {path} the mode and owner {wanted}; it had {found}."), **fields)

    return Step(format_message(_("give {path} the mode and owner {wanted}; it has {found}"), **fields), repair)


def _must_be_renewed(spec: paths.PathSpec, status: os.stat_result) -> bool:
    """Whether others than root could have the path open in a way that matters."""
    if spec.name == "lock":
        # Whoever can read it can lock it.
        return status.st_uid != paths.ROOT or bool(stat.S_IMODE(status.st_mode) & 0o077)
    writable = status.st_uid != paths.ROOT or bool(stat.S_IMODE(status.st_mode) & _BY_OTHERS)
    return spec.name in {"registry", "config"} and writable


def _renew_lock(spec: paths.PathSpec) -> None:
    """Put a new, empty file in place of the lock.

    The old one is waited for a second, so that an honest holder can finish; who holds it for good is not.
    """
    folder, name = os.path.split(spec.path)
    with Directory(folder) as directory, _locked_if_possible(directory, name):
        directory.write(name, b"", spec.modes[0], paths.group_id(spec.group))


@contextlib.contextmanager
def _locked_if_possible(directory: Directory, name: str) -> Iterator[None]:
    with directory.pin(name) as pinned:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory.fd)
        try:
            if os.fstat(fd).st_ino == pinned.status.st_ino:
                wait_for(lambda: _try_lock(fd), _LOCK_SECONDS)
            yield
        finally:
            os.close(fd)


def _try_lock(fd: int) -> bool | None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return True


def _renew_file(spec: paths.PathSpec, settings: Settings, gid: int) -> None:
    """Put a copy in place of the registry or the config, with the mode and owner that it has to have.

    Raises:
        RegistryBusyError: another program is writing the registry just now.
        ExpectedError, OSError: the file cannot be read or written.
    """
    folder, name = os.path.split(spec.path)
    registry = spec.name == "registry"
    with RegistryLock(settings.lock) if registry else contextlib.nullcontext(), Directory(folder) as directory:
        data = directory.read(name, REGISTRY_LIMIT if registry else CONFIG_LIMIT).data
        directory.write(name, data, spec.modes[0], gid)


def _set_mode_and_owner(spec: paths.PathSpec) -> None:
    """Give the path its owner and mode, through a descriptor: what is judged is what is changed."""
    folder, name = os.path.split(os.path.normpath(spec.path))
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    with Directory(folder) as directory, directory.pin(name) as pinned:
        if {fault.kind for fault in paths.judge(spec, pinned.status)} & _UNTOUCHED:
            raise _changed()
        # Only a plain file or a directory is ever opened: a FIFO would wait, and opening a device can have effects.
        fd = os.open(name, flags, dir_fd=directory.fd)
        try:
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != (pinned.status.st_dev, pinned.status.st_ino):
                raise _changed()
            # The owner first: until then they could change the mode again.
            os.fchown(fd, paths.ROOT, _existing_group(spec.group))
            os.fchmod(fd, _mode(spec, stat.S_IMODE(status.st_mode)))
            os.fsync(fd)
        finally:
            os.close(fd)


def _changed() -> StateError:
    return StateError(_("it was changed in that moment"))


def _mode(spec: paths.PathSpec, present: int) -> int:
    # A sticky bit makes the queue safer than asked for, so it is kept where another bit is wrong.
    if paths.QUEUE_STICKY in spec.modes and present & stat.S_ISVTX:
        return paths.QUEUE_STICKY
    return spec.modes[0]


def _existing_group(group: str) -> int:
    gid = paths.group_id(group)
    if gid is None:
        raise StateError(format_message(_("the group {group} does not exist"), group=group))
    return gid


def _mode_and_owner(status: os.stat_result) -> str:
    mode = stat.S_IMODE(status.st_mode)
    return f"{mode:04o} {paths.user_name(status.st_uid)}:{paths.group_name(status.st_gid)}"


def _records_step(settings: Settings, folder: str) -> Step | None:
    """Let the members read the records in *folder*: those that were written for another group."""
    group, path = settings.config.group, os.path.join(settings.requests, folder)
    try:
        count = len(_of_other_group(path, paths.group_id(group)))
    except (OSError, StateError):
        return None  # its own fault is found among the paths
    if not count:
        return None
    fields = {"count": count, "path": path, "group": group}

    def hand_over() -> SafeText:
        gid = _existing_group(group)
        with Directory(path) as directory:
            for name in _of_other_group(path, gid):
                with contextlib.suppress(FileNotFoundError):  # the watcher may have moved it on
                    os.chown(name, -1, gid, dir_fd=directory.fd, follow_symlinks=False)
        return format_message(_("Gave the request records in {path} the group {group} ({count})."), **fields)

    return Step(
        format_message(_("give the request records in {path} the group {group} ({count})"), **fields), hand_over
    )


def _of_other_group(path: str, gid: int | None) -> list[str]:
    with Directory(path) as directory:
        known = {name: directory.status(name) for name in directory.names() if not name.startswith(".")}
    return [
        name for name, status in known.items() if status is not None and status.st_gid != gid and _is_record(status)
    ]


def _is_record(status: os.stat_result) -> bool:
    # While the folder had another owner, they may have put anything there.
    return stat.S_ISREG(status.st_mode) and status.st_uid == paths.ROOT and status.st_nlink == 1
