"""Refusals, and what the journal is told of the queue: recorded for their owner, counted, rate-limited."""

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

_LOG_ABANDONED = (
    "Removed {count} unfinished files of {owner} from the queue, more than a day old; the last of them was {name}."
)

TAKEN_AT_ONCE = 8
"""How many requests and cancels of one member are told one by one within a minute."""

log = logging.getLogger("runv.intake")


class IntakeLog:
    """Tells of what was taken in, refused and removed.

    Attributes:
        tally: what is counted, to be told when a minute is over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate_limit = RateLimit(log, clock)

    def taken(self, record: RequestRecord) -> None:
        """*record* is pending, or cancels what was."""
        message = (
            "Request {id} is pending: {alias} -> {destination}."
            if record.status == "pending"
            else "Cancel {id} for {alias} is done."
        )
        line = message.format(id=record.request_id, alias=record.alias, destination=record.destination)
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
        """*verdicts* on entries of *owner* were refusals."""
        last = judgements[-1]
        shown = {"owner": printable(owner) or "?", "name": printable(last.item.name), "reason": last.refused}
        line = "Refused {count} queue entries of {owner}; the last of them was {name}: {reason}".format(
            count=len(judgements), **shown
        )
        self.rate_limit.say(
            logging.WARNING,
            ("refused", owner),
            line,
            lambda total: (
                "Refused {count} more queue entries of {owner} meanwhile; the last of them was {name}: {reason}".format(
                    count=total, **shown
                )
            ),
            count=len(judgements),
        )

    def stale(self, owner: str | None, count: int, last: str) -> None:
        """*count* unfinished files of *owner* were removed, *last* the last of them."""
        shown = {"owner": printable(owner or "") or "?", "name": printable(last)}
        line = _LOG_ABANDONED.format(count=count, **shown)
        self.rate_limit.say(
            logging.WARNING,
            ("abandoned", owner or ""),
            line,
            lambda total: _LOG_ABANDONED.format(count=total, **shown),
            count=count,
        )


FLOOD_KEPT = 1
"""Of how many refusals a slice writes records, once a backlog has had more than `REFUSED_KEPT` of the same member."""


class Refusals:
    """Writes refusals down.

    Attributes:
        count: how many there were since the watcher started.
    """

    def __init__(self, records: RecordStore, accounts: Accounts, audit: Audit, intake_log: IntakeLog) -> None:
        self._records = records
        self._accounts = accounts
        self._audit = audit
        self._intake_log = intake_log
        self._of_owner: Counter[str] = Counter()
        self._owed: list[tuple[str, list[Judgement], int]] = []
        self._owed_before = 0
        self.count = 0

    def record(self, owner: str, judgements: list[Judgement], *, more: bool = False) -> None:
        """Record *verdicts* on entries of *owner*; whether *more* entries wait. They are counted by `settle`."""
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
        self._owed.append((owner, judgements, allowed))

    def recorded_before(self) -> None:
        """One was recorded already when it came up; it is counted by `settle` all the same."""
        self._owed_before += 1

    def settle(self) -> None:
        """What was told of them is durable now: count them. Earlier, they would come, and be counted, again."""
        for owner, judgements, allowed in self._owed:
            last = judgements[-1]
            if (others := len(judgements) - allowed) > 0:
                self._audit.refusals.count(owner, last.item.uid, others, last.refused or "", last.item.name)
            self.count += len(judgements)
            self._intake_log.refused(owner, judgements)
        self.count += self._owed_before
        self.forget()

    def forget(self) -> None:
        """What was not settled comes up again."""
        self._owed.clear()
        self._owed_before = 0

    def backlog_ends(self) -> None:
        """Whoever is refused from now on is no flood any more."""
        self._of_owner.clear()
