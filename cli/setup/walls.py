"""What the walls around the watcher have to leave open for the database: hosts elsewhere, the directory of a file.

The unit lets it talk to this machine alone, and write to /var/lib/runv and /etc/postfix alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from cli.database.reach import configured_maps, holder_of, reach_of
from cli.host.systemd import quoted
from schemas.config import Config

MARK = "# Made by `runv-admin-email-alias setup`, which keeps it in line with the database in the config.\n"
ANY = "any"

_HIDDEN = ("/home", "/root", "/run/user")
"""What the unit's ProtectHome= hides."""
_WRITABLE = ("/var/lib/runv", "/etc/postfix")
_BY_NAME = "# A host is given by its name, whose address may become another, and has to be asked of a name server.\n"


class SandboxNeeds(NamedTuple):
    """What has to be open besides: *addresses*, of which `any` is all, and *directories*."""

    addresses: tuple[str, ...]
    directories: tuple[str, ...]


def needed(config: Config) -> SandboxNeeds:
    """What has to be open besides for the database of *config*. Raises `SqlMapError`."""
    if not config.in_database:
        return SandboxNeeds((), ())
    reach = reach_of(*configured_maps(config))
    addresses = (ANY,) if reach.addresses is None else tuple(sorted(reach.addresses))
    directory = holder_of(reach.file) if reach.file else None
    return SandboxNeeds(addresses, (directory,) if directory and not is_below(directory, _WRITABLE) else ())


def hidden(config: Config) -> str | None:
    """A file of the way to the database that the unit hides from the watcher, come what may. Raises `SqlMapError`."""
    if not config.in_database:
        return None
    files = [file for each in configured_maps(config) for file in (each.path, each.dbpath) if file]
    return next((file for file in files if is_below(os.path.realpath(file), _HIDDEN)), None)


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Whether *path* is one of *directories* or in one of them."""
    return any(f"{path}/".startswith(f"{directory.rstrip('/')}/") for directory in directories)


def drop_in(config: Config) -> str | None:
    """The text of the unit's drop-in, systemd.unit(5); `None` where none is needed. Raises `SqlMapError`."""
    addresses, directories = needed(config)
    if not addresses and not directories:
        return None
    lines = [MARK, "[Service]\n"]
    if ANY in addresses:
        lines.append(_BY_NAME)
    if addresses:
        lines.append(f"IPAddressAllow={' '.join(addresses)}\n")
    lines += (f"ReadWritePaths={quoted(directory)}\n" for directory in directories)
    return "".join(lines)
