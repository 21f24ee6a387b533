"""Nothing that a member wrote can act on a terminal, forge a log line or hide what it says."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.text import printable, sentence

ANYTHING = st.text(st.characters(), max_size=300)
"""Text with lone surrogates in it too, as names of files that are not UTF-8 have them."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("me@example.org", "me@example.org"),
        ("José 二 ✉", "José 二 ✉"),
        ("two\nlines\r\n", r"two\nlines\r\n"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("gnp\u202eexe", r"gnp\u202eexe"),
        ("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\u00a0\u00ad\u200b\ufeff", r"\xa0\xad\u200b\ufeff"),
        (r"C:\new", r"C:\\new"),
        (b"caf\xe9", r"caf\xe9"),
        (b"caf\xc3\xa9", "café"),
        ("\udce9", r"\xe9"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("", ""),
    ],
)
def test_what_a_terminal_could_act_on_is_written_as_an_escape(text: str | bytes, shown: str) -> None:
    assert printable(text) == shown


@given(ANYTHING)
def test_no_control_bidirectional_surrogate_or_line_end_gets_through(text: str) -> None:
    shown = printable(text, 300)
    assert shown.isprintable()
    for character in shown:
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert unicodedata.bidirectional(character) not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI"}
    assert len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode("utf-8") == shown


@given(st.binary(max_size=200))
def test_any_bytes_can_be_shown(data: bytes) -> None:
    assert printable(data).isprintable()
    assert printable(data) == printable(os.fsdecode(data))


@given(ANYTHING.filter(lambda text: not any("\udc80" <= c <= "\udcff" for c in text)), ANYTHING)
def test_different_texts_are_shown_differently(one: str, other: str) -> None:
    plain = "".join(c for c in other if not "\udc80" <= c <= "\udcff")
    assert (printable(one, 300) == printable(plain, 300)) == (one == plain)


@pytest.mark.parametrize(("length", "end"), [(0, ""), (9, ""), (10, ""), (11, "..."), (10**6, "...")])
def test_what_is_too_long_is_cut_and_says_so(length: int, end: str) -> None:
    assert printable("a" * length, 10) == "a" * min(length, 10) + end


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"the file a\x1b.json", r"the file a\x1b.json"),
        ("the file a\x1b.json", r"the file a\x1b.json"),
        ("a\nb", r"a\nb"),
    ],
)
def test_a_sentence_of_ours_keeps_the_escapes_that_it_has(text: str, shown: str) -> None:
    assert sentence(text) == shown


@given(ANYTHING)
def test_no_sentence_has_a_second_line_or_acts_on_a_terminal(text: str) -> None:
    assert sentence(text).isprintable()
