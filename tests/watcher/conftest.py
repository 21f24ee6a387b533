"""A server of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .listening import listen, place, wake
from .server import Server

__all__ = ["listen", "place", "wake"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.restart()
