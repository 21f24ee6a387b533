"""The directories and files of the service: owner, group and mode of each, and in what it differs from that.

`docs/files-protocol.md` has the same as a table. Nothing here changes anything: `cli.setup` fixes, `cli.doctor` judges.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from typing import Literal, NamedTuple

from schemas.config import Settings
from schemas.errors import StateError
from schemas.fs.mounts import all_mounts
from schemas.request import FOLDERS
from watcher.audit import GROUP as LOG_GROUP
from watcher.intake.queue_directory import members_may_mount
from watcher.publish.postmap import SUFFIXES

Kind = Literal["directory", "file"]
PathFaultKind = Literal["missing", "link", "kind", "mode", "owner", "group", "no-group", "unasked"]

ROOT = 0
QUEUE_STICKY = 0o3770
"""The stronger mode of the queue: no member can rename or remove another's file, or mount something over it."""


class PathSpec(NamedTuple):
    """One path and how it has to be.

    Attributes:
        name: what it is, in a word: `registry`, `queue`, `requests/pending`…
        path: where it is.
        kind: a directory, or a file.
        modes: the permission bits that it may have; the first is what it is given.
        group: the name of its group. Its owner is always root.
        needed: whether it has to be there; the others come by themselves.
    """

    name: str
    path: str
    kind: Kind
    modes: tuple[int, ...]
    group: str = "root"
    needed: bool = True

    @property
    def wanted(self) -> str:
        """How it has to be, in the way of ls(1) and chown(1): `2770 root:runv-members`."""
        return f"{self.modes[0]:04o} root:{self.group}"


class PathFault(NamedTuple):
    """One thing in which a path is not as it has to be.

    Attributes:
        spec: the path.
        kind: `missing`; `link`: it is a symbolic link; `kind`: it is something else than it has to be, or a file with
            more than one name; `mode`, `owner`, `group`: it differs in that; `no-group`: the group that it has to have
            does not exist; `unasked`: it could not be looked at.
        found: what was found, for a sentence: `0644`, `root:users`, `a symbolic link`, what the system said. Not
            escaped.
    """

    spec: PathSpec
    kind: PathFaultKind
    found: str


def path_specs(settings: Settings) -> list[PathSpec]:
    """Every path of the service, whatever is inside coming after it, and the lock before what it locks."""
    config = settings.config
    return [
        # Only root can put a link there, to keep all state elsewhere.
        PathSpec("state", os.path.realpath(config.state_dir), "directory", (0o755,)),
        PathSpec("queue", settings.queue, "directory", (0o2770, QUEUE_STICKY), config.group),
        PathSpec("requests", settings.requests, "directory", (0o2750,), config.group),
        *(
            PathSpec(
                f"requests/{folder}", os.path.join(settings.requests, folder), "directory", (0o2750,), config.group
            )
            for folder in FOLDERS
        ),
        PathSpec("decisions", settings.decisions, "directory", (0o700,)),
        PathSpec("decisions/failed", os.path.join(settings.decisions, "failed"), "directory", (0o700,)),
        PathSpec("old queue", old_queue(settings), "directory", (0o700,), needed=False),
        PathSpec("lock", settings.lock, "file", (0o600,), needed=False),
        PathSpec("registry", settings.registry, "file", (0o640,), config.group),
        PathSpec("audit log", settings.audit, "file", (0o640,), _log_group(), needed=False),
        PathSpec("runtime", config.runtime_dir, "directory", (0o755,)),
        PathSpec("status", os.path.join(config.runtime_dir, "status.json"), "file", (0o644,), needed=False),
        PathSpec("config", settings.path, "file", (0o644,), needed=False),
        *_map_specs(settings),
    ]


def old_queue(settings: Settings) -> str:
    """Where migration keeps what it could not take; root's alone."""
    return os.path.join(settings.config.state_dir, "email-alias-old-queue")


def _map_specs(settings: Settings) -> list[PathSpec]:
    config = settings.config
    # The file that leads to a database is Postfix's own, and its owner and mode are the administrator's choice.
    if config.in_database:
        return []
    text = config.virtual_alias_file
    found = [PathSpec("map", text, "file", (config.mode,), needed=False)]
    # Where somebody else builds the table, it is theirs.
    suffix = SUFFIXES[config.map_type]
    if suffix and config.run_postmap:
        found.append(PathSpec("map table", text + suffix, "file", (config.mode,), needed=False))
    return found


def _log_group() -> str:
    try:
        grp.getgrnam(LOG_GROUP)
    except KeyError:
        return "root"
    return LOG_GROUP


def all_faults(settings: Settings) -> list[PathFault]:
    """The faults of every path, in the order of `path_specs`."""
    return [fault for spec in path_specs(settings) for fault in faults(spec)]


def faults(spec: PathSpec) -> list[PathFault]:
    """In what the path of *spec* differs from that; nothing where it is as it should be, or may be missing and is."""
    try:
        kind = _mounted(spec.path) if spec.name == "queue" else None
        if kind is not None:
            return [PathFault(spec, "unasked", f"a file system of type {kind} is mounted over it")]
        status = os.lstat(spec.path)
    except (FileNotFoundError, NotADirectoryError):
        return [PathFault(spec, "missing", "nothing")] if spec.needed else []
    except OSError as error:
        return [PathFault(spec, "unasked", error.strerror or str(error))]
    except StateError as error:
        return [PathFault(spec, "unasked", str(error).rstrip("."))]
    return judge(spec, status)


def _mounted(path: str) -> str | None:
    # The kernel is asked and not the path itself: what a member mounts over the queue may never answer.
    folder, name = os.path.split(os.path.normpath(path))
    point = os.path.join(os.path.realpath(folder), name)
    return next((each.kind for each in all_mounts() if each.point == point and members_may_mount(each.kind)), None)


def judge(spec: PathSpec, status: os.stat_result) -> list[PathFault]:
    """The faults of the path of *spec*, whose status is *status*: that of a link itself, not of what it points at."""
    if stat.S_ISLNK(status.st_mode):
        return [PathFault(spec, "link", "a symbolic link")]
    right = stat.S_ISDIR if spec.kind == "directory" else stat.S_ISREG
    if not right(status.st_mode):
        return [PathFault(spec, "kind", _kind_of(status.st_mode))]
    if spec.kind == "file" and status.st_nlink > 1:
        return [PathFault(spec, "kind", f"a file with {status.st_nlink} names")]
    found: list[PathFault] = []
    if status.st_uid != ROOT:
        found.append(PathFault(spec, "owner", user_name(status.st_uid)))
    gid = group_id(spec.group)
    if gid is None:
        found.append(PathFault(spec, "no-group", group_name(status.st_gid)))
    elif status.st_gid != gid:
        found.append(PathFault(spec, "group", group_name(status.st_gid)))
    if stat.S_IMODE(status.st_mode) not in spec.modes:
        found.append(PathFault(spec, "mode", f"{stat.S_IMODE(status.st_mode):04o}"))
    return found


def group_id(name: str) -> int | None:
    """The number of the group *name*, or `None` where there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return None


def user_name(uid: int) -> str:
    """The name of *uid*, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of *gid*, or its number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _kind_of(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a directory"), (stat.S_ISREG, "a file"), (stat.S_ISFIFO, "a FIFO"))
    return next((word for test, word in kinds if test(mode)), "a socket or device")
