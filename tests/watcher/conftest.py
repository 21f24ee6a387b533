"""A server of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import Server
from .watching import listen, wake, watched

__all__ = ["listen", "wake", "watched"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.restart()
