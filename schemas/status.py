"""The status file: what the watcher last did, for people and programs to read."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import read_plain
from schemas.json_records import NotJsonError, ShapeError, parse_record
from schemas.request import Timestamp

SIZE_LIMIT = 1024 * 1024


class Published(msgspec.Struct, frozen=True):
    """The registry that the map answers for."""

    registry_sha256: Annotated[str, Meta(description="SHA-256 of the registry file's bytes, in hexadecimal.")]
    at: Timestamp
    aliases: Annotated[int, Meta(ge=0, description="How many aliases the map holds.")]


class Problem(msgspec.Struct, frozen=True):
    """Something that a person should act on."""

    code: Annotated[str, Meta(description="A stable word for programs.", examples=["publish-failed"])]
    what: Annotated[str, Meta(description="What is wrong and what to do, in whole sentences.")]
    since: Timestamp


class Conflict(msgspec.Struct, frozen=True):
    """An alias that somebody else's row in the database holds."""

    alias: str
    destination: Annotated[str, Meta(description="Where the registry would have it go.")]
    held: Annotated[list[str], Meta(description="Where the rows of somebody else send it.")]

    @property
    def same(self) -> bool:
        """Whether mail goes where it should all the same."""
        return self.held == [self.destination]


class Host(msgspec.Struct, frozen=True):
    """A host of the database that Postfix asks, other than the one that is written to."""

    host: Annotated[str, Meta(examples=["inet:10.0.0.2:5432"])]
    behind_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="For how long it has been without the last change; 0: it has it."),
    ]
    trouble: Annotated[str | None, Meta(description="Why it could not be asked.")]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The status file, `status.json`."""

    pid: Annotated[int, Meta(gt=0)]
    start_time: Annotated[
        int, Meta(ge=0, description="When that process started: field 22 of /proc/<pid>/stat, proc_pid_stat(5).")
    ]
    version: str
    started_at: Timestamp
    updated_at: Timestamp
    backend: Annotated[str, Meta(examples=["postfix-hash"])]
    enabled: Annotated[bool, Meta(description="Whether anything is published to Postfix.")]
    published: Annotated[
        Published | None, Meta(description="`null` while nothing has been published, or publishing is switched off.")
    ]
    pending: Annotated[int, Meta(ge=0, description="Requests that wait for an administrator.")]
    refused: Annotated[int, Meta(ge=0, description="Queue entries refused since the watcher started.")]
    left_alone: Annotated[
        int,
        Meta(ge=0, description="Directories in the queue, and entries that are mounted over, which are left alone."),
    ]
    problems: Annotated[list[Problem], Meta(description="Empty when all is well.")]
    conflicts: Annotated[
        list[Conflict], Meta(description="Aliases that are not published, since somebody else's row holds them.")
    ] = []
    hosts: Annotated[list[Host], Meta(description="The replicas of the database that Postfix asks.")] = []


def start_time(pid: int | str = "self") -> int | None:
    """When process *pid* started, in clock ticks since boot; `None` where there is no such process.

    Field 22 of /proc/<pid>/stat, proc_pid_stat(5); the name in field 2 may hold spaces and parentheses.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def read_status(runtime_dir: str) -> Status | None:
    """Read the status file, or give `None` where the watcher has not written one since the machine started.

    Raises:
        StateError: it is there and cannot be read.
    """
    path = os.path.join(runtime_dir, "status.json")
    if not os.path.lexists(path):
        return None
    try:
        return parse_record(read_plain(path, SIZE_LIMIT).data, Status)
    except FileNotFoundError:
        return None
    except (OSError, NotJsonError, ShapeError, ExpectedError) as error:
        raise StateError(f"The status file {path} cannot be read: {error}") from error


def is_running(status: Status | None) -> bool:
    """Whether the watcher that wrote *status* is alive: its process is there, and is no other with the same pid."""
    if status is None:
        return False
    started = start_time(status.pid)
    if started is None:
        # With /proc mounted hidepid=, a member sees no process of root's: kill(2) still tells whether it is there.
        try:
            os.kill(status.pid, 0)
        except PermissionError:
            return not os.path.exists(f"/proc/{status.pid}")
        except (OSError, OverflowError):  # no process has a number that large
            return False
    return started == status.start_time
