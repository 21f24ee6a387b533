"""The backlog of the queue: what lies in it, whose it is, whose turn it is, and what was never finished."""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from schemas.fs.directory import Directory
from watcher.intake.queue_directory import EntryRemover

_DAY = 24 * 3600


class Item(NamedTuple):
    """An entry of the queue as it was last seen, by lstat(2). Entries sort by mtime, then name."""

    mtime_ns: int
    name: str
    inode: int
    uid: int
    mode: int

    @property
    def directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def regular(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def hidden(self) -> bool:
        """Whether its name says that it is somebody's unfinished write."""
        return self.name.startswith(".")


class FairQueue:
    """Entries that wait, in turn: one of each owner, and those of one owner in the order of mtime, then name."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[Item]] = {}
        self._owners: deque[int] = deque()

    def __bool__(self) -> bool:
        """Whether any wait."""
        return bool(self._owners)

    def add(self, item: Item, *, newcomer: bool = False) -> None:
        """Have *item* wait. An owner of whom nothing waits has the last turn, or the next one as a *newcomer*."""
        if item.uid not in self._waiting:
            self._waiting[item.uid] = []
            if newcomer:
                self._owners.appendleft(item.uid)
            else:
                self._owners.append(item.uid)
        heappush(self._waiting[item.uid], item)

    def take(self) -> Item:
        """Give the next one, which waits no more; its owner's next turn comes after everybody else's."""
        uid = self._owners[0]
        item = heappop(self._waiting[uid])
        if self._waiting[uid]:
            self._owners.rotate(-1)
        else:
            self._owners.popleft()
            del self._waiting[uid]
        return item


class Backlog:
    """The entries of the queue that are known, so that a long backlog is not looked at and sorted again in every pass.

    Attributes:
        hidden: entries whose names say that they are not finished; as their mtime counts what is not after their ctime.
        directories: how many directories there are.
        mounted: entries over which something is mounted; they are not looked at, for that may hang.
        unreadable: entries that could not be looked at, and why.
        _items: every entry that was there at the last scan, by name.
        _turns: those of them that may be judged and were not given yet.
        _shared: numbers that many entries have in common: a hundred thousand have a few owners and modes.
    """

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._turns = FairQueue()
        self._shared: dict[int, int] = {}
        self.hidden: list[Item] = []
        self.directories = 0
        self.mounted: list[str] = []
        self.unreadable: list[tuple[str, OSError]] = []

    def scan(self, queue: Directory, mounted: Collection[str] = ()) -> None:
        """List *queue*. An entry that was there before, by name and inode, is not looked at again.

        *mounted* are the names of entries over which something is mounted.
        """
        self.mounted, self.unreadable = [], []
        items, present = self._items, []
        hidden: list[Item] = []
        directories = 0
        # In a flood this is done for a hundred thousand entries several times a second.
        with queue.scan() as entries:
            for entry in entries:
                name = entry.name
                if mounted and name in mounted:
                    self.mounted.append(name)
                    continue
                item = items.get(name)
                is_directory = entry.is_dir(follow_symlinks=False)
                # An inode number is soon given again, to something of another kind as well.
                if (
                    item is None
                    or item.inode != entry.inode()
                    or (item.mode & 0o170000 == stat.S_IFDIR) is not is_directory
                ):
                    item = self._first_look(queue, name)
                    if item is None:
                        continue
                    items[name] = item
                    is_directory = item.directory
                if is_directory:
                    directories += 1
                elif name[0] == ".":
                    hidden.append(item)
                present.append(item)
        if len(present) != len(items):
            # In place: a second table of a hundred thousand names would cost as much again.
            items.clear()
            items.update((item.name, item) for item in present)
        self.directories = directories
        self.hidden = hidden

    def _first_look(self, queue: Directory, name: str) -> Item | None:
        status = self._status(queue, name)
        if status is None:
            return None
        uid, mode, mtime_ns = status.st_uid, status.st_mode, status.st_mtime_ns
        if name[0] == ".":
            # A time in the future keeps no unfinished file here for ever: nobody can set the ctime.
            mtime_ns = min(mtime_ns, status.st_ctime_ns)
        shared = self._shared
        item = Item(mtime_ns, name, status.st_ino, shared.setdefault(uid, uid), shared.setdefault(mode, mode))
        if name[0] != "." and not item.directory:
            self._turns.add(item, newcomer=True)
        return item

    def _status(self, queue: Directory, name: str) -> os.stat_result | None:
        try:
            return queue.status(name)
        except OSError as error:
            # One entry that refuses to be looked at must not keep the others from it.
            self.unreadable.append((name, error))
            return None

    @property
    def waiting(self) -> bool:
        """Whether entries wait for their turn, as far as is known."""
        return bool(self._turns)

    def __contains__(self, name: object) -> bool:
        """Whether *name* is an entry that may be judged; a directory never is."""
        item = self._items.get(name) if isinstance(name, str) else None
        return item is not None and not item.directory

    def in_turn(self, late: Callable[[], bool]) -> Iterator[Item]:
        """Give one entry of each owner in turn, until it is *late*, though one in any case.

        What was given is not given again, in this pass or another, unless it is `put_back`. The turn goes on where it
        stopped, and a newcomer is next.
        """
        given = False
        # The time is looked at before an entry is taken: one taken too late would be dropped, the same one every time.
        while self._turns and not (given and late()):
            item = self._turns.take()
            if self._items.get(item.name) is item:
                given = True
                yield item

    def forget(self, name: str) -> None:
        """*name* was dealt with: what is found under it from now on is another file, be its inode number the same."""
        self._items.pop(name, None)

    def put_back(self, item: Item) -> None:
        """*item* was not dealt with: it has its turn again in a later pass."""
        self._turns.add(item)


@dataclass
class StaleResult:
    """What was found in one slice.

    Attributes:
        of_owner: the names and inodes of the files to remove, by uid.
        troubles: entries that could not be looked at, and why.
        more: whether some are left, and going on at once gets any further.
    """

    of_owner: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    troubles: list[tuple[str, OSError]] = field(default_factory=list)
    more: bool = False


class StaleFiles:
    """The stale files of *queue*: unfinished, and more than a day old.

    They are removed in slices as well: a member makes a hundred thousand of them at once, by setting their times.
    """

    def __init__(self, queue: Directory, backlog: Backlog, remover: EntryRemover) -> None:
        self._queue = queue
        self._backlog = backlog
        self._remover = remover
        self._turns = FairQueue()

    @property
    def waiting(self) -> bool:
        """Whether any wait for their turn, as far as is known."""
        return bool(self._turns)

    def line_up(self) -> None:
        """Have those wait that the last scan found, once those that an earlier one found had their turn."""
        if self._turns:
            return
        day_ago = _day_ago()
        for item in self._backlog.hidden:
            if item.mtime_ns < day_ago and not self._remover.keeps(item.name):
                self._turns.add(item)

    def find(self, late: Callable[[], bool]) -> StaleResult:
        """Find those to remove, one of each owner in turn, until it is *late*, though one in any case."""
        found = StaleResult()
        day_ago = _day_ago()
        looked = False
        while self._turns and not ((looked or found.troubles) and late()):
            name = self._turns.take().name
            try:
                status = self._queue.status(name)
            except OSError as error:
                # Mounted over just now; it is left alone from the next scan on.
                found.troubles.append((name, error))
                continue
            looked = True
            if status is not None and min(status.st_mtime_ns, status.st_ctime_ns) < day_ago:
                found.of_owner.setdefault(status.st_uid, []).append((name, status.st_ino))
            else:
                # Gone, or touched since it was first seen: the next scan has to look at it again.
                self._backlog.forget(name)
        found.more = looked and bool(self._turns)
        return found


def _day_ago() -> int:
    return int((time.time() - _DAY) * 1e9)
