"""The publisher of maps in a database, and when it looks at all rows.

Nothing here imports a library of databases until there is something to publish, so that one that is missing is a
problem in the status and not the end of the watcher.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from schemas.config import Config
from schemas.fs.directory import Signature, signature_of
from schemas.registry import Registry
from schemas.request import RequestRecord
from schemas.status import Conflict, Host
from schemas.text import N_
from watcher.publish.plan import Plan
from watcher.publish.sql.errors import LibraryMissingError

if TYPE_CHECKING:
    from watcher.publish.sql.row_publisher import RowPublisher

BY_KEY = 500
"""Up to so many aliases are looked at by themselves."""
SHARE = 20
"""After a look at all rows there is none for so many times its duration, unless an administrator asks."""
_NAMED = 3
"""So many conflicts a problem names."""


class SqlPublisher:
    """Publishes to the database of one configuration; see `watcher.publish.publisher.Publisher`."""

    def __init__(
        self,
        config: Config,
        approvals: Callable[[str], Iterable[RequestRecord]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._approvals = approvals
        self._clock = clock
        self._schedule = FullScanSchedule(config.drift_check_interval, clock)
        # What needs the libraries of databases; `None` until there is something to publish.
        self._rows: RowPublisher | None = None
        # Of the present pass: whether all rows have to be looked at, and whether they may be, if nothing else happens.
        self._full_scan_needed = True
        self._full_scan_due = True

    @property
    def problems(self) -> Mapping[str, str]:
        if self._rows is None:
            return {}
        found = dict(self._rows.replicas.problems)
        if self._rows.conflicts:
            found["alias-conflict"] = _conflicts_message(self._rows.conflicts, self._rows.table)
        if self._rows.verification.trouble is not None:
            found["map-answers-wrong"] = self._rows.verification.trouble
        return found

    @property
    def conflicts(self) -> Sequence[Conflict]:
        return [] if self._rows is None else self._rows.conflicts

    @property
    def hosts(self) -> Sequence[Host]:
        return [] if self._rows is None else self._rows.replicas.hosts

    @property
    def due(self) -> float | None:
        both = (self._schedule.due, self._rows.replicas.due if self._rows else None)
        return min((due for due in both if due is not None), default=None)

    def drifted(self, *, asked: bool) -> bool:
        """Whether all rows are to be looked at: they are not known, it is time for that, or somebody asks."""
        if self._rows is None or not self._rows.known:
            self._full_scan_needed = True
            return True
        self._rows.follow_up(asked=asked)
        self._full_scan_needed = asked
        self._full_scan_due = self._schedule.wanted()
        return asked or self._full_scan_due

    def found(self) -> tuple[Signature | None, ...]:
        """The files that lead to the database, as they lie there: an edit may mend what failed."""
        database = self._config.database
        return tuple(_signature(path) for path in (database.map_file, database.write_map_file) if path is not None)

    def publish(self, registry: Registry, *, forced: bool) -> Plan | None:
        """Make the rows answer for *registry*; give what had to be written, or `None` where nothing had to be.

        Args:
            registry: the registry.
            forced: an administrator has asked for this registry by name: no change is too much.

        Raises:
            MassChangeError: the guard holds it back.
            DatabaseError, SqlMapError, LibraryMissingError: the rows could not be brought into line; what the database
                had committed before is in place.
        """
        rows = self._open()
        keys = rows.differing(registry)
        if not (self._full_scan_needed or forced) and keys is not None and len(keys) <= BY_KEY:
            if keys:
                # What was changed is live first, and all the rest is looked at in a pass of its own.
                plan = rows.by_key(registry, keys)
                self._schedule.soon()
                return plan
            if not self._full_scan_due:
                return None
        began = self._clock()
        plan = rows.by_full_scan(registry, forced=forced)
        self._schedule.scanned(began)
        return plan

    def _open(self) -> RowPublisher:
        if self._rows is None:
            try:
                from watcher.publish.sql.row_publisher import RowPublisher  # noqa: PLC0415
            except ImportError as error:
                raise LibraryMissingError("SQLAlchemy", "python3-sqlalchemy", self._config.map_path) from error
            self._rows = RowPublisher(self._config, self._approvals, self._clock)
        return self._rows


def _signature(path: str) -> Signature | None:
    with contextlib.suppress(OSError):
        return signature_of(os.stat(path))
    return None


def _conflicts_message(conflicts: Sequence[Conflict], table: str) -> str:
    named = "; ".join(
        (
            N_("{alias} goes to {destination}, but by a row that would stay when the alias is revoked")
            if each.same
            else N_("{alias} should go to {destination} and goes to {held}")
        ).format(
            alias=each.alias,
            destination=each.destination or N_("nowhere"),
            held=", ".join(held or N_("nowhere") for held in each.held[:_NAMED]),
        )
        for each in conflicts[:_NAMED]
    )
    if len(conflicts) > _NAMED:
        named = N_("{named}; and {count} more").format(named=named, count=len(conflicts) - _NAMED)
    if len(conflicts) == 1:
        return N_(
            "An alias is not published, since a row of somebody else in {table} holds its address: {named}. Remove "
            "that row, or revoke the alias, then run `runv-admin-email-alias sync`."
        ).format(table=table, named=named)
    return N_(
        "{count} aliases are not published, since rows of somebody else in {table} hold their addresses: {named}. "
        "Remove those rows, or revoke the aliases, then run `runv-admin-email-alias sync`."
    ).format(count=len(conflicts), table=table, named=named)


class FullScanSchedule:
    """When all rows are looked at: in passes that are made anyway, but for no more than a share of the time.

    An idle watcher looks at nothing unless there is an *interval*, in seconds; 0 is none.

    Attributes:
        due: when to look though nothing happens, on the monotonic clock; `None`: never.
    """

    def __init__(self, interval: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._not_before = 0.0
        self.due: float | None = None

    def wanted(self) -> bool:
        """Whether this pass should look; where it is too soon for that, it becomes due later."""
        now = self._clock()
        if now >= self._not_before or (self.due is not None and now >= self.due):
            return True
        self._bring_forward(self._not_before)
        return False

    def soon(self) -> None:
        """Something was written by key: the rest is looked at in a pass of its own."""
        self._bring_forward(max(self._clock(), self._not_before))

    def scanned(self, began: float) -> None:
        """A look that *began* then has ended."""
        now = self._clock()
        self._not_before = now + SHARE * (now - began)
        self.due = now + self._interval if self._interval else None

    def _bring_forward(self, due: float) -> None:
        self.due = due if self.due is None else min(due, self.due)
