"""What the programs of the project share: their names, their exit statuses, and the installed version."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

MEMBER_PROGRAM = "runv-email-alias"
ADMIN_PROGRAM = "runv-admin-email-alias"
WATCHER_PROGRAM = "runv-email-alias-watcher"
WATCHER_UNIT = WATCHER_PROGRAM
"""The name of its service, for systemctl(1)."""


class ExitStatus(IntEnum):
    """How a program ends. Those above 2 are the numbers of sysexits.h."""

    DONE = 0
    FAILED = 1
    """Refused or failed; the sentence on standard error says why."""
    USAGE = 2
    """click's own, for a command line that makes no sense."""
    LATER = 75
    """EX_TEMPFAIL: kept, and dealt with once the watcher gets to it."""
    CONFIGURATION = 78
    """EX_CONFIG: the configuration cannot be used."""
    INTERRUPTED = 130
    """Ended by the interrupt key, in the way shells count it: 128 + SIGINT."""


@cache
def installed_version() -> str:
    """The version of this program, as it was installed; `unknown` in a checkout that never was."""
    # To ask takes longer than the rest of a program's start.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("runv-email-alias")
    except PackageNotFoundError:
        return "unknown"
