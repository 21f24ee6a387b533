"""The publisher of a configuration, and what every publisher promises, whatever kind of map it publishes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from schemas.config import Config
from schemas.registry import Registry
from schemas.request import RequestRecord
from schemas.status import Conflict, Host
from watcher.publish.file_publisher import FilePublisher
from watcher.publish.plan import Plan

Approvals = Callable[[str], Iterable[RequestRecord]]
"""Gives the approved records of a username, the newest first."""


class Publisher(Protocol):
    """Keeps one map in line with the registry.

    Attributes:
        problems: what is wrong though the map is in line, in words, by problem code.
        conflicts: the aliases that are left out since somebody else's row holds them.
        hosts: how far the hosts are that Postfix asks, other than the one that is written to.
        due: when the map is to be looked at though nothing happens, on the monotonic clock; `None`: never.
    """

    @property
    def problems(self) -> Mapping[str, str]: ...

    @property
    def conflicts(self) -> Sequence[Conflict]: ...

    @property
    def hosts(self) -> Sequence[Host]: ...

    @property
    def due(self) -> float | None: ...

    def drifted(self, *, asked: bool) -> bool:
        """Whether the map is, or may be, another than the one that was published last; asked once in each pass.

        Args:
            asked: whether an administrator wants to have it looked at now.
        """

    def found(self) -> object:
        """What a publish depends on, as it is now: while it is equal, one that failed would fail again."""

    def publish(self, registry: Registry, *, forced: bool) -> Plan | None:
        """Make the map answer for *registry*; give what had to be written, or `None` where nothing had to be.

        Args:
            registry: the registry.
            forced: an administrator has asked for this registry by name: no change is too much.

        Raises:
            MassChangeError: the guard holds it back.
            ExpectedError: the map could not be brought into line; the earlier rows are in place.
        """


def publisher_for(config: Config, approvals: Approvals) -> Publisher:
    """The publisher of *config*. What leads to a database is imported only where one is configured."""
    if not config.in_database:
        return FilePublisher(config, approvals)
    from watcher.publish.sql.publisher import SqlPublisher  # noqa: PLC0415

    return SqlPublisher(config, approvals)
