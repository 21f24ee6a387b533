"""A request or a cancel that is as it should be."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from schemas.times import iso, stamp
from watcher.intake.intake import Intake
from watcher.records import RecordStore

from ..server import Record, Server


def take(server: Server) -> None:
    server.records.refresh()
    server.intake.take()


def only(records: list[Record]) -> Record:
    (record,) = records
    return record


def test_a_request_becomes_a_pending_record_and_leaves_the_queue(server: Server) -> None:
    timestamp = int(time.time()) - 60
    server.request(destination="P.R@Example.ORG", mtime=timestamp)
    take(server)
    record = only(server.found("pending"))
    assert record.pop("request_id").startswith(f"{stamp(timestamp * 10**9)}-pablo-")
    assert record == {
        "username": "pablo",
        "uid": server.pablo.uid,
        "alias": "pablo@runv.club",
        "destination": "P.R@example.org",
        "action": "request",
        "status": "pending",
        "file": "ask.json",
        "client_id": None,
        "created_at": iso(timestamp * 10**9),
        "decided_at": None,
        "decided_by": None,
        "decision_id": None,
        "reason": None,
    }
    assert server.queue() == []


@pytest.mark.parametrize(
    "content",
    [
        {"action": "request", "destination": "p@example.org"},
        {"destination": "p@example.org", "username": "pablo", "alias": "Pablo@RUNV.club", "status": "pending"},
        {"destination": "p@example.org", "request_id": "mine", "created_at": "long ago"},
    ],
)
def test_the_existing_servers_fields_may_be_there_too(server: Server, content: dict[str, Any]) -> None:
    server.drop("pablo", content)
    take(server)
    record = only(server.found("pending"))
    assert record["destination"] == "p@example.org"
    assert record["client_id"] == content.get("request_id")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o644, 0o640, 0o755])
def test_a_file_that_its_owner_alone_could_write_is_taken(server: Server, mode: int) -> None:
    server.request(mode=mode)
    take(server)
    assert len(server.found("pending")) == 1


@pytest.mark.needs("root")
def test_each_member_has_one_request_of_their_own(server: Server) -> None:
    server.request("pablo", "p@example.org", filename="p.json")
    server.request("maria", "m@example.org", filename="m.json")
    take(server)
    assert {(found["alias"], found["destination"]) for found in server.found("pending")} == {
        ("pablo@runv.club", "p@example.org"),
        ("maria@runv.club", "m@example.org"),
    }


def test_a_cancel_withdraws_the_pending_request(server: Server) -> None:
    server.request()
    take(server)
    request = only(server.found("pending"))
    server.drop("pablo", {"action": "cancel"}, "cancel.json")
    take(server)
    assert server.found("pending") == []
    withdrawn, cancel = sorted(server.found("cancelled"), key=lambda found: str(found["action"] == "cancel"))
    assert withdrawn["request_id"] == request["request_id"]
    assert (withdrawn["status"], withdrawn["decided_by"], withdrawn["decision_id"]) == (
        "cancelled",
        "pablo",
        cancel["request_id"],
    )
    assert (cancel["status"], cancel["destination"], cancel["file"]) == ("cancelled", "p@example.org", "cancel.json")
    assert server.queue() == []


def test_after_a_cancel_one_can_ask_again(server: Server) -> None:
    now = time.time()
    server.request(filename="1.json", mtime=now - 3)
    server.drop("pablo", {"action": "cancel"}, "2.json", mtime=now - 2)
    server.request(destination="q@example.org", filename="3.json", mtime=now - 1)
    take(server)
    assert only(server.found("pending"))["destination"] == "q@example.org"
    assert len(server.found("cancelled")) == 2


def test_one_members_files_are_taken_in_the_order_in_which_they_were_written(server: Server) -> None:
    timestamp = time.time() - 1
    for number, name in enumerate(("z.json", "a.json", "m.json")):
        server.request(destination=f"{number}@example.org", filename=name, mtime=timestamp + number * 1e-3)
    take(server)
    assert only(server.found("pending"))["destination"] == "0@example.org"
    assert [found["destination"] for found in server.found("refused")] == ["1@example.org", "2@example.org"]


def test_an_active_cancel_is_left_for_the_decisions_of_the_same_pass(server: Server) -> None:
    server.drop("pablo", {"action": "cancel", "scope": "active"})
    intake_result = server.intake.take()
    (judgement,) = intake_result.active_cancels
    assert judgement.record is not None
    assert (judgement.record.username, judgement.record.status) == ("pablo", "cancelled")
    assert server.queue() == ["ask.json"]
    assert server.found("cancelled") == []


@pytest.mark.needs("root")
def test_what_a_member_wrote_after_an_active_cancel_waits_for_it_and_nobody_else_does(server: Server) -> None:
    now = time.time()
    server.drop("pablo", {"action": "cancel", "scope": "active"}, "1.json", mtime=now - 2)
    server.request("pablo", filename="2.json", mtime=now - 1)
    server.request("maria", filename="3.json", mtime=now)
    intake_result = server.intake.take()
    assert len(intake_result.active_cancels) == 1
    assert not intake_result.more
    assert intake_result.more_after_cancels
    assert server.queue() == ["1.json", "2.json"]
    assert only(server.found("pending"))["username"] == "maria"


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def killed_before_removing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    """Take the queue in, and be killed when the records are written and the files are not removed yet."""

    def kill(intake: Intake, judgement: object) -> None:
        raise KilledError

    def act(server: Server) -> None:
        with monkeypatch.context() as context:
            context.setattr(Intake, "discard", kill)
            with pytest.raises(KilledError):
                take(server)
        server.restart()

    return act


def test_a_request_seen_again_after_a_kill_is_known_and_only_removed(
    server: Server, killed_before_removing: Callable[[Server], None]
) -> None:
    server.request()
    killed_before_removing(server)
    before = server.found("pending")
    assert server.queue() == ["ask.json"]
    take(server)
    assert server.queue() == []
    assert server.found("pending") == before
    assert server.found("refused") == []
    assert server.intake.refused == 0


def test_a_cancel_seen_again_after_a_kill_is_known_and_only_removed(
    server: Server, killed_before_removing: Callable[[Server], None]
) -> None:
    server.request(mtime=time.time() - 5)
    take(server)
    server.drop("pablo", {"action": "cancel"}, "cancel.json")
    killed_before_removing(server)
    before = server.found("cancelled")
    take(server)
    assert (server.queue(), server.found("cancelled"), server.found("refused")) == ([], before, [])


def test_a_cancel_that_a_kill_left_half_done_is_completed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.request(mtime=time.time() - 5)
    take(server)
    server.drop("pablo", {"action": "cancel"}, "cancel.json")

    def kill(records: RecordStore, record: object, gid: int) -> None:
        raise KilledError

    with monkeypatch.context() as context:
        context.setattr(RecordStore, "add", kill)  # the request has moved, the cancel is not recorded
        with pytest.raises(KilledError):
            take(server)
    server.restart()
    assert [found["action"] for found in server.found("cancelled")] == ["request"]
    take(server)
    assert {found["action"] for found in server.found("cancelled")} == {"request", "cancel"}
    assert (server.queue(), server.found("refused")) == ([], [])
