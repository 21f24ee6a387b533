"""Taking entries out of the queue once they are dealt with, and remembering those that will not go."""

from __future__ import annotations

from collections.abc import Collection

from schemas.errors import StateError, error_text
from schemas.files import Directory, Signature, signature_of
from schemas.text import printable
from watcher import sentences


class EntryRemover:
    """Removes entries of *queue*. One that cannot be removed is not dealt with again, and keeps no other waiting."""

    def __init__(self, queue: Directory) -> None:
        self._queue = queue
        self._kept: dict[str, tuple[Signature, str]] = {}

    @property
    def troubles(self) -> list[str]:
        """What could not be removed, in words."""
        return [
            sentences.ENTRY_UNREADABLE.format(name=printable(name), error=error)
            for name, (_, error) in self._kept.items()
        ]

    def keeps(self, name: str) -> bool:
        """Whether the file *name* was dealt with but is still there."""
        return name in self._kept

    def remove(self, name: str, inode: int) -> None:
        """Remove *name* if it still is that inode, and no other file that has taken its name since."""
        try:
            with self._queue.pin(name) as pinned:
                if pinned.mount != self._queue.mount or pinned.status.st_ino != inode:
                    return
                self._unlink(name, signature_of(pinned.status))
        except FileNotFoundError:
            return

    def again(self, mounted: Collection[str]) -> None:
        """Try those again that could not be removed, except where something is *mounted* over them."""
        kept, self._kept = self._kept, {}
        for name, (signature, error) in kept.items():
            if name in mounted:
                self._kept[name] = (signature, error)
                continue
            try:
                if self._queue.signature(name) == signature:
                    self._unlink(name, signature)
            except (OSError, StateError) as trouble:
                self._kept[name] = (signature, error_text(trouble))

    def _unlink(self, name: str, signature: Signature) -> None:
        try:
            self._queue.remove(name)
        except IsADirectoryError:
            return  # swapped in at this moment; it is left alone, as every directory is
        except OSError as error:
            self._kept[name] = (signature, error_text(error))
