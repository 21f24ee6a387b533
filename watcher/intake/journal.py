"""What the journal is told of the queue: enough of each member to see what goes on, and no more, whatever they drop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from schemas.requests import RequestRecord
from schemas.text import printable
from watcher import sentences
from watcher.intake.judge import Judgement
from watcher.tally import RateLimit

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
        message = sentences.LOG_PENDING if record.status == "pending" else sentences.LOG_CANCELLED
        line = message.format(id=record.request_id, alias=record.alias, destination=record.destination)
        self.rate_limit.say(
            logging.INFO,
            ("taken", record.username),
            line,
            lambda total: sentences.LOG_TAKEN_MORE.format(count=total, owner=record.username, id=record.request_id),
            at_once=TAKEN_AT_ONCE,
        )

    def refused(self, owner: str, judgements: Sequence[Judgement]) -> None:
        """*verdicts* on entries of *owner* were refusals."""
        last = judgements[-1]
        shown = {"owner": printable(owner) or "?", "name": printable(last.item.name), "reason": last.refused}
        line = sentences.LOG_REFUSED.format(count=len(judgements), **shown)
        self.rate_limit.say(
            logging.WARNING,
            ("refused", owner),
            line,
            lambda total: sentences.LOG_REFUSED_MORE.format(count=total, **shown),
            count=len(judgements),
        )

    def stale(self, owner: str | None, count: int, last: str) -> None:
        """*count* unfinished files of *owner* were removed, *last* the last of them."""
        shown = {"owner": printable(owner or "") or "?", "name": printable(last)}
        line = sentences.LOG_ABANDONED.format(count=count, **shown)
        self.rate_limit.say(
            logging.WARNING,
            ("abandoned", owner or ""),
            line,
            lambda total: sentences.LOG_ABANDONED.format(count=total, **shown),
            count=count,
        )
