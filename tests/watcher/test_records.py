"""Request records: in exactly one folder at every moment, known again after a kill, bounded when refused."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from schemas.json_records import to_json
from schemas.request import FOLDERS, Folder, RequestId, RequestRecord, request_id
from watcher.records import RecordStore

from .server import Server


def stamp(second: int) -> str:
    return f"20260519T2055{second:02d}.000000Z"


def record_of(second: int = 0, username: str = "pablo", **fields: Any) -> RequestRecord:
    return RequestRecord(
        **{
            "request_id": f"{stamp(second)}-{username}-{second:010x}", "username": username, "uid": 1, "alias": "a",
            "file": "ask.json", "created_at": "2026-05-19T20:55:18Z", **fields,
        }
    )  # fmt: skip


def identifier_of(second: int, owner: str = "pablo") -> RequestId:
    return RequestId(stamp(second), owner, "ffffffffff")


def places(server: Server, record: RequestRecord) -> list[str]:
    return [folder for folder in FOLDERS if (server.paths.requests / folder / f"{record.request_id}.json").exists()]


def status_of(path: Path) -> os.stat_result:
    return path.lstat()


def closed(record: RequestRecord, status: Folder) -> RequestRecord:
    return RequestRecord(**{name: getattr(record, name) for name in record.__struct_fields__} | {"status": status})


def test_missing_folders_are_made_with_the_mode_and_group_of_the_one_above(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, 30000)
    tmp_path.chmod(0o2755)
    previous = os.umask(0o077)
    try:
        RecordStore(str(tmp_path / "email-alias-requests")).close()
    finally:
        os.umask(previous)
    for folder in (tmp_path / "email-alias-requests", *(tmp_path / "email-alias-requests" / name for name in FOLDERS)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2750
        assert folder.stat().st_gid == tmp_path.stat().st_gid


def test_a_record_can_be_read_by_members_and_written_by_root_alone(server: Server) -> None:
    server.records.add(record_of(), server.people.gid)
    (path,) = (server.paths.requests / "pending").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_gid == server.people.gid


def test_a_pending_record_is_known_to_whoever_asks_for_it(server: Server) -> None:
    record = record_of()
    server.records.add(record, server.people.gid)
    assert server.records.pending == {"pablo": record}
    server.restart()
    assert server.records.pending == {"pablo": record}


def test_a_closed_record_has_moved_to_the_folder_of_its_status(server: Server) -> None:
    record = record_of()
    server.records.add(record, server.people.gid)
    server.records.close_pending(closed(record, "approved"), server.people.gid)
    server.records.sync()
    assert places(server, record) == ["approved"]
    assert server.records.pending == {}
    assert [found["status"] for found in server.found("approved")] == ["approved"]


def test_what_a_kill_left_half_closed_is_closed_at_the_next_start(server: Server) -> None:
    record = record_of()
    server.records.add(record, server.people.gid)
    # Killed between rewriting the record and moving it.
    path = server.paths.requests / "pending" / f"{record.request_id}.json"
    path.write_bytes(to_json(closed(record, "rejected")))
    server.restart()
    assert server.records.pending == {}
    assert places(server, record) == ["rejected"]


def test_what_a_kill_left_half_written_is_removed_at_the_next_start(server: Server) -> None:
    for folder in FOLDERS:
        (server.paths.requests / folder / f".{record_of().request_id}.json.tmp").write_text("{")
    server.restart()
    assert server.records.pending == {}
    server.records.tidy()
    for folder in FOLDERS:
        assert server.found(folder) == []


def test_a_record_that_somebody_else_changed_is_read_again(server: Server) -> None:
    first, second = record_of(1), record_of(2, "maria")
    server.records.add(first, server.people.gid)
    server.records.sync()
    path = server.paths.requests / "pending" / f"{second.request_id}.json"
    path.write_bytes(to_json(second))
    server.records.refresh()
    assert server.records.pending == {"pablo": first, "maria": second}
    path.unlink()
    server.records.refresh()
    assert server.records.pending == {"pablo": first}


def test_a_record_that_cannot_be_read_is_told_and_left_and_hides_no_other(server: Server) -> None:
    server.records.add(record_of(2, "maria"), server.people.gid)
    broken = server.paths.requests / "pending" / f"{record_of(1).request_id}.json"
    broken.write_text("{")
    server.records.refresh()
    assert list(server.records.pending) == ["maria"]
    (found,) = server.records.troubles
    assert found.startswith(f"The request record {broken} cannot be read: ")
    assert broken.read_text() == "{"
    broken.unlink()
    server.records.refresh()
    assert server.records.troubles == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_request_is_known_again_in_whatever_folder_its_record_is(server: Server, folder: Folder) -> None:
    record = record_of(7, status=folder)
    server.records.add(record, server.people.gid)
    known = RequestId(*record.request_id.split("-"))
    for _ in range(2):
        assert server.records.known(known)
        assert not server.records.known(known._replace(digest="0123456789"))
        server.restart()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_file_older_than_its_owners_newest_record_must_not_speak(server: Server, folder: Folder) -> None:
    status = status_of(server.paths.config)
    server.records.add(record_of(30, status=folder), server.people.gid)
    for _ in range(2):
        assert server.records.outdated(identifier_of(29), status)
        assert not server.records.outdated(identifier_of(31), status)
        assert not server.records.outdated(identifier_of(29, "maria"), status)
        server.restart()


def test_the_same_file_under_another_name_must_not_speak_again(server: Server) -> None:
    path = server.request(mtime=1_779_224_118.0)
    status = status_of(path)
    server.records.add(record_of(request_id=str(request_id("pablo", "ask.json", status))), server.people.gid)
    again = path.rename(path.with_name("renamed.json"))
    assert server.records.outdated(request_id("pablo", "renamed.json", status_of(again)), status_of(again))
    other = server.request(filename="other.json", mtime=1_779_224_118.0)
    assert not server.records.outdated(request_id("pablo", "other.json", status_of(other)), status_of(other))


def test_of_one_members_refused_records_the_newest_32_are_kept(server: Server) -> None:
    for second in range(40):
        server.records.add(record_of(second, status="refused"), server.people.gid)
    server.records.add(record_of(0, "maria", status="refused"), server.people.gid)
    server.records.prune_refused("pablo")
    kept = [found["request_id"] for found in server.found("refused")]
    assert sorted(kept) == sorted(
        [record_of(second).request_id for second in range(8, 40)] + [record_of(0, "maria").request_id]
    )


def test_of_one_members_cancelled_records_the_newest_are_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.records.CANCELLED_KEPT", 20)

    def cancel(second: int, username: str = "pablo") -> None:
        pending = record_of(second, username)
        server.records.add(pending, server.people.gid)
        server.records.close_pending(closed(pending, "cancelled"), server.people.gid)
        server.records.sync()

    cancel(0, "maria")
    for second in range(22):
        cancel(second)
    server.restart()
    assert len(server.found("cancelled")) == 23
    server.records.add(record_of(22, status="cancelled", action="cancel"), server.people.gid)
    server.records.sync()
    assert len(server.found("cancelled")) == 21
    kept = [record["request_id"] for record in server.found("cancelled") if record["username"] == "pablo"]
    assert kept == [record_of(second).request_id for second in range(3, 23)]
    # What was kept counts from there.
    cancel(23)
    assert len(server.found("cancelled")) == 22
