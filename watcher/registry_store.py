"""Reading the registry when it has changed, and writing it under its lock."""

from __future__ import annotations

import fcntl
import os

from schemas.errors import (
    ExpectedError,
    RegistryBusyError,
    RegistryError,
    RegistryUnreadableError,
    StateError,
    error_text,
)
from schemas.fs.directory import Directory, Signature, just_changed, signature_of, temporary_name
from schemas.fs.pinned import FoundFile
from schemas.registry import SIZE_LIMIT, Registry, parse_registry
from schemas.text import N_

MODE = 0o640


class RegistryStore:
    """The registry file *path*, guarded for writing by a flock(2) on *lock* that the server's other tools take too.

    It remembers the file's signature, and the registry or the message on why it cannot be used, until that changes.
    """

    def __init__(self, path: str, lock: str, domain: str) -> None:
        self.path = path
        self._folder, self._name = os.path.split(path)
        # A name of its own: the usual one may be that of another tool which is writing just now.
        self._temporary = temporary_name(f"{self._name}.watcher")
        self._lock = lock
        self._domain = domain
        self._seen: Signature | None = None
        self._registry: Registry | None = None
        self._unusable: str | None = None

    def tidy(self) -> None:
        """Remove what a kill left half written."""
        with Directory(self._folder) as directory:
            # Looked for first: on a read-only disk even removing nothing fails.
            if directory.has(self._temporary):
                directory.remove(self._temporary)

    def current(self) -> Registry:
        """The registry as it is on disk; read again only if its signature has changed.

        Raises:
            RegistryError: it is missing, cannot be read, or breaks its schema.
        """
        try:
            with Directory(self._folder) as directory:
                if self._seen is not None and directory.signature(self._name) == self._seen:
                    if self._unusable is not None:
                        raise RegistryError(self._unusable)
                    if self._registry is not None:
                        return self._registry
                found = directory.read(self._name, SIZE_LIMIT)
        except FileNotFoundError:
            self._seen = None
            raise RegistryError(
                N_(
                    "The registry {path} is not there. Bring it back, or begin a new one with `{{}}` in it. Until then "
                    "the published map stays as it is and decisions wait."
                ).format(path=self.path)
            ) from None
        except RegistryError:
            raise
        except (OSError, ExpectedError) as error:
            self._seen = None
            message = N_(
                "The registry {path} cannot be read: {error}. Until it can, the published map stays as it is and "
                "decisions wait."
            ).format(path=self.path, error=error_text(error))
            raise RegistryUnreadableError(message) from error
        return self._parse(found)

    def usable(self) -> Registry | None:
        """The registry as it is on disk, or `None` where it cannot be used."""
        try:
            return self.current()
        except RegistryError:
            return None

    def _parse(self, found: FoundFile) -> Registry:
        # One that is too young for its signature is read again when the next event comes.
        self._seen = None if just_changed(found.status.st_mtime_ns) else signature_of(found.status)
        if self._registry is not None and self._registry.data == found.data:
            self._unusable = None
            return self._registry
        try:
            self._registry = parse_registry(found.data, self._domain, self.path, self._registry)
        except RegistryError as error:
            self._unusable = str(error)
            raise
        self._unusable = None
        return self._registry

    def lock(self) -> RegistryLock:
        """Take the lock; give it back with the `with` statement's end.

        Raises:
            RegistryBusyError: another program holds it.
            StateError: the lock file cannot be opened.
        """
        return RegistryLock(self._lock)

    def write(self, registry: Registry, gid: int) -> None:
        """Put *registry* in the file's place; only while holding the lock. Raises `OSError`: nothing was changed."""
        with Directory(self._folder) as directory:
            self._seen = directory.write(self._name, registry.data, MODE, gid, temporary=self._temporary)
        self._registry = registry
        self._unusable = None


class RegistryLock:
    """The lock, held until the `with` block ends."""

    def __init__(self, path: str) -> None:
        try:
            # For reading: a file opened for writing is an event when it is closed, in a directory that we watch.
            self._fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                N_("The lock file {path} cannot be opened: {error}. Decisions wait until it can.").format(
                    path=path, error=error.strerror
                )
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise RegistryBusyError(
                N_("Another program holds the lock {path}. Decisions wait until it lets go.").format(path=path)
            ) from None

    def __enter__(self) -> None:
        """Hold it."""

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        os.close(self._fd)
