"""Text that wants to be more than text: to a terminal, to a log, to a program that fills in sentences."""

import json
import os
from typing import TypeVar

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ..support.steady import STEADY

FORGED = "<3>FORGED"
"""What no line may begin with."""

T = TypeVar("T")

_PIECES = (
    *(
        f"\n{FORGED}",
        f"\r\n{FORGED}",
        f"\r{FORGED}",
        f"\x85{FORGED}",
        f"\u2028{FORGED}",
        f"\u2029{FORGED}",
        f"\x0b{FORGED}",
    ),
    *("\x1b[2J", "\x1b]0;title\x07", "\x1bc", "\x9b2J", "\x9d0;title\x9c", "\x08\x08", "\x7f", "\x0e", "\x1e"),
    *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\u200f", "\u061c"),
    *("\ufeff", "\u200b", "\xad", "\U000e0041", "\ue000", "\ufffe", "\u0378"),
    *(
        "\\",
        "\\n",
        "\\x1b",
        "%s%n",
        "{count}{0}",
        "{",
        "$(id)",
        "é",
        "日本",
        "e\u0301",
        "plain",
        " ",
        "'",
        '"',
        "<b>",
        "`",
    ),
)

TEXT = st.lists(st.sampled_from(_PIECES) | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).map(
    "".join
)

_OCTETS = st.one_of(
    TEXT.map(str.encode), st.binary(min_size=1, max_size=12), st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80"])
)
_NAME = (
    st.lists(_OCTETS, min_size=1, max_size=4)
    .map(b"".join)
    .map(lambda name: name.replace(b"/", b"").replace(b"\0", b""))
)

NAMES = _NAME.map(lambda name: name[:250] + b".json").map(os.fsdecode) | _NAME.map(lambda name: b"x" + name[:250]).map(
    os.fsdecode
)
"""What an entry of a directory can be called."""

_FIELDS = ("action", "destination", "scope", "request_id", "username", "alias", "status", "created_at", "reason")


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """What a queue file can hold: a request that is right but for a hostile value, key or byte somewhere."""
    asked: dict[str, object] = {"destination": "me@example.org"}
    kind = draw(st.integers(0, 6))
    if kind == 6:  # this one is right
        asked |= {"request_id": draw(TEXT), "created_at": draw(TEXT)}
    elif kind <= 2:
        asked[draw(st.sampled_from(_FIELDS))] = draw(TEXT)
    elif kind == 3:
        asked[draw(TEXT)] = draw(TEXT)
    data = json.dumps(asked, ensure_ascii=draw(st.booleans())).encode()
    if kind == 4:
        text = json.dumps(draw(TEXT)).encode()
        return b'{"destination": "x", %b: 1, %b: 2}' % (text, text)
    return data + draw(_OCTETS) if kind == 5 else data


def made_up(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Give *count* values of *strategy*, the same ones each time."""
    found: list[T] = []

    @settings(STEADY, max_examples=count, phases=[Phase.generate])
    @given(strategy)
    def collect(value: T) -> None:
        found.append(value)

    collect()
    return found


def shown_lines(data: bytes) -> list[str]:
    """The lines of *data*, which must be text, end with a line end, and hold nothing that acts on a terminal."""
    text = data.decode("utf-8")
    assert not text or text.endswith("\n")
    lines = text.split("\n")[:-1]
    for line in lines:
        assert line.isprintable(), ascii(line)
    return lines


def lines_of(data: bytes) -> list[str]:
    """The same, of which none may be one that somebody else wrote."""
    lines = shown_lines(data)
    for line in lines:
        assert not line.startswith(FORGED)
    return lines
