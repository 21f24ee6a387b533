"""A map's file is not read again while it is the same, and whatever changes in it counts at once."""

import os
import time
from pathlib import Path

import pytest

from watcher.publish.sql.map_file import MapFile, SqlMapError


def test_every_one_of_many_quick_edits_counts(tmp_path: Path) -> None:
    path = tmp_path / "aliases.cf"
    file = MapFile(str(path), "pgsql")
    for number in range(100, 400):
        _write(path, f"pass{number}")
        assert _password(file) == f"pass{number}"


def test_an_edit_in_place_of_an_old_file_counts_though_its_time_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "aliases.cf"
    _write(path, "one")
    file = MapFile(str(path), "pgsql")
    _grow_old(path)
    before = os.stat(path)
    kept = file.read()
    assert file.read() is kept

    _write(path, "two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert os.stat(path).st_mtime_ns == before.st_mtime_ns
    _grow_old(path)
    assert _password(file) == "two"


def test_a_file_that_goes_is_missed_at_once_and_counts_again_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "aliases.cf"
    _write(path, "one")
    file = MapFile(str(path), "pgsql")
    _grow_old(path)
    assert _password(file) == "one"
    path.rename(tmp_path / "away")
    with pytest.raises(SqlMapError, match="cannot be read"):
        file.read()

    (tmp_path / "away").rename(path)

    assert _password(file) == "one"


def _write(path: Path, password: str) -> None:
    path.write_text(f"hosts = localhost\nuser = u\npassword = {password}\ndbname = mail\n")


def _grow_old(path: Path) -> None:
    # Nobody can set a ctime.
    while time.time_ns() - os.stat(path).st_ctime_ns < 60_000_000:
        time.sleep(0.01)


def _password(file: MapFile) -> str | None:
    password = file.read().password
    return None if password is None else password.value
