"""The record of a request: its id comes from the queue file itself, and what is written is read back."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fs.directory import Directory
from schemas.json_records import ShapeError, parse_record, to_json
from schemas.request import FOLDERS, RequestId, RequestRecord, has_record, parse_request_id, record_name, request_id


def id_of(path: Path, owner: str = "pablo") -> RequestId:
    return request_id(owner, path.name, path.lstat())


def dated(path: Path, seconds: float) -> Path:
    os.utime(path, (seconds, seconds))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ask.json"
    path.write_text('{"destination": "p@example.org"}')
    return dated(path, 1_779_224_118.5)


def test_the_same_file_has_the_same_id_whenever_it_is_seen(file: Path) -> None:
    before = id_of(file)
    file.chmod(0o600)
    assert id_of(file) == before
    assert str(before).startswith("20260519T205518.500000Z-pablo-")


def test_another_name_owner_time_size_or_inode_makes_another_id(file: Path) -> None:
    seen = {str(id_of(file)), str(id_of(file, "maria"))}
    seen.add(str(id_of(file.rename(file.with_name("other.json")))))
    file.with_name("other.json").rename(file)
    dated(file, 1_779_224_118.6)
    seen.add(str(id_of(file)))
    file.write_text('{"destination": "q@example.org"} ')
    seen.add(str(id_of(dated(file, 1_779_224_118.5))))
    twin = file.with_name("twin.json")
    twin.write_text('{"destination": "p@example.org"}')
    file.unlink()
    seen.add(str(id_of(dated(twin.rename(file), 1_779_224_118.5))))
    assert len(seen) == 6


def test_a_file_dated_in_the_future_does_not_make_all_that_follow_look_old(file: Path) -> None:
    for year_9000 in (221_845_392_000, 2**62):
        os.utime(file, ns=(0, min(year_9000 * 10**9, 2**63 - 1)))
        later = file.with_name("later.json")
        later.write_text("{}")
        assert id_of(file).stamp <= id_of(later).stamp
        later.unlink()


def test_a_file_dated_in_the_future_counts_from_when_it_was_made_however_often_it_is_renamed(file: Path) -> None:
    os.utime(file, ns=(0, 2**62))
    born = 1_779_224_118_500_000_000
    for _ in range(3):
        file.rename(file.with_name("away"))
        file.with_name("away").rename(file)
        assert request_id("pablo", "ask.json", file.lstat(), born).stamp == "20260519T205518.500000Z"
    os.utime(file, (1_779_224_119, 1_779_224_119))
    assert request_id("pablo", "ask.json", file.lstat(), born).stamp == "20260519T205519.000000Z"


def test_a_file_dated_before_1970_has_the_first_moment_there_is(file: Path) -> None:
    assert id_of(dated(file, -1e9)).stamp == "19700101T000000.000000Z"


_OWNERS = st.from_regex(r"[a-z][a-z0-9_.-]{0,31}", fullmatch=True)
_IDS = st.builds(
    RequestId,
    st.from_regex(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z", fullmatch=True).filter(str.isascii),
    _OWNERS,
    st.text("0123456789abcdef", min_size=10, max_size=10),
)


@given(_IDS)
def test_an_id_that_was_written_is_taken_apart_again(identifier: RequestId) -> None:
    assert parse_request_id(str(identifier)) == identifier
    assert record_name(identifier) == record_name(str(identifier)) == f"{identifier}.json"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pablo",
        "20260519T205518.123456Z-pablo",
        "20260519T205518.123456Z--0123456789",
        "20260519T205518.123456Z-pablo-0123456789\n",
        "20260519-pablo-0123456789",
        "20260519T205518.123456Z-../pablo-0123456789",
        "20260519T205518.123456Z-.pablo-0123456789",
        "20260519T205518.123456Z-pab\nlo-0123456789",
    ],
)
def test_what_is_no_id_is_not_taken_for_one(text: str) -> None:
    assert parse_request_id(text) is None


@given(
    st.text(min_size=1, max_size=20) | st.integers(200, 220).map("é".__mul__) | st.integers(200, 220).map("x".__mul__)
)
def test_whoever_has_a_record_has_one_that_can_be_written_and_is_found(owner: str) -> None:
    with TemporaryDirectory() as path, Directory(path) as directory:
        identifier = RequestId("20260519T205518.123456Z", owner, "0123456789")
        if has_record(identifier):
            directory.write(record_name(identifier), b"{}", 0o640, durable=False)
            assert [parse_request_id(name.removesuffix(".json")) for name in directory.names()] == [identifier]


@pytest.mark.parametrize(
    ("owner", "can"),
    [
        ("pablo", True),
        ("Big.Name", True),
        ("x" * 210, True),
        ("x" * 211, False),
        ("é" * 105, True),
        ("é" * 106, False),
        ("", False),
        (".x", False),
        ("a/b", False),
        ("a\nb", False),
        ("a\0b", False),
        ("caf\udce9", True),
    ],
)
def test_an_account_whose_name_no_file_can_have_gets_no_record(owner: str, can: bool) -> None:
    assert has_record(RequestId("20260519T205518.123456Z", owner, "0123456789")) is can


_TEXT = st.text(max_size=40)
_MAYBE = st.none() | _TEXT
_RECORDS = st.builds(
    RequestRecord,
    request_id=_TEXT, username=_TEXT, uid=st.integers(0, 2**32 - 1), alias=_TEXT, destination=_MAYBE,
    action=st.sampled_from(["request", "cancel", "unknown"]), status=st.sampled_from(FOLDERS), file=_TEXT,
    client_id=_MAYBE, created_at=_TEXT, decided_at=_MAYBE, decided_by=_MAYBE, decision_id=_MAYBE, reason=_MAYBE,
)  # fmt: skip


@given(_RECORDS)
def test_a_record_that_was_written_is_read_back(record: RequestRecord) -> None:
    assert parse_record(to_json(record), RequestRecord) == record


def test_a_record_in_no_known_state_is_refused() -> None:
    record = RequestRecord(request_id="x", username="pablo", uid=1, alias="a", file="f", created_at="")
    with pytest.raises(ShapeError, match=r"\$\.status"):
        parse_record(to_json(record).replace(b'"pending"', b'"lost"'), RequestRecord)
