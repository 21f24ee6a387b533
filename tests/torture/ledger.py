"""What was handed in, by whom and in which order: what the server is held against after each kill."""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["request", "cancel", "cancel-active", "bad"]


@dataclass
class Handed:
    """A queue file that a member has put in place.

    Attributes:
        order: how many things had been done before it.
        message: what the reason of its refusal must begin with, if it is refused.
        taken_back: whether its owner has removed it, before it was taken in or after.
        unfinished: whether it is no whole JSON, so that the watcher waits before it refuses it.
    """

    owner: str
    file: str
    kind: Kind
    order: int
    told: str
    destination: str | None = None
    taken_back: bool = False
    unfinished: bool = False


@dataclass
class Marked:
    """A marker that an administrator has put in place; *doomed* says that it cannot but fail."""

    identifier: str
    kind: str
    order: int
    username: str | None = None
    request_id: str | None = None
    destination: str | None = None
    operator: str | None = None
    doomed: bool = False


@dataclass
class Ledger:
    """Everything that was done on one server.

    Attributes:
        handed: queue files by owner and name.
        marked: decisions by id.
        entries: the registry as it was last found good, by username, numbers as text.
        edits: what was changed in the registry by hand since then: fields of entries, or `None` for one taken out.
        since: what had been done when the registry was last found good.
    """

    handed: dict[tuple[str, str], Handed] = field(default_factory=dict)
    marked: dict[str, Marked] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    edits: list[tuple[str, dict[str, Any] | None]] = field(default_factory=list)
    since: int = 0
    order: int = 0
    kills: int = 0
    restarts: int = 0
    hand_edits: int = 0

    def next(self) -> int:
        """The number of the next thing that is done."""
        self.order += 1
        return self.order

    def fresh_files(self) -> list[Handed]:
        """The queue files since the registry was last found good."""
        return [each for each in self.handed.values() if each.order > self.since]

    def fresh_marks(self) -> list[Marked]:
        """The same of the markers."""
        return [each for each in self.marked.values() if each.order > self.since]

    def expected(self) -> dict[str, dict[str, Any]]:
        """The registry as the hands' edits alone would have made it of the last good one."""
        found = {name: dict(entry) for name, entry in self.entries.items()}
        for name, fields in self.edits:
            if fields is None:
                found.pop(name, None)
            else:
                found[name] = {**found.get(name, {}), **fields}
        return found
