"""What systemd says of units."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from watcher.publish.commands import run_well

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
    """Give the units called so. A pattern such as `php*-fpm.service` stands for those that are loaded, maybe none.

    Raises:
        CommandError: systemctl is not there, or there is no systemd that answers.
    """
    output = run_well(["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *patterns])
    return [_unit(block) for block in output.decode("utf-8", "replace").split("\n\n") if block.strip()]


def _unit(block: str) -> Unit:
    told = dict(line.split("=", 1) for line in block.strip().splitlines() if "=" in line)
    return Unit(*(told.get(name, "") for name in _PROPERTIES))
