"""One pass over the state: intake, decide, switch orphans off, publish, report.

A pass looks at the state and never at the event that woke it, so it does not matter whether events were lost, doubled
or out of order. Between any two of its writes the process may be killed: whatever was not finished is found again.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.errors import ExpectedError, RegistryBusyError, RegistryError, RegistryUnreadableError, error_text
from schemas.status import Published
from schemas.text import N_, printable
from watcher.accounts import GroupMissingError
from watcher.context import Context
from watcher.decide.decide import DecisionResult
from watcher.decide.markers import Marker
from watcher.intake.intake import IntakeResult
from watcher.intake.judge import Judgement
from watcher.publish.commands import patience
from watcher.publishing import PublishStep
from watcher.timers import Retry

_STATE_UNWRITABLE = N_("A file of state cannot be written: {error}. What waits is tried again.")

log = logging.getLogger("runv.pass")


@dataclass
class Result:
    """What a pass came to.

    Attributes:
        more: whether the next pass should follow at once.
        changes: decisions handled, and a registry changed by hand while more changes came.
        failed: whether the map is not in line with the registry.
        problems: what is wrong, in words, by code.
    """

    more: bool = False
    changes: int = 0
    failed: bool = False
    problems: dict[str, str] = field(default_factory=dict)


class Passes:
    """Makes passes in *context*.

    Args:
        rooms: where.
        woken: whether something has happened since the pass began.
        published: what the map is known to answer for.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        context: Context,
        woken: Callable[[], bool],
        published: Published | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._clock = clock
        self._began = clock()
        self._retry = Retry(clock=clock)
        self._lock_retry = Retry(first=0.02, longest=1.0, clock=clock)
        self._step = PublishStep(context, woken, published)
        self._interrupted = True
        self._trouble_telling: str | None = None

    @property
    def published(self) -> Published | None:
        """What the map is known to answer for by now."""
        return self._step.published

    @property
    def due(self) -> float | None:
        """The moment, on the monotonic clock, when a pass is due though nothing happens."""
        context = self._context
        tries = (self._retry.due, self._lock_retry.due)
        waited_for = (
            context.intake.incomplete.next_due,
            context.markers.incomplete.next_due,
            context.intake.rate_limit.next_due,
            context.report.due,
            context.audit.refusals.next_due,
            context.orphans.due,
            context.publisher.due,
        )
        # What was due when the last pass began had its turn in it. What still kept it from being dealt with ends with
        # an event or is tried again; to go on at once would only keep a core busy.
        coming = [moment for moment in waited_for if moment is not None and moment > self._began]
        return min([*coming, *(moment for moment in tries if moment is not None)], default=None)

    def announce(self, problems: dict[str, str]) -> None:
        """Write the status before the very first pass, so that whoever looks sees that we are here."""
        try:
            self._context.records.refresh()
            self._report(IntakeResult(), problems)
        except (OSError, ExpectedError) as error:
            self._untold(error)

    def run(self, problems: dict[str, str], *, look: bool = True) -> Result:
        """Make one pass.

        Args:
            problems: those that are known already, by code.
            look: false where this only goes on with what the last pass left, and nothing has happened since.
        """
        result = Result(problems=dict(problems))
        self._began = self._clock()
        self._context.accounts.forget()
        patience.renew()
        intake_result = self._intake(result, look=look)
        markers, decided = self._decide(intake_result, result)
        spent = decided.spent if decided else [m for m in markers if _is_plain_sync(m)]
        answered = decided.answered if decided else []
        if decided is not None:
            self._switch_off(decided, result)
            self._publish(decided, result, asked=any(map(_is_plain_sync, markers)))
            spent = spent + ([] if result.failed or self._context.orphans.waits else decided.force)
            result.changes += decided.handled
        else:
            self._keep_in_line(result)
            result.failed = True
        self._tell(intake_result, spent, answered, result)
        result.more = intake_result.more or (intake_result.more_after_cancels and decided is not None)
        result.more &= "state-unwritable" not in result.problems
        return result

    def _intake(self, result: Result, *, look: bool) -> IntakeResult:
        context = self._context
        try:
            context.records.refresh()
            # Decisions meet a broken registry as well, and tell of it; requests are taken in all the same.
            with contextlib.suppress(RegistryError):
                if self._interrupted:
                    context.tidy()
                    message = self._told_again(result)
                    context.decide.finish_interrupted(context.markers.read())
                    self._interrupted = not message
            return context.intake.take(look=look, hurry=context.markers.waiting)
        except GroupMissingError as error:
            self._later("group-missing", str(error), result)
        except (OSError, ExpectedError) as error:
            self._unwritable(error, result)
        return IntakeResult()

    def _told_again(self, result: Result) -> bool:
        try:
            self._context.tell_again()
        except (OSError, ExpectedError) as error:
            # An audit log that cannot be read keeps nobody's request waiting, only what asked for it in its place.
            self._unwritable(error, result)
            return False
        return True

    def _decide(self, intake_result: IntakeResult, result: Result) -> tuple[list[Marker], DecisionResult | None]:
        context = self._context
        markers: list[Marker] = []
        try:
            markers = context.markers.read()
            decided = context.decide.apply(markers, intake_result.active_cancels)
        except RegistryUnreadableError as error:
            self._later("registry-unreadable", str(error), result)
        except RegistryError as error:
            # Only an edit mends it, and that is an event.
            result.problems["registry-broken"] = str(error)
        except RegistryBusyError as error:
            result.problems["registry-busy"] = str(error)
            self._lock_retry.failed()
        except GroupMissingError as error:
            self._later("group-missing", str(error), result)
        except (OSError, ExpectedError) as error:
            self._unwritable(error, result)
        else:
            self._lock_retry.worked()
            return markers, decided
        if "registry-busy" not in result.problems:
            self._lock_retry.worked()
        return markers, None

    def _switch_off(self, decided: DecisionResult, result: Result) -> None:
        try:
            turned = self._context.orphans.take(decided.registry, forced=bool(decided.force))
        except GroupMissingError as error:
            self._later("group-missing", str(error), result)
        except (OSError, ExpectedError) as error:
            self._unwritable(error, result)
        else:
            result.problems.update(turned.problems)
            result.failed |= "registry-busy" in turned.problems
            decided.registry = turned.registry
            decided.handled += turned.count

    def _keep_in_line(self, result: Result) -> None:
        # A disk that keeps decisions waiting keeps the map waiting for nothing: it may have failed behind a registry
        # that was written already, and an edit or a lost map is none of its business.
        if "registry-busy" in result.problems:
            return
        with contextlib.suppress(RegistryError):
            self._publish(DecisionResult(self._context.registry.current()), result)

    def _publish(self, decided: DecisionResult, result: Result, *, asked: bool = False) -> None:
        force = decided.force[0] if decided.force else None
        by_hand = not decided.handled
        followed = self._step.take(decided.registry, force, by_hand=by_hand, waits=self._retry.waits, asked=asked)
        result.problems.update(followed.problems)
        result.failed |= followed.failed
        result.changes += followed.changes
        if followed.again:
            self._retry.failed()

    def _unwritable(self, error: Exception, result: Result) -> None:
        # A pass that failed between two writes is like one that was killed there.
        self._interrupted = True
        self._later("state-unwritable", _STATE_UNWRITABLE.format(error=error_text(error)), result)

    def _later(self, code: str, what: str, result: Result) -> None:
        result.problems[code] = what
        self._retry.failed()

    def _tell(
        self, intake_result: IntakeResult, spent: list[Marker], answered: list[Judgement], result: Result
    ) -> None:
        for what in intake_result.troubles:
            self._later("queue-entry", what, result)
        for what in self._context.records.troubles:
            result.problems["record-unreadable"] = what
        for code, what in intake_result.problems.items():
            self._later(code, what, result)
        if intake_result.directories:
            path = self._context.settings.queue
            message = N_(
                "Directories in the queue {path}, where only files belong: {count}. They are left alone; remove them."
            ).format(count=intake_result.directories, path=path)
            result.problems["queue-directories"] = message
        try:
            # What asked for it goes last, once all that it came to is durable.
            done = self._settled(result)
            self._report(intake_result, result.problems)
            for judgement in answered if done else ():
                self._context.intake.discard(judgement)
            for marker in spent if done else ():
                self._context.markers.remove(marker)
        except (OSError, ExpectedError) as error:
            self._untold(error)
            return
        self._trouble_telling = None
        if not _waits(result):
            self._retry.worked()

    def _untold(self, error: Exception) -> None:
        message = _STATE_UNWRITABLE.format(error=printable(error_text(error), 1000))
        # The journal is the only place left for it, and once is enough there.
        if message != self._trouble_telling:
            log.error(message)
        self._trouble_telling = message
        self._retry.failed()

    def _settled(self, result: Result) -> bool:
        try:
            self._context.records.settle()
            self._context.audit.flush()
        except (OSError, ExpectedError) as error:
            self._unwritable(error, result)
            return False
        return True

    def _report(self, intake_result: IntakeResult, problems: dict[str, str]) -> None:
        self._context.report.write(
            published=self.published,
            pending=len(self._context.records.pending),
            refused=self._context.intake.refused,
            left_alone=intake_result.left_alone,
            problems=problems,
            conflicts=self._context.publisher.conflicts,
            hosts=self._context.publisher.hosts,
        )


_WAITING = frozenset(
    {
        "group-missing",
        "registry-unreadable",
        "state-unwritable",
        "publish-failed",
        "queue-entry",
        "queue-mounted",
        "queue-unsafe",
    }
)


def _waits(result: Result) -> bool:
    return not _WAITING.isdisjoint(result.problems)


def _is_plain_sync(marker: Marker) -> bool:
    return marker.decision.decision == "sync" and not marker.decision.force
