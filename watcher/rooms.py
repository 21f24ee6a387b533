"""Everything that is open for one configuration, from the lock to the status file."""

from __future__ import annotations

import fcntl
from contextlib import ExitStack
from typing import Self

from schemas.config import Settings
from schemas.errors import TroubleError
from watcher import sentences
from watcher.accounts import Accounts
from watcher.decide.decide import Decide
from watcher.decide.markers import Markers
from watcher.intake.intake import Intake
from watcher.notify import Notifier
from watcher.publish.mapcheck import MapCheck
from watcher.publish.publisher import Publisher
from watcher.records import RecordStore
from watcher.registry_store import RegistryStore
from watcher.report.problems import Problems
from watcher.report.report import Report


class SecondWatcherError(TroubleError):
    """Another watcher holds the lock."""


class Rooms:
    """The rooms of a pass, opened for *settings*.

    Raises:
        SecondWatcherError: another watcher is at work there.
        StateError: a directory is not there or cannot be opened.
        OSError: a sub-folder cannot be made.
    """

    def __init__(self, settings: Settings, problems: Problems, notifier: Notifier, started_at: str) -> None:
        self.settings = settings
        with ExitStack() as opened:
            self.markers = Markers(settings.decisions)
            opened.callback(self.markers.close)
            try:
                fcntl.flock(self.markers.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SecondWatcherError(sentences.SECOND_WATCHER.format(path=settings.decisions)) from None
            self.markers.tidy()
            self.report = Report(settings, problems, notifier, started_at)
            self.records = RecordStore(settings.requests)
            opened.callback(self.records.close)
            self.accounts = Accounts(settings.config.group)
            self.intake = Intake(settings, self.records, self.accounts)
            opened.callback(self.intake.close)
            self.registry = RegistryStore(settings.registry, settings.lock, settings.domain)
            self.registry.tidy()
            self.decide = Decide(settings, self.registry, self.records, self.accounts, self.markers, self.intake)
            self.publisher = Publisher(settings.config, self.records.approved)
            self.mapcheck = MapCheck(settings.config)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        """Give the rooms themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Close everything, the lock last."""
        self._opened.close()
