"""What a member may write in a queue file."""

import json
from typing import Any

import pytest

from schemas.json_records import NotJsonError, ShapeError
from schemas.queue_file import FILE_NAME, QueueFile, parse_queue_file

EXISTING_SERVER = {
    "request_id": "20260519T205518-pablo-ab12",
    "username": "pablo",
    "alias": "pablo@runv.club",
    "destination": "p@example.org",
    "status": "pending",
    "created_at": "2026-05-19T20:55:18Z",
}


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        ({"destination": "p@example.org"}, QueueFile(destination="p@example.org")),
        ({"action": "request", "destination": "p@example.org"}, QueueFile(destination="p@example.org")),
        ({"action": "cancel"}, QueueFile(action="cancel")),
        ({"action": "cancel", "scope": "pending"}, QueueFile(action="cancel", scope="pending")),
        ({"action": "cancel", "scope": "active"}, QueueFile(action="cancel", scope="active")),
        ({"action": "cancel", "destination": None, "scope": None}, QueueFile(action="cancel")),
        (EXISTING_SERVER, QueueFile(**EXISTING_SERVER)),  # type: ignore[arg-type]
        ({"destination": "p@x.org", "request_id": "x" * 128}, QueueFile(destination="p@x.org", request_id="x" * 128)),
    ],
)  # fmt: skip
def test_a_request_or_cancel_is_understood(content: dict[str, Any], asked: QueueFile) -> None:
    assert parse_queue_file(json.dumps(content).encode()) == asked


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({}, "A request needs a `destination`."),
        ({"destination": None}, "A request needs a `destination`."),
        ({"action": "request"}, "A request needs a `destination`."),
        ({"action": "approve", "destination": "p@example.org"}, "approve"),
        ({"action": None, "destination": "p@example.org"}, "action"),
        ({"destination": 7}, "destination"),
        ({"destination": ["p@example.org"]}, "destination"),
        ({"destination": "p@example.org", "scope": "active"}, "`scope` belongs to a cancel, not to a request."),
        ({"action": "cancel", "destination": "p@example.org"}, "A cancel carries no `destination`."),
        ({"action": "cancel", "scope": "all"}, "all"),
        ({"destination": "p@example.org", "status": "active"}, "active"),
        ({"destination": "p@example.org", "uid": 0}, "uid"),
        ({"Destination": "p@example.org"}, "Destination"),
        ({"destination": "p@example.org", "request_id": "x" * 129}, "128"),
    ],
)
def test_anything_else_is_refused_and_the_field_is_named(content: dict[str, Any], found: str) -> None:
    with pytest.raises(ShapeError) as refusal:
        parse_queue_file(json.dumps(content).encode())
    assert found in str(refusal.value)


def test_a_file_that_is_still_being_written_is_told_from_a_wrong_one() -> None:
    whole = json.dumps(EXISTING_SERVER).encode()
    for length in range(len(whole)):
        with pytest.raises(NotJsonError):
            parse_queue_file(whole[:length])


@pytest.mark.parametrize("name", ["a.json", "pablo-5f2c.json", "A" + "b" * 127 + ".json", "0._-.json", "x.json.json"])
def test_an_ordinary_name_is_a_queue_files(name: str) -> None:
    assert FILE_NAME.fullmatch(name)


@pytest.mark.parametrize(
    "name",
    [".a.json", "-a.json", "_a.json", "a.JSON", "a", ".json", "a.json\n", "a b.json", "é.json", "a/b.json",
     "a\x1b.json", "a" * 129 + ".json", "a.json~", "a.json.tmp", "\udcff.json"],
)  # fmt: skip
def test_no_other_name_is(name: str) -> None:
    assert not FILE_NAME.fullmatch(name)
