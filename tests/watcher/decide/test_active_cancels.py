"""A member switches the own active alias off, at once and without an administrator."""

import time

import pytest

from watcher.decide.decide import DecisionResult

from ..server import Record, Server, entry

CANCEL = {"action": "cancel", "scope": "active"}


def run(server: Server) -> DecisionResult:
    """Intake and decisions, as a pass does them."""
    server.records.refresh()
    decided = server.decide.apply(server.markers.read(), server.intake.take().active_cancels)
    for judgement in decided.answered:
        server.intake.discard(judgement)
    return decided


def test_the_alias_is_off_and_the_cancel_on_record(server: Server) -> None:
    server.write_registry(pablo=entry(uid=server.pablo.uid, reason="old"), maria=entry("maria"))
    server.drop("pablo", CANCEL)
    decided = run(server)
    (record,) = server.found("cancelled")
    found = server.active()["pablo"]
    assert (found["status"], found["updated_by"]) == ("cancelled", record["request_id"])
    assert "reason" not in found
    assert server.active()["maria"] == entry("maria")
    assert decided.registry.rows() == {"maria@runv.club": "p@example.org"}
    assert (record["status"], record["decided_by"], record["action"]) == ("cancelled", "pablo", "cancel")
    assert server.queue() == []


@pytest.mark.parametrize(
    "registry",
    [{}, {"pablo": entry(status="revoked")}, {"pablo": entry(uid=4711)}, {"maria": entry("maria")}],
)
def test_where_there_is_no_active_alias_of_theirs_it_is_refused(server: Server, registry: Record) -> None:
    server.write_registry(**registry)
    server.drop("pablo", CANCEL)
    run(server)
    (record,) = server.found("refused")
    assert (record["reason"], record["decided_by"]) == ("There is no active alias to switch off.", "watcher")
    assert record["reason_code"] == "no-active-alias"
    assert server.active() == registry
    assert server.queue() == []
    assert server.intake.refused == 1


def test_a_pending_request_is_let_be(server: Server) -> None:
    server.write_registry(pablo=entry())
    now = time.time()
    server.request(destination="q@example.org", filename="1.json", mtime=now - 2)
    server.drop("pablo", CANCEL, "2.json", mtime=now - 1)
    run(server)
    assert len(server.found("pending")) == 1
    assert server.active()["pablo"]["status"] == "cancelled"


def test_what_was_written_after_it_is_taken_after_it(server: Server) -> None:
    server.write_registry(pablo=entry())
    now = time.time()
    server.drop("pablo", CANCEL, "1.json", mtime=now - 2)
    server.request(destination="q@example.org", filename="2.json", mtime=now - 1)
    run(server)
    run(server)
    assert [found["destination"] for found in server.found("pending")] == ["q@example.org"]
    assert server.found("refused") == []


def test_it_has_its_place_among_the_decisions_by_its_time(server: Server) -> None:
    server.request(filename="1.json", mtime=time.time() - 30)
    run(server)
    (request,) = server.found("pending")
    server.mark(
        {
            "decision": "approve",
            "username": "pablo",
            "request_id": request["request_id"],
            "destination": "p@example.org",
        },
        mtime=time.time() - 20,
    )
    server.drop("pablo", CANCEL, "2.json", mtime=time.time() - 10)
    run(server)
    assert server.active()["pablo"]["status"] == "cancelled"
    assert len(server.found("approved")) == len(server.found("cancelled")) == 1


def test_an_approval_that_came_after_it_holds(server: Server) -> None:
    server.write_registry(pablo=entry(destination="old@example.org"))
    server.request(filename="1.json", mtime=time.time() - 30)
    run(server)
    (request,) = server.found("pending")
    server.drop("pablo", CANCEL, "2.json", mtime=time.time() - 20)
    marker = {key: request[key] for key in ("username", "request_id", "destination")} | {"decision": "approve"}
    server.mark(marker, mtime=time.time() - 10)
    run(server)
    assert (server.active()["pablo"]["status"], server.active()["pablo"]["destination"]) == ("active", "p@example.org")


def test_while_the_registry_cannot_be_used_it_waits(server: Server) -> None:
    server.paths.registry.write_text("{")
    server.drop("pablo", CANCEL)
    with pytest.raises(Exception, match="cannot be used"):
        run(server)
    assert (server.queue(), server.found("refused"), server.found("cancelled")) == (["ask.json"], [], [])
    server.write_registry(pablo=entry())
    run(server)
    assert server.active()["pablo"]["status"] == "cancelled"
