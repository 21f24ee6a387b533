"""Everything that is open for one configuration, from the lock to the status file."""

from __future__ import annotations

import fcntl
from contextlib import ExitStack
from typing import Self

from schemas.config import Settings
from schemas.errors import ExpectedError
from schemas.text import N_
from schemas.times import iso
from watcher import audit
from watcher.accounts import AccountFiles, Accounts
from watcher.audit import Audit
from watcher.decide.decide import Decide
from watcher.decide.markers import Markers
from watcher.intake.intake import Intake
from watcher.orphan_search import OrphanMemory
from watcher.orphans import OrphanStep
from watcher.publish.postfix import MapCheck
from watcher.publish.publisher import publisher_for
from watcher.records import RecordStore
from watcher.registry_store import RegistryStore
from watcher.status import Problems, Report
from watcher.systemd import Notifier

_MARGIN_NS = 5_000_000_000
"""How far before its last line the search for what the audit log lacks begins, in case the clock was set back."""
_ORPHANS_REMEMBERED = 32
"""How many orphans the end of the audit log names for certain, however long their lines are."""
_LINE_BYTES = 2048
"""Longer than the line of any alias that was switched off, whose texts have limits."""


class SecondWatcherError(ExpectedError):
    """Another watcher holds the lock."""


class Context:
    """What the steps of a pass work with, opened for *settings*. One process at a time can have it open.

    *orphan_memory* is what was seen of members so far; it is kept for the life of the process.

    Raises:
        SecondWatcherError: another watcher is at work there.
        StateError: a directory is not there or cannot be opened.
        OSError: a sub-folder cannot be made.
    """

    def __init__(
        self,
        settings: Settings,
        problems: Problems,
        notifier: Notifier,
        started_at: str,
        orphan_memory: OrphanMemory | None = None,
    ) -> None:
        self.settings = settings
        with ExitStack() as opened:
            self.registry = RegistryStore(settings.registry, settings.lock, settings.domain)
            self.audit = Audit(settings.audit, self.registry.usable)
            self.markers = Markers(settings.decisions, self.audit)
            opened.callback(self.markers.close)
            try:
                fcntl.flock(self.markers.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SecondWatcherError(
                    N_("Another watcher is at work on {path}; there can be one only.").format(path=settings.decisions)
                ) from None
            opened.callback(self.audit.close)
            self.report = Report(settings, problems, notifier, started_at)
            self.records = RecordStore(settings.requests)
            opened.callback(self.records.close)
            self.accounts = Accounts(settings.config.group)
            self.intake = Intake(settings, self.records, self.accounts, self.audit)
            opened.callback(self.intake.close)
            self.decide = Decide(
                settings, self.registry, self.records, self.accounts, self.markers, self.intake, self.audit
            )
            self.orphans = OrphanStep(
                settings,
                self.registry,
                self.accounts,
                self.audit,
                AccountFiles(),
                orphan_memory or OrphanMemory(),
            )
            self.publisher = publisher_for(settings.config, self.records.approved)
            self.map_check = MapCheck(settings.config)
            self._opened = opened.pop_all()

    def tidy(self) -> None:
        """Remove what a kill, or a disk that failed, left half written.

        Raises:
            OSError: it cannot be removed.
            StateError: a directory is not there.
        """
        self.markers.tidy()
        self.registry.tidy()
        self.records.tidy()

    def complete_audit(self) -> None:
        """Add lines to the audit log for the records that came after its last line, and for orphans switched off since.

        A kill may have come between, and the queue file that would show it may have been taken back by its owner.

        Raises:
            OSError, StateError, UnsafeFileError: the log or the records cannot be read.
        """
        since = self.audit.remember()
        # Without any log nobody knows what is new: only what still waits is taken for it.
        records = self.records.pending.values() if since is None else self.records.written_since(since)
        for record in records:
            self.audit.add_again(record, self.records.withdrawn_by(record))
        present = self.registry.usable()
        if present is not None:
            orphans_since = None if since is None else iso(since - _MARGIN_NS)
            lines = list(audit.of_earlier_orphans(present, orphans_since))
            if len(lines) > _ORPHANS_REMEMBERED:
                self.audit.remember(len(lines) * _LINE_BYTES)
            for line in lines:
                self.audit.add(line)  # of which those that are there already are left out

    def __enter__(self) -> Self:
        """Give the context itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close everything, the lock last."""
        self._opened.close()
