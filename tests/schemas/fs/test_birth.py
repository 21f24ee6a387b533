"""When a file was made is told by the file system, and no owner can change it."""

import os
import time
from pathlib import Path

import pytest

from schemas.fs.directory import read_plain
from schemas.fs.pinned import birth_ns


def born(path: Path) -> int:
    with path.open("rb") as file:
        found = birth_ns(file.fileno())
    if found is None:
        pytest.skip("This file system does not tell when a file was made.")
    return found


def test_neither_its_owner_nor_a_rename_changes_when_a_file_was_made(tmp_path: Path) -> None:
    path = tmp_path / "ask.json"
    before = time.time_ns() - 10**9
    path.write_text("{}")
    found = born(path)
    assert before < found < time.time_ns() + 10**9
    os.utime(path, ns=(0, 2**62))
    path.chmod(0o600)
    moved = path.rename(tmp_path / "moved.json")
    assert born(moved) == found


def test_it_is_asked_of_a_file_from_the_future_alone(tmp_path: Path) -> None:
    path = tmp_path / "ask.json"
    path.write_text("{}")
    assert read_plain(str(path), 10).born_ns is None
    os.utime(path, ns=(0, 2**62))
    assert read_plain(str(path), 10).born_ns == born(path)


def test_what_is_no_open_file_was_never_made() -> None:
    assert birth_ns(10**6) is None
