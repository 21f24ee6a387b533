"""What is refused, in which words, and that a refusal is recorded, bounded and counted."""

import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from schemas import queue_file
from schemas.fs.pinned import birth_ns
from schemas.queue_file import SIZE_LIMIT
from schemas.request import REFUSED_KEPT, RequestRecord
from tests.support import reasons

from ..server import Record, Server


def take(server: Server) -> None:
    server.records.refresh()
    server.intake.take()


def refusal(server: Server) -> Record:
    """Take in what lies there, which is refused, and give the record of it."""
    take(server)
    (record,) = server.found("refused")
    assert (record["status"], record["decided_by"]) == ("refused", "watcher")
    assert server.found("pending") == []
    assert server.queue() == []
    assert server.intake.refused == 1
    reasons.check(record)
    return record


ASK = {"destination": "p@example.org"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", "not as a request. It is JSON, but not an object: a list was found."),
        (b"{}", "The file was understood as JSON but not as a request. A request needs a `destination`."),
        (b'{"action": "cancel", "action": "request"}', "not as a request. The key `action` stands twice."),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, "The file is larger than"),
        (b'{"a":' * 2500 + b"1" + b"}" * 2500, "It is nested too deep."),
        ({**ASK, "uid": 0}, "not as a request. Object contains unknown field `uid`."),
        ({"destination": "p@example.org, q@example.org"}, "The address has a space"),
        ({"destination": "|sh@example.org"}, "The part before the '@' begins with '|', which programs misread."),
        ({"destination": "p@runv.club"}, "The address is in runv.club itself"),
        ({"destination": "p@example.org\nroot@runv.club\teve@example.org"}, "a control character in it"),
        ({**ASK, "username": "maria"}, "belongs to pablo but speaks for somebody else; pablo can ask for pablo@"),
        ({**ASK, "username": ""}, "speaks for somebody else"),
        ({**ASK, "username": "Pablo"}, "speaks for somebody else"),
        ({**ASK, "alias": "maria@runv.club"}, "speaks for somebody else"),
        ({**ASK, "alias": "pablo@example.org"}, "speaks for somebody else"),
        ({"action": "cancel", "username": "maria"}, "speaks for somebody else"),
        ({"action": "cancel", "scope": "active", "alias": "maria@runv.club"}, "speaks for somebody else"),
        ({"action": "cancel"}, "There is no pending request to cancel."),
        (b'{"destination": "p@example.org"}' + b" " * SIZE_LIMIT, f"The file is larger than the {SIZE_LIMIT} octets"),
        (b"\x00" * (SIZE_LIMIT + 1), f"The file is larger than the {SIZE_LIMIT} octets"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_its_reason(server: Server, content: bytes | dict[str, Any], reason: str) -> None:
    server.drop("pablo", content)
    assert reason in refusal(server)["reason"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o660, 0o777])
def test_a_file_that_somebody_else_could_have_written_puts_no_words_in_its_owners_mouth(
    server: Server, mode: int
) -> None:
    server.request(mode=mode)
    assert "somebody else may have put words in your mouth" in refusal(server)["reason"]


def test_what_the_record_says_of_a_wrong_file_is_what_could_be_read_of_it(server: Server) -> None:
    server.drop("pablo", {"destination": "p@runv.club", "request_id": "mine"})
    record = refusal(server)
    assert (record["action"], record["destination"], record["client_id"]) == ("request", "p@runv.club", "mine")
    server.drop("pablo", b"[]", "second.json")
    take(server)
    record = server.found("refused")[-1]
    assert (record["action"], record["destination"], record["file"]) == ("unknown", None, "second.json")


@pytest.mark.parametrize(
    "name", ["ask", "ask.JSON", "-ask.json", "ask me.json", "\x1b[2J.json", "caf\udce9.json", "é" * 100]
)
def test_a_wrong_name_is_refused_and_shown_escaped(server: Server, name: str) -> None:
    server.drop("pablo", ASK, name)
    record = refusal(server)
    assert record["reason"].startswith("The file's name was not accepted: ")
    assert record["file"].isprintable()


def link(path: Path) -> None:
    path.symlink_to("/etc/shadow")


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("make", [link, os.mkfifo, unix_socket])
def test_what_cannot_be_a_request_is_removed_without_being_opened(server: Server, make: Callable[[Path], None]) -> None:
    make(server.paths.queue / "ask.json")
    os.lchown(server.paths.queue / "ask.json", server.pablo.uid, -1)
    assert refusal(server)["reason"] == "It is a link, FIFO, socket or device; a plain file was expected."


def test_a_file_with_a_second_name_is_refused_and_the_other_name_is_left(server: Server) -> None:
    path = server.request()
    elsewhere = server.paths.state / "somebody's file"
    elsewhere.hardlink_to(path)
    assert refusal(server)["reason"].startswith("The file has a second name (a hard link)")
    assert elsewhere.read_bytes() == b'{"destination": "p@example.org"}'


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    ("name", "member", "reason"),
    [
        ("eve", False, "Its owner is not a member of the group runv-members."),
        ("postmaster", True, "The name postmaster is reserved for the server itself and cannot be a member's alias."),
        ("staff", True, "The name staff is reserved for the server itself and cannot be a member's alias."),
        ("Big.Name", True, "The account name 'Big.Name' cannot be an alias"),
        ("x" * 33, True, "cannot be an alias"),
    ],
)
def test_an_owner_who_may_have_no_alias_is_told_why(tmp_path: Path, name: str, member: bool, reason: str) -> None:
    server = Server(tmp_path, reserved=["Staff"])
    server.people.add(name, member=member)
    server.request(name)
    record = refusal(server)
    assert reason in record["reason"]
    assert record["username"] == name
    server.restart()


@pytest.mark.needs("root")
@pytest.mark.parametrize("name", ["../../etc/x", ".hidden", "x" * 240, "two\nlines"])
def test_a_strange_account_name_leads_no_record_astray(server: Server, name: str) -> None:
    before = set(server.paths.root.rglob("*"))
    server.people.add(name)
    server.request(name)
    take(server)
    assert server.intake.refused == 1
    assert server.queue() == []
    assert set(server.paths.root.rglob("*")) <= {*before, Path(server.settings.audit)}


@pytest.mark.needs("root")
def test_a_file_of_nobody_is_removed_and_counted(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    path = server.request()
    os.chown(path, 54321, -1)
    take(server)
    assert (server.queue(), server.found("refused"), server.intake.refused) == ([], [], 1)
    assert "Refused 1 queue entries of ?; the last of them was ask.json: Its owner has no account" in caplog.text


def test_a_second_request_while_one_is_pending_is_refused_and_the_first_stays(server: Server) -> None:
    now = time.time()
    server.request(filename="1.json", mtime=now - 5)
    server.request(destination="q@example.org", filename="2.json", mtime=now)
    take(server)
    (first,), (second,) = server.found("pending"), server.found("refused")
    assert first["destination"] == "p@example.org"
    assert "reason_code" not in first
    assert second["reason_code"] == "already-pending"
    assert second["reason"] == (
        f"A request for p@example.org is pending since {first['created_at']}. Cancel that one first if you want "
        "another address."
    )


@pytest.mark.parametrize(("days", "pending"), [(6.99, 1), (7.01, 0), (20000, 0)])
def test_a_file_that_is_too_old_is_refused(server: Server, days: float, pending: int) -> None:
    server.request(mtime=time.time() - days * 24 * 3600)
    take(server)
    assert len(server.found("pending")) == pending
    assert ["more than 7 days old" in found["reason"] for found in server.found("refused")] == [True] * (1 - pending)


def test_a_file_that_was_moved_away_and_brought_back_does_not_speak_again(server: Server) -> None:
    server.request(filename="1.json", mtime=time.time() - 10)
    kept = (server.paths.queue / "1.json").rename(server.paths.state / "moved away")
    server.drop("pablo", {"action": "cancel", "scope": "active"}, "2.json")
    (judgement,) = server.intake.take().active_cancels
    assert judgement.record is not None
    server.records.add(judgement.record, server.people.gid)
    server.intake.discard(judgement)
    kept.rename(server.paths.queue / "3.json")
    assert "older than one of yours that was taken in before" in refusal(server)["reason"]


@pytest.mark.parametrize("name", ["1.json", "another.json"])
def test_a_file_from_the_future_that_was_moved_away_does_not_speak_again(server: Server, name: str) -> None:
    path = server.request(filename="1.json", mtime=time.time() + 10**6)
    with path.open("rb") as file:
        if birth_ns(file.fileno()) is None:
            pytest.skip("This file system does not tell when a file was made.")
    path.rename(server.paths.state / "moved away")
    server.request(filename="2.json")
    take(server)
    server.records.close_pending(rejected(server), server.people.gid)
    server.records.sync()
    (server.paths.state / "moved away").rename(server.paths.queue / name)
    assert "older than one of yours that was taken in before" in refusal(server)["reason"]


def test_a_file_that_comes_back_under_another_name_does_not_speak_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.request(mtime=time.time() - 10)
    read = queue_file.parse_queue_file

    def taking_away(data: bytes) -> object:
        path.rename(server.paths.state / "away")
        return read(data)

    with monkeypatch.context() as context:
        context.setattr("watcher.intake.judge.parse_queue_file", taking_away)
        take(server)
    server.records.close_pending(rejected(server), server.people.gid)
    server.records.sync()
    (server.paths.state / "away").rename(server.paths.queue / "another.json")
    assert "older than one of yours that was taken in before" in refusal(server)["reason"]


def rejected(server: Server) -> RequestRecord:
    return replace(server.records.pending["pablo"], status="rejected")


def test_a_file_that_is_swapped_while_it_is_read_is_not_removed_in_its_place(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.request()
    read = queue_file.parse_queue_file

    def swapping(data: bytes) -> object:
        path.rename(server.paths.state / "away")
        server.request(destination="q@example.org")
        return read(data)

    with monkeypatch.context() as context:
        context.setattr("watcher.intake.judge.parse_queue_file", swapping)
        take(server)
    assert [found["destination"] for found in server.found("pending")] == ["p@example.org"]
    assert server.queue() == ["ask.json"]
    take(server)
    assert [found["destination"] for found in server.found("refused")] == ["q@example.org"]


def test_of_a_flood_the_newest_32_are_recorded_and_all_are_counted(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for number in range(100):
        server.drop("pablo", b"[]", f"{number}.json", mtime=now - 100 + number)
    written: list[RequestRecord] = []
    add = server.records.add

    def note(record: RequestRecord, gid: int) -> None:
        written.append(record)
        add(record, gid)

    with monkeypatch.context() as context:
        context.setattr(server.records, "add", note)
        take(server)
    take(server)
    assert len(written) == REFUSED_KEPT
    assert server.queue() == []
    kept = server.found("refused")
    assert [found["file"] for found in kept] == [f"{number}.json" for number in range(100 - REFUSED_KEPT, 100)]
    assert server.intake.refused == 100
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_a_refused_file_keeps_no_later_one_from_being_taken(server: Server) -> None:
    now = time.time()
    server.drop("pablo", b"[]", "1.json", mtime=now - 2)
    server.request(filename="2.json", mtime=now - 1)
    take(server)
    assert (len(server.found("refused")), len(server.found("pending"))) == (1, 1)


@pytest.mark.needs("root")
def test_the_name_given_to_somebody_else_does_not_inherit_the_request(server: Server) -> None:
    server.request(mtime=time.time() - 10)
    take(server)
    server.people.add("pablo", uid=40000)
    server.drop("pablo", {"action": "cancel"}, "cancel.json", mtime=time.time() - 5)
    take(server)
    assert server.found("refused")[0]["reason"] == "There is no pending request to cancel."
    assert server.found("refused")[0]["reason_code"] == "nothing-pending"
    server.request(destination="new@example.org", filename="new.json")
    take(server)
    (pending,) = server.found("pending")
    assert (pending["uid"], pending["destination"]) == (40000, "new@example.org")
    (former,) = server.found("cancelled")
    assert former["reason"] == "The account that asked for this is no more; its name belongs to somebody else now."
    assert former["reason_code"] == "account-changed"
