"""What lies in the queue, whose it is, and whose turn it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop
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
    """Keeps what is known of the entries, so that a long backlog is not asked again in every pass."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def take(self, queue: Directory) -> list[Item]:
        """Every entry of *queue*. One that was there before, by name and inode, is not looked at again."""
        before, now = self._items, {}
        with os.scandir(queue.fd) as entries:
            for entry in entries:
                item = before.get(entry.name)
                if item is None or item.inode != entry.inode():
                    status = queue.status(entry.name)
                    if status is None:
                        continue
                    item = Item(entry.name, status.st_ino, status.st_uid, status.st_mode, status.st_mtime_ns)
                now[item.name] = item
        self._items = now
        return list(now.values())


def in_turn(items: Iterable[Item]) -> Iterator[Item]:
    """One entry of each owner in turn; those of one owner in the order of mtime, then name."""
    heaps: dict[int, list[tuple[int, str, Item]]] = {}
    for item in items:
        heaps.setdefault(item.uid, []).append((item.mtime_ns, item.name, item))
    for heap in heaps.values():
        heapify(heap)
    while heaps:
        for uid, heap in list(heaps.items()):
            yield heappop(heap)[2]
            if not heap:
                del heaps[uid]
