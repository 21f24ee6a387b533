"""Whether the configuration file is another than the one that was read."""

from __future__ import annotations

import os

from schemas.config import SIZE_LIMIT
from schemas.errors import ExpectedError
from schemas.files import Signature, just_changed, read_plain, signature_of


class ConfigFile:
    """The file *path* as it is now. Made before it is read, so that what changes meanwhile is a change."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._signature = self._look()
        self._data = self._read() if self._young() else None

    @property
    def there(self) -> bool:
        """Whether there was such a file."""
        return self._signature is not None

    def changed(self) -> bool:
        """Whether it is another now."""
        if self._look() != self._signature:
            return True
        if self._data is None:
            return False
        same = self._read() == self._data
        if same and not self._young():
            self._data = None
        return not same

    def _young(self) -> bool:
        return self._signature is not None and just_changed(self._signature.mtime_ns)

    def _look(self) -> Signature | None:
        try:
            return signature_of(os.stat(self._path))
        except OSError:
            return None

    def _read(self) -> bytes:
        try:
            return read_plain(self._path, SIZE_LIMIT).data
        except (OSError, ExpectedError):
            # Whoever loads it says why.
            return b""
