"""What must hold for any bytes at all, one function for each thing that reads them.

A target gives whether the bytes were taken, and raises for whatever nobody foresaw. The tests and the coverage-guided
run call the same ones.
"""

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from cli.output import format_message, safe_text, table
from cli.server.status import RegistrySnapshot
from schemas.addresses import ADDRESS_BYTES, DESTINATION_ROW, DestinationRefusedError, check_destination
from schemas.audit_line import parse_line, to_line, to_plain
from schemas.config import parse_config
from schemas.decision import FailedDecision, parse_decision
from schemas.errors import ConfigError, RegistryError
from schemas.json_records import NotJsonError, ShapeError, parse_object, parse_record, to_json, to_record
from schemas.queue_file import parse_queue_file
from schemas.registry import Draft, Registry, parse_registry
from schemas.request import RequestRecord, parse_request_id
from schemas.sql_block import Database
from schemas.status import Status, is_running
from schemas.text import printable, sentence
from watcher.publish.sql.map_file import Secret, SqlMapError, SqlType, parse_sql_map
from watcher.publish.sql.query import NotPlainError, Query, parse_query
from watcher.publish.sql.target import target_of

DOMAIN = "runv.club"
PLACE = "/var/lib/runv/email-aliases.json"

LINE_LIMIT = 8000
"""Characters of one line of a message: a few texts of 200 characters, each written as an escape of ten."""
LINES_LIMIT = 50

_ENTRY = {"alias": f"pablo@{DOMAIN}", "destination": "new@example.org", "status": "active", "updated_at": "now"}
_KNOWN = b'{"ana": {"alias": "ana@runv.club", "status": "revoked"}, "pablo": %b}' % json.dumps(_ENTRY).encode()

_KINDS: tuple[SqlType, ...] = ("mysql", "pgsql", "sqlite")

Target = Callable[[bytes], bool]
Found = TypeVar("Found")


def _told(refusal: Exception, lines: int = 1) -> bool:
    """A refusal is for people: single lines that can be shown as they are, and an end to them."""
    message = str(refusal).split("\n")
    assert len(message) <= lines
    for line in message:
        assert line, "a refusal says something"
        assert line.isprintable(), ascii(line)
        assert len(line) <= LINE_LIMIT
    return False


def _comes_back(data: bytes, parse: Callable[[bytes], Found]) -> Found | None:
    try:
        found = parse(data)
    except (NotJsonError, ShapeError) as refusal:
        _told(refusal)
        return None
    assert parse(to_json(found)) == found
    return found


def document(data: bytes) -> bool:
    """JSON of no particular kind means what Python's own reader takes it for."""
    found = _comes_back(data, parse_object)
    assert found is None or found == json.loads(data)
    return found is not None


def queue_file(data: bytes) -> bool:
    """What a member drops."""
    return _comes_back(data, parse_queue_file) is not None


def decision(data: bytes) -> bool:
    """A marker."""
    return _comes_back(data, parse_decision) is not None


def failed_decision(data: bytes) -> bool:
    """A marker that could not be applied, as `approve` and its kin read it."""
    return _comes_back(data, lambda each: parse_record(each, FailedDecision)) is not None


def request_record(data: bytes) -> bool:
    """The record of a request, and the id in it."""
    found = _comes_back(data, lambda each: parse_record(each, RequestRecord))
    if found is None:
        return False
    identifier = parse_request_id(found.request_id)
    assert identifier is None or str(identifier) == found.request_id
    return True


def status(data: bytes) -> bool:
    """The status file, and whether its watcher is alive."""
    found = _comes_back(data, lambda each: parse_record(each, Status))
    assert is_running(found) in {True, False}
    return found is not None


def audit_line(data: bytes) -> bool:
    """A line of the audit log; written again it is one line of ASCII, which can be read."""
    try:
        found = parse_line(data)
    except (NotJsonError, ShapeError) as refusal:
        return _told(refusal)
    written = to_line(found)
    assert written.isascii()
    assert written.count(b"\n") == 1
    again = parse_line(written)
    short = {name: value for name, value in to_plain(found).items() if not isinstance(value, str) or len(value) < 400}
    assert to_plain(again).items() >= short.items()
    return True


def config(data: bytes) -> bool:
    """The configuration; everything that is wrong with it is told at once."""
    try:
        found = parse_config(data, "/etc/runv-member-mail.json")
    except ConfigError as refusal:
        return _told(refusal, LINES_LIMIT)
    assert parse_config(to_json(found), "again") == found
    assert found.mode & ~0o644 == 0
    assert found.map_type
    return True


def registry(data: bytes) -> bool:
    """The registry: read whole, read after an earlier state, read for one account; changed, and nothing else lost."""
    snapshot = RegistrySnapshot(data=data, domain=DOMAIN, path=PLACE)
    known = parse_registry(_KNOWN, DOMAIN, PLACE)
    try:
        found = parse_registry(data, DOMAIN, PLACE)
    except RegistryError as refusal:
        _refused_as_well(lambda: parse_registry(data, DOMAIN, PLACE, known))
        _foreseen(lambda: snapshot.entry("pablo"))
        return _told(refusal)
    _same(parse_registry(data, DOMAIN, PLACE, known), found)
    for key, entry in found.entries.items():
        assert snapshot.entry(key) == entry
    for alias, destination in found.rows().items():
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*@runv\.club", alias)
        assert re.fullmatch(DESTINATION_ROW, destination)
        assert len(destination) <= ADDRESS_BYTES
    _changed(found)
    return True


def _refused_as_well(parse: Callable[[], object]) -> None:
    try:
        parse()
    except RegistryError as refusal:
        _told(refusal)
    else:
        raise AssertionError("it is refused alone, and taken where an earlier state is known")


def _foreseen(parse: Callable[[], object]) -> None:
    try:
        parse()
    except RegistryError as refusal:
        _told(refusal)


def _changed(before: Registry) -> None:
    draft = Draft(before, PLACE)
    try:
        draft.set("pablo", _ENTRY)
    except RegistryError as refusal:
        _told(refusal)
        return
    after = draft.finish()
    _same(parse_registry(after.data, DOMAIN, PLACE), after)
    _same(parse_registry(after.data, DOMAIN, PLACE, before), after)
    for key in before.raws.keys() - {"pablo"}:
        assert bytes(after.raws[key]) == bytes(before.raws[key])
    old, new = json.loads(before.data), json.loads(after.data)
    new_keys = [] if "pablo" in old else ["pablo"]
    assert list(new) == [*old, *new_keys]
    was = old.get("pablo", {})
    assert new["pablo"] == was | _ENTRY
    assert list(new["pablo"])[: len(was)] == list(was)


def _same(one: Registry, other: Registry) -> None:
    assert list(one.entries) == list(other.entries)
    assert dict(one.entries) == dict(other.entries)
    assert one.rows() == other.rows()
    assert one.quotes == other.quotes
    assert one.sha256 == other.sha256


def destination(data: bytes) -> bool:
    """An address: refused, or exactly one plain address that mail can be sent to."""
    text = os.fsdecode(data)
    try:
        address = check_destination(text, DOMAIN)
    except DestinationRefusedError as refusal:
        return _told(refusal)
    assert re.fullmatch(DESTINATION_ROW, address)
    assert len(address) <= ADDRESS_BYTES
    assert not set(address) & set('\t\n\r ,;:<>()[]"\\!%')
    local, _, domain = address.rpartition("@")
    assert local == text.rpartition("@")[0]
    assert not f".{domain}".endswith(f".{DOMAIN}")
    assert check_destination(address, DOMAIN) == address
    return True


def sql_map(data: bytes) -> bool:
    """A map's file, of each kind: the password stands in nothing that is shown of it."""
    return True in [_map_of(data, kind) for kind in _KINDS]


def _map_of(data: bytes, kind: SqlType) -> bool:
    try:
        found = parse_sql_map(data, "/etc/postfix/aliases.cf", kind)
    except SqlMapError as refusal:
        return _told(refusal)
    assert repr(found) == repr(replace(found, password=found.password and Secret("another")))
    for host in found.hosts:
        assert host.text.isprintable()
        assert repr(host) == repr(replace(host, uri=host.uri and Secret("another")))
    try:
        target = target_of(Database(), found)
    except SqlMapError as refusal:
        _told(refusal)
    else:
        named = {"table": target.table, "address_column": target.address_column, "goto_column": target.goto_column}
        given = to_record({**named, "constants": target.constants}, Database)
        assert target_of(given, found).constants == target.constants
    return True


def sql_query(data: bytes) -> bool:
    """A map's query, of each kind; a row made by what was read of it is found by SQLite, where that can run it."""
    text = os.fsdecode(data)
    return True in [_query_of(text, kind) for kind in _KINDS]


def _query_of(text: str, kind: SqlType) -> bool:
    try:
        found = parse_query(text, kind)
    except NotPlainError as refusal:
        return _told(refusal)
    named = {"table": found.table, "address_column": found.address_column, "goto_column": found.goto_column}
    to_record({**named, "constants": found.constants}, Database)
    if kind == "sqlite" and found.schema is None and set(found.parts.values()) <= {"%d", "%u"}:
        _found_by_sqlite(text, found)
    return True


def _found_by_sqlite(text: str, query: Query) -> None:
    parts = {"%s": f"pablo@{DOMAIN}", "%u": "pablo", "%d": DOMAIN}
    row = {query.address_column: parts["%s"], query.goto_column: "p@example.org", **query.constants}
    row |= {column: parts[pattern] for column, pattern in query.parts.items()}
    asked = re.sub("%.", lambda part: parts.get(part.group().lower(), "%"), text)
    columns = ", ".join(f'"{name}"' for name in row)
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute(f'CREATE TABLE "{query.table}" ({columns})')
            cursor = database.execute(asked)
        except sqlite3.Error:
            # A name of SQLite's own, or a word that it wants in quotes: Postfix could not ask this either.
            return
        assert cursor.fetchall() == []
        database.execute(f'INSERT INTO "{query.table}" VALUES ({", ".join("?" * len(row))})', list(row.values()))
        assert database.execute(asked).fetchall() == [("p@example.org",)]


def shown(data: bytes) -> bool:
    """Text from anywhere on its way to a person: one line, and nothing that a terminal could act on."""
    text = os.fsdecode(data)
    found = [printable(data), printable(text, 20), sentence(text), safe_text(text), format_message("{what}", what=text)]
    found += table(("WHAT",), [[text]])
    assert all(line.isprintable() for line in found)
    written = to_json({"text": text}).decode("utf-8")
    assert written.replace("\n", "").isprintable()
    assert parse_object(written.encode())["text"] == text.encode("utf-8", "backslashreplace").decode()
    return True


TARGETS: Mapping[str, Target] = {
    "audit-line": audit_line,
    "config": config,
    "decision": decision,
    "destination": destination,
    "document": document,
    "failed-decision": failed_decision,
    "queue-file": queue_file,
    "registry": registry,
    "request-record": request_record,
    "shown": shown,
    "sql-map": sql_map,
    "sql-query": sql_query,
    "status": status,
}
"""Every target by the name of its folder in `corpus/`."""
