"""What an administrator's marker may say."""

import json
from typing import Any

import pytest

from schemas.decision import Decision, marker_name, parse_decision
from schemas.json_records import NotJsonError, ShapeError, to_json
from schemas.queue_file import FILE_NAME

SEEN = {"username": "pablo", "request_id": "20260519T205518.123456Z-pablo-0123456789", "destination": "p@example.org"}
SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "content",
    [
        {"decision": "approve", **SEEN, "operator": "boss", "created_at": "2026-05-19T20:55:18Z"},
        {"decision": "reject", "username": "pablo", "reason": "No."},
        {"decision": "reject", **SEEN},
        {"decision": "revoke", "username": "pablo"},
        {"decision": "revoke", "username": "pablo", "destination": "p@example.org", "reason": "x" * 1000},
        {"decision": "sync"},
        {"decision": "sync", "operator": "boss", "force": True, "registry_sha256": SHA},
    ],
)
def test_a_decision_is_understood_and_written_as_it_was(content: dict[str, Any]) -> None:
    decision = parse_decision(json.dumps(content).encode())
    assert json.loads(to_json(decision)) == {"operator": "root"} | content or decision.operator == "root"
    assert parse_decision(to_json(decision)) == decision


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({}, "decision"),
        ({"decision": "delete", "username": "pablo"}, "delete"),
        ({"decision": "approve"}, "The decision `approve` needs a `username`."),
        ({"decision": "reject"}, "The decision `reject` needs a `username`."),
        ({"decision": "revoke"}, "The decision `revoke` needs a `username`."),
        (
            {"decision": "approve", "username": "pablo", "request_id": "x"},
            "An approval needs the `request_id` and the `destination` that were seen.",
        ),
        (
            {"decision": "approve", "username": "pablo", "destination": "p@example.org"},
            "An approval needs the `request_id` and the `destination` that were seen.",
        ),
        ({"decision": "sync", "force": True}, "A forced `sync` needs the `registry_sha256` that it holds for."),
        ({"decision": "sync", "force": True, "registry_sha256": "abc"}, "registry_sha256"),
        ({"decision": "sync", "force": True, "registry_sha256": SHA.upper()}, "registry_sha256"),
        ({"decision": "sync", "force": 1}, "force"),
        ({"decision": "revoke", "username": "pablo", "reason": "x" * 1001}, "reason"),
        ({"decision": "revoke", "username": "pablo", "uid": 0}, "uid"),
    ],
)
def test_anything_else_is_refused_and_said_why(content: dict[str, Any], found: str) -> None:
    with pytest.raises(ShapeError) as refusal:
        parse_decision(json.dumps(content).encode())
    assert found in str(refusal.value)


def test_a_marker_that_is_still_being_written_is_told_from_a_wrong_one() -> None:
    with pytest.raises(NotJsonError):
        parse_decision(b'{"decision": "syn')


def test_every_marker_gets_a_name_of_its_own_that_the_watcher_takes() -> None:
    about_pablo, sync = Decision(decision="revoke", username="pablo"), Decision(decision="sync")
    names = [marker_name(about_pablo) for _ in range(100)]
    assert len(set(names)) == 100
    assert all(FILE_NAME.fullmatch(name) and "-pablo-" in name for name in names)
    assert "-sync-" in marker_name(sync)
    earlier, later = marker_name(sync), marker_name(sync)
    assert earlier.partition("-")[0] <= later.partition("-")[0]
