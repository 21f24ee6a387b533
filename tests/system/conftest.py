"""Servers with the package that was built from this checkout."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ..support.needs import require
from . import tree
from .server import Server

_ROOT = Path(__file__).parents[2]


class Packages(NamedTuple):
    """The package, and the same under the version before it."""

    previous: Path
    present: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here takes a machine that can be booted."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.needs("container"))


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Remember in which module a step has failed."""
    if call.excinfo is not None and item.parent is not None and "step" in item.keywords:
        item.parent.stash[_FAILED] = item.name


_FAILED = pytest.StashKey[str]()


@pytest.fixture(autouse=True)
def _no_step_after_a_failed_one(request: pytest.FixtureRequest) -> None:
    failed = request.node.parent.stash.get(_FAILED, None)
    if failed is not None and "step" in request.node.keywords:
        pytest.fail(f"An earlier step failed: {failed}.", pytrace=False)


@pytest.fixture(scope="session")
def root_file_system() -> Path:
    """A Debian 13 with Postfix."""
    require("container")
    return tree.made()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The package that this checkout makes, built twice."""
    directory = tmp_path_factory.mktemp("packages")
    return Packages(_built(directory / "previous", "0.0.9-1"), _built(directory / "present"))


def _built(directory: Path, version: str | None = None) -> Path:
    environment = os.environ | ({"DEB_VERSION": version} if version else {})
    command = ["/bin/sh", str(_ROOT / "debian/build"), str(directory)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (package,) = directory.glob("*.deb")
    return package


@pytest.fixture(scope="module")
def server(root_file_system: Path) -> Iterator[Server]:
    """A mail server that all tests of a module share, one after the other, without our package."""
    with Server(root_file_system) as server:
        server.prepare()
        yield server
