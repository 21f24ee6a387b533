"""The smallest set of writes that brings the rows into line; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.status import Conflict
from schemas.text import printable
from watcher.publish.plan import Plan
from watcher.publish.sql.looking import Held, View, same
from watcher.publish.sql.plain import is_text
from watcher.publish.sql.tables import Old


@dataclass
class Work:
    """What is to be written, in the order of the aliases.

    Attributes:
        inserts: alias -> destination, of new rows.
        updates: rows that stand -> the destination that they should have.
        mends: likewise, of rows that get the constants besides.
        deletes: rows that stand and go, each as often as it stands.
        lists: alias -> destination, for the table that lists ours.
        relisted: those of them that are listed otherwise.
        unlists: aliases that go from there.
        conflicts: aliases that are left to somebody else.
        shared: aliases that the registry lacks, and that somebody else's rows answer for.
    """

    inserts: dict[str, str] = field(default_factory=dict)
    updates: dict[Old, str] = field(default_factory=dict)
    mends: dict[Old, str] = field(default_factory=dict)
    deletes: Counter[Old] = field(default_factory=Counter)
    lists: dict[str, str] = field(default_factory=dict)
    relisted: set[str] = field(default_factory=set)
    unlists: list[str] = field(default_factory=list)
    conflicts: dict[str, Conflict] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    added: dict[str, str] = field(default_factory=dict)
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    mended: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing is to be written."""
        return not (self.inserts or self.updates or self.mends or self.deletes or self.lists or self.unlists)

    def plan(self, published: int) -> Plan:
        """The same as the rest of the watcher sees it, where so many rows are *published*."""
        return Plan(published, self.added, self.changed, self.removed)

    @property
    def keys(self) -> list[str]:
        """The aliases that answer otherwise afterwards."""
        return [*self.added, *self.changed, *self.removed, *self.mended]


def work_for(view: View, wanted: Mapping[str, str], keys: Iterable[str] | None, *, listing: bool) -> Work:
    """What is to be written so that *view* becomes *wanted*.

    Args:
        view: what the database holds.
        wanted: what the registry has.
        keys: the aliases that were looked at; `None`: all.
        listing: whether a table of ours lists the rows.
    """
    work = Work()
    if keys is None:
        if view.single == wanted and not view.special and (not listing or view.listed == wanted):
            return work
        keys = sorted(
            {
                alias
                for alias, goto in wanted.items()
                if view.single.get(alias) != goto or (listing and view.listed.get(alias) != goto)
            }
            | (view.single.keys() - wanted.keys())
            | view.special.keys()
            | (view.listed.keys() - wanted.keys())
        )
    for alias in keys:
        goto = wanted.get(alias)
        held = view.special.get(alias)
        if held is None:
            present = view.single.get(alias)
            held = Held([] if present is None else [(alias, present)], [])
        _bring_into_line(work, alias, goto, held, view.listed.get(alias), listing=listing)
    return work


def _bring_into_line(
    work: Work, alias: str, goto: str | None, held: Held, listed: str | None, *, listing: bool
) -> None:
    if held.others and (goto is not None or held.doubled):
        work.conflicts[alias] = Conflict(alias, goto or "", [_shown(row) for row in held.others])
    if held.doubled:
        return
    if goto is None:
        _take_out(work, alias, held, listed)
        return
    if not held.own:
        if not held.others:
            work.inserts[alias] = work.added[alias] = goto
        elif listed is not None:
            # The row that was ours is gone, and others have come in its place.
            work.unlists.append(alias)
            return
        else:
            return
    else:
        _keep_one(work, alias, goto, held)
    if listing and listed != goto:
        work.lists[alias] = goto
        if listed is not None:
            work.relisted.add(alias)


def _take_out(work: Work, alias: str, held: Held, listed: str | None) -> None:
    if held.others:
        work.shared.add(alias)
    for row in held.own:
        work.deletes[row] += 1
        work.removed[alias] = row[1] or ""
    if listed is not None:
        work.unlists.append(alias)


def _keep_one(work: Work, alias: str, goto: str, held: Held) -> None:
    own = held.own
    kept = next((row for row in own if row[1] == goto), own[0])
    rest = Counter(own)
    alike = sum(same(row[1], kept[1]) for row in own) > 1
    if alike or (len(own) > 1 and any(not is_text(destination or "") for _, destination in own)):
        # Of rows that no condition tells apart none can be spared: all go, and one comes anew.
        work.inserts[alias] = goto
    else:
        del rest[kept]
        if kept in held.stale:
            work.mends[kept] = goto
            work.mended.append(alias)
        elif kept[1] != goto:
            work.updates[kept] = goto
    work.deletes.update(rest)
    if kept[1] != goto or rest:
        work.changed[alias] = (kept[1] or "", goto)


def _shown(row: Old) -> str:
    return printable(row[1] or "", 1000)
