"""The request records, as an administrator reads them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cli.decisions_directory import admin_access
from schemas.config import Settings
from schemas.request import RecordFolders


@contextlib.contextmanager
def open_records(settings: Settings) -> Iterator[RecordFolders]:
    """Give the folders of the records, which are opened as they are needed: inside `reading_records`."""
    records = RecordFolders(settings.requests)
    try:
        yield records
    finally:
        records.close()


def reading_records(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Raise `StateError` with the next step where records cannot be read; nothing but the reading belongs inside."""
    return admin_access(settings.requests)
