"""One pass over the state, and how its result is reported.

    complete   finish what a kill, or a disk that failed, left half done
    intake     queue entries -> records                             watcher.intake
    decide     administrators' markers and members' active cancels
               -> the registry, and records out of pending/         watcher.decide
    orphans    aliases whose member is gone -> the registry         watcher.orphans
    publish    the registry -> the map, where they differ           watcher.publishing
    finish     records and audit log made durable, the status written, and only then what asked for it is removed

A pass looks at the state and never at the event that woke it, so it does not matter whether events were lost, doubled
or out of order. Between any two of its writes the process may be killed: whatever was not finished is found again. A
step that fails leaves a problem for the status, and the others are made all the same.
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

_RETRIED = frozenset(
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
"""The problems after which a pass is made again by the clock, later and later, until none of them is left."""

log = logging.getLogger("runv.pass")


@dataclass
class PassResult:
    """What a pass came to.

    Attributes:
        more: whether the next pass should follow at once.
        changes: decisions handled, and a registry changed by hand while more changes came.
        failed: whether the map is not in line with the registry.
        problems: messages, by problem code.
    """

    more: bool = False
    changes: int = 0
    failed: bool = False
    problems: dict[str, str] = field(default_factory=dict)


class Passes:
    """Makes passes in *context*.

    Args:
        context: what is open for the configuration.
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
        self._publish_step = PublishStep(context, woken, published)
        # From one pass to the next:
        #   _began          when the last pass began
        #   _retry          when to try again what failed, see `_RETRIED`
        #   _lock_retry     when to try for the registry's lock again
        #   _interrupted    a kill or an error may have left something half done, which the next pass completes first
        #   _unwritten      the message that was logged since the status could not be written
        self._began = clock()
        self._retry = Retry(clock=clock)
        self._lock_retry = Retry(first=0.02, longest=1.0, clock=clock)
        self._interrupted = True
        self._unwritten: str | None = None

    @property
    def published(self) -> Published | None:
        """What the map is known to answer for by now."""
        return self._publish_step.published

    @property
    def due(self) -> float | None:
        """When a pass is due though nothing happens, on the monotonic clock."""
        context = self._context
        retries = (self._retry.due, self._lock_retry.due)
        others = (
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
        coming = [due for due in others if due is not None and due > self._began]
        return min([*coming, *(due for due in retries if due is not None)], default=None)

    def announce(self, problems: dict[str, str]) -> None:
        """Write the status before the very first pass, so that whoever looks sees that the watcher is there."""
        try:
            self._context.records.refresh()
            self._write_status(IntakeResult(), problems)
        except (OSError, ExpectedError) as error:
            self._status_unwritable(error)

    def run(self, problems: dict[str, str], *, scan: bool = True) -> PassResult:
        """Make one pass.

        Args:
            problems: those that are known already, by code.
            scan: false where this only goes on with what the last pass left, and nothing has happened since.
        """
        result = PassResult(problems=dict(problems))
        self._began = self._clock()
        self._context.accounts.forget()
        patience.renew()
        taken = self._take_in(result, scan=scan)
        markers, decided = self._decide(taken, result)
        plain_syncs = [marker for marker in markers if _is_plain_sync(marker)]
        if decided is None:
            spent: list[Marker] = plain_syncs
            answered: list[Judgement] = []
            self._keep_map_in_line(result)
            result.failed = True
        else:
            spent, answered = decided.spent, decided.answered
            self._switch_orphans_off(decided, result)
            self._publish(decided, result, asked=bool(plain_syncs))
            if not (result.failed or self._context.orphans.waits):
                spent = spent + decided.force
            result.changes += decided.handled
        self._finish(taken, spent, answered, result)
        result.more = taken.more or (taken.more_after_cancels and decided is not None)
        result.more &= "state-unwritable" not in result.problems
        return result

    def _take_in(self, result: PassResult, *, scan: bool) -> IntakeResult:
        context = self._context
        try:
            context.records.refresh()
            # Decisions meet a broken registry as well, and report it; requests are taken in all the same.
            with contextlib.suppress(RegistryError):
                if self._interrupted:
                    self._complete(result)
            return context.intake.take(scan=scan, hurry=context.markers.waiting)
        except GroupMissingError as error:
            self._retry_problem("group-missing", str(error), result)
        except (OSError, ExpectedError) as error:
            self._state_unwritable(error, result)
        return IntakeResult()

    def _complete(self, result: PassResult) -> None:
        context = self._context
        context.tidy()
        completed = True
        try:
            context.complete_audit()
        except (OSError, ExpectedError) as error:
            # Requests are taken in although the audit log cannot be read; only the files that asked for something
            # (markers, active cancels) stay until it can be.
            self._state_unwritable(error, result)
            completed = False
        context.decide.finish_interrupted(context.markers.read())
        self._interrupted = not completed

    def _decide(self, taken: IntakeResult, result: PassResult) -> tuple[list[Marker], DecisionResult | None]:
        context = self._context
        markers: list[Marker] = []
        decided: DecisionResult | None = None
        try:
            markers = context.markers.read()
            decided = context.decide.apply(markers, taken.active_cancels)
        except RegistryUnreadableError as error:
            self._retry_problem("registry-unreadable", str(error), result)
        except RegistryError as error:
            # Not retried: only an edit mends it, and the edit wakes the watcher.
            result.problems["registry-broken"] = str(error)
        except RegistryBusyError as error:
            result.problems["registry-busy"] = str(error)
        except GroupMissingError as error:
            self._retry_problem("group-missing", str(error), result)
        except (OSError, ExpectedError) as error:
            self._state_unwritable(error, result)
        if "registry-busy" in result.problems:
            self._lock_retry.failed()
        else:
            self._lock_retry.worked()
        return markers, decided

    def _switch_orphans_off(self, decided: DecisionResult, result: PassResult) -> None:
        try:
            step = self._context.orphans.take(decided.registry, forced=bool(decided.force))
        except GroupMissingError as error:
            self._retry_problem("group-missing", str(error), result)
        except (OSError, ExpectedError) as error:
            self._state_unwritable(error, result)
        else:
            result.problems.update(step.problems)
            result.failed |= "registry-busy" in step.problems
            decided.registry = step.registry
            decided.handled += step.count

    def _keep_map_in_line(self, result: PassResult) -> None:
        # The map is published although decisions failed: they may have failed after the registry was written, and an
        # edit or a lost map has to be dealt with all the same.
        if "registry-busy" in result.problems:
            return
        with contextlib.suppress(RegistryError):
            self._publish(DecisionResult(self._context.registry.current()), result)

    def _publish(self, decided: DecisionResult, result: PassResult, *, asked: bool = False) -> None:
        force = decided.force[0] if decided.force else None
        by_hand = not decided.handled
        step = self._publish_step.take(decided.registry, force, by_hand=by_hand, waits=self._retry.waits, asked=asked)
        result.problems.update(step.problems)
        result.failed |= step.failed
        result.changes += step.changes
        if step.again:
            self._retry.failed()

    def _finish(self, taken: IntakeResult, spent: list[Marker], answered: list[Judgement], result: PassResult) -> None:
        self._add_problems(taken, result)
        try:
            # What asked for it goes last, once all that it came to is durable.
            durable = self._sync(result)
            self._write_status(taken, result.problems)
            if durable:
                for judgement in answered:
                    self._context.intake.discard(judgement)
                for marker in spent:
                    self._context.markers.remove(marker)
        except (OSError, ExpectedError) as error:
            self._status_unwritable(error)
            return
        self._unwritten = None
        if _RETRIED.isdisjoint(result.problems):
            self._retry.worked()

    def _add_problems(self, taken: IntakeResult, result: PassResult) -> None:
        for message in taken.troubles:
            self._retry_problem("queue-entry", message, result)
        for message in self._context.records.troubles:
            result.problems["record-unreadable"] = message
        for code, message in taken.problems.items():
            self._retry_problem(code, message, result)
        if taken.directories:
            message = N_(
                "Directories in the queue {path}, where only files belong: {count}. They are left alone; remove them."
            )
            path = self._context.settings.queue
            result.problems["queue-directories"] = message.format(count=taken.directories, path=path)

    def _sync(self, result: PassResult) -> bool:
        try:
            self._context.records.sync()
            self._context.audit.flush()
        except (OSError, ExpectedError) as error:
            self._state_unwritable(error, result)
            return False
        return True

    def _write_status(self, taken: IntakeResult, problems: dict[str, str]) -> None:
        self._context.report.write(
            published=self.published,
            pending=len(self._context.records.pending),
            refused=self._context.intake.refused,
            left_alone=taken.left_alone,
            problems=problems,
            conflicts=self._context.publisher.conflicts,
            hosts=self._context.publisher.hosts,
        )

    def _state_unwritable(self, error: Exception, result: PassResult) -> None:
        # A pass that failed between two writes is like one that was killed there.
        self._interrupted = True
        self._retry_problem("state-unwritable", _unwritable(error_text(error)), result)

    def _status_unwritable(self, error: Exception) -> None:
        message = _unwritable(printable(error_text(error), 1000))
        # The journal is the only file left for it, and once is enough there.
        if message != self._unwritten:
            log.error(message)
        self._unwritten = message
        self._retry.failed()

    def _retry_problem(self, code: str, message: str, result: PassResult) -> None:
        result.problems[code] = message
        self._retry.failed()


def _unwritable(error: str) -> str:
    return N_("A file of state cannot be written: {error}. What waits is tried again.").format(error=error)


def _is_plain_sync(marker: Marker) -> bool:
    return marker.decision.decision == "sync" and not marker.decision.force
