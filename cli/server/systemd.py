"""Units as systemd has them: their state, files and properties, by systemctl(1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from watcher.publish.commands import CommandError, failure, run, run_well

_TIMEOUT = 5.0
"""Seconds for an answer of systemd, which gives it at once where it gives any."""
_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState")


class Unit(NamedTuple):
    """A unit's state, in systemd's own words; see systemctl(1).

    Attributes:
        name: with its suffix.
        load: `loaded`, `not-found`, `masked`…
        active: `active`, `inactive`, `failed`, `activating`…
        enabled: `enabled`, `disabled`, `static`…; empty where there is no unit file.
    """

    name: str
    load: str
    active: str
    enabled: str

    @property
    def there(self) -> bool:
        """Whether there is such a unit at all."""
        return self.load != "not-found"


def booted() -> bool:
    """Whether systemd runs this machine, by the rule of sd_booted(3)."""
    return os.path.isdir("/run/systemd/system")


def units(patterns: Sequence[str]) -> list[Unit]:
    """Give the units called so, each once, though it may have several names: mysql.service may be mariadb.service.

    A pattern such as `php*-fpm.service` stands for those that are loaded, maybe none.

    Raises:
        CommandError: systemctl is not there, or there is no systemd that answers.
    """
    output = run_well(["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *patterns], timeout=_TIMEOUT)
    blocks = output.decode("utf-8", "replace").split("\n\n")
    found = [_unit(block) for block in blocks if block.strip()]
    return list({unit.name: unit for unit in found}.values())


def unit(name: str) -> Unit:
    """Give the unit *name*, with its suffix.

    Raises:
        CommandError: as for `units`; also where systemctl says nothing, as it does in a chroot.
    """
    found = units([name])
    if not found:
        raise CommandError(f"systemctl says nothing of the unit {name}, as in a chroot.")
    return found[0]


def _unit(block: str) -> Unit:
    found = dict(line.split("=", 1) for line in block.strip().splitlines() if "=" in line)
    return Unit(*(found.get(name, "") for name in _PROPERTIES))


def unit_files(patterns: Sequence[str]) -> list[str]:
    """Give the names of the units that are installed and match *patterns*, loaded or not; templates are left out.

    Raises:
        CommandError: as for `units`.
    """
    command = ["systemctl", "list-unit-files", "--no-legend", "--no-pager", "--", *patterns]
    answer = run(command, timeout=_TIMEOUT)
    # Some versions end with 1, and say nothing, where nothing matches.
    if answer.status and (answer.status != 1 or answer.complaints):
        raise CommandError(failure(command, answer))
    names = (line.split()[0] for line in answer.output.decode("utf-8", "replace").splitlines() if line.strip())
    return [name for name in names if "@." not in name]


def properties(unit: str, names: Sequence[str]) -> dict[str, str]:
    """The properties *names* of *unit*, as systemctl(1) shows them; those that it does not show are left out.

    Raises:
        CommandError: as for `units`.
    """
    output = run_well(["systemctl", "show", f"--property={','.join(names)}", "--", unit], timeout=_TIMEOUT)
    rows = (line.partition("=") for line in output.decode("utf-8", "replace").splitlines())
    return {name: value for name, _separator, value in rows if name in names}


def quoted(path: str) -> str:
    """The *path* as files of systemd have it, systemd.syntax(7), and those of tmpfiles.d(5) too."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if escaped == path and not any(map(str.isspace, path)) else f'"{escaped}"'
