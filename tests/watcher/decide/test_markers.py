"""Reading the administrator's markers, and keeping with the reason what is none."""

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.decision import Decision
from schemas.fs.directory import Directory
from schemas.reason import Reason

from ..server import Server

SYNC = {"decision": "sync"}


def left(server: Server) -> list[str]:
    return sorted(name for name in os.listdir(server.paths.decisions) if name != "failed")


def test_markers_are_read_in_the_order_of_their_time_then_name(server: Server) -> None:
    for name, mtime in (("c", 1000.5), ("a", 1000.5), ("b", 1000.4), ("d", 1000.6)):
        server.mark(SYNC, name, mtime=mtime)
    assert [marker.id for marker in server.markers.read()] == ["b", "a", "c", "d"]
    assert left(server) == ["a.json", "b.json", "c.json", "d.json"]


def test_a_marker_is_what_it_says(server: Server) -> None:
    server.mark({"decision": "revoke", "username": "pablo", "reason": "x", "operator": "boss"}, "one")
    (marker,) = server.markers.read()
    assert marker.decision == Decision(decision="revoke", username="pablo", reason="x", operator="boss")


def test_what_is_hidden_and_the_failed_folder_are_no_markers(server: Server) -> None:
    (server.paths.decisions / ".one.json.tmp").write_text("{")
    assert server.markers.read() == []
    assert left(server) == [".one.json.tmp"]
    assert server.failed() == []


@pytest.mark.parametrize(
    ("data", "reason", "kept"),
    [
        (b"[]", "It is JSON, but not an object: a list was found.", "[]"),
        (b'{"decision": "delete"}', "Invalid enum value 'delete' - at `$.decision`.", r'{"decision": "delete"}'),
        (b'{"decision": "revoke"}', "The decision `revoke` needs a `username`.", '{"decision": "revoke"}'),
        (b'{"decision": "sync", "x": "\x7f"}', "unknown field `x`", r"\x7f"),
        (b" " * (16 * 1024 + 1), "The marker cannot be read: ", ""),
    ],
)
def test_what_is_no_decision_is_kept_with_the_reason_and_removed(
    server: Server, data: bytes, reason: str, kept: str
) -> None:
    (server.paths.decisions / "one.json").write_bytes(data)
    assert server.markers.read() == []
    (failed,) = server.failed()
    assert failed["decision_id"] == "one"
    assert reason in failed["reason"]
    assert failed["reason_code"] == ("marker-bad-shape" if kept else "marker-unreadable")
    assert kept in failed["marker"]
    assert left(server) == []
    (path,) = (server.paths.decisions / "failed").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_marker_that_is_still_being_written_has_two_seconds(server: Server) -> None:
    path = server.paths.decisions / "one.json"
    path.write_bytes(b'{"decision": ')
    assert server.markers.read() == []
    assert (left(server), server.failed()) == (["one.json"], [])
    assert server.markers.incomplete.next_due == server.clock() + 2
    path.write_bytes(b'{"decision": "sync"}')
    assert len(server.markers.read()) == 1
    path.write_bytes(b'{"decision": ')
    server.markers.read()
    server.clock.pass_by(60)
    server.markers.read()
    assert left(server) == []
    assert server.failed()[0]["reason"].startswith("It is not JSON")
    assert server.failed()[0]["reason_code"] == "marker-not-json"


@pytest.mark.needs("root")
def test_only_root_decides(server: Server) -> None:
    os.chown(server.mark(SYNC, "one"), server.pablo.uid, -1)
    assert server.markers.read() == []
    assert f"The marker belongs to uid {server.pablo.uid}; only root decides." in server.failed()[0]["reason"]
    assert server.failed()[0]["reason_code"] == "marker-not-roots"
    assert left(server) == []


@pytest.mark.parametrize("name", ["one", "one.txt", "-one.json", "\x1b[2J.json", "caf\udce9.json"])
def test_a_wrong_name_is_kept_under_another(server: Server, name: str) -> None:
    (server.paths.decisions / name).write_text('{"decision": "sync"}')
    assert server.markers.read() == []
    (failed,) = server.failed()
    assert failed["reason"].startswith("The marker's name was not accepted")
    assert failed["reason_code"] == "marker-bad-name"
    assert failed["decision_id"].isprintable()
    assert left(server) == []


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/shadow"), os.mkfifo])
def test_what_is_no_plain_file_is_not_opened(server: Server, make: Callable[[Path], None]) -> None:
    make(server.paths.decisions / "one.json")
    assert server.markers.read() == []
    assert server.failed()[0]["reason"].startswith("The marker cannot be read: ")
    assert left(server) == []


@pytest.mark.parametrize("name", ["backup", "backup.json"])
def test_a_directory_is_left_where_it_is_and_told_once_at_most(server: Server, name: str) -> None:
    (server.paths.decisions / name).mkdir()
    for _ in range(3):
        assert server.markers.read() == []
    assert left(server) == [name]
    assert len(server.failed()) <= 1


def test_a_directory_is_nothing_that_waits_and_nothing_to_wait_for(server: Server) -> None:
    (server.paths.decisions / "backup").mkdir()
    assert not server.markers.waiting
    path = server.paths.decisions / "one.json"
    path.write_bytes(b'{"decision": ')
    assert server.markers.waiting
    server.markers.read()
    path.unlink()
    path.mkdir()
    server.markers.read()
    assert server.markers.incomplete.next_due is None
    assert not server.markers.waiting


def test_a_marker_is_removed_once_it_was_told_of_and_no_other_that_took_its_name(server: Server) -> None:
    server.mark(SYNC, "one")
    (marker,) = server.markers.read()
    (server.paths.decisions / "one.json").rename(server.paths.state / "away")
    server.mark(SYNC, "one")
    server.markers.remove(marker)
    assert left(server) == ["one.json"]
    (marker,) = server.markers.read()
    server.markers.remove(marker)
    server.markers.remove(marker)
    assert left(server) == []


def test_a_failed_marker_is_kept_as_it_was_and_stays_until_it_was_told_of(server: Server) -> None:
    server.mark({"decision": "revoke", "username": "pablo"}, "one")
    (marker,) = server.markers.read()
    server.markers.fail(marker, Reason("nothing-to-revoke", "No."))
    assert left(server) == ["one.json"]
    (failed,) = server.failed()
    assert (failed["reason"], failed["reason_code"]) == ("No.", "nothing-to-revoke")
    assert failed["marker"]["username"] == "pablo"


def test_a_marker_that_an_earlier_version_kept_without_a_code_stays_failed_without_one(server: Server) -> None:
    server.mark({"decision": "revoke", "username": "pablo"}, "one")
    (marker,) = server.markers.read()
    kept = {"decision_id": "one", "reason": "No.", "failed_at": "2026-05-19T20:55:18Z"}
    kept["marker"] = {"decision": "revoke", "username": "pablo"}  # type: ignore[assignment]
    (server.paths.decisions / "failed" / "one.json").write_text(json.dumps(kept))
    reason = server.markers.failed_before(marker)
    assert reason == Reason("", "No.")
    server.markers.fail(marker, reason)
    (failed,) = server.failed()
    assert failed["reason"] == "No."
    assert "reason_code" not in failed


def test_what_a_kill_left_half_written_is_removed(server: Server) -> None:
    (server.paths.decisions / "failed" / ".one.json.tmp").write_text("{")
    server.markers.tidy()
    assert not list((server.paths.decisions / "failed").iterdir())


def test_the_folder_for_what_failed_is_made_for_root_alone(server: Server) -> None:
    (server.paths.decisions / "failed").rmdir()
    server.markers.read()
    assert stat.S_IMODE((server.paths.decisions / "failed").stat().st_mode) == 0o700


def test_a_marker_that_a_broken_disk_hides_is_not_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    markers = server.markers
    server.mark(SYNC, "one")

    def broken(_directory: Directory, name: str, _limit: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), name)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "read", broken)
        with pytest.raises(OSError, match=r"one\.json"):
            markers.read()
    assert (left(server), server.failed()) == (["one.json"], [])
    assert [marker.id for marker in markers.read()] == ["one"]
