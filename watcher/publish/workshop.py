"""The directory beside the map in which the next map is built."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator

from schemas.files import Directory

_MODE = 0o700
_REMOVAL_TRIES = 3


class BuildDirectory:
    """Where this process builds the file *name* of the directory *folder*; it is there only while that is done.

    A postmap outlives a watcher that is killed, and goes on reading and writing by path. So each process has a
    directory of a name of its own: what the postmap of an earlier one still does is done to files that nobody renames
    into place, and once they and their directory are removed it cannot make another.

    Attributes:
        path: the file's path while it is built.
    """

    def __init__(self, folder: str, name: str) -> None:
        prefix = f".{name}.next-"
        self._own = f"{prefix}{secrets.token_hex(4)}"
        self._anyones = re.compile(re.escape(prefix) + "[0-9a-f]{8}")
        self.path = os.path.join(folder, self._own, name)

    @contextlib.contextmanager
    def opened(self, beside: Directory) -> Iterator[Directory]:
        """Make it in *beside*, and remove it with all that is in it when the block ends.

        Raises:
            OSError: it cannot be made, or cannot be removed, and then is removed first the next time.
        """
        if beside.has(self._own):
            # A disk that failed kept it. Over a table that is there postmap complains of every row.
            _remove(beside, self._own)
        try:
            beside.make(self._own, _MODE)
            with Directory(os.path.dirname(self.path)) as directory:
                yield directory
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(beside, self._own)
            raise
        _remove(beside, self._own)

    def tidy(self, beside: Directory) -> None:
        """Remove from *beside* what processes that were killed have left there; only one at a time builds this map."""
        for name in beside.names():
            if self._anyones.fullmatch(name):
                # What cannot be removed now is removed by the next process.
                with contextlib.suppress(OSError):
                    _remove(beside, name)


def _remove(beside: Directory, name: str) -> None:
    # More than one try, since a postmap that is still at work there may put a file into what was just emptied.
    for left in reversed(range(_REMOVAL_TRIES)):
        try:
            shutil.rmtree(name, dir_fd=beside.fd)
        except OSError:
            if beside.has(name) and not left:
                raise
        if not beside.has(name):
            return
