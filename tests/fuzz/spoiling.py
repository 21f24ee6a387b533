"""Documents that are almost right: one that is right, spoilt in one place or two."""

import codecs
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

Pairs = list[tuple[str, str]]
Draw = Callable[[st.SearchStrategy[Any]], Any]

_CHARACTERS = st.characters() | st.sampled_from("\x00\x1b\x7f\x9b\u2028\u202e\u2066\ud800\udc80\ufeff\U000e0041\"\\'")
"""Any character, lone surrogates too; and more often those that something could take for more than a letter."""

TEXT = st.text(_CHARACTERS, max_size=40)

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**30, -(2**63) - 1]),
    st.floats(),  # NaN and the infinities, which are no JSON, too
    TEXT,
)
_VALUES = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3), st.dictionaries(TEXT, _SCALARS, max_size=3))

_RAW = st.one_of(
    st.sampled_from(["", "01", "+1", ".5", "1.", "1e999", "-", "'x'", "tru", "undefined", "0x1F", "1_000", '"\\x41"']),
    st.sampled_from(['"\\ud800"', '"\\udc00\\ud800"', '"\\u202e"', '"\\u0000"', '"\n"', '"\\', "/* */ 1", "\\u0022"]),
    st.builds(lambda depth: "[" * depth + "]" * depth, st.integers(1, 3000)),
    st.builds(lambda depth: '{"a": ' * depth + "1" + "}" * depth, st.integers(1, 3000)),
    st.builds(lambda digits: "9" * digits, st.integers(1, 5000)),
    st.builds(lambda length: '"' + "x" * length + '"', st.integers(1, 5000)),
)


def _text_of(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _other_value(draw: Draw, pairs: Pairs) -> Pairs:
    path = draw(st.integers(0, len(pairs) - 1))
    value = draw(_RAW | _VALUES.map(_text_of))
    return [(key, value if number == path else old) for number, (key, old) in enumerate(pairs)]


def _other_key(draw: Draw, pairs: Pairs) -> Pairs:
    path = draw(st.integers(0, len(pairs) - 1))
    key = json.loads(pairs[path][0])
    near = draw(st.sampled_from([key[:-1], key + "s", key.upper(), key.replace("_", "-"), f" {key}", key[::-1], ""]))
    new = draw(st.just(near) | TEXT)
    return [(_text_of(new) if number == path else old, value) for number, (old, value) in enumerate(pairs)]


def _less(draw: Draw, pairs: Pairs) -> Pairs:
    path = draw(st.integers(0, len(pairs) - 1))
    return pairs[:path] + pairs[path + 1 :]


def _more(draw: Draw, pairs: Pairs) -> Pairs:
    return [*pairs, (draw(TEXT.map(_text_of)), draw(_VALUES.map(_text_of)))]


def _twice(draw: Draw, pairs: Pairs) -> Pairs:
    key, value = draw(st.sampled_from(pairs))
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in json.loads(key) if letter < "\U00010000")
    return [*pairs, (draw(st.sampled_from([key, f'"{escaped}"'])), draw(st.just(value) | _VALUES.map(_text_of)))]


_SPOILERS = (_other_value, _other_key, _less, _more, _twice)


def _object(draw: Draw, value: dict[str, Any], spoilers: int) -> str:
    """Write *value*, spoilt *spoilers* times, each time in it or in an object that it holds."""
    inside = [key for key in value if isinstance(value[key], dict)]
    chosen = draw(st.sampled_from(inside)) if inside and draw(st.booleans()) else None
    pairs: Pairs = []
    for key, each in value.items():
        text = _object(draw, each, spoilers) if isinstance(each, dict) and key == chosen else _text_of(each)
        pairs.append((_text_of(key), text))
    for _ in range(0 if chosen else spoilers):
        if pairs:
            pairs = draw(st.sampled_from(_SPOILERS))(draw, pairs)
    return "{" + ", ".join(f"{key}: {each}" for key, each in pairs) + "}"


def _cut(draw: Draw, data: bytes) -> bytes:
    end: int = draw(st.integers(0, len(data)))
    return data[:end]


def _flipped(draw: Draw, data: bytes) -> bytes:
    path: int = draw(st.integers(0, len(data)))
    other: bytes = draw(st.binary(min_size=1, max_size=2))
    return data[:path] + other + data[path + 1 :]


def _garbage_behind(draw: Draw, data: bytes) -> bytes:
    garbage: bytes = draw(st.sampled_from([b"\x00", b"}", b"{}", b",", b"// no", b"\xff", b"\n\n", b" "]))
    return data + garbage


def _mark_before(draw: Draw, data: bytes) -> bytes:
    mark: bytes = draw(st.sampled_from([codecs.BOM_UTF8, b" \n\t", b"\x00", b"#", b")]}'\n"]))
    return mark + data


def _other_encoding(draw: Draw, data: bytes) -> bytes:
    encoding = draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-7"]))
    return data.decode("utf-8", "replace").encode(encoding, "replace")


_BYTE_SPOILERS = (_cut, _flipped, _garbage_behind, _mark_before, _other_encoding)


@st.composite
def almost_right(draw: Draw, samples: Sequence[dict[str, Any]]) -> bytes:
    """One of *samples*, as bytes, spoilt in no, one or two places."""
    text = _object(draw, draw(st.sampled_from(samples)), draw(st.integers(0, 2)))
    data = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        spoil = draw(st.sampled_from(_BYTE_SPOILERS))
        data = spoil(draw, data)
    return data


_PIECES = re.compile(r"\w+|\s+|.", re.DOTALL)


@st.composite
def almost_right_text(draw: Draw, samples: Sequence[str]) -> bytes:
    """One of *samples*, with a word or a sign in it left out, doubled, moved or made another, in up to two places."""
    pieces = _PIECES.findall(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.integers(0, len(pieces) - 1))
        other = draw(st.sampled_from(pieces) | TEXT)
        spoilt = draw(st.sampled_from([[], [pieces[path]] * 2, [other], [other, pieces[path]]]))
        pieces[path : path + 1] = spoilt or [""]
    return "".join(pieces).encode("utf-8", "surrogatepass")
