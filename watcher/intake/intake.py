"""Taking the queue in: every entry becomes a record, a decision of the same pass, or a counted refusal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from schemas.config import Settings
from schemas.errors import StateError, reason
from schemas.files import Directory
from schemas.requests import REFUSED_KEPT, RequestRecord
from schemas.text import printable
from watcher import sentences
from watcher.accounts import Accounts
from watcher.intake.census import Census, Item
from watcher.intake.judge import Judge, Verdict
from watcher.records import RecordStore
from watcher.settling import Settling

SLICE_SECONDS = 0.1
"""How long one pass may take entries in before decisions and publishing have their turn."""

_DAY = 24 * 3600

log = logging.getLogger("runv.intake")


@dataclass
class Intaken:
    """What one slice of intake came to.

    Attributes:
        active_cancels: aliases to switch off, in this pass; their files stay in the queue until that is done.
        more: whether entries are left for the next slice.
        more_after_cancels: whether entries are left that come after an active cancel of their owner.
        left_alone: directories in the queue.
        handled: entries dealt with.
        troubles: what stood in the way, in words.
    """

    active_cancels: list[Verdict] = field(default_factory=list)
    more: bool = False
    more_after_cancels: bool = False
    left_alone: int = 0
    handled: int = 0
    troubles: list[str] = field(default_factory=list)


class Intake:
    """The queue and what becomes of its entries.

    Attributes:
        refused: entries refused since the watcher started.
        settling: files that may still be being written.
    """

    def __init__(
        self,
        settings: Settings,
        records: RecordStore,
        accounts: Accounts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = Directory(settings.queue)
        self._records = records
        self._accounts = accounts
        self._clock = clock
        self._census = Census()
        self.settling = Settling(clock)
        self.refused = 0
        self._judge = Judge(settings, self._queue, records, accounts, self.settling)

    def close(self) -> None:
        """Let go of the queue."""
        self._queue.close()

    def take(self) -> Intaken:
        """Take in one slice. Everything recorded is durable, and gone from the queue, when this returns.

        Raises:
            GroupMissingError: nobody can be told to be a member; nothing was taken.
            OSError: a record could not be written; its file is still in the queue.
        """
        result = Intaken()
        self._census.take(self._queue)
        self.settling.forget_all_but(self._census.names)
        result.left_alone = self._census.directories
        self._remove_abandoned(self._census.hidden)
        self._take_slice(result)
        return result

    def _take_slice(self, result: Intaken) -> None:
        deadline = self._clock() + SLICE_SECONDS
        given: list[Item] = []
        spent: list[Verdict] = []
        refused: dict[str, list[Verdict]] = {}
        waiting: set[int] = set()
        try:
            for item in self._census.in_turn():
                given.append(item)
                if self._clock() > deadline:
                    # With nothing done in all that time, it is their own clock that the entries wait for.
                    result.more = bool(spent or refused)
                    break
                if item.uid in waiting:
                    result.more_after_cancels = True
                    continue
                verdict = self._judged(item, result)
                if verdict is None:
                    continue
                if verdict.active_cancel:
                    # What its owner wrote after it waits for it, or it would come out of order.
                    waiting.add(item.uid)
                    result.active_cancels.append(verdict)
                    continue
                if verdict.refused is not None:
                    refused.setdefault(verdict.record.username if verdict.record else "", []).append(verdict)
                    continue
                self._record(verdict)
                spent.append(verdict)
            for owner, verdicts in refused.items():
                self._record_refused(owner, verdicts)
                spent += verdicts
        finally:
            # Also when a write failed half way: what was recorded is done with, and what was not stays in the queue.
            result.handled = len(spent)
            self._done(given, spent)

    def _done(self, given: list[Item], spent: list[Verdict]) -> None:
        done: set[str] = set()
        try:
            self._records.settle()
            for verdict in spent:
                self.discard(verdict)
                done.add(verdict.item.name)
        finally:
            for item in given:
                if item.name not in done:
                    self._census.put_back(item)

    def _judged(self, item: Item, result: Intaken) -> Verdict | None:
        try:
            return self._judge.judge(item)
        except (OSError, StateError) as error:
            result.troubles.append(sentences.ENTRY_UNREADABLE.format(name=printable(item.name), error=reason(error)))
            return None

    def _record(self, verdict: Verdict) -> None:
        record = verdict.record
        if record is None:
            return
        gid = self._accounts.gid
        if verdict.withdraws is not None and verdict.withdraws.status == "pending":
            withdrawn = replace(
                verdict.withdraws,
                status="cancelled",
                decided_at=record.decided_at,
                decided_by=record.username,
                decision_id=record.request_id,
            )
            self._records.close_pending(withdrawn, gid)
        if record.status == "pending":
            self._make_room(record, gid)
        self._records.add(record, gid)
        told = sentences.LOG_PENDING if record.status == "pending" else sentences.LOG_CANCELLED
        log.info(told.format(id=record.request_id, alias=record.alias, destination=record.destination))

    def _make_room(self, record: RequestRecord, gid: int) -> None:
        # Only a request of an account that is no more can still be pending under the same name here.
        former = self._records.pending.get(record.username)
        if former is not None:
            closed = replace(
                former,
                status="cancelled",
                decided_at=record.created_at,
                decided_by="watcher",
                reason=sentences.ACCOUNT_CHANGED,
            )
            self._records.close_pending(closed, gid)

    def refuse(self, verdict: Verdict) -> None:
        """Record one refusal, and count it."""
        self._record_refused(verdict.record.username if verdict.record else "", [verdict])

    def _record_refused(self, owner: str, verdicts: list[Verdict]) -> None:
        records = [record for verdict in verdicts if (record := verdict.record) is not None]
        for record in sorted(records, key=lambda record: record.request_id)[-REFUSED_KEPT:]:
            self._records.add(record, self._accounts.gid)
        if records:
            self._records.prune_refused(owner)
        self.refused += len(verdicts)
        # One line however many there were: a flood must not drown the journal.
        told = sentences.LOG_REFUSED.format(
            count=len(verdicts), owner=printable(owner) or "?", name=printable(verdicts[-1].item.name),
            reason=verdicts[-1].refused,
        )  # fmt: skip
        log.warning(told)

    def discard(self, verdict: Verdict) -> None:
        """Remove the entry that was judged, and no other that has taken its name since."""
        name = verdict.item.name
        status = self._queue.status(name)
        if status is not None and status.st_ino == verdict.inode:
            self._queue.remove(name)
        self.settling.forget(name)
        self._census.forget(name)

    def _remove_abandoned(self, items: list[Item]) -> None:
        for item in items:
            status = self._queue.status(item.name)
            # A time in the future keeps no file here for ever: nobody can set the ctime.
            if status is not None and time.time() - min(status.st_mtime, status.st_ctime) > _DAY:
                self._queue.remove(item.name)
                self.refused += 1
                log.warning(sentences.LOG_ABANDONED.format(name=printable(item.name)))
