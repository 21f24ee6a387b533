"""The folders of request records, for reading."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from schemas.documents import NotJsonError, ShapeError, parse_record
from schemas.errors import ExpectedError, StateError
from schemas.files import Directory
from schemas.requests import (
    FOLDERS,
    SIZE_LIMIT,
    Folder,
    RequestId,
    RequestRecord,
    parse_request_id,
    record_name,
)


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
        """Give what does as `newest_first` for one owner after the other, by a single listing at the first of them."""

        @cache
        def listed() -> dict[str, list[RequestId]]:
            found: dict[str, list[RequestId]] = {}
            for identifier in self.ids(folder):
                found.setdefault(identifier.owner, []).append(identifier)
            return found

        return lambda owner: self._loaded(folder, listed().get(owner, []))

    def _loaded(self, folder: Folder, oldest_first: Sequence[RequestId]) -> Iterator[RequestRecord]:
        for identifier in reversed(oldest_first):
            record = self.load(folder, identifier)
            if record is not None:
                yield record
