"""Keys of the config file are set, and all else in it is left as it stands: order, spaces, line ends."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from schemas.config import SIZE_LIMIT, Config, parse_config
from schemas.errors import ConfigError
from schemas.fs.directory import Directory

_BLANKS = " \t\r\n"
_SPACE = re.compile(f"[{_BLANKS}]*")
_INDENT = "  "
MODE = 0o644
_SHIPPED = (
    "enabled",
    "backend",
    "virtual_alias_file",
    "file_mode",
    "check_maps",
    "run_postmap",
    "postmap_command",
    "reload_postfix",
    "reload_command",
    "domain",
    "group",
    "reserved",
    "max_request_age_days",
    "orphans",
)
"""The keys that a new file has, as in the example config."""


def set_key(path: str, key: str, value: object) -> None:
    """Set one key; see `set_keys`."""
    set_keys(path, {key: value})


def set_keys(path: str, values: Mapping[str, object]) -> None:
    """Set keys to *values* in the config file *path*, which is made from the defaults where it is missing.

    All else in it stays as it stands. The new text is put in place at once.

    Raises:
        ConfigError: the file is not what it was when it was last read, or would not be one any more.
        StateError, UnsafeFileError, OSError: it cannot be read or written.
    """
    folder, name = os.path.split(path)
    with Directory(folder or "/") as directory:
        mode = MODE
        try:
            found = directory.read(name, SIZE_LIMIT)
        except FileNotFoundError:
            text = _shipped()
        else:
            text = found.data.decode("utf-8", "surrogateescape")
            mode = stat.S_IMODE(found.status.st_mode)
        before = parse_config(text.encode("utf-8", "surrogateescape"), path)
        try:
            for key, value in values.items():
                text = with_key(text, key, value)
        except ValueError as error:
            raise ConfigError(f"The config file {path} was expected to be one JSON object. {error}") from error
        changed = text.encode("utf-8", "surrogateescape")
        wanted = msgspec.convert(msgspec.to_builtins(before) | dict(values), Config)
        if parse_config(changed, path) != wanted:
            keys = ", ".join(f"`{key}`" for key in values)
            raise ConfigError(f"{keys} could not be set in the config file {path}. Set it by hand.")
        # Whoever may write the file may change what root runs, so nobody else may be left with that.
        directory.write(name, changed, mode & ~0o022)


def _shipped() -> str:
    defaults = msgspec.to_builtins(Config())
    return json.dumps({key: defaults[key] for key in _SHIPPED}, indent=2) + "\n"


def with_key(text: str, key: str, value: object) -> str:
    """Give *text*, which is one JSON object, with *key* set to *value*; a key that is not there yet comes last.

    An object is laid out over several lines where *text* is.

    Raises:
        ValueError: *text* is no JSON object.
    """
    written = _written(value, text)
    pairs, closing = _pairs(text)
    for pair in pairs:
        if pair.key == key:
            return text[: pair.value_at] + written + text[pair.end :]
    added = f"{json.dumps(key)}: {written}"
    if not pairs:
        opening = text.index("{") + 1
        return f"{text[:opening]}\n{_INDENT}{added}\n{text[closing:]}"
    last = pairs[-1]
    # As the last key stands: on a line of its own, or behind the others.
    before = text[: last.key_at]
    between = before[len(before.rstrip(_BLANKS)) :]
    return f"{text[: last.end]},{between or ' '}{added}{text[last.end :]}"


def _written(value: object, text: str) -> str:
    if isinstance(value, dict) and ("\n" in text.strip() or text.strip() == "{}"):
        return json.dumps(value, indent=len(_INDENT)).replace("\n", f"\n{_INDENT}")
    return json.dumps(value)


class _Pair(NamedTuple):
    key: str
    key_at: int
    value_at: int
    end: int


def _pairs(text: str) -> tuple[list[_Pair], int]:
    decoder = json.JSONDecoder()
    at = _past(text, 0, "{")
    pairs: list[_Pair] = []
    if text[at : at + 1] == "}":
        return pairs, at
    while True:
        key, end = decoder.raw_decode(text, at)
        value_at = _past(text, end, ":")
        _, end = decoder.raw_decode(text, value_at)
        pairs.append(_Pair(str(key), at, value_at, end))
        at = _skipped(text, end)
        if text[at : at + 1] == "}":
            return pairs, at
        at = _past(text, at, ",")


def _past(text: str, at: int, mark: str) -> int:
    at = _skipped(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"{mark} was expected.")
    return _skipped(text, at + 1)


def _skipped(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
