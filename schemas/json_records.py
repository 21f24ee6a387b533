"""JSON from anywhere, parsed into a typed record or refused; and the sha256 of a file's contents."""

from __future__ import annotations

import json
import re
from typing import TypeVar

import msgspec

from schemas.text import printable


def sha256(data: bytes) -> str:
    """The SHA-256 (FIPS 180-4) of *data*, in hexadecimal."""
    # Imported late: hashlib loads OpenSSL, which most runs of the commands can do without.
    import hashlib  # noqa: PLC0415

    return hashlib.sha256(data).hexdigest()


Record = TypeVar("Record")

DEPTH_LIMIT = 64
"""How deep arrays and objects may be nested; the deepest record of ours has three levels."""

# A string, or the beginning of one that has no end. Nothing is tried twice: the time must not grow with the square of
# what a member wrote.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


class NotJsonError(ValueError):
    """The bytes are not one whole JSON text; they may yet become one while somebody is writing."""


class ShapeError(ValueError):
    """The bytes are JSON, but not the record that belongs here; the message says where and why."""


def parse_object(data: bytes) -> dict[str, object]:
    """Parse *data* as one JSON object (RFC 8259) in which no key stands twice, at any depth.

    Raises:
        NotJsonError: not one whole JSON text in UTF-8.
        ShapeError: JSON, but not an object, or with a key that stands twice or nested too deep to read.
    """
    if _depth_exceeds(data, DEPTH_LIMIT):
        raise ShapeError("It is nested too deep.")
    try:
        # msgspec is the strict judge of what is JSON; the json module, which is not, is asked for the key pairs only.
        msgspec.json.decode(data)
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_without_repeats)
    except ShapeError:
        raise
    except (msgspec.MsgspecError, ValueError) as error:
        raise NotJsonError(f"It is not JSON: {printable(str(error))}.") from None
    if not isinstance(value, dict):
        raise ShapeError(f"It is JSON, but not an object: a {type(value).__name__} was found.")
    return value


def _depth_exceeds(data: bytes, limit: int) -> bool:
    # Parsers stop at depths of their own, which differ from one version to the next, some by a crash.
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            return True
    return False


def parse_record(data: bytes, kind: type[Record]) -> Record:
    """Parse *data* into a *kind*, with the exceptions of `parse_object`."""
    return to_record(parse_object(data), kind)


def to_record(value: object, kind: type[Record]) -> Record:
    """Convert plain *value* to a *kind*; raise `ShapeError` that names the field where it does not fit."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ShapeError(f"{printable(str(error))}.") from None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ShapeError(f"The key `{printable(key)}` stands twice.")
            seen.add(key)
    return found


def to_json(record: object) -> bytes:
    """Write *record* as indented JSON with a line end, the way every file of ours is written.

    What a terminal could act on is written as an escape, so that a file of ours can be shown raw. Lone surrogates,
    which stand for bytes that are not UTF-8 and which no JSON can hold, come out as Python writes them.
    """
    try:
        encoded = msgspec.json.encode(record)
    except UnicodeEncodeError:
        # The name of an account or of a path is not always UTF-8, and its record must be written all the same.
        encoded = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(record)))
    text = msgspec.json.format(encoded, indent=2).decode()
    if not text.isascii() or "\x7f" in text:
        text = "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)
    return text.encode() + b"\n"


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    return value
