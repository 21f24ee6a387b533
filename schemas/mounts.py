"""What is mounted where, told by the kernel alone (proc_pid_mountinfo(5), proc_pid_fdinfo(5)).

Who serves a FUSE file system answers for it: he may never answer, and may say of any file that it is anybody's. An
unprivileged user can mount one over each file or directory that he may write to (fusermount3(1)). So a place is not
asked about itself before the kernel was asked what it lies on.
"""

from __future__ import annotations

import os
import re
import select
from typing import NamedTuple

from schemas.errors import StateError

_OCTAL = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of mountinfo."""

    identifier: int
    parent: int
    point: str
    kind: str


def mount_of(fd: int) -> int:
    """The number of the mount that the open file *fd*, or one held by O_PATH, lies on."""
    for line in _proc(f"/proc/self/fdinfo/{fd}").splitlines():
        if line.startswith(b"mnt_id:"):
            return int(line[7:])
    raise StateError("The kernel does not say in /proc/self/fdinfo on which mount a file lies.")


def all_mounts() -> list[Mount]:
    """Every mount that this process can see."""
    return _parsed(_proc("/proc/self/mountinfo"))


def mounted_over(fd: int) -> frozenset[str]:
    """The names of the entries of the directory *fd* over which something is mounted."""
    mount, path = mount_of(fd), os.readlink(f"/proc/self/fd/{fd}")
    found = (os.path.split(each.point) for each in all_mounts() if each.parent == mount)
    return frozenset(name for folder, name in found if folder == path)


class MountChanges:
    """Tells whether anything was mounted or unmounted, by poll(2), which costs next to nothing."""

    def __init__(self) -> None:
        self._file = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLPRI)

    def close(self) -> None:
        """Ask no more."""
        os.close(self._file)

    def any(self) -> bool:
        """Whether there were changes since this was asked before. Read what is mounted only after that."""
        return bool(self._poll.poll(0))


def _parsed(data: bytes) -> list[Mount]:
    found = []
    for line in data.splitlines():
        before, _, after = line.partition(b" - ")
        number, parent, _, _, point = before.split(b" ")[:5]
        path = _OCTAL.sub(lambda octal: bytes([int(octal[1], 8)]), point)
        found.append(Mount(int(number), int(parent), os.fsdecode(path), os.fsdecode(after.split(b" ")[0])))
    return found


def _proc(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise StateError(f"The file {path} cannot be read ({error.strerror}). Mount proc on /proc.") from error
