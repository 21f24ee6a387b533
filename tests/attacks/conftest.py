"""Fixtures of the attacks: a server that is attacked all through one module, and the people on it."""

from collections.abc import Iterator

import pytest

from ..support.install import Installation
from ..support.needs import require
from ..support.site import Site
from ..support.watcher import RunningWatcher


@pytest.fixture(autouse=True)
def _as_root() -> None:
    """Several accounts are played throughout."""
    require("root", "accounts", "postfix")


@pytest.fixture(scope="module")
def lasting(installation: Installation) -> Iterator[Site]:
    """One server for the tests of a module, each with members of its own."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation) as site:
        site.start_watcher()
        yield site


@pytest.fixture
def watcher(site: Site) -> RunningWatcher:
    """The watcher of the test's own server, up and in line; `site` ends it."""
    return site.start_watcher()
