"""A map's file, which is read again when it has changed."""

from __future__ import annotations

import contextlib
import os

from schemas.files import just_changed
from schemas.sql_map import SqlMap, SqlType, read_sql_map


class MapFile:
    """The file *path* of a map of *kind*."""

    def __init__(self, path: str, kind: SqlType) -> None:
        self._path = path
        self._kind = kind
        self._seen: tuple[int, ...] | None = None
        self._read: SqlMap | None = None

    def read(self) -> SqlMap:
        """What it says at this moment.

        Raises:
            SqlMapError: it cannot be read, or says what cannot be.
        """
        # Looked at before it is read: whatever changes after this look is found by the next one.
        seen = self._look()
        if self._read is None or seen is None or seen != self._seen:
            self._seen = None
            self._read = read_sql_map(self._path, self._kind)
            self._seen = seen
        return self._read

    def _look(self) -> tuple[int, ...] | None:
        with contextlib.suppress(OSError):
            found = os.stat(self._path)
            # By ctime, which nobody can set: a password of the same length may be put in place, and the mtime put back.
            if not just_changed(found.st_ctime_ns):
                return found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size
        return None
