"""Whether the watcher is there to answer."""

from __future__ import annotations

from schemas.config import Settings
from schemas.errors import StateError
from schemas.status import is_running, read_status


def is_down(settings: Settings) -> bool:
    """Whether the watcher is known not to run. Where its status cannot be read, waiting for it tells more."""
    try:
        return not is_running(read_status(settings.config.runtime_dir))
    except StateError:
        return False
