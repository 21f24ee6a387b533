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

from schemas.errors import RegistryBusyError, RegistryError, RegistryUnreadableError, TroubleError, reason
from schemas.status import Published
from schemas.text import printable
from watcher import sentences
from watcher.accounts import GroupMissingError
from watcher.decide.decide import Decided
from watcher.decide.markers import Marker
from watcher.intake.intake import Intaken
from watcher.intake.judge import Verdict
from watcher.publish.commands import patience
from watcher.publish.step import PublishStep
from watcher.retry import Retry
from watcher.rooms import Rooms

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
    """Makes passes in *rooms*.

    Args:
        rooms: where.
        woken: whether something has happened since the pass began.
        published: what the map is known to answer for.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        rooms: Rooms,
        woken: Callable[[], bool],
        published: Published | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rooms = rooms
        self._clock = clock
        self._began = clock()
        self._retry = Retry(clock=clock)
        self._lock_retry = Retry(first=0.02, longest=1.0, clock=clock)
        self._step = PublishStep(rooms, woken, published)
        self._interrupted = True
        self._trouble_telling: str | None = None

    @property
    def published(self) -> Published | None:
        """What the map is known to answer for by now."""
        return self._step.published

    @property
    def due(self) -> float | None:
        """The moment, on the monotonic clock, when a pass is due though nothing happens."""
        rooms = self._rooms
        tries = (self._retry.due, self._lock_retry.due)
        waited_for = (
            rooms.intake.settling.next_due,
            rooms.markers.settling.next_due,
            rooms.intake.tally.next_due,
            rooms.report.due,
            rooms.audit.refusals.next_due,
            rooms.orphans.due,
            rooms.publisher.due,
        )
        # What was due when the last pass began had its turn in it. What still kept it from being dealt with ends with
        # an event or is tried again; to go on at once would only keep a core busy.
        coming = [moment for moment in waited_for if moment is not None and moment > self._began]
        return min([*coming, *(moment for moment in tries if moment is not None)], default=None)

    def announce(self, problems: dict[str, str]) -> None:
        """Write the status before the very first pass, so that whoever looks sees that we are here."""
        try:
            self._rooms.records.refresh()
            self._report(Intaken(), problems)
        except (OSError, TroubleError) as error:
            self._untold(error)

    def run(self, problems: dict[str, str], *, look: bool = True) -> Result:
        """Make one pass.

        Args:
            problems: those that are known already, by code.
            look: false where this only goes on with what the last pass left, and nothing has happened since.
        """
        result = Result(problems=dict(problems))
        self._began = self._clock()
        self._rooms.accounts.forget()
        patience.renew()
        intaken = self._intake(result, look=look)
        markers, decided = self._decide(intaken, result)
        spent = decided.spent if decided else [m for m in markers if _is_plain_sync(m)]
        answered = decided.answered if decided else []
        if decided is not None:
            self._switch_off(decided, result)
            self._publish(decided, result, asked=any(map(_is_plain_sync, markers)))
            spent = spent + ([] if result.failed or self._rooms.orphans.waits else decided.force)
            result.changes += decided.handled
        else:
            self._keep_in_line(result)
            result.failed = True
        self._tell(intaken, spent, answered, result)
        result.more = intaken.more or (intaken.more_after_cancels and decided is not None)
        result.more &= "state-unwritable" not in result.problems
        return result

    def _intake(self, result: Result, *, look: bool) -> Intaken:
        rooms = self._rooms
        try:
            rooms.records.refresh()
            # Decisions meet a broken registry as well, and tell of it; requests are taken in all the same.
            with contextlib.suppress(RegistryError):
                if self._interrupted:
                    rooms.tidy()
                    told = self._told_again(result)
                    rooms.decide.finish_interrupted(rooms.markers.read())
                    self._interrupted = not told
            return rooms.intake.take(look=look, hurry=rooms.markers.waiting)
        except GroupMissingError as error:
            self._later("group-missing", str(error), result)
        except (OSError, TroubleError) as error:
            self._unwritable(error, result)
        return Intaken()

    def _told_again(self, result: Result) -> bool:
        try:
            self._rooms.tell_again()
        except (OSError, TroubleError) as error:
            # An audit log that cannot be read keeps nobody's request waiting, only what asked for it in its place.
            self._unwritable(error, result)
            return False
        return True

    def _decide(self, intaken: Intaken, result: Result) -> tuple[list[Marker], Decided | None]:
        rooms = self._rooms
        markers: list[Marker] = []
        try:
            markers = rooms.markers.read()
            decided = rooms.decide.apply(markers, intaken.active_cancels)
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
        except (OSError, TroubleError) as error:
            self._unwritable(error, result)
        else:
            self._lock_retry.worked()
            return markers, decided
        if "registry-busy" not in result.problems:
            self._lock_retry.worked()
        return markers, None

    def _switch_off(self, decided: Decided, result: Result) -> None:
        try:
            turned = self._rooms.orphans.take(decided.registry, forced=bool(decided.force))
        except GroupMissingError as error:
            self._later("group-missing", str(error), result)
        except (OSError, TroubleError) as error:
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
            self._publish(Decided(self._rooms.registry.current()), result)

    def _publish(self, decided: Decided, result: Result, *, asked: bool = False) -> None:
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
        self._later("state-unwritable", sentences.STATE_UNWRITABLE.format(error=reason(error)), result)

    def _later(self, code: str, what: str, result: Result) -> None:
        result.problems[code] = what
        self._retry.failed()

    def _tell(self, intaken: Intaken, spent: list[Marker], answered: list[Verdict], result: Result) -> None:
        for what in intaken.troubles:
            self._later("queue-entry", what, result)
        for what in self._rooms.records.troubles:
            result.problems["record-unreadable"] = what
        for code, what in intaken.problems.items():
            self._later(code, what, result)
        if intaken.directories:
            path = self._rooms.settings.queue
            told = sentences.DIRECTORIES_LEFT.format(count=intaken.directories, path=path)
            result.problems["queue-directories"] = told
        try:
            # What asked for it goes last, once all that it came to is durable.
            done = self._settled(result)
            self._report(intaken, result.problems)
            for verdict in answered if done else ():
                self._rooms.intake.discard(verdict)
            for marker in spent if done else ():
                self._rooms.markers.remove(marker)
        except (OSError, TroubleError) as error:
            self._untold(error)
            return
        self._trouble_telling = None
        if not _waits(result):
            self._retry.worked()

    def _untold(self, error: Exception) -> None:
        told = sentences.STATE_UNWRITABLE.format(error=printable(reason(error), 1000))
        # The journal is the only place left for it, and once is enough there.
        if told != self._trouble_telling:
            log.error(told)
        self._trouble_telling = told
        self._retry.failed()

    def _settled(self, result: Result) -> bool:
        try:
            self._rooms.records.settle()
            self._rooms.audit.flush()
        except (OSError, TroubleError) as error:
            self._unwritable(error, result)
            return False
        return True

    def _report(self, intaken: Intaken, problems: dict[str, str]) -> None:
        self._rooms.report.write(
            published=self.published,
            pending=len(self._rooms.records.pending),
            refused=self._rooms.intake.refused,
            left_alone=intaken.left_alone,
            problems=problems,
            conflicts=self._rooms.publisher.conflicts,
            hosts=self._rooms.publisher.hosts,
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
