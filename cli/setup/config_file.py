"""Setting keys in the config file."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping

import msgspec

from cli.setup.config_text import with_key
from schemas.config import SIZE_LIMIT, Config, parse_config
from schemas.errors import ConfigError
from schemas.files import Directory

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
