"""Directories and files: made where they are missing, and given the mode and owner that they have to have."""

from __future__ import annotations

import contextlib
import os
import stat

from cli import house
from cli.output import SafeText, format_message, safe_text
from cli.published import read_published
from cli.setup import renewing, sentences
from cli.setup.steps import Plan, Remark, Step
from schemas.errors import ExpectedError, StateError
from schemas.files import Directory, read_plain
from schemas.registry import SIZE_LIMIT as REGISTRY_LIMIT
from schemas.requests import FOLDERS
from schemas.settings import Settings
from watcher.registry_store import RegistryLock

_UNTOUCHED = {"link", "kind"}
_NOT_THERE = (FileNotFoundError, NotADirectoryError)


def plan(settings: Settings) -> Plan:
    """What is missing or amiss."""
    steps: list[Step] = []
    remarks: list[Remark] = []
    for display_path in house.path_specs(settings):
        found = house.faults(display_path)
        kinds = {fault.kind for fault in found}
        if not found:
            continue
        if kinds & _UNTOUCHED:
            what = format_message(
                sentences.WRONG_KIND, path=display_path.path, found=found[0].found, kind=display_path.kind
            )
            remarks.append(Remark(what, failed=True))
        elif "unasked" in kinds:
            remarks.append(
                Remark(format_message(sentences.UNASKED, path=display_path.path, why=found[0].found), failed=True)
            )
        elif (
            "missing" in kinds
            and display_path.name == "registry"
            and (lost := _why_no_new_registry(settings, display_path.path))
        ):
            remarks.append(Remark(lost, failed=True))
        elif "missing" in kinds:
            steps.append(_making(display_path, settings))
        else:
            steps.append(_mending(display_path, settings))
    steps += [step for folder in FOLDERS if (step := _handing_over(settings, folder)) is not None]
    return Plan(steps, remarks)


def _why_no_new_registry(settings: Settings, path: str) -> SafeText | None:
    """What an empty registry would take away; `None` where it would take nothing."""
    if settings.config.in_database:
        table = settings.config.map_name
        try:
            lost = bool(read_published(settings, {}).rows)
        except ExpectedError as error:
            return format_message(sentences.REGISTRY_LOST_MAYBE, path=path, map=table, why=safe_text(str(error)))
        return format_message(sentences.REGISTRY_LOST_DATABASE, path=path, map=table) if lost else None
    fields = {"path": path, "map": settings.config.virtual_alias_file}
    return format_message(sentences.REGISTRY_LOST, **fields) if _map_has_rows(settings) else None


def _map_has_rows(settings: Settings) -> bool:
    """Whether there is something that an empty registry would take out of the map."""
    try:
        data = read_plain(settings.config.virtual_alias_file, REGISTRY_LIMIT).data
    except (OSError, StateError) as error:
        return not isinstance(error if isinstance(error, OSError) else error.__cause__, _NOT_THERE)
    except ExpectedError:
        return True
    return any(line.strip() and not line.startswith(b"#") for line in data.splitlines())


def _handing_over(settings: Settings, folder: str) -> Step | None:
    """What lets the members read the records in *folder*: those that were written for another group."""
    group, path = settings.config.group, os.path.join(settings.requests, folder)
    try:
        found = len(_of_other_group(path, house.group_id(group)))
    except (OSError, StateError):
        return None  # what is wrong with the folder itself is told of that
    if not found:
        return None
    fields = {"count": found, "path": path, "group": group}

    def hand_over() -> SafeText:
        gid = house.group_id(group)
        if gid is None:
            raise StateError(format_message(sentences.NO_GROUP, group=group))
        with Directory(path) as directory:
            for name in _of_other_group(path, gid):
                with contextlib.suppress(FileNotFoundError):  # the watcher may have moved it on
                    os.chown(name, -1, gid, dir_fd=directory.fd, follow_symlinks=False)
        return format_message(sentences.HANDED_OVER, **fields)

    return Step(format_message(sentences.HAND_OVER, **fields), hand_over)


def _of_other_group(path: str, gid: int | None) -> list[str]:
    with Directory(path) as directory:
        known = {name: directory.status(name) for name in directory.names() if not name.startswith(".")}
    return [
        name for name, status in known.items() if status is not None and status.st_gid != gid and _is_record(status)
    ]


def _is_record(status: os.stat_result) -> bool:
    # While the folder had another owner, he may have put there whatever he likes.
    return stat.S_ISREG(status.st_mode) and status.st_uid == house.ROOT and status.st_nlink == 1


def _making(spec: house.PathSpec, settings: Settings) -> Step:
    if spec.kind == "directory":
        fields = {"path": spec.path, "wanted": spec.wanted}

        def make() -> SafeText:
            _make_directory(spec)
            return format_message(sentences.MADE_DIRECTORY, **fields)

        return Step(format_message(sentences.MAKE_DIRECTORY, **fields), make)

    def make_registry() -> SafeText | None:
        with RegistryLock(settings.lock):
            folder, name = os.path.split(spec.path)
            with Directory(folder) as directory:
                if directory.has(name):
                    return None
                directory.write(name, b"{}\n", spec.modes[0], _gid(spec))
        return format_message(sentences.MADE_REGISTRY, path=spec.path, wanted=spec.wanted)

    return Step(format_message(sentences.MAKE_REGISTRY, path=spec.path, wanted=spec.wanted), make_registry)


def _make_directory(spec: house.PathSpec) -> None:
    _gid(spec)
    folder, name = os.path.split(os.path.normpath(spec.path))
    with Directory(folder) as directory:
        # Closed until its group is right.
        directory.make(name, 0o700)
        directory.sync()
    _settle(spec)


def _mending(spec: house.PathSpec, settings: Settings) -> Step:
    status = os.lstat(spec.path)
    fields = {"path": spec.path, "wanted": spec.wanted, "found": _shown(status)}
    if renewing.is_needed(spec, status):
        lock = spec.name == "lock"

        def renew() -> SafeText:
            if lock:
                renewing.renew_lock(spec)
            else:
                renewing.renew(spec, settings, _gid(spec))
            return format_message(sentences.RENEWED_LOCK if lock else sentences.RENEWED, **fields)

        return Step(format_message(sentences.RENEW_LOCK if lock else sentences.RENEW, **fields), renew)

    def mend() -> SafeText:
        _settle(spec)
        return format_message(sentences.MENDED, **fields)

    return Step(format_message(sentences.MEND, **fields), mend)


def _settle(spec: house.PathSpec) -> None:
    """Give *path* its owner and mode, by way of a descriptor: what is judged is what is changed."""
    folder, name = os.path.split(os.path.normpath(spec.path))
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    with Directory(folder) as directory, directory.pin(name) as held:
        if {fault.kind for fault in house.judge(spec, held.status)} & _UNTOUCHED:
            raise StateError(sentences.IT_CHANGED)
        # Only a plain file or a directory is ever opened: a FIFO would wait, a device might stir.
        fd = os.open(name, flags, dir_fd=directory.fd)
        try:
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != (held.status.st_dev, held.status.st_ino):
                raise StateError(sentences.IT_CHANGED)
            # The owner first: until then he could change the mode again.
            os.fchown(fd, house.ROOT, _gid(spec))
            os.fchmod(fd, _mode(spec, stat.S_IMODE(status.st_mode)))
            os.fsync(fd)
        finally:
            os.close(fd)


def _mode(spec: house.PathSpec, present: int) -> int:
    # What is stronger than asked for is kept, though another bit of it be wrong.
    if house.QUEUE_STICKY in spec.modes and present & stat.S_ISVTX:
        return house.QUEUE_STICKY
    return spec.modes[0]


def _gid(spec: house.PathSpec) -> int:
    gid = house.group_id(spec.group)
    if gid is None:
        raise StateError(format_message(sentences.NO_GROUP, group=spec.group))
    return gid


def _shown(status: os.stat_result) -> str:
    mode = stat.S_IMODE(status.st_mode)
    return f"{mode:04o} {house.user_name(status.st_uid)}:{house.group_name(status.st_gid)}"
