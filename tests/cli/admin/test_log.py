"""`runv-admin-email-alias log`: the audit log for people and for programs."""

import bz2
import gzip
import lzma
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.audit_line import LINE_LIMIT, AuditLine, to_line
from tests.cli.conftest import Server, as_nobody

ID = "20260519T205518.123456Z-pablo-0123456789"
DECISION = "20260520T081500.000000Z-pablo-a1b2c3"
CLOSED = {"request_id": "m", "decision_id": "c"}
ASKED, DECIDED, LATER = "2026-05-19T20:55:18Z", "2026-05-20T08:15:00Z", "2026-05-20T08:15:01Z"


def line(what: str, time: str = ASKED, **fields: Any) -> AuditLine:
    return AuditLine(time=time, what=what, **{"username": "pablo", "uid": 1001, "decided_by": "watcher", **fields})  # type: ignore[arg-type]


JOURNEY = (
    line("published", username=None, uid=None, aliases=0, added=0, changed=0, removed=0),
    line("accepted", destination="p@example.org", request_id=ID),
    line("refused", reason="A request for p@example.org is pending.", request_id="other", file="x.json"),
    line("refused", reason="It is a link.", count=7),
    line("approved", DECIDED, decided_by="ana", destination="p@example.org", request_id=ID, decision_id=DECISION),
    line("published", DECIDED, username=None, uid=None, aliases=1, added=1, changed=0, removed=0),
    line("accepted", LATER, username="maria", destination="m@example.org", request_id="m"),
    line("cancelled", LATER, username="maria", decided_by="maria", destination="m@example.org", **CLOSED),
    line("rejected", LATER, username="jo", decided_by="ana", destination="j@example.org", decision_id="d", reason="N."),
    line("failed", LATER, username="jo", decided_by="ana", decision_id="f", reason="jo has no pending request."),
    line("cancelled", LATER, decided_by="pablo", destination="p@example.org", decision_id="off"),
    line("revoked", LATER, username="zoe", decided_by="ana", destination="z@example.org", decision_id="r", reason="G."),
    line("cancelled", LATER, username="eve", destination="e@example.org", request_id="e", reason="Account changed."),
    line("published", LATER, username=None, uid=None, decided_by="ana", aliases=2, added=3, changed=4, removed=5),
)  # fmt: skip


def write(server: Server, *lines: AuditLine, name: str = "") -> None:
    path = server.paths.state / f"email-alias-audit.jsonl{name}"
    data = b"".join(map(to_line, lines))
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def test_every_kind_of_line_for_people(server: Server) -> None:
    write(server, *JOURNEY)
    assert server.admin("log") == (
        0,
        """\
2026-05-19 20:55  published  -             0 aliases: 0 added, 0 changed, 0 removed
2026-05-19 20:55  asked      pablo         for p@example.org
2026-05-19 20:55  refused    pablo         A request for p@example.org is pending.
2026-05-19 20:55  refused    pablo         7 more; the last: It is a link.
2026-05-20 08:15  approved   pablo         p@example.org, by ana
2026-05-20 08:15  published  -             1 alias: 1 added, 0 changed, 0 removed
2026-05-20 08:15  asked      maria         for m@example.org
2026-05-20 08:15  cancelled  maria         the request for m@example.org, by its member
2026-05-20 08:15  rejected   jo            j@example.org, by ana: N.
2026-05-20 08:15  failed     jo            a decision of ana: jo has no pending request.
2026-05-20 08:15  cancelled  pablo         the alias to p@example.org was switched off, by its member
2026-05-20 08:15  revoked    zoe           z@example.org, by ana: G.
2026-05-20 08:15  cancelled  eve           the request for e@example.org: Account changed.
2026-05-20 08:15  published  -             2 aliases: 3 added, 4 changed, 5 removed; forced by ana
""",
        "",
    )


def test_as_json(server: Server) -> None:
    write(server, JOURNEY[1])
    assert server.admin("log", "--json").json == [
        {
            "time": ASKED,
            "what": "accepted",
            "username": "pablo",
            "uid": 1001,
            "decided_by": "watcher",
            "registry_sha256_before": None,
            "registry_sha256_after": None,
            "destination": "p@example.org",
            "request_id": ID,
        }
    ]


def test_of_one_member(server: Server) -> None:
    write(server, *JOURNEY)
    found = server.admin("log", "--user", "pablo", "--json").json
    assert [each["what"] for each in found] == ["accepted", "refused", "refused", "approved", "cancelled"]
    assert server.admin("log", "--user", "nobody") == (0, "The log holds nothing of that.\n", "")
    assert server.admin("log", "--user", "nobody", "--json") == (0, "[]\n", "")


@pytest.mark.parametrize(
    "since",
    ["2026-05-20", "2026-05-20T08:15", "2026-05-20 08:15:00", "2026-05-20T08:15:00Z", "2026-05-20T05:15:00-03:00"],
)
def test_since_a_date(server: Server, since: str) -> None:
    write(server, *JOURNEY)
    assert len(server.admin("log", "--since", since, "--json").json) == len(JOURNEY) - 4


def test_since_the_very_second(server: Server) -> None:
    write(server, *JOURNEY)
    assert len(server.admin("log", "--since", LATER, "--json").json) == len(JOURNEY) - 6
    assert server.admin("log", "--since", "2026-05-20T08:15:02", "--json").json == []
    assert len(server.admin("log", "--since", "0001-01-01", "--json").json) == len(JOURNEY)


@pytest.mark.parametrize(
    ("since", "ages"),
    [
        ("30m", [0, 29]),
        ("12h", [0, 29, 31]),
        ("2d", [0, 29, 31, 1500]),
        ("1w", [0, 29, 31, 1500, 4000]),
    ],
)
def test_since_an_age(server: Server, since: str, ages: list[int]) -> None:
    now = datetime.now(UTC)
    moments = {
        age: (now - timedelta(minutes=age)).strftime("%Y-%m-%dT%H:%M:%SZ") for age in (20000, 4000, 1500, 31, 29, 0)
    }
    write(server, *(line("accepted", timestamp, uid=age) for age, timestamp in moments.items()))
    assert sorted(each["uid"] for each in server.admin("log", "--since", since, "--json").json) == ages


def test_since_today_and_yesterday(server: Server) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0)
    moments = [midnight - timedelta(seconds=86401), midnight - timedelta(seconds=1), midnight]
    write(server, *(line("accepted", timestamp.strftime("%Y-%m-%dT%H:%M:%SZ")) for timestamp in moments))
    assert len(server.admin("log", "--since", "today", "--json").json) == 1
    assert len(server.admin("log", "--since", "yesterday", "--json").json) == 2


@pytest.mark.parametrize("since", ["", "soon", "7", "7y", "-1d", "2026-13-01", "999999999w", "\x1b[2J", "٣d"])
def test_what_is_no_time_is_a_usage_error_that_says_what_was_expected(server: Server, since: str) -> None:
    outcome = server.admin("log", "--since", since)
    assert outcome.status == 2
    assert "is no time. Give an age such as 30m" in " ".join(outcome.err.split())
    assert "\x1b" not in outcome.err


def test_rotated_files_come_first_and_a_thing_is_shown_once(server: Server) -> None:
    write(server, JOURNEY[1], name=".2.gz")
    write(server, JOURNEY[1], JOURNEY[4], name=".1")
    write(server, JOURNEY[4], JOURNEY[6])
    for age, name in enumerate(("", ".1", ".2.gz")):
        os.utime(server.paths.state / f"email-alias-audit.jsonl{name}", (1e9 - age, 1e9 - age))
    assert [each.get("destination") for each in server.admin("log", "--json").json] == [
        "p@example.org", "p@example.org", "m@example.org",
    ]  # fmt: skip


def test_a_repeat_of_before_is_known_though_its_first_is_not_asked_for(server: Server) -> None:
    write(server, line("accepted", ASKED, request_id=ID), line("accepted", LATER, request_id=ID))
    assert server.admin("log", "--since", LATER, "--json").json == []


def test_before_anything_has_happened(server: Server) -> None:
    assert server.admin("log") == (0, "The log holds nothing of that.\n", "")


def test_lines_that_are_none_are_left_out_and_counted(server: Server) -> None:
    write(server, JOURNEY[1])
    with (server.paths.state / "email-alias-audit.jsonl").open("ab") as file:
        file.write(b'{"half\n\n{"what": "eaten"}\n\xff\n' + to_line(JOURNEY[6]))
    outcome = server.admin("log", "--json")
    assert [each["username"] for each in outcome.json] == ["pablo", "maria"]
    assert (outcome.status, outcome.err) == (
        0, "3 lines of the audit log could not be understood and were left out.\n",
    )  # fmt: skip


@pytest.mark.parametrize("end", [b" ", b"}", b""])
def test_a_line_that_is_too_long_is_none(server: Server, end: bytes) -> None:
    write(server, JOURNEY[1])
    with (server.paths.state / "email-alias-audit.jsonl").open("ab") as file:
        file.write(to_line(JOURNEY[4]).rstrip().ljust(LINE_LIMIT) + b"\n")
        file.write(to_line(JOURNEY[4]).replace(b"}", b"".join([b" " * LINE_LIMIT, b"}"])))
        file.write(to_line(JOURNEY[5]).rstrip().ljust(LINE_LIMIT) + end * LINE_LIMIT + b"\n" + to_line(JOURNEY[6]))
    outcome = server.admin("log", "--json")
    assert [each["what"] for each in outcome.json] == ["accepted", "approved", *["published"][len(end) :], "accepted"]
    assert outcome.status == 0
    assert ("One line" if end == b"" else "2 lines") in outcome.err


BROKEN = {
    ".2.gz": [b"no gzip", gzip.compress(b"x" * 100_000)[:50], gzip.compress(b"abc" * 99)[:12] + b"\xff" * 40],
    ".2.bz2": [b"no bzip2", bz2.compress(b"x" * 100_000)[:30]],
    ".2.xz": [b"no xz", lzma.compress(b"x" * 100_000)[:70]],
}


@pytest.mark.parametrize(("name", "data"), [(name, data) for name, each in BROKEN.items() for data in each])
def test_an_older_file_that_is_broken_is_told_of(server: Server, name: str, data: bytes) -> None:
    path = server.paths.state / f"email-alias-audit.jsonl{name}"
    path.write_bytes(data)
    outcome = server.admin("log")
    assert (outcome.status, outcome.out) == (1, "")
    write(server, JOURNEY[4], name=".1")
    write(server, JOURNEY[6])
    assert [each["what"] for each in server.admin("log", "--json").json] == ["approved", "accepted"]
    more = server.admin("log")
    assert (more.status, more.err) == (1, outcome.err)
    assert len(more.out.splitlines()) == 2
    before = r"(?:One line .+ left out\.\n)?"
    expected = rf"{before}{re.escape(str(path))} cannot be unpacked \(.+\)\. Move it away, or bring it back whole\.\n"
    assert re.fullmatch(expected, outcome.err)


def test_a_rotated_file_that_is_none_keeps_no_newer_line_from_being_shown(server: Server) -> None:
    (path := server.paths.state / "email-alias-audit.jsonl.2").mkdir()
    write(server, JOURNEY[6])
    outcome = server.admin("log", "--json")
    assert [each["username"] for each in outcome.json] == ["maria"]
    assert (outcome.status, outcome.err) == (1, f"{path} is not a plain file.\n")


def test_nothing_in_it_acts_on_the_terminal(server: Server) -> None:
    write(server, line("refused", username="p\x1b[2J", reason="\x9b1m\u202eevil\nline", file="x"))
    shown = server.admin("log")
    assert len(shown.out.splitlines()) == 1
    assert not set("\x1b\x9b\u202e") & set(shown.out)
    assert server.admin("log", "--json").out.isascii()


@pytest.mark.needs("root")
def test_who_may_not_read_is_told(open_server: Server) -> None:
    write(open_server, JOURNEY[1])
    path = open_server.paths.state / "email-alias-audit.jsonl"
    path.chmod(0o640)
    with as_nobody():
        outcome = open_server.admin("log")
    write(open_server, JOURNEY[1], name=".1")
    with as_nobody():
        assert open_server.admin("log")[:2] == (1, "2026-05-19 20:55  asked      pablo         for p@example.org\n")
    assert outcome == (
        1, "", f"You may not read the audit log {path}: root and the group adm may. Run it with sudo.\n"
    )  # fmt: skip
