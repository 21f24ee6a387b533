"""Setting one key in the text of a JSON object and leaving all else as it stands there: order, spaces, line ends."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_BLANKS = " \t\r\n"
_SPACE = re.compile(f"[{_BLANKS}]*")
_INDENT = "  "


class _Member(NamedTuple):
    key: str
    key_at: int
    value_at: int
    end: int


def with_key(text: str, key: str, value: object) -> str:
    """Give *text*, which is one JSON object, with *key* set to *value*; a key that is not there yet comes last.

    An object is laid out over several lines where *text* is.

    Raises:
        ValueError: *text* is no JSON object.
    """
    written = _written(value, text)
    members, closing = _members(text)
    for member in members:
        if member.key == key:
            return text[: member.value_at] + written + text[member.end :]
    pair = f"{json.dumps(key)}: {written}"
    if not members:
        opening = text.index("{") + 1
        return f"{text[:opening]}\n{_INDENT}{pair}\n{text[closing:]}"
    last = members[-1]
    # As the last key stands: on a line of its own, or behind the others.
    before = text[: last.key_at]
    between = before[len(before.rstrip(_BLANKS)) :]
    return f"{text[: last.end]},{between or ' '}{pair}{text[last.end :]}"


def _written(value: object, text: str) -> str:
    if isinstance(value, dict) and ("\n" in text.strip() or text.strip() == "{}"):
        return json.dumps(value, indent=len(_INDENT)).replace("\n", f"\n{_INDENT}")
    return json.dumps(value)


def _members(text: str) -> tuple[list[_Member], int]:
    decoder = json.JSONDecoder()
    at = _past(text, 0, "{")
    members: list[_Member] = []
    if text[at : at + 1] == "}":
        return members, at
    while True:
        key, end = decoder.raw_decode(text, at)
        value_at = _past(text, end, ":")
        _, end = decoder.raw_decode(text, value_at)
        members.append(_Member(str(key), at, value_at, end))
        at = _skipped(text, end)
        if text[at : at + 1] == "}":
            return members, at
        at = _past(text, at, ",")


def _past(text: str, at: int, mark: str) -> int:
    at = _skipped(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"{mark} was expected.")
    return _skipped(text, at + 1)


def _skipped(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
