"""The rows of the database by alias: ours, and those of somebody else that are in the way."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from watcher.publish.sql.engines import Driver
from watcher.publish.sql.tables import INCOMPLETE, OTHERS, OURS, Row, Tables, is_text, text_of

AT_ONCE = 500
"""How many addresses a question names."""

# An address of these characters alone is equal to no other one under any collation that tells letters apart.
_PLAIN = re.compile("[!-@\\[-~]*")
# Characters that some collation takes for another letter, or for nothing.
_FOREIGN = re.compile("[^ -~]")

MarkedRow = tuple[Row, int]
"""A row, and whose it is: `OTHERS`, `OURS` or `INCOMPLETE`."""


@dataclass(frozen=True)
class AliasRows:
    """The rows of one alias, where they are not just one row of ours.

    Attributes:
        own: those of ours.
        others: those of somebody else.
        incomplete: those of ours that lack what the constants give to new ones.
        doubled: whether a row of ours cannot be told from somebody else's copy of it.
    """

    own: Sequence[Row]
    others: Sequence[Row]
    incomplete: frozenset[Row] = frozenset()
    doubled: bool = False


@dataclass
class TableState:
    """The rows that were read.

    Attributes:
        single: alias -> destination, where just one row of ours, and no other, holds the alias.
        special: the rows of the other aliases of which there are any.
        listed: alias -> destination, as the table that lists ours has it; empty where a column marks them.
    """

    single: dict[str, str] = field(default_factory=dict)
    special: dict[str, AliasRows] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)

    def published(self) -> dict[str, str]:
        """Alias -> destination, of the rows of ours."""
        if not self.special:
            return self.single
        special = {alias: rows.own[0][1] or "" for alias, rows in self.special.items() if rows.own}
        return {**self.single, **special}


def read_all_rows(
    connection: sa.Connection,
    driver: Driver,
    tables: Tables,
    domain: str,
    wanted: Mapping[str, str],
    *,
    has_list: bool = True,
) -> TableState:
    """Read every row of ours in *domain*, and of somebody else's those that are in the way of *wanted*.

    Without *has_list* the table that lists ours is not there yet, so that no row is ours.
    """
    listed = _listed(connection, driver, tables, None, domain) if has_list else {}
    rows = driver.all_rows(connection, tables.of_domain(domain))
    return _state(connection, tables, rows, listed, wanted, f"@{domain}", whole=True)


def read_rows(
    connection: sa.Connection, driver: Driver, tables: Tables, domain: str, keys: Sequence[str]
) -> TableState:
    """Read the rows of the aliases *keys* alone."""
    rows: list[Sequence[Any]] = []
    listed: dict[str, str] = {}
    for begin in range(0, len(keys), AT_ONCE):
        chunk = keys[begin : begin + AT_ONCE]
        listed.update(_listed(connection, driver, tables, chunk, domain))
        if len(chunk) == 1:
            rows += connection.execute(tables.of_one, {"key": chunk[0]}).all()
        else:
            rows += connection.execute(tables.of_addresses(chunk)).all()
    return _state(connection, tables, rows, listed, dict.fromkeys(keys, ""), f"@{domain}", whole=False)


def _listed(
    connection: sa.Connection, driver: Driver, tables: Tables, keys: Sequence[str] | None, domain: str
) -> dict[str, str]:
    if tables.ownership is None:
        return {}
    found: Iterable[Sequence[Any]]
    if keys is None:
        found = driver.all_rows(connection, tables.ownership.listed(None, domain))
    elif len(keys) == 1:
        found = connection.execute(tables.ownership.of_one, {"key": keys[0]})
    else:
        found = connection.execute(tables.ownership.listed(keys, domain))
    return {text_of(address) or "": text_of(goto) or "" for address, goto in found}


def _state(
    connection: sa.Connection,
    tables: Tables,
    rows: Iterable[Sequence[Any]],
    listed: dict[str, str],
    wanted: Mapping[str, str],
    ending: str,
    *,
    whole: bool,
) -> TableState:
    by_list = tables.ownership is not None
    state = TableState(listed=listed)
    # single: aliases with one row, which is ours and in order; several: all other rows, by alias;
    # odd: rows whose address only the database can tell to be equal to an alias, or not.
    single = state.single
    several: defaultdict[str, list[MarkedRow]] = defaultdict(list)
    odd: list[MarkedRow] = []
    plain = _PLAIN.fullmatch
    for read_address, read_goto, read_mark in rows:
        address = read_address if type(read_address) is str else text_of(read_address) or ""
        goto = read_goto if type(read_goto) is str else text_of(read_goto)
        mark = int(read_mark)
        if not plain(address):
            odd.append(((address, goto), mark))
        elif (
            goto is None
            or mark != OURS
            or address in single
            or address in several
            or (by_list and listed.get(address) != goto)
        ):
            several[address].append(((address, goto), mark))
        else:
            single[address] = goto
    if odd:
        # A row of ours may be odd by now, and its alias may have left the registry.
        _assign_odd(connection, tables, odd, several, {**listed, **wanted}, ending, whole=whole)
    # A question about a domain finds a few rows besides, of names that go on after it.
    for alias, found in several.items():
        if not alias.rstrip().lower().endswith(ending):
            continue
        if (goto := single.pop(alias, None)) is not None:
            found.insert(0, ((alias, goto), OURS))
        of_alias = _by_list(found, listed.get(alias)) if by_list else _by_mark(found)
        if of_alias.own or of_alias.doubled or alias in wanted:
            state.special[alias] = of_alias
    for alias in [alias for alias in single if not alias.endswith(ending)]:
        del single[alias]
    return state


def _assign_odd(
    connection: sa.Connection,
    tables: Tables,
    odd: Sequence[MarkedRow],
    several: defaultdict[str, list[MarkedRow]],
    aliases: Mapping[str, str],
    ending: str,
    *,
    whole: bool,
) -> None:
    """Add each row of an odd address to the alias that its address equals, as the database itself sees it."""
    # Bytes that are no text are equal to no alias, and could not be asked for.
    addresses = sorted({address for (address, _), _ in odd if is_text(address)})
    keys: Sequence[str] = list(aliases)
    if whole:
        likely = {fold for address in addresses for fold in _folded(address) if fold in aliases}
        foreign = [address for address in addresses if _FOREIGN.search(address)]
        for begin in range(0, len(foreign), AT_ONCE):
            found = connection.execute(tables.of_addresses(foreign[begin : begin + AT_ONCE]))
            likely.update(text for row in found if (text := text_of(row[0]) or "") in aliases)
        keys = sorted(likely)
    belongs: dict[str, str] = {}
    for begin in range(0, len(addresses), AT_ONCE):
        for first in range(0, len(keys), AT_ONCE):
            chunk = keys[first : first + AT_ONCE]
            for address, index in connection.execute(tables.equal_keys(addresses[begin : begin + AT_ONCE], chunk)):
                if index is not None:
                    belongs[text_of(address) or ""] = chunk[int(index)]
    for (address, goto), mark in odd:
        alias = belongs.get(address)
        if alias is None:
            # Nobody's alias, but of ours if it bears our mark.
            ours = mark != OTHERS and tables.ownership is None
            if not ours or not is_text(address) or not address.rstrip().lower().endswith(ending):
                continue
            alias = address
        several[alias].append(((address, goto), mark))


def _incomplete(found: Sequence[MarkedRow]) -> frozenset[Row]:
    return frozenset(row for row, mark in found if mark == INCOMPLETE)


def same(one: str | None, other: str | None) -> bool:
    """Whether a database might take two destinations for the same."""
    if one is None or other is None:
        return one is other
    first, second = one.lower().rstrip(), other.lower().rstrip()
    if not _FOREIGN.search(first + second):
        return first == second
    # What stands before the first of such letters, and after the last one, has to be the same as far as both have it.
    parts, other_parts = _FOREIGN.split(first), _FOREIGN.split(second)
    head, other_head, tail, other_tail = parts[0], other_parts[0], parts[-1], other_parts[-1]
    heads = head.startswith(other_head) or other_head.startswith(head)
    return heads and (tail.endswith(other_tail) or other_tail.endswith(tail))


def _folded(address: str) -> set[str]:
    low = address.casefold().strip()
    letters = unicodedata.normalize("NFKD", low)
    bare = "".join(each for each in letters if each.isprintable() and not unicodedata.combining(each))
    return {address.lower().rstrip(), low, bare}


def _by_mark(found: Sequence[MarkedRow]) -> AliasRows:
    own = [row for row, mark in found if mark != OTHERS]
    return AliasRows(own, [row for row, mark in found if mark == OTHERS], _incomplete(found))


def _by_list(found: Sequence[MarkedRow], listed: str | None) -> AliasRows:
    rows = [row for row, _ in found]
    if listed is None:
        return AliasRows([], rows)
    # Some databases take letters of either case for the same, and a row is written by what it holds.
    ours = [row for row in rows if same(row[1], listed)]
    if len(ours) == 1:
        return AliasRows(ours, [row for row in rows if not same(row[1], listed)], _incomplete(found))
    if len(rows) == 1:
        return AliasRows(rows, [], _incomplete(found))
    return AliasRows([], rows, doubled=len(ours) > 1)
