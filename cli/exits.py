"""The exit statuses of both commands. Those above 2 are the numbers of sysexits.h."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
"""Refused or failed; the sentence on standard error says why."""
USAGE: Final = 2
"""click's own, for a command line that makes no sense."""
LATER: Final = 75
"""EX_TEMPFAIL: kept, and dealt with once the watcher gets to it."""
CONFIGURATION: Final = 78
"""EX_CONFIG: the config file cannot be used."""
INTERRUPTED: Final = 130
"""Ended by the interrupt key, in the way shells count it: 128 + SIGINT."""
