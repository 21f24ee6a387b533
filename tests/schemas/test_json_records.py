"""JSON from anywhere: whole or not, the right record or not, and never an exception that nobody expects."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.json_records import NotJsonError, ShapeError, parse_object, parse_record, to_json
from schemas.queue_file import QueueFile


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"{", b'{"a"', b'{"a": 1', b'{"a": "x', b'{"a": 1}}', b"{} {}", b"{}x", b"{'a': 1}", b'{"a": 1,}',
        b"{a: 1}",
        b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 01}', b'{"a": .5}', b'{"a": +1}', b'{"a": "\x01"}', b'{"a": "\n"}',
        b'{"a": "\xff"}', b'{"\xc3\x28": 1}', b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}', b'{"a": "\\x41"}',
        b"\xef\xbb\xbf{}", b"\x00", b"{}\x00", b"\x7fELF\x02\x01\x01\x00", "{}".encode("utf-16"), b"// no\n{}",
    ],
)  # fmt: skip
def test_what_is_not_one_whole_json_text_is_told_apart_since_it_may_yet_become_one(data: bytes) -> None:
    with pytest.raises(NotJsonError, match=r"^It is not JSON: .*\.$") as refusal:
        parse_object(data)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"[]", "It is JSON, but not an object: a list was found."),
        (b"null", "It is JSON, but not an object: a NoneType was found."),
        (b'"{}"', "It is JSON, but not an object: a str was found."),
        (b"42", "It is JSON, but not an object: a int was found."),
        (b'{"a": 1, "a": 1}', "The key `a` stands twice."),
        (b'{"a": 1, "\\u0061": 2}', "The key `a` stands twice."),
        (b'{"x": [{"y": {"a": 1, "b": 2, "a": 3}}]}', "The key `a` stands twice."),
        (b'{"\\u001b[2J": 1, "\\u001b[2J": 2}', r"The key `\x1b[2J` stands twice."),
        (b'{"a": ' * 5000 + b"1" + b"}" * 5000, "It is nested too deep."),
        (b"[" * 100_000 + b"]" * 100_000, "It is nested too deep."),
    ],
)
def test_whole_json_that_is_no_plain_object_is_refused_at_once(data: bytes, found: str) -> None:
    with pytest.raises(ShapeError) as refusal:
        parse_object(data)
    assert str(refusal.value) == found


@pytest.mark.parametrize("opening", [b'{"a": "', b"{", b'{"a": "\\"'])
def test_brackets_in_a_string_that_has_no_end_yet_are_no_nesting(opening: bytes) -> None:
    with pytest.raises(NotJsonError):
        parse_object(opening + b'"' * (opening == b"{") + b"[{" * 5000)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 65 + b'\\"' * 2**19,
        b'"' + b"[" * 65 + b'\\"' * 2**19,
        b"[" * 65 + b'"\\' * 2**19,
        b'\\"' * 2**19 + b"[" * 65,
    ],
)
def test_a_megabyte_of_quotation_marks_is_looked_at_once(data: bytes) -> None:
    """Tried again from every one of them, this would take hours."""
    with pytest.raises((NotJsonError, ShapeError)):
        parse_object(data)


def test_an_object_is_read_as_it_stands() -> None:
    data = (
        b' {"a": {"b": [1, 2.5, null, true, "\\u0000\\ud83d\\ude00"]}, "A": -0, "n": 123456789012345678901234567890}\n'
    )
    assert parse_object(data) == {
        "a": {"b": [1, 2.5, None, True, "\x00😀"]},
        "A": 0,
        "n": 123456789012345678901234567890,
    }


@pytest.mark.parametrize("number", [b"1" * 5000, b"-" + b"9" * 5000, b"1e999", b"-1e999"])
def test_a_number_that_no_machine_holds_is_refused(number: bytes) -> None:
    with pytest.raises((NotJsonError, ShapeError)):
        parse_object(b'{"a": ' + number + b"}")


@given(st.binary(max_size=100))
def test_only_what_every_json_reader_reads_is_taken_for_json(data: bytes) -> None:
    try:
        value = parse_object(data)
    except (NotJsonError, ShapeError):
        return
    assert json.loads(data) == msgspec.json.decode(data) == value


def test_a_field_of_another_type_is_named() -> None:
    with pytest.raises(ShapeError, match=r"^Expected `str`, got `int` - at `\$\.destination`\.$|destination"):
        parse_record(b'{"destination": 1}', QueueFile)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\x7f\x9b2J\u202e\u2028\U000e0041", "\\u007f\\u009b2J\\u202e\\u2028\\udb40\\udc41"),
        ("\n\x1b\\", "\\n\\u001b\\\\"),
        ("\udce9", "\\\\udce9"),
        ("é 日本", "é 日本"),
    ],
)
def test_a_file_of_ours_can_be_shown_raw(text: str, written: str) -> None:
    assert to_json({"a": text, "b": [{text: 1}]}).decode() == (
        f'{{\n  "a": "{written}",\n  "b": [\n    {{\n      "{written}": 1\n    }}\n  ]\n}}\n'
    )


def test_a_file_of_ours_is_indented_and_ends_with_a_line_end() -> None:
    assert to_json({"a": [1], "b": "é"}) == '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}\n'.encode()
