"""The audit log in the watcher: nothing goes before its line is written, and no line is written twice."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.audit_line import AuditLine
from schemas.request import REFUSED_KEPT
from tests.watcher.server import Record, Server, entry
from watcher.audit import Audit

MOMENT = "2026-05-19T20:55:18Z"
CANCEL = {"action": "cancel"}


class _Killed(BaseException):
    """Stands for a SIGKILL: nothing in the program handles it."""


@pytest.fixture
def audit(server: Server) -> Audit:
    return server.audit


def lines(server: Server) -> list[Record]:
    path = Path(server.settings.audit)
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def told(server: Server) -> list[tuple[Any, Any]]:
    return [(line["what"], line.get("decision_id") or line.get("request_id")) for line in lines(server)]


def present_sha256(server: Server) -> str | None:
    registry = server.registry.usable()
    return registry.sha256 if registry else None


def a_line(number: int = 0, **fields: Any) -> AuditLine:
    return AuditLine(**{"time": MOMENT, "what": "accepted", "request_id": f"r{number}", **fields})


def take(server: Server) -> None:
    server.records.refresh()
    server.intake.take()


# Killed between two writes


def kill_at(server: Server, part: object, name: str) -> None:
    """Take the queue in, and be killed when *part* is asked to do *name*."""

    def kill(*_: object) -> None:
        raise _Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, name, kill)
        with pytest.raises(_Killed):
            take(server)
    server.restart()


def test_a_request_whose_line_was_not_written_before_a_kill_gets_it_afterwards(server: Server) -> None:
    server.request()
    kill_at(server, server.audit, "flush")
    assert lines(server) == []
    take(server)
    (record,) = server.found("pending")
    assert told(server) == [("accepted", record["request_id"])]
    assert server.queue() == []


def test_so_does_a_refusal(server: Server) -> None:
    server.request(destination="nothing")
    kill_at(server, server.audit, "flush")
    take(server)
    (record,) = server.found("refused")
    assert told(server) == [("refused", record["request_id"])]


def test_so_does_a_cancel(server: Server) -> None:
    server.request()
    take(server)
    server.drop("pablo", CANCEL, filename="cancel.json")
    kill_at(server, server.audit, "flush")
    take(server)
    cancel = next(record for record in server.found("cancelled") if record["action"] == "cancel")
    assert told(server)[1:] == [("cancelled", cancel["request_id"])]


def test_a_line_that_was_written_is_written_again_and_can_be_told_for_a_repeat(server: Server) -> None:
    server.request()
    kill_at(server, server.intake, "discard")
    take(server)
    (record,) = server.found("pending")
    assert told(server) == [("accepted", record["request_id"])] * 2


def test_a_decision_that_was_applied_before_a_kill_is_told_of_afterwards(server: Server) -> None:
    server.request()
    take(server)
    (record,) = server.found("pending")
    asked = {key: record[key] for key in ("username", "request_id", "destination")}
    server.mark({"decision": "approve", "operator": "ana", **asked}, "1")
    server.decide.apply(server.markers.read(), [])
    server.restart()

    server.records.refresh()
    server.decide.apply(server.markers.read(), [])
    server.audit.flush()
    approved = lines(server)[-1]
    assert (approved["what"], approved["uid"], approved["decided_by"], approved["destination"]) == (
        "approved", server.pablo.uid, "ana", "p@example.org",
    )  # fmt: skip
    # What the registry was before, nobody knows any more.
    assert approved["registry_sha256_before"] is None
    assert approved["registry_sha256_after"] == present_sha256(server)


@pytest.mark.needs("root")
def test_a_request_of_a_former_holder_of_the_name_is_told_of_before_it_is_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.request()
    take(server)
    (former,) = server.found("pending")
    server.people.add("pablo", uid=server.pablo.uid + 7)
    server.request(filename="again.json")
    at_that_moment = []

    def kill(*_: object) -> None:
        at_that_moment.extend(told(server))
        raise _Killed

    monkeypatch.setattr(server.records, "close_pending", kill)
    with pytest.raises(_Killed):
        take(server)
    assert at_that_moment[-1] == ("cancelled", former["request_id"])


# A disk that does not take it


def test_lines_that_could_not_be_written_are_kept_and_their_files_too(server: Server) -> None:
    server.request()
    Path(server.settings.audit).mkdir()
    for _ in range(2):
        with pytest.raises(Exception, match="is not a plain file"):
            take(server)
    assert len(server.found("pending")) == 1
    assert server.queue() == ["ask.json"]
    Path(server.settings.audit).rmdir()
    take(server)
    (record,) = server.found("pending")
    assert told(server) == [("accepted", record["request_id"])]
    assert server.queue() == []


# Once each, and the registry


def test_the_same_thing_is_written_once_though_it_comes_up_in_every_pass(server: Server, audit: Audit) -> None:
    for _ in range(3):
        audit.add(a_line())
        audit.add(a_line())
        audit.flush()
    audit.add(a_line(1))
    audit.flush()
    assert told(server) == [("accepted", "r0"), ("accepted", "r1")]


def test_what_has_nothing_to_be_told_by_is_always_written(server: Server, audit: Audit) -> None:
    for _ in range(2):
        audit.add(a_line(request_id=None, what="published"))
        audit.flush()
    assert len(lines(server)) == 2


def test_with_nothing_to_tell_no_file_is_made(server: Server, audit: Audit) -> None:
    audit.flush()
    assert not Path(server.settings.audit).exists()


def test_a_line_that_changed_nothing_has_the_present_registry(server: Server, audit: Audit) -> None:
    server.write_registry(pablo=entry())
    present = present_sha256(server)
    audit.add(a_line())
    audit.flush()
    server.paths.registry.write_text("{")
    audit.add(a_line(1))
    audit.add(a_line(2, registry_sha256_after="1" * 64))
    audit.flush()
    found = [(line["registry_sha256_before"], line["registry_sha256_after"]) for line in lines(server)]
    assert found == [(present, present), (None, None), (None, "1" * 64)]


def test_the_last_published_registry_is_found_again(server: Server, audit: Audit) -> None:
    assert audit.last_published() is None
    for digit in "01":
        audit.add(a_line(request_id=None, what="published", registry_sha256_after=digit * 64))
    for number in range(20):
        audit.add(a_line(number, reason='a reason that says "published"'))
    audit.flush()
    with Path(server.settings.audit).open("ab") as file:
        file.write(b'{"what": "published", half')
    assert audit.last_published() == "1" * 64


# Refusals


def test_a_minute_has_room_for_as_many_refusals_of_a_member_as_are_kept(audit: Audit, server: Server) -> None:
    refusals = audit.refusals
    assert refusals.allowance("pablo", 20) == 20
    assert refusals.allowance("pablo", 20) == REFUSED_KEPT - 20
    assert refusals.allowance("pablo", 20) == 0
    assert refusals.allowance("maria", 5) == 5
    server.clock.pass_by(60)
    audit.flush()
    assert refusals.allowance("pablo", 20) == 20


@pytest.mark.needs("root")
def test_refusals_past_that_are_counted_in_one_line_when_the_minute_is_over(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    for number in range(REFUSED_KEPT + 8):
        server.request(destination="nothing", filename=f"{number:02}.json", mtime=time.time() - 100 + number)
        take(server)
    for number in range(3):
        server.request("maria", "nothing", filename=f"m{number}.json")
    take(server)
    assert server.intake.refused == REFUSED_KEPT + 8 + 3
    assert len(lines(server)) == REFUSED_KEPT + 3
    assert server.audit.refusals.next_due == server.clock() + 60
    server.clock.pass_by(60)
    server.audit.flush()
    assert len(lines(server)) == REFUSED_KEPT + 3 + 1
    lump = lines(server)[-1]
    assert (lump["username"], lump["uid"], lump["decided_by"], lump["count"]) == (
        "pablo", server.pablo.uid, "watcher", 8,
    )  # fmt: skip
    assert (lump["file"], bool(lump["reason"])) == (f"{REFUSED_KEPT + 7:02}.json", True)
    assert server.audit.refusals.next_due is None


def test_what_was_counted_is_told_when_the_watcher_ends(server: Server) -> None:
    (server.paths.queue / "stray.json").symlink_to("/etc/shadow")
    take(server)
    assert lines(server) == []
    server.audit.close()
    (line,) = lines(server)
    assert (line["what"], line["count"], line["file"]) == ("refused", 1, "stray.json")


def test_refusals_that_the_log_could_not_be_told_of_are_counted_once(server: Server) -> None:
    for number in range(REFUSED_KEPT + 8):
        server.request(destination="nothing", filename=f"{number:02}.json")
    Path(server.settings.audit).mkdir()
    for _ in range(5):
        with pytest.raises(Exception, match="is not a plain file"):
            take(server)
    Path(server.settings.audit).rmdir()
    take(server)
    server.audit.close()
    assert server.queue() == []
    assert server.intake.refused == REFUSED_KEPT + 8
    assert sum(line.get("count", 1) for line in lines(server)) == REFUSED_KEPT + 8


def test_a_member_whose_cancel_meets_no_alias_is_refused_in_the_log_too(server: Server) -> None:
    server.write_registry()
    server.drop("pablo", {**CANCEL, "scope": "active"})
    server.records.refresh()
    decided = server.decide.apply(server.markers.read(), server.intake.take().active_cancels)
    server.audit.flush()
    assert [judgement.item.name for judgement in decided.answered] == ["ask.json"]
    (line,) = lines(server)
    assert (line["what"], line["username"], line["uid"]) == ("refused", "pablo", server.pablo.uid)


def test_a_file_among_the_decisions_that_is_none_is_told_of_before_it_goes(server: Server) -> None:
    server.mark({"decision": "eat"}, "1", mtime=1)
    server.markers.read()
    (line,) = lines(server)
    assert (line["what"], line["decided_by"], line["username"]) == ("failed", None, None)
    assert "eat" in line["reason"]


# What a kill kept from it


def test_a_withdrawal_that_is_told_of_after_a_kill_names_the_request(server: Server) -> None:
    server.request()
    take(server)
    (request,) = server.found("pending")
    server.drop("pablo", CANCEL, filename="cancel.json")
    kill_at(server, server.audit, "flush")
    take(server)
    line = lines(server)[-1]
    assert (line["what"], line["request_id"], line["destination"]) == (
        "cancelled", request["request_id"], "p@example.org",
    )  # fmt: skip


def test_an_alias_that_was_switched_off_before_a_kill_is_told_of_with_a_registry_that_nobody_knows(
    server: Server,
) -> None:
    server.write_registry(pablo=entry(uid=server.pablo.uid))
    server.drop("pablo", {**CANCEL, "scope": "active"})
    server.records.refresh()
    server.decide.apply([], server.intake.take().active_cancels)
    server.restart()
    take(server)
    (line,) = lines(server)
    assert (line["what"], line["decided_by"], line["destination"]) == ("cancelled", "pablo", "p@example.org")
    assert (line["registry_sha256_before"], line["registry_sha256_after"]) == (None, present_sha256(server))


def test_the_last_published_registry_is_found_in_the_file_that_was_just_rotated(server: Server, audit: Audit) -> None:
    audit.add(a_line(request_id=None, what="published", registry_sha256_after="1" * 64))
    audit.flush()
    Path(server.settings.audit).rename(f"{server.settings.audit}.1")
    assert audit.last_published() == "1" * 64
    audit.add(a_line())
    audit.flush()
    assert audit.last_published() == "1" * 64


def test_the_lines_of_a_batch_are_in_the_order_in_which_they_were_added(server: Server, audit: Audit) -> None:
    for number in (3, 1, 2):
        audit.add(replace(a_line(number), uid=number))
    audit.flush()
    assert [line["uid"] for line in lines(server)] == [3, 1, 2]
