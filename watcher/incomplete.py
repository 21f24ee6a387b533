"""Incomplete files: those that are still being written, until they have had their time."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from dataclasses import dataclass

from schemas.fs.directory import Signature

QUIET_SECONDS = 2.0
"""How long an incomplete file may stay as it is before it is taken for finished."""
LONGEST_SECONDS = 60.0
"""How long it has in all, where it keeps changing."""
INCOMPLETE_AT_ONCE = 32
"""How many files of one owner are waited for. Nobody writes more at a time, and a flood of them would cost memory."""


@dataclass
class _Incomplete:
    """An incomplete file of *owner*: when it was first seen and last changed, and whether somebody has it open."""

    signature: Signature
    owner: int
    first: float
    changed: float
    opened: bool

    @property
    def due(self) -> float:
        return min(self.changed + QUIET_SECONDS, self.first + LONGEST_SECONDS)


class IncompleteFiles:
    """The incomplete files of one directory, by this process's own clock, which no member sets.

    Incomplete is what did not parse, and what somebody has open for writing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._files: dict[str, _Incomplete] = {}

    def waits(self, name: str, signature: Signature) -> bool:
        """Whether *name* is known to be incomplete, has not changed since, and is not due: no need to open it.

        One that somebody had open for writing is never said to wait: only opening it shows whether they closed it.
        """
        found = self._files.get(name)
        return found is not None and not found.opened and found.signature == signature and self._clock() < found.due

    def expired(self, name: str, signature: Signature, owner: int = 0, *, opened: bool = False) -> bool:
        """Note that *name* is incomplete; say whether it has had its time, or its *owner* has too many such files.

        Args:
            name: of the file.
            signature: of the file.
            owner: its uid.
            opened: whether what says so is that somebody has it open for writing.
        """
        present = self._clock()
        found = self._files.get(name)
        if found is None or found.signature.inode != signature.inode:
            if found is None and sum(file.owner == owner for file in self._files.values()) >= INCOMPLETE_AT_ONCE:
                return True
            found = self._files[name] = _Incomplete(signature, owner, present, present, opened)
        elif found.signature != signature:
            found.signature = signature
            found.changed = present
        found.opened = opened
        return present >= found.due

    def due(self, name: str) -> bool:
        """Whether *name* is known to be incomplete and has had its time, though it may have changed since."""
        found = self._files.get(name)
        return found is not None and self._clock() >= found.due

    def forget_all_but(self, names: Container[str]) -> None:
        """Only *names* are still files that may be looked at: of no other will anybody say what became of it."""
        for name in [name for name in self._files if name not in names]:
            del self._files[name]

    def forget(self, name: str) -> None:
        """*name* has been dealt with."""
        self._files.pop(name, None)

    @property
    def next_due(self) -> float | None:
        """When, on this clock, the next file has had its time."""
        return min((file.due for file in self._files.values()), default=None)
