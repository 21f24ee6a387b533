"""Handing decisions to the watcher, and waiting until it has applied them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from cli import admin_sentences as sentences
from cli import exits, waiting
from cli.access import access
from cli.output import format_message, safe_text
from schemas.decisions import Decision, FailedDecision, marker_name
from schemas.documents import NotJsonError, ShapeError, parse_record, to_json
from schemas.errors import ExpectedError, StateError
from schemas.files import Directory
from schemas.records import RecordFolders
from schemas.settings import Settings

_FAILED = "failed"
_FAILED_LIMIT = 64 * 1024


class DecisionsDirectory:
    """The open directory of the markers."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def write(self, decision: Decision) -> str:
        """Hand *decision* in; give the name of its marker."""
        name = marker_name(decision)
        with _admin_access(self._directory.path):
            self._directory.write(name, to_json(decision), 0o600)
        return name

    def is_waiting(self, name: str) -> bool:
        """Whether the marker *name* has not been dealt with."""
        return self._directory.has(name)

    def await_gone(self, names: Iterable[str]) -> set[str]:
        """Wait until the markers *names* have gone; give those that had not when none had gone for ten seconds."""
        left = set(names)

        def look() -> set[str] | None:
            return {name for name in left if not self.is_waiting(name)} or None

        while left and (gone := waiting.wait_for(look, waiting.MARKER_SECONDS)):
            left -= gone
        return left

    def failure(self, name: str) -> str | None:
        """Why the marker *name*, which has gone, could not be applied; `None` where it was. Escaped."""
        try:
            with Directory(os.path.join(self._directory.path, _FAILED)) as failed:
                data = failed.read(name, _FAILED_LIMIT).data
                return safe_text(parse_record(data, FailedDecision).reason)
        except FileNotFoundError:
            return None
        except StateError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        except (OSError, ExpectedError, NotJsonError, ShapeError):
            display_path = os.path.join(self._directory.path, _FAILED, name)
            return format_message(sentences.FAILED_UNREADABLE, place=display_path)


@contextlib.contextmanager
def open_decisions(settings: Settings) -> Iterator[DecisionsDirectory]:
    """Open the directory of the markers; raise `StateError` with the next step where that is not allowed."""
    with _admin_access(settings.decisions):
        directory = Directory(settings.decisions)
    with directory:
        yield DecisionsDirectory(directory)


def _admin_access(path: str) -> contextlib.AbstractContextManager[None]:
    return access(
        path,
        denied=format_message(sentences.RUN_WITH_SUDO, directory=path),
        missing=format_message(sentences.NOT_SET_UP, directory=path),
    )


@contextlib.contextmanager
def open_records(settings: Settings) -> Iterator[RecordFolders]:
    """Give the folders of the records, which are opened as they are needed; see `reading`."""
    records = RecordFolders(settings.requests)
    try:
        yield records
    finally:
        records.close()


def reading(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Trouble with the records comes with the next step inside; nothing but the reading belongs there."""
    return _admin_access(settings.requests)


def worst(statuses: Iterable[int]) -> int:
    """Give one exit status for several outcomes: failed before kept for later before done."""
    found = set(statuses)
    return exits.FAILED if exits.FAILED in found else max(found, default=exits.DONE)
