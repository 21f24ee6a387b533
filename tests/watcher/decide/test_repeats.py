"""A decision that is applied again, after a kill at any point, changes nothing."""

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.fs.directory import Directory

from ..server import Record, Server, entry

CANCEL = {"action": "cancel", "scope": "active"}


class KilledError(BaseException):
    """The process ends here."""


def pending(server: Server, destination: str = "p@example.org") -> Record:
    server.request("pablo", destination, filename=f"{destination[0]}.json")
    server.records.refresh()
    server.intake.take()
    (record,) = server.found("pending")
    return record


def approval(request: Record) -> Record:
    return {key: request[key] for key in ("username", "request_id", "destination")} | {"decision": "approve"}


REVOKE = {"decision": "revoke", "username": "pablo"}
REJECT = {"decision": "reject", "username": "pablo"}


def run(server: Server) -> None:
    """What a pass does, but for the removal of the markers: it is killed before that."""
    server.records.refresh()
    markers = server.markers.read()
    server.decide.finish_interrupted(markers)
    decided = server.decide.apply(markers, server.intake.take().active_cancels)
    for judgement in decided.answered:
        server.intake.discard(judgement)


def state(server: Server) -> dict[str, Any]:
    """All that lasts, but for the moments at which it came about."""
    folders = {folder: server.found(folder) for folder in ("pending", "approved", "rejected", "cancelled", "refused")}
    for record in (record for records in folders.values() for record in records):
        record["decided_at"] = record["created_at"] = None
    active = {key: {**found, "updated_at": None, "created_at": None} for key, found in server.active().items()}
    failed = [(failed["decision_id"], failed["reason"]) for failed in server.failed()]
    return {"active": active, "failed": failed, "queue": server.queue(), **folders}


def approved(server: Server) -> None:
    server.mark(approval(pending(server)), "1", mtime=1)


def rejected(server: Server) -> None:
    pending(server)
    server.mark(REJECT, "1", mtime=1)


def revoked(server: Server) -> None:
    server.write_registry(pablo=entry())
    server.mark(REVOKE, "1", mtime=1)


def cancelled(server: Server) -> None:
    server.write_registry(pablo=entry())
    server.drop("pablo", CANCEL)


def approved_then_revoked(server: Server) -> None:
    server.mark(approval(pending(server)), "1", mtime=1)
    server.mark(REVOKE, "2", mtime=2)


def revoked_then_approved(server: Server) -> None:
    server.write_registry(pablo=entry(destination="old@example.org"))
    server.mark(REVOKE, "1", mtime=1)
    server.mark(approval(pending(server)), "2", mtime=2)


def revoked_approved_and_revoked_again(server: Server) -> None:
    revoked_then_approved(server)
    server.mark(REVOKE, "3", mtime=3)


def cancelled_then_approved(server: Server) -> None:
    server.write_registry(pablo=entry(destination="old@example.org"))
    request = pending(server)
    now = time.time()
    server.drop("pablo", CANCEL, "cancel.json", mtime=now)
    server.mark(approval(request), "1", mtime=now + 1)


def turned_down_before_one_was_approved(server: Server) -> None:
    request = pending(server)
    now = time.time()
    server.drop("pablo", CANCEL, "cancel.json", mtime=now)
    server.mark(REVOKE, "1", mtime=now + 1)
    server.mark(approval(request) | {"destination": "other@example.org"}, "2", mtime=now + 2)
    server.mark(approval(request), "3", mtime=now + 3)
    server.mark(approval(request), "4", mtime=now + 4)


def refused_before_the_pending_one_is_withdrawn(server: Server) -> None:
    pending(server)
    now = time.time()
    server.request("pablo", "q@example.org", filename="again.json", mtime=now)
    server.drop("pablo", {"action": "cancel"}, "cancel.json", mtime=now + 0.001)


def refused_before_one_is_accepted(server: Server) -> None:
    now = time.time()
    server.drop("pablo", {"colour": 1}, "bad.json", mtime=now)
    server.request("pablo", "q@example.org", filename="good.json", mtime=now + 0.001)


def set_aside(server: Server) -> None:
    server.mark(REVOKE, "bad name")
    server.mark({"decision": "approve"}, "nonsense")


def failed(server: Server) -> None:
    server.mark(REVOKE, "1", mtime=1)
    server.mark(REJECT, "2", mtime=2)


CASES = [
    approved,
    rejected,
    revoked,
    cancelled,
    approved_then_revoked,
    revoked_then_approved,
    revoked_approved_and_revoked_again,
    cancelled_then_approved,
    turned_down_before_one_was_approved,
    refused_before_the_pending_one_is_withdrawn,
    refused_before_one_is_accepted,
    set_aside,
    failed,
]


@pytest.mark.parametrize("case", CASES)
def test_applied_again_it_changes_nothing(server: Server, case: Callable[[Server], None]) -> None:
    case(server)
    run(server)
    once = state(server)
    for _ in range(2):
        server.restart()
        run(server)
        assert state(server) == once


class Mortal:
    """Ends the process before the step of that number: the writing, renaming or removing of a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.left = number
        for name in ("write", "rename", "remove"):
            monkeypatch.setattr(Directory, name, self._step(getattr(Directory, name)))

    @staticmethod
    def kill(*_: object) -> None:
        raise KilledError

    def _step(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise KilledError
            return method(*args, **options)

        return step


@pytest.mark.parametrize("case", CASES)
def test_killed_between_any_two_writes_it_is_completed_as_if_nothing_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Callable[[Server], None]
) -> None:
    undisturbed = Server(tmp_path / "undisturbed")
    case(undisturbed)
    run(undisturbed)
    expected = without_ids(state(undisturbed))
    undisturbed.restart()
    for steps in range(100):
        server = Server(tmp_path / f"{steps}")
        case(server)
        server.decide  # noqa: B018 - everything is open when it begins
        with monkeypatch.context() as context:
            mortal = Mortal(context, steps)
            with contextlib.suppress(KilledError):
                run(server)
        server.restart()
        run(server)
        assert without_ids(state(server)) == expected, f"killed after {steps} steps"
        server.restart()
        if mortal.left >= 0:
            assert steps > 0
            return
    raise AssertionError("it never ends")


def without_ids(found: object) -> object:
    """*found* without the ids of requests, which are made from inode numbers, and the moments in sentences."""
    if isinstance(found, dict):
        return {key: without_ids(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [without_ids(value) for value in found]
    if isinstance(found, str):
        return "an id" if "-pablo-" in found else re.sub(r"[0-9-]{10}T[0-9:]{8}Z", "a moment", found)
    return found


def test_what_failed_before_a_kill_stays_failed_and_decides_anew_when_it_is_put_there_again(server: Server) -> None:
    server.mark(REVOKE, "1")
    run(server)
    assert [failed["decision_id"] for failed in server.failed()] == ["1"]
    server.restart()
    server.write_registry(pablo=entry())
    run(server)
    assert server.active()["pablo"]["status"] == "active"
    assert [failed["decision_id"] for failed in server.failed()] == ["1"]
    # Whoever keeps the file may bring it back as it was, with its time.
    server.mark(REVOKE, "1", mtime=1)
    run(server)
    assert server.active()["pablo"]["status"] == "revoked"


def test_a_marker_that_lingers_does_not_undo_a_later_decision(server: Server) -> None:
    """Markers stay while the status file cannot be written, and are applied in every pass until it can."""
    server.write_registry(pablo=entry(destination="old@example.org"))
    server.mark(REVOKE, "1", mtime=1)
    run(server)
    server.mark(approval(pending(server)), "2", mtime=2)
    for _ in range(3):
        run(server)
        assert server.active()["pablo"]["status"] == "active"


def test_a_cancel_that_came_too_late_does_not_withdraw_what_a_kill_left_half_approved(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.mark(approval(pending(server)), "1", mtime=1)
    with monkeypatch.context() as context:
        context.setattr(server.records, "close_pending", Mortal.kill)
        with pytest.raises(KilledError):
            run(server)
    assert server.active()["pablo"]["status"] == "active"
    server.restart()
    server.drop("pablo", {"action": "cancel"}, "cancel.json")
    run(server)
    assert len(server.found("approved")) == 1
    assert server.found("refused")[0]["reason"] == "There is no pending request to cancel."
    assert server.active()["pablo"]["status"] == "active"


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_marker_that_lingers_does_not_touch_the_members_next_request(server: Server, decision: str) -> None:
    first = pending(server)
    server.mark(approval(first) | {"decision": decision}, "1", mtime=1)
    run(server)
    second = pending(server, "q@example.org")
    for _ in range(2):
        run(server)
        assert server.found("pending") == [second]
        assert server.failed() == []


def test_a_rejection_without_a_request_id_that_lingers_does_not_touch_the_next_request(server: Server) -> None:
    pending(server)
    server.mark(REJECT, "1", mtime=1)
    run(server)
    second = pending(server, "q@example.org")
    run(server)
    assert server.found("pending") == [second]
    assert server.failed() == []
