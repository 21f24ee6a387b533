"""What each decision does to the registry and to the request, and what it takes to be applied."""

import json
from typing import Any

import pytest

from schemas.errors import RegistryBusyError, RegistryError
from schemas.registry import Registry
from tests.support.reasons import check
from watcher.decide.decide import DecisionResult

from ..server import Record, Server, entry


def pending(server: Server, name: str = "pablo", destination: str = "p@example.org") -> Record:
    """A pending request of *name*, as intake leaves it."""
    server.request(name, destination, filename=f"{name}.json")
    server.records.refresh()
    server.intake.take()
    return next(found for found in server.found("pending") if found["username"] == name)


def approval(request: Record, **fields: Any) -> Record:
    return {
        "decision": "approve",
        "username": request["username"],
        "request_id": request["request_id"],
        "destination": request["destination"],
        "operator": "boss",
        **fields,
    }


def decide(server: Server, *markers: Record) -> DecisionResult:
    """Apply *markers* in that order, as a pass does, and remove those that are spent."""
    for number, marker in enumerate(markers):
        server.mark(marker, f"{number}", mtime=1000 + number)
    return run(server)


def run(server: Server) -> DecisionResult:
    server.records.refresh()
    decided = server.decide.apply(server.markers.read(), [])
    for marker in decided.spent:
        server.markers.remove(marker)
    return decided


def reasons(server: Server) -> list[str]:
    for failed in server.failed():
        check(failed)
    return [failed["reason"] for failed in server.failed()]


def test_an_approval_makes_the_alias_and_closes_the_request(server: Server) -> None:
    request = pending(server)
    decided = decide(server, approval(request))
    timestamp = server.active()["pablo"]["created_at"]
    assert server.active() == {
        "pablo": {
            "username": "pablo",
            "alias": "pablo@runv.club",
            "destination": "p@example.org",
            "status": "active",
            "created_at": timestamp,
            "updated_at": timestamp,
            "approved_by": "boss",
            "uid": server.pablo.uid,
            "updated_by": "0",
        }
    }
    assert decided.registry.rows() == {"pablo@runv.club": "p@example.org"}
    assert decided.handled == 1
    (record,) = server.found("approved")
    assert record | {"decided_at": None} == request | {
        "status": "approved",
        "decided_by": "boss",
        "decision_id": "0",
    }
    assert server.found("pending") == []
    assert server.failed() == []


def test_a_changed_destination_keeps_its_beginning_its_place_and_what_is_not_ours(server: Server) -> None:
    server.write_registry(
        zoe=entry("zoe"), pablo=entry(destination="old@example.org", created_at="2020-01-01T00:00:00Z", notes="kept")
    )
    decide(server, approval(pending(server)))
    active = server.active()
    assert list(active) == ["zoe", "pablo"]
    assert active["zoe"] == entry("zoe")
    assert active["pablo"]["destination"] == "p@example.org"
    assert active["pablo"]["created_at"] == "2020-01-01T00:00:00Z"
    assert active["pablo"]["notes"] == "kept"
    assert active["pablo"]["uid"] == server.pablo.uid


@pytest.mark.parametrize("old", [{"status": "revoked", "reason": "Closed."}, {"uid": 4711}])
def test_an_alias_that_was_off_or_anothers_begins_anew(server: Server, old: Record) -> None:
    server.write_registry(pablo=entry(destination="old@example.org", created_at="2020-01-01T00:00:00Z", **old))
    decide(server, approval(pending(server)))
    found = server.active()["pablo"]
    assert found["created_at"] == found["updated_at"]
    assert (found["status"], found["uid"]) == ("active", server.pablo.uid)
    assert "reason" not in found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"username": "maria"}, "maria has no pending request. See `runv-admin-email-alias pending`."),
        ({"request_id": "another"}, "The request changed since it was shown: another for p@example.org was approved"),
        ({"destination": "eve@example.org"}, "The request changed since it was shown: "),
        ({"destination": "P@example.org"}, "The request changed since it was shown: "),
    ],
)  # fmt: skip
def test_an_approval_holds_for_what_was_seen_alone(server: Server, change: Record, reason: str) -> None:
    request = pending(server)
    decide(server, approval(request, **change))
    assert reasons(server)[0].startswith(reason)
    assert server.active() == {}
    assert server.found("pending") == [request]


def test_an_account_that_is_gone_or_no_member_any_more_gets_nothing(server: Server) -> None:
    request = pending(server)
    server.people.add("pablo", uid=40000)
    decide(server, approval(request))
    server.people.add("pablo", uid=request["uid"], member=False)
    decide(server, approval(request))
    del server.people.by_name["pablo"]
    decide(server, approval(request))
    gone = f"The account pablo that asked (uid {request['uid']}) is no more, or its name belongs to another uid now."
    assert reasons(server) == [gone]
    assert server.active() == {}
    assert server.found("pending") == [request]


def test_a_member_who_left_the_group_is_told_of_in_words(server: Server) -> None:
    request = pending(server)
    server.people.add("pablo", uid=request["uid"], member=False)
    decide(server, approval(request))
    assert reasons(server) == ["pablo is not a member of the group runv-members any more."]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"destination": "p@mail.runv.club"}, "The address is in runv.club itself"),
        ({"destination": "p@example.org, q@example.org"}, "The address has a space"),
        ({"destination": "|sh@example.org"}, "The part before the '@' begins with '|'"),
        ({"username": "postmaster"}, "The name postmaster is reserved"),
    ],
)
def test_a_request_is_checked_again_when_it_is_approved(server: Server, change: Record, reason: str) -> None:
    """A record that an older version wrote, or a hand, passes by the same rules."""
    request = pending(server) | change
    path = server.paths.requests / "pending" / f"{request['request_id']}.json"
    path.write_text(json.dumps(request))
    server.restart()
    server.people.add("postmaster", uid=request["uid"])
    decide(server, approval(request))
    assert reasons(server)[0].startswith(reason)
    assert server.active() == {}


def test_a_rejection_closes_the_request_with_its_reason_for_the_member(server: Server) -> None:
    request = pending(server)
    decide(server, {"decision": "reject", "username": "pablo", "reason": "Not that one.", "operator": "boss"})
    (record,) = server.found("rejected")
    assert (record["request_id"], record["reason"]) == (request["request_id"], "Not that one.")
    assert "reason_code" not in record
    assert (record["decided_by"], record["decision_id"]) == ("boss", "0")
    assert server.active() == {}
    assert server.found("pending") == []


def test_a_rejection_of_what_is_not_pending_fails(server: Server) -> None:
    decide(server, {"decision": "reject", "username": "pablo"})
    assert reasons(server) == ["pablo has no pending request. See `runv-admin-email-alias pending`."]
    request = pending(server)
    decide(server, {"decision": "reject", "username": "pablo", "request_id": "another"})
    assert reasons(server)[-1] == (
        "Another request of pablo is pending than the one that was rejected (another). Look again."
    )
    assert server.found("pending") == [request]


def test_a_revocation_switches_the_alias_off_and_keeps_it_as_history(server: Server) -> None:
    server.write_registry(pablo=entry(uid=4711, notes="kept"))
    decide(server, {"decision": "revoke", "username": "pablo", "reason": "Closed."})
    found = server.active()["pablo"]
    assert (found["status"], found["reason"], found["updated_by"]) == ("revoked", "Closed.", "0")
    assert (found["destination"], found["notes"], found["uid"]) == ("p@example.org", "kept", 4711)


@pytest.mark.parametrize(
    ("registry", "marker", "reason"),
    [
        ({}, {}, "pablo has no active alias. See `runv-admin-email-alias list`."),
        ({"pablo": entry(status="cancelled")}, {}, "pablo has no active alias."),
        (
            {"pablo": entry()},
            {"destination": "q@example.org"},
            "The alias of pablo goes to p@example.org and not to q@example.org, which was shown. Look again.",
        ),
    ],
)
def test_a_revocation_of_what_is_not_active_or_not_what_was_seen_fails(
    server: Server, registry: Record, marker: Record, reason: str
) -> None:
    server.write_registry(**registry)
    decide(server, {"decision": "revoke", "username": "pablo", **marker})
    assert reasons(server)[0].startswith(reason)
    assert server.active() == registry


def test_a_pending_request_survives_a_revocation(server: Server) -> None:
    server.write_registry(pablo=entry())
    request = pending(server, destination="q@example.org")
    decide(server, {"decision": "revoke", "username": "pablo"})
    assert server.found("pending") == [request]


def test_one_decision_that_fails_keeps_no_other_from_being_applied(server: Server) -> None:
    request = pending(server)
    decide(
        server, {"decision": "revoke", "username": "nobody"}, approval(request), {"decision": "reject", "username": "x"}
    )
    assert list(server.active()) == ["pablo"]
    assert len(server.failed()) == 2


def test_decisions_are_applied_in_their_order(server: Server) -> None:
    server.write_registry(pablo=entry(destination="old@example.org"))
    request = pending(server)
    decide(server, {"decision": "revoke", "username": "pablo"}, approval(request))
    assert server.active()["pablo"]["status"] == "active"
    server.restart()
    server.write_registry(pablo=entry(destination="old@example.org"))
    request = pending(server, destination="q@example.org")
    decide(server, approval(request), {"decision": "revoke", "username": "pablo"})
    assert server.active()["pablo"]["status"] == "revoked"
    assert server.active()["pablo"]["destination"] == "q@example.org"


def test_all_decisions_of_a_pass_are_one_write_of_the_registry(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.write_registry(**{name: entry(name) for name in ("ana", "zoe", "bob")})
    writes: list[int] = []
    write = server.registry.write

    def count(registry: Registry, gid: int) -> None:
        writes.append(1)
        write(registry, gid)

    monkeypatch.setattr(server.registry, "write", count)
    decide(server, *({"decision": "revoke", "username": name} for name in ("ana", "zoe", "bob")))
    assert [found["status"] for found in server.active().values()] == ["revoked"] * 3
    assert len(writes) == 1


@pytest.mark.parametrize("text", ["{", None])
def test_while_the_registry_cannot_be_used_decisions_wait(server: Server, text: str | None) -> None:
    request = pending(server)
    server.paths.registry.unlink()
    if text is not None:
        server.paths.registry.write_text(text)
    server.mark(approval(request), "0")
    with pytest.raises(RegistryError):
        run(server)
    assert (server.found("pending"), server.failed()) == ([request], [])
    server.paths.registry.write_text("{}")
    run(server)
    assert list(server.active()) == ["pablo"]


def test_while_another_program_holds_the_lock_decisions_wait(server: Server) -> None:
    request = pending(server)
    server.mark(approval(request), "0")
    with server.registry.lock(), pytest.raises(RegistryBusyError):
        run(server)
    assert server.active() == {}
    run(server)
    assert list(server.active()) == ["pablo"]
