"""Directory watches: which directories are watched for a configuration, and noticing when watching has broken.

`watches_of` says which directories, and what matters in each; `DirectoryWatcher` watches them. watchdog says nothing
when a watched directory is removed, renamed away or mounted over, and little when the kernel's queue overflows. So an
event is only ever a hint, and `DirectoryWatcher.broken` compares what is watched with what is there.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import stat
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import ObservedWatch
from watchdog.observers.inotify import InotifyObserver

from schemas.config import Config, Settings
from schemas.errors import ExpectedError
from schemas.request import FOLDERS
from schemas.text import N_
from watcher.accounts import AccountFiles
from watcher.intake.queue_directory import foreign
from watcher.publish.map_files import MapFiles
from watcher.publish.postfix import main_cf
from watcher.wake import Wake

# Created covers what comes from outside the directory, Moved what is renamed within it, Closed what is written in
# place. Without a filter our own reads would wake us.
_APPEARED: tuple[type[FileSystemEvent], ...] = (
    FileCreatedEvent,
    FileMovedEvent,
    FileClosedEvent,
    DirCreatedEvent,
    DirMovedEvent,
)
_VANISHED: tuple[type[FileSystemEvent], ...] = (FileDeletedEvent, DirDeletedEvent)

STORM = 250
"""How many events one directory may have between two passes before it is muted until the next one."""
MUTE_SECONDS = 1.0
"""How long a directory stays muted after a storm while one pass follows the other anyway."""

# Where watchdog 6 and 7 wait for the other half of a rename.
_MOVE_GROUPERS = (
    ("watchdog.observers.inotify_buffer", "InotifyBuffer"),
    ("watchdog.observers.inotify_move_event_grouper", "InotifyMoveEventGrouper"),
)


class WatchBrokenError(ExpectedError):
    """Watching has broken in a way that only a new process mends."""


@dataclass
class Watch:
    """One directory to watch.

    Attributes:
        path: the directory.
        names: the entries that matter; `None`: every one that is not hidden.
        required: whether the watcher cannot do without it.
        departures: whether it matters that an entry is gone.
    """

    path: str
    names: set[str] | None = field(default_factory=set)
    required: bool = False
    departures: bool = True


def watches_of(settings: Settings) -> list[Watch]:
    """The directories to watch, and what matters in each."""
    config = settings.config
    registry_directory, registry_name = os.path.split(settings.registry)
    watches = [
        # What a member may have mounted there is not even asked whether it can be watched.
        *([] if foreign(settings) else [Watch(settings.queue, None, required=True, departures=False)]),
        Watch(settings.decisions, None, required=True, departures=False),
        Watch(registry_directory, {registry_name}, required=True),
        Watch(os.path.dirname(settings.path) or ".", {os.path.basename(settings.path)}),
        # Whose account has gone. /etc is watched for the configuration as well, so these are no more events.
        *(Watch(os.path.dirname(path), {os.path.basename(path)}) for path in AccountFiles().paths),
    ]
    if config.enabled:
        watches += _map_watches(config)
        if config.check_maps:
            watches.append(Watch(os.path.dirname(main_cf()), {"main.cf"}))
    return watches


def _map_watches(config: Config) -> list[Watch]:
    if not config.in_database:
        files = MapFiles(config)
        return [Watch(files.folder, files.names)]
    # The files that lead to the database: whoever corrects a password there need not wait for the next try.
    leading = filter(None, (config.database.map_file, config.database.write_map_file))
    return [Watch(os.path.dirname(path), {os.path.basename(path)}) for path in leading]


def pinned_directories_of(settings: Settings) -> list[str]:
    """The directories that are kept open: they have to be the ones that were there at first."""
    folders = [os.path.join(settings.requests, folder) for folder in FOLDERS]
    return [*folders, os.path.join(settings.decisions, "failed")]


def merged(watches: Iterable[Watch]) -> list[Watch]:
    """One watch for each directory, however many purposes it serves."""
    found: dict[str, Watch] = {}
    for watch in watches:
        path = os.path.normpath(watch.path)
        known = found.get(path)
        if known is None:
            names = None if watch.names is None else set(watch.names)
            found[path] = Watch(path, names, watch.required, watch.departures)
            continue
        known.names = None if known.names is None or watch.names is None else known.names | watch.names
        known.required |= watch.required
        known.departures |= watch.departures
    return list(found.values())


class DirectoryWatcher:
    """Watches directories, and wakes *wake* at each event.

    Args:
        watches: the directories to watch.
        pinned: directories that are kept open and not watched, but must be the ones that were there at first.
        wake: what to wake.
    """

    def __init__(self, watches: Iterable[Watch], pinned: Iterable[str], wake: Wake) -> None:
        self._watches = merged(watches)
        self._pinned = list(pinned)
        self._wake = wake
        self._warnings = _WatchdogWarnings(wake)
        # While it watches:
        #   _observer      watchdog's thread, which has more threads of its own
        #   _identities    device and inode of each directory as it was at the start; `None` where there was none
        #   _scheduled     the handler and watchdog's own watch of each directory that was there
        #   _muted         directories whose events are ignored until a pass scans them
        #   _muted_until   how long they stay so where passes follow each other anyway
        self._observer: InotifyObserver | None = None
        self._identities: dict[str, tuple[int, int] | None] = {}
        self._scheduled: dict[str, tuple[_Handler, ObservedWatch]] = {}
        self._muted: set[str] = set()
        self._muted_until = 0.0

    def missing(self) -> list[str]:
        """The required directories that are not there."""
        return [watch.path for watch in self._watches if watch.required and _identity(watch.path) is None]

    def start(self) -> None:
        """Watch every directory that is there, anew. Read the state only after this.

        Raises:
            FileNotFoundError: a required directory is not there.
            WatchBrokenError: the kernel has no watch left to give (see inotify(7), /proc interfaces), or will not
                watch.
        """
        self.stop()
        _report_moves_at_once()
        logging.getLogger("watchdog").addHandler(self._warnings)
        identities = {watch.path: _identity(watch.path) for watch in self._watches}
        try:
            observer = InotifyObserver()
            self._observer = observer
            observer.start()
            for watch in self._watches:
                if identities[watch.path] is not None:
                    self._schedule(observer, watch, identities)
                elif watch.required:
                    raise FileNotFoundError(watch.path)
        except FileNotFoundError:
            self.stop()
            raise
        except (OSError, RuntimeError) as error:
            self.stop()
            raise _cannot_watch(error) from error
        self._identities = identities

    def _schedule(self, observer: InotifyObserver, watch: Watch, identities: dict[str, tuple[int, int] | None]) -> None:
        kinds = list(_APPEARED + _VANISHED if watch.departures else _APPEARED)
        handler = _Handler(watch, self, self._wake)
        try:
            # watchdog 7 watches a link itself, in which nothing ever happens.
            observed = observer.schedule(handler, os.path.realpath(watch.path), recursive=False, event_filter=kinds)
            self._scheduled[watch.path] = (handler, observed)
        except (FileNotFoundError, NotADirectoryError):
            if watch.required:
                raise FileNotFoundError(watch.path) from None
            identities[watch.path] = None

    def mute(self, path: str) -> None:
        """Ignore all events of *path* until `unmute`.

        A storm of events costs more than a scan: watchdog handles each in Python, in threads that hold up the one that
        makes the passes, which finds everything without them.
        """
        scheduled, observer = self._scheduled.get(path), self._observer
        if scheduled is None or observer is None or path in self._muted:
            return
        self._muted_until = time.monotonic() + MUTE_SECONDS
        self._muted.add(path)
        # The thread that makes the passes may just have taken it away.
        with contextlib.suppress(KeyError):
            observer.unschedule(scheduled[1])

    @property
    def muted(self) -> bool:
        """Whether a directory's events are ignored, so that another pass must follow which scans it."""
        return bool(self._muted)

    def unmute(self, *, patient: bool = False) -> None:
        """A pass begins: heed the events of every directory again, before it is scanned.

        Where passes follow each other anyway, *patient*, a storm is given a second to end first.

        Raises:
            WatchBrokenError: as `start`.
        """
        if patient and time.monotonic() < self._muted_until:
            return
        for handler, _watch in self._scheduled.values():
            handler.events = 0
        while self._muted and self._observer is not None:
            path = self._muted.pop()
            watch = next(watch for watch in self._watches if watch.path == path)
            try:
                self._schedule(self._observer, watch, self._identities)
            except FileNotFoundError:
                return  # `broken` finds it missing
            except (OSError, RuntimeError) as error:
                raise _cannot_watch(error) from error

    def broken(self) -> bool:
        """Whether what is watched is no longer what is there, so that `start` is due.

        Raises:
            WatchBrokenError: a thread that only ends by a fault has ended.
        """
        observer = self._observer
        if observer is None:
            return True
        reader = getattr(observer, "_inotify_fd", None)  # watchdog 7 reads for all watches in one thread
        if not observer.is_alive() or not _alive(reader):
            raise _thread_died()
        ended = False
        for emitter in list(observer.emitters):
            if emitter.is_alive() and _alive(getattr(emitter, "_inotify", None)):  # watchdog 6 has a reader for each
                continue
            # watchdog ends an emitter whose directory is removed, and a new directory may get the same inode number.
            if emitter.stopped_event.is_set():
                ended |= emitter in observer.emitters  # or else it was muted just now
            elif not self._replaced():
                raise _thread_died()
        return ended or self._replaced()

    def _replaced(self) -> bool:
        return any(_identity(path) != identity for path, identity in self._identities.items())

    def pin(self) -> None:
        """Remember the pinned directories as they are now."""
        self._identities.update({path: _identity(path) for path in self._pinned})

    def stop(self) -> None:
        """Stop watching."""
        logging.getLogger("watchdog").removeHandler(self._warnings)
        observer, self._observer = self._observer, None
        self._identities = {}
        self._scheduled = {}
        self._muted = set()
        if observer is not None and observer.is_alive():
            observer.stop()
            observer.join()


class _Handler(FileSystemEventHandler):
    """Turns an event into a reason for a pass. It raises nothing: that would end watchdog's thread without a word."""

    def __init__(self, watch: Watch, directories: DirectoryWatcher, wake: Wake) -> None:
        self._watch = watch
        self._directories = directories
        self._wake = wake
        self.events = 0

    def dispatch(self, event: FileSystemEvent) -> None:
        self.events += 1
        if self.events > STORM:
            self._directories.mute(self._watch.path)
            self._wake.now()
            return
        paths = (os.fsdecode(event.dest_path or ""), os.fsdecode(event.src_path))
        if any(self._matters(os.path.basename(path)) for path in paths if path):
            self._wake.now()
        else:
            self._wake.soon()

    def _matters(self, name: str) -> bool:
        return not name.startswith(".") if self._watch.names is None else name in self._watch.names


class _WatchdogWarnings(logging.Handler):
    """Turns watchdog's own warnings into hints: some versions forget events that they have not reported yet."""

    def __init__(self, wake: Wake) -> None:
        super().__init__(logging.WARNING)
        self._wake = wake

    def emit(self, record: logging.LogRecord) -> None:
        del record
        self._wake.soon()


def _alive(thread: object) -> bool:
    return not isinstance(thread, threading.Thread) or thread.is_alive()


def _report_moves_at_once() -> None:
    """Have watchdog report a rename out of a directory at once, and all that comes after it.

    Without this it waits half a second for the other half of the rename, which a member could make everybody wait; and
    by the wall clock in watchdog 6, so that setting that back makes it as much longer.
    """
    for module, name in _MOVE_GROUPERS:
        with contextlib.suppress(ImportError, AttributeError):
            getattr(importlib.import_module(module), name).delay = 0.0


def _cannot_watch(error: Exception) -> WatchBrokenError:
    return WatchBrokenError(
        N_(
            "The directories cannot be watched: {error}. See /proc/sys/fs/inotify: max_user_instances and "
            "max_user_watches may have to be raised."
        ).format(error=error)
    )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    # A file can be watched too, but is not what was meant; that a directory has taken its place is to be noticed.
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _thread_died() -> WatchBrokenError:
    return WatchBrokenError(
        N_("A thread that watches for changes has ended by a fault. The watcher ends, so that it is started afresh.")
    )
