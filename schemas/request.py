"""Request records: what became of each queue file, and the folders they lie in, for reading."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import Directory, temporary_name
from schemas.json_records import NotJsonError, ShapeError, parse_record, sha256
from schemas.times import stamp

Folder = Literal["pending", "approved", "rejected", "cancelled", "refused"]
FOLDERS: tuple[Folder, ...] = ("pending", "approved", "rejected", "cancelled", "refused")
"""A record is in exactly one of these folders, and its `status` is the folder's name."""

SIZE_LIMIT = 64 * 1024
REFUSED_KEPT = 32
"""How many refused records are kept of each member; the older ones are only counted."""
CANCELLED_KEPT = 1000
"""How many cancelled records are kept of each member, who can make them without end; the audit log has the others."""

_ID = re.compile(r"(?P<stamp>[0-9]{8}T[0-9]{6}\.[0-9]{6}Z)-(?P<owner>[^./\0\n][^/\0\n]*)-(?P<digest>[0-9a-f]{10})")
_NAME_MAX = 255

Timestamp = Annotated[str, Meta(description="UTC, `YYYY-MM-DDTHH:MM:SSZ`.", examples=["2026-05-19T20:55:18Z"])]

ReasonCode = (
    Annotated[
        str,
        Meta(description="Stands for the sentence in `reason`, where the watcher worded it.", examples=["too-large"]),
    ]
    | UnsetType
)
"""Left out where a person worded the reason, and in records of earlier versions; see `schemas.reason`."""


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A request or cancel of a member, and what became of it."""

    request_id: Annotated[str, Meta(examples=["20260519T205518.123456Z-pablo-0123456789"])]
    username: Annotated[str, Meta(description="The account that owned the queue file.", examples=["pablo"])]
    uid: Annotated[int, Meta(ge=0, description="Its uid at that time.")]
    alias: Annotated[str, Meta(examples=["pablo@runv.club"])]
    destination: Annotated[str, Meta(examples=["p@example.org"])] | None = None
    action: Annotated[
        Literal["request", "cancel", "unknown"],
        Meta(description="`unknown` where the file was refused before this could be read."),
    ] = "request"
    status: Folder = "pending"
    file: Annotated[str, Meta(description="The queue file's name, with unprintable characters escaped.")]
    client_id: Annotated[str, Meta(description="The `request_id` that the file itself carried.")] | None = None
    created_at: Timestamp
    decided_at: Timestamp | None = None
    decided_by: str | None = None
    decision_id: Annotated[str, Meta(description="The decision that closed the request.")] | None = None
    reason: Annotated[str, Meta(description="Why it was refused or rejected.")] | None = None
    reason_code: ReasonCode = UNSET


class RequestId(NamedTuple):
    """The parts of a request id. Compare `stamp` values as text: they sort as the times do."""

    stamp: str
    owner: str
    digest: str

    def __str__(self) -> str:
        """The id as it is written."""
        return f"{self.stamp}-{self.owner}-{self.digest}"


def request_id(owner: str, name: str, status: os.stat_result, born_ns: int | None = None) -> RequestId:
    """Make the id of the queue file *name* of *owner* from the file itself, so that it is the same when seen again.

    The stamp is the file's mtime. An owner can set that to any year, and an id from the future would make all that
    follows look old: of a file from the future it is *born_ns*, when the file was made, or else its ctime.
    """
    mark = f"{status.st_ino}:{status.st_mtime_ns}:{status.st_size}:".encode() + os.fsencode(name)
    future = status.st_mtime_ns > status.st_ctime_ns
    timestamp = (born_ns or status.st_ctime_ns) if future else status.st_mtime_ns
    return RequestId(stamp(timestamp), owner, sha256(mark)[:10])


def parse_request_id(text: str) -> RequestId | None:
    """Take a request id apart, or give `None` where *text* is something else."""
    found = _ID.fullmatch(text)
    return RequestId(found["stamp"], found["owner"], found["digest"]) if found else None


def has_record(identifier: RequestId) -> bool:
    """Whether there can be a record *identifier*: a file that can be written under its name, and is found by it.

    Name services may know accounts by names that no file can have. Their owners may have no alias either, by
    `schemas.names`.
    """
    name = os.fsencode(temporary_name(record_name(identifier)))
    return len(name) <= _NAME_MAX and parse_request_id(str(identifier)) == identifier


def record_name(identifier: RequestId | str) -> str:
    """The file name of the record *identifier*."""
    return f"{identifier}.json"


class RecordFolders:
    """The five folders below *path*, opened one by one as they are needed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._open: dict[Folder, Directory] = {}

    def folder(self, folder: Folder) -> Directory:
        """The open directory of *folder*. Raises `StateError` where it cannot be opened."""
        if folder not in self._open:
            self._open[folder] = Directory(os.path.join(self.path, folder))
        return self._open[folder]

    def close(self) -> None:
        """Close what was opened."""
        for directory in self._open.values():
            directory.close()
        self._open.clear()

    def ids(self, folder: Folder, owner: str | None = None) -> list[RequestId]:
        """The ids of the records in *folder*, of *owner* alone where one is given, oldest first."""
        found = [
            identifier
            for name in self.folder(folder).names()
            if name.endswith(".json")
            and not name.startswith(".")
            and (owner is None or f"-{owner}-" in name)
            and (identifier := parse_request_id(name.removesuffix(".json"))) is not None
            and (owner is None or identifier.owner == owner)
        ]
        return sorted(found)

    def load(self, folder: Folder, identifier: RequestId | str) -> RequestRecord | None:
        """The record *identifier* if it is in *folder*. Raises `StateError` where it cannot be read."""
        directory = self.folder(folder)
        name = record_name(identifier)
        try:
            return parse_record(directory.read(name, SIZE_LIMIT).data, RequestRecord)
        except FileNotFoundError:
            return None
        except (OSError, ExpectedError, NotJsonError, ShapeError) as error:
            raise StateError(f"The request record {directory.display_path(name)} cannot be read: {error}") from error

    def find(self, identifier: RequestId | str) -> tuple[Folder, RequestRecord] | None:
        """The folder and record of *identifier*, wherever it is."""
        for folder in FOLDERS:
            record = self.load(folder, identifier)
            if record is not None:
                return folder, record
        return None

    def newest_first(self, folder: Folder, owner: str) -> Iterator[RequestRecord]:
        """The records of *owner* in *folder*, the newest first; one that has just moved on is passed over."""
        return self._loaded(folder, self.ids(folder, owner))

    def by_owner(self, folder: Folder) -> Callable[[str], Iterator[RequestRecord]]:
        """Give `newest_first` for one owner after the other, listing *folder* once, when the first is asked for."""

        @cache
        def ids_by_owner() -> dict[str, list[RequestId]]:
            found: dict[str, list[RequestId]] = {}
            for identifier in self.ids(folder):
                found.setdefault(identifier.owner, []).append(identifier)
            return found

        return lambda owner: self._loaded(folder, ids_by_owner().get(owner, []))

    def _loaded(self, folder: Folder, oldest_first: Sequence[RequestId]) -> Iterator[RequestRecord]:
        for identifier in reversed(oldest_first):
            record = self.load(folder, identifier)
            if record is not None:
                yield record
