"""The two forms of a time: for people and JSON, and inside file names. Both are UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NS = int((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH).total_seconds()) * 1_000_000_000


def _bounded(ns: int) -> datetime:
    # A member may give a file any mtime, before 1970 and past the year 9999 included: strftime must survive it.
    bounded = min(max(ns, 0), _LATEST_NS)
    return _EPOCH + timedelta(microseconds=bounded // 1000)


def iso(ns: int) -> str:
    """Write *ns* (nanoseconds since the epoch) as `YYYY-MM-DDTHH:MM:SSZ`, clamped to the years 1970 to 9999."""
    return _bounded(ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> str:
    """The present time as `YYYY-MM-DDTHH:MM:SSZ`."""
    return iso(time.time_ns())


def stamp(ns: int) -> str:
    """Write *ns* as `YYYYMMDDTHHMMSS.ffffffZ`: sorts as it reads, fits in a file name, clamped as in `iso`."""
    return _bounded(ns).strftime("%Y%m%dT%H%M%S.%fZ")
