"""Taking the queue in, slice by slice: each entry becomes a record, an active cancel of this pass, or a refusal.

The life of an entry: `Backlog` finds it and says whose turn it is, `Judge` says what it asks for and whether it may,
its record and its line of the audit log are written and synced, and only then it is removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from schemas.config import Settings
from schemas.errors import StateError, error_text
from schemas.fs.directory import Directory
from schemas.reason import Reason
from schemas.request import RequestRecord
from schemas.text import N_
from watcher import audit
from watcher.accounts import Accounts
from watcher.audit import Audit
from watcher.incomplete import IncompleteFiles
from watcher.intake.backlog import Backlog, Item, StaleFiles
from watcher.intake.judge import Judge, Judgement
from watcher.intake.queue_directory import EntryRemover, QueueDirectory, cannot_be_dealt_with
from watcher.intake.refusals import IntakeLog, Refusals
from watcher.records import RecordStore

SLICE_SECONDS = 0.05
"""How long one pass may judge entries before decisions and publishing have their turn. Recording and removing what was
judged takes about as long again."""
SHORT_SLICE_SECONDS = 0.01
"""The same while decisions wait for that turn; and how long, besides, one pass may look for stale files."""


@dataclass
class IntakeResult:
    """What one slice of intake came to.

    Attributes:
        active_cancels: aliases to switch off, in this pass; their files stay in the queue until that is done.
        more: whether entries are left for the next slice.
        more_after_cancels: whether entries are left that can only be dealt with once the active cancels are applied.
        left_alone: how many directories there are, and entries over which something is mounted.
        directories: how many directories there are.
        handled: how many entries were dealt with.
        troubles: messages on single entries that cannot be dealt with.
        problems: messages on the queue itself, by problem code.
    """

    active_cancels: list[Judgement] = field(default_factory=list)
    more: bool = False
    more_after_cancels: bool = False
    left_alone: int = 0
    directories: int = 0
    handled: int = 0
    troubles: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


class Intake:
    """The queue and what becomes of its entries.

    Attributes:
        incomplete: files that may still be being written.
        directory: the queue directory itself: who may write there, and what is mounted over it.
        rate_limit: what the journal has counted and is still to say.
    """

    def __init__(
        self,
        settings: Settings,
        records: RecordStore,
        accounts: Accounts,
        audit: Audit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Pinned and not opened, until it is known that what lies there can be asked.
        self._queue = Directory(settings.queue, asked=False)
        self._records = records
        self._accounts = accounts
        self._audit = audit
        self._clock = clock
        self._backlog = Backlog()
        self.incomplete = IncompleteFiles(clock)
        self._judge = Judge(settings, self._queue, records, accounts, self.incomplete)
        self._remover = EntryRemover(self._queue)
        self._stale = StaleFiles(self._queue, self._backlog, self._remover)
        self.directory = QueueDirectory(settings, accounts, self._queue)
        self._intake_log = IntakeLog(clock)
        self.rate_limit = self._intake_log.rate_limit
        self._refusals = Refusals(records, accounts, audit, self._intake_log)
        # From one slice to the next:
        #   _more        the last slice left entries, so this one goes on with a backlog
        #   _scan_owed   a scan was wanted and put off, and must be made in the next slice
        #   _waiting     entries that were postponed, most of them still being written; each has had its turn
        #   _stuck       entries that could not be read or removed, by name; tried again when a new backlog begins
        #   _why_stuck   the message on the last of those that could not be read
        self._more = False
        self._scan_owed = False
        self._waiting: list[Item] = []
        self._stuck: dict[str, Item] = {}
        self._why_stuck: str | None = None

    @property
    def refused(self) -> int:
        """How many entries were refused since the watcher started."""
        return self._refusals.count

    def go_on_from(self, refused: int) -> None:
        """Count on from *refused*, the refusals of this process under an earlier configuration."""
        self._refusals.count = refused

    def close(self) -> None:
        """Close the queue, after the journal has been told what was counted."""
        self.rate_limit.close()
        self.directory.close()
        self._queue.close()

    def take(self, *, scan: bool = True, hurry: bool = False) -> IntakeResult:
        """Take in one slice. Everything recorded is durable, and gone from the queue, when this returns.

        Args:
            scan: whether there may be something new. If not, a backlog is gone on with; that nothing is left is only
                believed after a scan.
            hurry: whether decisions wait for the slice to end.

        Raises:
            GroupMissingError: the members' group does not exist; nothing was taken.
            OSError: a record could not be written; its file is still in the queue.
        """
        self.directory.look()
        result = IntakeResult(problems=self.directory.problems)
        if self.directory.closed:
            return result
        self.rate_limit.flush()
        if not self._more:
            self._retry_stuck()
        self._put_back_waiting(all_of_them=scan or not self._more)
        self._more = False
        scanned = self._scan(wanted=scan, hurry=hurry)
        result.directories = self._backlog.directories
        result.left_alone = result.directories + len(self._backlog.mounted)
        self._take_slice(result, SHORT_SLICE_SECONDS if hurry else SLICE_SECONDS)
        self._remove_stale(result)
        result.more |= not scanned
        # What was postponed may all be gone, which only a scan tells.
        self._scan_owed |= result.more and not result.handled
        if not result.more:
            self._refusals.backlog_ends()
        self._more = result.more
        result.troubles += [self._why_stuck] if self._why_stuck else []
        result.troubles += [cannot_be_dealt_with(name, error_text(error)) for name, error in self._backlog.unreadable]
        result.troubles += self._remover.troubles
        return result

    def _scan(self, *, wanted: bool, hurry: bool) -> bool:
        # The scan takes longest of all in a flood, so it may wait for decisions, though never twice in a row.
        wanted |= self._scan_owed
        due = wanted and (self._scan_owed or not hurry)
        if self._backlog.waiting or self._stale.waiting:
            self._scan_owed = wanted and not due
            if not due:
                return False
        self._scan_owed = False
        self._remover.again(self.directory.mounted)
        self._backlog.scan(self._queue, self.directory.mounted)
        self.incomplete.forget_all_but(self._backlog)
        self._stale.line_up()
        return True

    def _take_slice(self, result: IntakeResult, seconds: float) -> None:
        deadline = self._clock() + seconds
        # Within the slice:
        #   given              entries whose turn it was; those that are not removed in the end are put back
        #   spent              judgements that were recorded, so that their entries can be removed
        #   refused            refusals that are not recorded yet, by owner: of many only the newest get a record
        #   after_cancel       uids with an active cancel in this slice, which the rest of their entries wait for
        #   postponed    names of entries that wait until something happens to them
        given: list[Item] = []
        spent: list[Judgement] = []
        refused: dict[str, list[Judgement]] = {}
        after_cancel: set[int] = set()
        postponed: set[str] = set()
        try:
            stuck_before = len(self._stuck)
            for item in self._backlog.in_turn(lambda: self._clock() > deadline):
                given.append(item)
                if item.uid in after_cancel:
                    result.more_after_cancels = True
                    continue
                judgement = self._judged(item)
                if judgement is None:
                    if self._stuck.get(item.name) is not item:
                        self._waiting.append(item)
                        postponed.add(item.name)
                    continue
                if judgement.active_cancel:
                    # What its owner wrote after it waits for it, or it would come out of order.
                    after_cancel.add(item.uid)
                    result.active_cancels.append(judgement)
                    continue
                if judgement.refused is not None:
                    refused.setdefault(judgement.record.username if judgement.record else "", []).append(judgement)
                    continue
                # The refusals before it are recorded first: after a kill they would be judged again, and this one may
                # have changed what they are judged by.
                if judgement.record is not None and (earlier := refused.pop(judgement.record.username, None)):
                    self._refusals.record(judgement.record.username, earlier)
                    spent += earlier
                self._record(judgement)
                spent.append(judgement)
            if self._backlog.waiting:
                if result.active_cancels and not (spent or refused or len(self._stuck) > stuck_before):
                    result.more_after_cancels = True
                else:
                    result.more = True
            for owner, judgements in refused.items():
                self._refusals.record(owner, judgements, more=result.more)
                spent += judgements
        finally:
            # Also when a write failed half way: what was recorded is done with, and what was not stays in the queue.
            result.handled = len(spent)
            self._remove_spent([item for item in given if item.name not in postponed], spent)

    def _judged(self, item: Item) -> Judgement | None:
        if self._remover.keeps(item.name):
            self._stuck[item.name] = item
            return None
        try:
            return self._judge.judge(item)
        except (OSError, StateError) as error:
            self._stuck[item.name] = item
            self._why_stuck = cannot_be_dealt_with(item.name, error_text(error))
            # It is the retry that it waits for now.
            self.incomplete.forget(item.name)
            return None

    def _record(self, judgement: Judgement) -> None:
        record = judgement.record
        if record is None:
            # Its record was made before a kill; perhaps its line was not.
            if judgement.before is not None:
                self._audit.add_again(judgement.before, self._records.withdrawn_by(judgement.before))
                if judgement.before.status == "refused":
                    self._refusals.recorded_before()
            return
        gid = self._accounts.gid
        if judgement.withdraws is not None and judgement.withdraws.status == "pending":
            withdrawn = replace(
                judgement.withdraws,
                status="cancelled",
                decided_at=record.decided_at,
                decided_by=record.username,
                decision_id=record.request_id,
            )
            self._records.close_pending(withdrawn, gid)
        if record.status == "pending":
            self._close_former(record, gid)
        self._records.add(record, gid)
        withdrawn_id = judgement.withdraws.request_id if judgement.withdraws else None
        self._audit.add(audit.of_withdrawal(record, withdrawn_id) if withdrawn_id else audit.of_record(record))
        self._intake_log.taken(record)

    def _close_former(self, record: RequestRecord, gid: int) -> None:
        # Only a request of an account that is no more can still be pending under the same name here.
        former = self._records.pending.get(record.username)
        if former is None:
            return
        reason = Reason(
            "account-changed",
            N_("The account that asked for this is no more; its name belongs to somebody else now."),
        )
        closed = replace(
            former,
            status="cancelled",
            decided_at=record.created_at,
            decided_by="watcher",
            reason=reason.text,
            reason_code=reason.code,
        )
        # At once: of a record that was closed before a kill nothing would tell any more.
        self._audit.add(audit.of_closed(closed))
        self._audit.flush()
        self._records.close_pending(closed, gid)

    def _remove_spent(self, given: list[Item], spent: list[Judgement]) -> None:
        removed: set[str] = set()
        try:
            self._records.sync()
            self._audit.flush()
            self._refusals.count_recorded()
            for judgement in spent:
                self.discard(judgement)
                removed.add(judgement.item.name)
        finally:
            self._refusals.forget()
            for item in given:
                if item.name not in removed and self._stuck.get(item.name) is not item:
                    self._backlog.put_back(item)

    def _put_back_waiting(self, *, all_of_them: bool) -> None:
        # What is still being written, and whatever else came to nothing, has one turn until something happens or its
        # time is over: else the same few would be looked at in slice after slice, and those behind them never.
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            if all_of_them or self.incomplete.due(item.name):
                self._backlog.put_back(item)
            else:
                self._waiting.append(item)

    def _retry_stuck(self) -> None:
        # Only at the beginning of a backlog: within one they would be tried for ever, and keep others from their turn.
        for item in self._stuck.values():
            self._backlog.put_back(item)
        self._stuck.clear()
        self._why_stuck = None

    def refuse(self, judgement: Judgement) -> None:
        """Record one refusal, and count it."""
        self._refusals.record(judgement.record.username if judgement.record else "", [judgement])
        self._refusals.count_recorded()

    def discard(self, judgement: Judgement) -> None:
        """Remove the entry that was judged, and no other that has taken its name since."""
        name = judgement.item.name
        self._remover.remove(name, judgement.inode)
        self.incomplete.forget(name)
        self._backlog.forget(name)

    def _remove_stale(self, result: IntakeResult) -> None:
        if not self._stale.waiting:
            return
        deadline = self._clock() + SHORT_SLICE_SECONDS
        stale = self._stale.find(lambda: self._clock() > deadline)
        result.more |= stale.more
        result.troubles += [cannot_be_dealt_with(name, error_text(error)) for name, error in stale.troubles]
        for uid, found in stale.of_owner.items():
            account = self._accounts.of_uid(uid)
            owner = account.name if account else None
            last = found[-1][0]
            # Without a record: what was never finished asks for nothing.
            message = N_("The file was never finished, and is more than a day old.")
            self._audit.refusals.count(owner or "", uid, len(found), message, last)
            for name, inode in found:
                self._remover.remove(name, inode)
            result.handled += len(found)
            self._refusals.count += len(found)
            self._intake_log.stale(owner, len(found), last)
