"""Mounts, as the kernel lists them: proc_pid_mountinfo(5), proc_pid_fdinfo(5).

A FUSE file system is served by a program of whoever mounted it, which may never answer, or say of any file that it is
anybody's. An unprivileged user can mount one over each file or directory that they may write to (fusermount3(1)). So
before a file system is asked about a file, the kernel is asked on which mount that lies.
"""

from __future__ import annotations

import os
import re
import select
from typing import NamedTuple

from schemas.errors import StateError
from schemas.text import printable

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
# The optional fields end with the first lone hyphen: the fields before it never are one.
_LINE = re.compile(
    rb"(?P<number>[0-9]{1,20}) (?P<parent>[0-9]{1,20}) [0-9]+:[0-9]+ [^ ]* (?P<point>/[^ ]*)"
    rb"(?: [^ ]+)+? - (?P<kind>[^ ]+) .*",
    re.DOTALL,
)
_MOUNT_OF = re.compile(rb"mnt_id:[ \t]*([0-9]{1,20})")


class Mount(NamedTuple):
    """One line of mountinfo."""

    identifier: int
    parent: int
    point: str
    kind: str


def mount_of(fd: int) -> int:
    """The number of the mount that the open file *fd*, or one held by O_PATH, lies on.

    Raises:
        StateError: /proc does not say.
    """
    return parse_mount_of(_proc(f"/proc/self/fdinfo/{fd}"))


def all_mounts() -> list[Mount]:
    """Every mount that this process can see.

    Raises:
        StateError: /proc does not say.
    """
    return parse_mounts(_proc("/proc/self/mountinfo"))


def mounted_over(fd: int) -> frozenset[str]:
    """The names of the entries of the directory *fd* over which something is mounted.

    Raises:
        StateError, OSError: /proc does not say.
    """
    mount, path = mount_of(fd), os.readlink(f"/proc/self/fd/{fd}")
    found = (os.path.split(each.point) for each in all_mounts() if each.parent == mount)
    return frozenset(name for folder, name in found if folder == path)


class MountChanges:
    """Whether anything was mounted or unmounted, by poll(2), which costs next to nothing."""

    def __init__(self) -> None:
        self._file = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLPRI)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._file)

    def any(self) -> bool:
        """Whether there were changes since the last call. Read what is mounted after this, not before."""
        return bool(self._poll.poll(0))


def parse_mounts(data: bytes) -> list[Mount]:
    """Parse the contents of a mountinfo file.

    A mount point may have any byte in its name but NUL; only space, tab, line feed and backslash are escaped.

    Raises:
        StateError: a line cannot be understood. That never counts as not mounted.
    """
    *lines, rest = data.split(b"\n")
    if rest:
        raise StateError("The file /proc/self/mountinfo ends within a line.")
    return [_parsed(line) for line in lines]


def parse_mount_of(data: bytes) -> int:
    """Parse the contents of a fdinfo file for the number of the mount.

    Raises:
        StateError: it has none.
    """
    for line in data.split(b"\n"):
        if found := _MOUNT_OF.fullmatch(line):
            return int(found[1])
    raise StateError("The kernel does not say in /proc/self/fdinfo on which mount a file lies.")


def _parsed(line: bytes) -> Mount:
    found = _LINE.fullmatch(line)
    if found is None:
        raise StateError(f"A line of /proc/self/mountinfo cannot be understood: {printable(line)}")
    point = _OCTAL.sub(lambda octal: bytes([int(octal[1], 8)]), found["point"])
    return Mount(int(found["number"]), int(found["parent"]), os.fsdecode(point), os.fsdecode(found["kind"]))


def _proc(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise StateError(f"The file {path} cannot be read ({error.strerror}). Mount proc on /proc.") from error
