"""A line of the audit log: safe to show raw, bounded, told from its repeat."""

import json

import pytest

from schemas.audit_line import TEXT_LIMIT, AuditLine, parse_line, to_line
from schemas.json_records import NotJsonError, ShapeError

MOMENT = "2026-05-19T20:55:18Z"


def a_line(**fields: object) -> AuditLine:
    return AuditLine(time=MOMENT, what="accepted", **fields)  # type: ignore[arg-type]


def test_what_is_always_there_is_there_as_null_and_the_rest_is_left_out() -> None:
    assert json.loads(to_line(a_line(reason="why"))) == {
        "time": MOMENT,
        "what": "accepted",
        "username": None,
        "uid": None,
        "decided_by": None,
        "registry_sha256_before": None,
        "registry_sha256_after": None,
        "reason": "why",
    }


def test_a_line_is_one_line_of_plain_ascii_whatever_stands_in_it() -> None:
    nasty = "\x1b[2J\x9b1m\u202e\u2028\n\r\x00\x7f\U0001f4a9"
    data = to_line(a_line(destination=nasty))
    assert data.endswith(b"\n")
    assert all(32 <= octet < 127 for octet in data[:-1])
    assert parse_line(data).destination == nasty


def test_a_long_text_is_cut() -> None:
    found = parse_line(to_line(a_line(destination="x" * 16_000, reason="y" * TEXT_LIMIT)))
    assert found.destination == "x" * TEXT_LIMIT + "..."
    assert found.reason == "y" * TEXT_LIMIT


def test_a_repeat_has_the_key_of_the_first() -> None:
    assert a_line(request_id="r").key == a_line(request_id="r", uid=7).key
    assert a_line(request_id="r").key != a_line(request_id="s").key
    assert a_line(request_id="r", decision_id="d").key == a_line(request_id="other", decision_id="d").key
    assert a_line().key is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"time": "2026-05-19T20:55:18Z", "what": "eaten"}', b"\xff"])
def test_what_is_no_line_is_refused(data: bytes) -> None:
    with pytest.raises((NotJsonError, ShapeError)):
        parse_line(data)
