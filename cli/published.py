"""What is published at the moment, be it in files or in a database; it is read, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.settings import Settings
from schemas.status import Conflict


class PublishedMap(NamedTuple):
    """What was found.

    Attributes:
        rows: alias -> destination, of the rows that are ours.
        conflicts: the aliases that somebody else's row holds, of which files have none.
        engine: the engine of the table, where it is one without transactions.
    """

    rows: Mapping[str, str]
    conflicts: Sequence[Conflict] = ()
    engine: str | None = None

    def without_conflicts(self, rows: Mapping[str, str]) -> dict[str, str]:
        """Those of the registry's *rows* that can be published."""
        held = {conflict.alias for conflict in self.conflicts}
        return {alias: destination for alias, destination in rows.items() if alias not in held}


def read_published(settings: Settings, wanted: Mapping[str, str]) -> PublishedMap:
    """Read what is published.

    Args:
        settings: say where.
        wanted: what the registry would have there, for telling whose rows are in the way of it.

    Raises:
        ExpectedError: it cannot be read.
    """
    config = settings.config
    if config.in_database:
        from watcher.publish.sql import reading  # noqa: PLC0415 - brings the database libraries

        found = reading.read_published(config, wanted, settings.domain)
        return PublishedMap(found.rows, found.conflicts, found.engine)
    from watcher.publish.mapfiles import published_rows  # noqa: PLC0415

    return PublishedMap(published_rows(config))
