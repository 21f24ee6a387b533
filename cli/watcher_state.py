"""Whether the watcher is there to answer, and what it tells of one alias."""

from __future__ import annotations

from schemas.errors import StateError
from schemas.settings import Settings
from schemas.status import Conflict, Status, is_running, read_status

_STUCK = frozenset({"publish-failed", "publish-held"})
"""Codes of problems that keep the map from following the registry."""


def is_down(settings: Settings) -> bool:
    """Whether the watcher is known not to run. Where its status cannot be read, waiting for it tells more."""
    try:
        return not is_running(read_status(settings.config.runtime_dir))
    except StateError:
        return False


def is_waiting(settings: Settings, changed_at: str | None) -> bool:
    """Whether the watcher tells that what was changed at that moment, as the registry has it, is not published."""
    found = _status(settings)
    if found is None or found.published is None or changed_at is None:
        return False
    return _is_stuck(found) and changed_at > found.published.at


def publishes(settings: Settings) -> bool:
    """Whether the watcher publishes; where nothing is known of that, it does."""
    found = _status(settings)
    return found is None or found.enabled


def map_follows(settings: Settings) -> bool:
    """Whether the watcher tells of nothing that keeps the map from following the registry."""
    found = _status(settings)
    return found is None or (found.enabled and not _is_stuck(found))


def _is_stuck(status: Status) -> bool:
    return any(problem.code in _STUCK for problem in status.problems)


def conflict_of(settings: Settings, alias: str) -> Conflict | None:
    """The conflict of *alias*, if the watcher tells of one."""
    found = _status(settings)
    return next((conflict for conflict in found.conflicts if conflict.alias == alias), None) if found else None


def _status(settings: Settings) -> Status | None:
    try:
        return read_status(settings.config.runtime_dir)
    except StateError:
        return None
