"""The registry of aliases: the "active JSON" that the map is made from.

It belongs to the administrator as much as to us: entries, fields, their order and every value that we did not change
come back byte for byte. Only the keys' notation and the white space between entries are ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.addresses import ADDRESS_BYTES, DESTINATION_ROW
from schemas.errors import RegistryError
from schemas.json_records import NotJsonError, ShapeError, parse_object, sha256
from schemas.request import Timestamp
from schemas.text import printable

SIZE_LIMIT = 256 * 1024 * 1024
ACTIVE = "active"

_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?")
_DESTINATION = re.compile(DESTINATION_ROW)


class Entry(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """One alias, as far as we read it. Only `status: active` is published; other statuses stay as history."""

    alias: Annotated[str, Meta(description="`key@domain`.", examples=["pablo@runv.club"])]
    status: Annotated[str, Meta(examples=["active", "cancelled", "revoked", "orphaned"])]
    username: Annotated[str, Meta(description="If given, the entry's key.")] | None = None
    destination: Annotated[str, Meta(examples=["p@example.org"])] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    approved_by: str | None = None
    uid: Annotated[int, Meta(ge=0, description="The account that the approval was for.")] | None = None
    updated_by: (
        Annotated[
            str,
            Meta(
                description="The decision or cancel that last changed the entry; `orphan-` and more where the watcher "
                "switched it off."
            ),
        ]
        | None
    ) = None
    reason: str | None = None

    @property
    def active(self) -> bool:
        """Whether it is published."""
        return self.status == ACTIVE


RegistryFile = dict[str, Entry]
"""The whole file: entries by username."""

_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENTRY = msgspec.json.Decoder(Entry)


@dataclass(frozen=True)
class Registry:
    """One state of the registry file, never changed in place.

    Attributes:
        domain: the alias domain it was checked against.
        data: the file's bytes.
        entries: the entries, typed, in the file's order.
        raws: the same entries as the bytes that stand in the file.
        quotes: how many quotation marks the file must have if no key stands twice.
        table: what `rows` gives, where it is known already.
        version: of this state alone.
        base: the version of the state that it was made from.
        touched: the aliases whose entries are not the same in that one.
    """

    domain: str
    data: bytes = field(repr=False)
    entries: Mapping[str, Entry]
    raws: Mapping[str, msgspec.Raw] = field(repr=False)
    quotes: int
    table: Mapping[str, str] | None = field(default=None, repr=False)
    version: object = field(default_factory=object, repr=False, compare=False)
    base: object = field(default=None, repr=False, compare=False)
    touched: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file's bytes, in hexadecimal."""
        return sha256(self.data)

    def rows(self) -> Mapping[str, str]:
        """What the map should hold: alias in lower case -> destination, its domain in lower case; in no order."""
        return self._rows if self.table is None else self.table

    def touched_since(self, version: object) -> frozenset[str] | None:
        """The aliases whose rows may be others than in the state of *version*; `None` where that is not known.

        It is known of the state that this one was made from, so that one change among very many is not looked for.
        """
        if version is self.version:
            return frozenset()
        return self.touched if version is self.base and version is not None else None

    @cached_property
    def _rows(self) -> Mapping[str, str]:
        return _rows_after(None, self.entries, self.entries)


class Draft:
    """A registry in the making: changes are laid over *base* one by one, and the file's bytes made once at the end.

    Args:
        base: the state to start from, which stays as it is.
        path: how messages call the file.
    """

    def __init__(self, base: Registry, path: str) -> None:
        self._base = base
        self._path = path
        self._raws: dict[str, msgspec.Raw] = {}
        self._entries: dict[str, Entry] = {}

    @property
    def changed(self) -> bool:
        """Whether anything was set."""
        return bool(self._raws)

    def get(self, key: str) -> Entry | None:
        """The entry *key* as the changes so far leave it."""
        return self._entries.get(key) or self._base.entries.get(key)

    def set(self, key: str, fields: Mapping[str, object]) -> None:
        """Set *fields* of the entry *key*; one set to `None` is removed, and those not named stay as they are.

        Raises:
            RegistryError: the entry would break the schema; nothing was set.
        """
        raw = _changed_entry(self._raws.get(key) or self._base.raws.get(key), fields)
        entry = _typed(key, raw, self._path)
        _check_entry(key, entry, self._base.domain, self._path)
        self._raws[key] = raw
        self._entries[key] = entry

    def finish(self) -> Registry:
        """The state after all changes. New entries come last; changed ones keep their place."""
        base = self._base
        quotes = base.quotes + sum(_quotes(raw) for raw in self._raws.values())
        quotes -= sum(_quotes(base.raws[key]) for key in self._raws if key in base.raws)
        raws = {**base.raws, **self._raws}
        data = _file(raws)
        entries = {**base.entries, **self._entries}
        return Registry(
            domain=base.domain,
            data=data,
            entries=entries,
            raws=raws,
            quotes=quotes,
            table=_rows_after(base, entries, self._entries),
            base=base.version,
            touched=_aliases(self._entries, base.entries, entries),
        )


def _file(raws: Mapping[str, msgspec.Raw]) -> bytes:
    if not raws:
        return b"{}\n"
    pieces: list[bytes | msgspec.Raw] = []
    for key, raw in raws.items():
        pieces += (b",\n  ", msgspec.json.encode(key), b": ", raw)
    pieces[0] = b"{\n  "
    pieces.append(b"\n}\n")
    return b"".join(pieces)


def parse_registry(data: bytes, domain: str, path: str, known: Registry | None = None) -> Registry:
    """Parse the registry's bytes and hold every entry against the schema.

    Args:
        data: the file's contents.
        domain: the alias domain.
        path: how messages call the file.
        known: an earlier state; entries that are the same in it are not examined again.

    Raises:
        RegistryError: which entry is wrong, what was expected, what was found, and what to do.
    """
    try:
        raws = _RAWS.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _broken(path, f"It was expected to be a JSON object of aliases. {printable(str(error))}.") from None
    base = known.version if known and known.domain == domain else None
    if not known or base is None:
        known = Registry(domain=domain, data=b"", entries={}, raws={}, quotes=0)
    entries: dict[str, Entry] = {}
    fresh: list[str] = []
    known_raw = known.raws.get
    for key, raw in raws.items():
        if known_raw(key) == raw:
            entries[key] = known.entries[key]
        else:
            entries[key] = _typed(key, raw, path)
            fresh.append(key)
    gone = [key for key in fresh if key in known.raws]
    if len(known.raws) > len(raws) - len(fresh) + len(gone):
        gone += known.raws.keys() - raws.keys()
    quotes = known.quotes + sum(_quotes(raws[key]) for key in fresh)
    quotes -= sum(_quotes(known.raws[key]) for key in gone)
    _refuse_repeats(data, raws, fresh, quotes, path)
    for key in fresh:
        _check_entry(key, entries[key], domain, path)
    touched = [*gone, *fresh]
    return Registry(
        domain=domain,
        data=data,
        entries=entries,
        raws=raws,
        quotes=quotes,
        table=_rows_after(known, entries, touched),
        base=base,
        touched=_aliases(touched, known.entries, entries) if base else frozenset(),
    )


def _broken(path: str, error: str) -> RegistryError:
    return RegistryError(
        f"The registry {path} cannot be used. {error} Mend the file; until then the published map stays as it is and "
        "decisions wait."
    )


def _typed(key: str, raw: msgspec.Raw, path: str) -> Entry:
    try:
        return _ENTRY.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _broken(path, f"The entry `{printable(key)}` breaks the schema: {printable(str(error))}.") from None


def _quotes(raw: msgspec.Raw) -> int:
    # A quotation mark inside a key is not counted here, which merely costs the slow look below.
    return 2 + bytes(raw).count(b'"')


def _refuse_repeats(data: bytes, raws: Mapping[str, msgspec.Raw], fresh: list[str], quotes: int, path: str) -> None:
    # Of a key that stands twice the last wins silently in every JSON reader. Quotation marks stand in keys and values
    # only, so more of them than the entries found account for betray a second one, without parsing it all again.
    try:
        if quotes != data.count(b'"'):
            parse_object(data)
    except (NotJsonError, ShapeError) as error:
        raise _broken(path, str(error)) from None
    for key in fresh:
        try:
            parse_object(bytes(raws[key]))
        except (NotJsonError, ShapeError) as error:
            raise _broken(path, f"In the entry `{printable(key)}`: {error}") from None


def _check_entry(key: str, entry: Entry, domain: str, path: str) -> None:
    if entry.username is not None and entry.username != key:
        raise _broken(
            path, f"The entry `{printable(key)}` has the username `{printable(entry.username)}`; its key was expected."
        )
    if not entry.active:
        return
    # Keys are unique and in lower case, so this also keeps two active entries from sharing one alias.
    if not _LOCAL_PART.fullmatch(key) or entry.alias.lower() != f"{key}@{domain}":
        raise _broken(
            path,
            f"The entry `{printable(key)}` has the alias `{printable(entry.alias)}`; "
            f"`{printable(key)}@{domain}` was expected.",
        )
    destination = entry.destination
    if destination is None or len(destination) > ADDRESS_BYTES or not _DESTINATION.fullmatch(destination):
        raise _broken(
            path,
            f"The entry `{printable(key)}` has the destination `{printable(str(destination))}`; one plain address was "
            "expected.",
        )


def _rows_after(known: Registry | None, entries: Mapping[str, Entry], touched: Iterable[str]) -> dict[str, str]:
    # An active entry's alias is its key at the domain, so no two entries can mean the same row.
    rows = dict(known.rows()) if known else {}
    for key in touched:
        before, after = known.entries.get(key) if known else None, entries.get(key)
        if before is not None and before.active:
            rows.pop(before.alias.lower(), None)
        if after is not None and after.active and after.destination is not None:
            rows[after.alias.lower()] = _row_destination(after.destination)
    return rows


def _aliases(keys: Iterable[str], *states: Mapping[str, Entry]) -> frozenset[str]:
    found = (state.get(key) for key in keys for state in states)
    return frozenset(entry.alias.lower() for entry in found if entry is not None)


def _row_destination(destination: str) -> str:
    local, _, domain = destination.rpartition("@")
    return f"{local}@{domain.lower()}"


def _changed_entry(raw: msgspec.Raw | None, fields: Mapping[str, object]) -> msgspec.Raw:
    values = dict(_RAWS.decode(raw)) if raw is not None else {}
    for name, value in fields.items():
        if value is None:
            values.pop(name, None)
        else:
            values[name] = msgspec.Raw(msgspec.json.encode(value))
    lines = [b"    %b: %b" % (json.dumps(name).encode(), bytes(value)) for name, value in values.items()]
    return msgspec.Raw(b"{\n" + b",\n".join(lines) + b"\n  }")
