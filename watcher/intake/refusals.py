"""Refusals, recorded for their owner and counted; and the journal's lines on the queue, which are rate-limited."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from schemas.request import REFUSED_KEPT, RequestRecord
from schemas.text import printable
from watcher import audit
from watcher.accounts import Accounts
from watcher.audit import Audit
from watcher.intake.judge import Judgement
from watcher.rate_limit import RateLimit
from watcher.records import RecordStore

TAKEN_AT_ONCE = 8
"""How many requests and cancels of one member get a line of their own within a minute."""
FLOOD_KEPT = 1
"""Of how many refusals a slice writes records, once a backlog has had more than `REFUSED_KEPT` of the same member."""

log = logging.getLogger("runv.intake")


class IntakeLog:
    """The journal's lines on what was taken in, refused and removed.

    Attributes:
        rate_limit: what was counted, which is logged when a minute is over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate_limit = RateLimit(log, clock)

    def taken(self, record: RequestRecord) -> None:
        """*record* is pending, or cancels what was."""
        line = (
            f"Request {record.request_id} is pending: {record.alias} -> {record.destination}."
            if record.status == "pending"
            else f"Cancel {record.request_id} for {record.alias} is done."
        )
        self.rate_limit.say(
            logging.INFO,
            ("taken", record.username),
            line,
            lambda total: (
                f"Took in {total} more requests and cancels of {record.username} meanwhile; the last of "
                f"them was {record.request_id}."
            ),
            at_once=TAKEN_AT_ONCE,
        )

    def refused(self, owner: str, judgements: Sequence[Judgement]) -> None:
        """The entries of *owner* that *judgements* are about were refused."""
        last = judgements[-1]
        reason = last.refused.text if last.refused else ""
        shown_owner = printable(owner) or "?"
        the_last = f"the last of them was {printable(last.item.name)}: {reason}"
        self.rate_limit.say(
            logging.WARNING,
            ("refused", owner),
            f"Refused {len(judgements)} queue entries of {shown_owner}; {the_last}",
            lambda total: f"Refused {total} more queue entries of {shown_owner} meanwhile; {the_last}",
            count=len(judgements),
        )

    def stale(self, owner: str | None, count: int, last: str) -> None:
        """*count* unfinished files of *owner* were removed, *last* the last of them."""

        def line(total: int) -> str:
            return (
                f"Removed {total} unfinished files of {printable(owner or '') or '?'} from the queue, more than a day "
                f"old; the last of them was {printable(last)}."
            )

        self.rate_limit.say(logging.WARNING, ("stale", owner or ""), line(count), line, count=count)


class Refusals:
    """Records refusals and counts them.

    Attributes:
        count: how many there were since the watcher started.
    """

    def __init__(self, records: RecordStore, accounts: Accounts, audit: Audit, intake_log: IntakeLog) -> None:
        self._records = records
        self._accounts = accounts
        self._audit = audit
        self._intake_log = intake_log
        # Until a backlog ends, and until what was recorded is durable:
        #   _of_owner          how many records each member's refusals in this backlog could have had
        #   _uncounted         owners, their refusals that are not counted yet, and how many have lines in the audit log
        #   _uncounted_before  how many more there are that had their records already
        self._of_owner: Counter[str] = Counter()
        self._uncounted: list[tuple[str, list[Judgement], int]] = []
        self._uncounted_before = 0
        self.count = 0

    def record(self, owner: str, judgements: list[Judgement], *, more: bool = False) -> None:
        """Record the refusals *judgements* of *owner*'s entries; *more* says whether a backlog goes on after them.

        They are counted by `count_recorded`.
        """
        records = [record for judgement in judgements if (record := judgement.record) is not None]
        # Each record is synced. In a flood newer ones come after these, and take their place.
        most = max(FLOOD_KEPT, REFUSED_KEPT - self._of_owner[owner]) if more else REFUSED_KEPT
        self._of_owner[owner] += len(records)
        kept = sorted(records, key=lambda record: record.request_id)[-most:]
        for record in kept:
            self._records.add(record, self._accounts.gid)
        if records:
            self._records.prune_refused(owner)
        allowed = self._audit.refusals.allowance(owner, len(kept))
        for record in kept[len(kept) - allowed :]:
            self._audit.add(audit.of_record(record))
        self._uncounted.append((owner, judgements, allowed))

    def recorded_before(self) -> None:
        """One had its record already when it came up; it is counted by `count_recorded` all the same."""
        self._uncounted_before += 1

    def count_recorded(self) -> None:
        """Count what was recorded, which is durable now. Earlier, it might come, and be counted, again."""
        for owner, judgements, allowed in self._uncounted:
            last = judgements[-1]
            reason = last.refused.text if last.refused else ""
            if (others := len(judgements) - allowed) > 0:
                self._audit.refusals.count(owner, last.item.uid, others, reason, last.item.name)
            self.count += len(judgements)
            self._intake_log.refused(owner, judgements)
        self.count += self._uncounted_before
        self.forget()

    def forget(self) -> None:
        """Forget what was not counted: its files are still in the queue, and will be judged again."""
        self._uncounted.clear()
        self._uncounted_before = 0

    def backlog_ends(self) -> None:
        """From now on nobody's refusals are a flood."""
        self._of_owner.clear()
