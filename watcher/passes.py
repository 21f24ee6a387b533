"""One pass over the state: intake, decide, publish, report.

A pass looks at the state and never at the event that woke it, so it does not matter whether events were lost, doubled
or out of order. Between any two of its writes the process may be killed: whatever was not finished is found again.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.errors import RegistryBusyError, RegistryError, RegistryUnreadableError, TroubleError, reason
from schemas.registry import Registry
from schemas.status import Published
from schemas.text import printable
from schemas.times import now
from watcher import sentences
from watcher.accounts import GroupMissingError
from watcher.decide.decide import Decided
from watcher.decide.markers import Marker
from watcher.intake.intake import Intaken
from watcher.publish.mapfiles import MapSignature
from watcher.publish.publisher import MassChangeError, Publisher
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

    Attributes:
        published: the same, as the passes leave it.
    """

    def __init__(self, rooms: Rooms, woken: Callable[[], bool], published: Published | None = None) -> None:
        self._rooms = rooms
        self._woken = woken
        self._retry = Retry()
        self._lock_retry = Retry(first=0.02, longest=1.0)
        self.published = published
        self._in_line: Registry | None = None
        self._stuck: _Stuck | None = None
        self._interrupted = True

    @property
    def due(self) -> float | None:
        """The moment, on the monotonic clock, when a pass is due though nothing happens."""
        rooms = self._rooms
        moments = (
            rooms.intake.settling.next_due,
            rooms.markers.settling.next_due,
            self._retry.due,
            self._lock_retry.due,
        )
        return min((moment for moment in moments if moment is not None), default=None)

    def announce(self, problems: dict[str, str]) -> None:
        """Write the status before the very first pass, so that whoever looks sees that we are here."""
        self._rooms.records.refresh()
        self._report(Intaken(), problems)

    def run(self, problems: dict[str, str]) -> Result:
        """Make one pass; *problems* are those that are known already, by code."""
        result = Result(problems=dict(problems))
        self._rooms.accounts.forget()
        intaken = self._intake(result)
        markers, decided = self._decide(intaken, result)
        spent = decided.spent if decided else [m for m in markers if _is_plain_sync(m)]
        if decided is not None:
            self._publish(decided, result)
            spent = spent + ([] if result.failed else decided.force)
            result.changes += decided.handled
        else:
            result.failed = True
        self._tell(intaken, spent, result)
        result.more = intaken.more or (intaken.more_after_cancels and decided is not None)
        result.more &= "state-unwritable" not in result.problems
        return result

    def _intake(self, result: Result) -> Intaken:
        rooms = self._rooms
        try:
            rooms.records.refresh()
            # Decisions meet a broken registry as well, and tell of it; requests are taken in all the same.
            with contextlib.suppress(RegistryError):
                if self._interrupted:
                    rooms.decide.finish_interrupted(rooms.markers.read())
                    self._interrupted = False
            return rooms.intake.take()
        except GroupMissingError as error:
            self._later("group-missing", str(error), result)
        except (OSError, TroubleError) as error:
            self._unwritable(error, result)
        return Intaken()

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
        return markers, None

    def _publish(self, decided: Decided, result: Result) -> None:
        rooms = self._rooms
        registry = decided.registry
        if not rooms.settings.config.enabled:
            return
        forced = bool(decided.force)
        stuck, self._stuck = self._stuck, None
        if stuck is not None and self._retry.waits and stuck.as_it_was(registry, rooms.publisher, forced=forced):
            # Its own temporary files, and a map that was put back, woke this pass; trying again is for the clock.
            self._stuck = stuck
            result.problems["publish-failed"] = stuck.what
            result.failed = True
        else:
            self._publish_now(registry, result, by_hand=not decided.handled, forced=forced)
        if rooms.publisher.reload_trouble is not None:
            result.problems["reload-failed"] = rooms.publisher.reload_trouble
        if (trouble := rooms.mapcheck.trouble()) is not None:
            result.problems["map-not-used"] = trouble

    def _publish_now(self, registry: Registry, result: Result, *, by_hand: bool, forced: bool) -> None:
        rooms = self._rooms
        try:
            if forced or registry is not self._in_line or rooms.publisher.drifted():
                by_hand &= registry is not self._in_line
                rooms.publisher.publish(registry, forced=forced)
                self._in_line = registry
                aliases = len(registry.rows())
                self.published = Published(registry.sha256, now(), aliases)
                # More changes while the last one was being published are a burst; one after another is not.
                result.changes += 2 if by_hand and self._woken() else 0
        except MassChangeError as error:
            result.problems["publish-held"] = str(error)
            result.failed = True
        except (OSError, TroubleError) as error:
            path = rooms.settings.config.virtual_alias_file
            told = sentences.PUBLISH_FAILED.format(path=path, error=_sentence(error))
            self._later("publish-failed", told, result)
            self._stuck = _Stuck(registry, rooms.publisher.found(), forced, told)
            result.failed = True

    def _unwritable(self, error: Exception, result: Result) -> None:
        # A pass that failed between two writes is like one that was killed there.
        self._interrupted = True
        self._later("state-unwritable", sentences.STATE_UNWRITABLE.format(error=reason(error)), result)

    def _later(self, code: str, what: str, result: Result) -> None:
        result.problems[code] = what
        self._retry.failed()

    def _tell(self, intaken: Intaken, spent: list[Marker], result: Result) -> None:
        for what in intaken.troubles:
            self._later("queue-entry", what, result)
        for what in self._rooms.records.troubles:
            result.problems["record-unreadable"] = what
        if intaken.left_alone:
            path = self._rooms.settings.queue
            told = sentences.DIRECTORIES_LEFT.format(count=intaken.left_alone, path=path)
            result.problems["queue-directories"] = told
        if not _waits(result):
            self._retry.worked()
        try:
            self._rooms.records.settle()
            self._report(intaken, result.problems)
            for marker in spent:
                self._rooms.markers.remove(marker)
        except (OSError, TroubleError) as error:
            log.error(sentences.STATE_UNWRITABLE.format(error=printable(reason(error), 1000)))  # noqa: TRY400
            self._retry.failed()

    def _report(self, intaken: Intaken, problems: dict[str, str]) -> None:
        self._rooms.report.write(
            published=self.published,
            pending=len(self._rooms.records.pending),
            refused=self._rooms.intake.refused,
            left_alone=intaken.left_alone,
            problems=problems,
        )


@dataclass(frozen=True)
class _Stuck:
    """A publish that failed: of what, what lay there afterwards, and what was told."""

    registry: Registry
    found: MapSignature | None
    forced: bool
    what: str

    def as_it_was(self, registry: Registry, publisher: Publisher, *, forced: bool) -> bool:
        # A force that has only just come may let pass what was held back, or wants to see it tried.
        return registry is self.registry and forced <= self.forced and publisher.found() == self.found


_WAITING = frozenset({"group-missing", "registry-unreadable", "state-unwritable", "publish-failed", "queue-entry"})


def _waits(result: Result) -> bool:
    return not _WAITING.isdisjoint(result.problems)


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, TroubleError) else f"{reason(error)}."


def _is_plain_sync(marker: Marker) -> bool:
    return marker.decision.decision == "sync" and not marker.decision.force
