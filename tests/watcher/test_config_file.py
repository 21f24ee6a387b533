"""A configuration that was changed is noticed, however quickly one change follows the other."""

import os
from pathlib import Path

import pytest

from watcher.service import ConfigFile

FIRST, SECOND = b'{"backend": "postfix-hash"}', b'{"backend": "postfix-lmdb"}'
LONG_AGO = 1_700_000_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "config.json"
    found.write_bytes(FIRST)
    return found


def test_one_that_stays_as_it_is_has_not_changed(path: Path) -> None:
    file = ConfigFile(str(path))
    assert (file.exists, file.changed(), file.changed()) == (True, False, False)


def test_another_change_in_the_same_tick_of_the_clock_is_a_change(path: Path) -> None:
    before = path.stat()
    file = ConfigFile(str(path))
    path.write_bytes(SECOND)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert file.changed()


def test_one_that_was_left_alone_is_known_by_its_signature(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    file = ConfigFile(str(path))
    monkeypatch.setattr("watcher.service.read_plain", lambda *_: pytest.fail("it was read"))
    assert not file.changed()
    os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
    assert file.changed()


def test_one_that_comes_or_goes_has_changed(path: Path) -> None:
    file = ConfigFile(str(path))
    path.unlink()
    assert file.changed()
    file = ConfigFile(str(path))
    assert (file.exists, file.changed()) == (False, False)
    path.write_bytes(FIRST)
    assert file.changed()
