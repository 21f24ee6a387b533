"""Fixtures of the end-to-end tests: a running watcher on the test's own server."""

import pytest

from ..support.needs import require
from ..support.site import Site
from ..support.watcher import RunningWatcher


@pytest.fixture(autouse=True)
def _as_root() -> None:
    """Several accounts are played throughout."""
    require("root", "accounts", "postfix")


@pytest.fixture
def watcher(site: Site) -> RunningWatcher:
    """The watcher, up and in line; `site` ends it."""
    return site.start_watcher()
