"""What lies in the queue, whose it is, and whose turn it is."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Collection, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from schemas.files import Directory


class Item(NamedTuple):
    """An entry of the queue as it was last seen, by lstat(2)."""

    name: str
    inode: int
    uid: int
    mode: int
    mtime_ns: int

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


class Census:
    """Keeps what is known of the entries, so that a long backlog is not asked and sorted again in every pass.

    Attributes:
        hidden: entries whose names say that they are not finished.
        directories: how many directories there are.
    """

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._waiting: dict[int, list[tuple[int, str, Item]]] = {}
        self._turns: deque[int] = deque()
        self.hidden: list[Item] = []
        self.directories = 0

    def take(self, queue: Directory) -> None:
        """List *queue*. An entry that was there before, by name and inode, is not looked at again."""
        before, now = self._items, {}
        apart: list[Item] = []
        with os.scandir(queue.fd) as entries:
            for entry in entries:
                name = entry.name
                item = before.get(name)
                # An inode number is soon given again, to something of another kind as well.
                if item is None or item.inode != entry.inode() or item.directory != entry.is_dir(follow_symlinks=False):
                    status = queue.status(name)
                    if status is None:
                        continue
                    item = Item(name, status.st_ino, status.st_uid, status.st_mode, status.st_mtime_ns)
                    if not item.hidden and not item.directory:
                        self._line_up(item)
                if item.mode & 0o170000 == stat.S_IFDIR or name[0] == ".":
                    apart.append(item)
                now[name] = item
        self._items = now
        self.directories = sum(item.directory for item in apart)
        self.hidden = [item for item in apart if not item.directory]

    @property
    def names(self) -> Collection[str]:
        """The names of all entries."""
        return self._items.keys()

    def in_turn(self) -> Iterator[Item]:
        """Give one entry of each owner in turn; those of one owner in the order of mtime, then name.

        What was given is not given again, in this pass or another, unless it is `put_back`. The turn goes on where it
        stopped, and a newcomer is next.
        """
        while self._turns:
            uid = self._turns[0]
            item = heappop(self._waiting[uid])[2]
            if self._waiting[uid]:
                self._turns.rotate(-1)
            else:
                self._turns.popleft()
                del self._waiting[uid]
            if self._items.get(item.name) is item:
                yield item

    def forget(self, name: str) -> None:
        """*name* was dealt with: what is found under it from now on is another file, be its inode number the same."""
        self._items.pop(name, None)

    def put_back(self, item: Item) -> None:
        """*item* was not dealt with: it has its turn again in a later pass."""
        self._line_up(item)

    def _line_up(self, item: Item) -> None:
        if item.uid not in self._waiting:
            self._waiting[item.uid] = []
            self._turns.appendleft(item.uid)
        heappush(self._waiting[item.uid], (item.mtime_ns, item.name, item))
