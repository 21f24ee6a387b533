"""`discover --map FILE`: what a map in a database points at, and the block of the configuration for it.

`--json` prints one object with the keys of `MapDescription`, always all of them.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from cli.messages import _
from cli.output import (
    NOTHING,
    SafeText,
    echo_error,
    echo_json,
    echo_lines,
    format_message,
    hanging_indent,
    safe_text,
    spaced,
    table,
    wrapped,
)
from cli.server.database import NamedMap
from cli.server.packages import missing_packages
from cli.server.paths import group_name, user_name
from cli.server.sql_block import as_written, is_needed, propose, with_target
from schemas.config import Config, Settings
from schemas.errors import ExpectedError
from schemas.program import ExitStatus
from schemas.sql_block import Database, Value
from watcher.publish.sql.map_file import SqlMap, SqlMapError, read_sql_map

if TYPE_CHECKING:
    from watcher.publish.sql.inspect import TableView

SECRET = ("pass", "pwd", "secret", "token", "crypt", "hash", "salt", "key", "otp", "auth", "private")
"""What columns with such a word in their name hold is not shown, nor their default."""
_CHARACTER_SET = re.compile(r" (?:CHARACTER SET|CHARSET|COLLATE) .*", re.DOTALL)
"""The rest of a text column's type, in which nothing is of use here."""
_VALUE_LIMIT = 60


class MapFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file of a map.

    Attributes:
        path: of the file.
        mode: as in `0640`.
        owner: the account's name, or its number where it has none.
        group: likewise.
        open_to_others: whether accounts that are neither can read it.
        hosts: where the database is.
        user: by which account of the database it is asked.
        database: its name, or sqlite's file.
        has_password: whether there is one. It is never shown.
        query: what Postfix asks.
    """

    path: str
    mode: str
    owner: str
    group: str
    open_to_others: bool
    hosts: list[str]
    user: str | None
    database: str | None
    has_password: bool
    query: str | None


class MapColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of its table.

    Attributes:
        name: its name.
        type: as the database calls it, without the character set of texts.
        nullable: whether it may be empty.
        default: what it holds where nothing is given; `None` where it has no default.
        needed: whether a new row has to say what stands there.
        refers_to: `table.column`, where it has to find a row.
    """

    name: str
    type: str
    nullable: bool
    default: str | None
    needed: bool
    refers_to: str | None


class MapDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; empty or `None` is what could not be.

    Attributes:
        map: as Postfix names it.
        file: what it says.
        table: the table, or `schema.table`.
        address_column: the column of the addresses.
        goto_column: the column of the destinations.
        constants: what new rows need besides, by column, as far as it can be told.
        columns: the table's.
        total: how many rows it has.
        rows: a few of them, by column.
        open: the columns for which new rows need a value that cannot be told.
        block: the keys of the configuration for it.
        trouble: why something could not be found, in whole sentences.
    """

    map: str
    file: MapFile | None = None
    table: str | None = None
    address_column: str | None = None
    goto_column: str | None = None
    constants: dict[str, Value] = {}
    columns: list[MapColumn] = []
    total: int | None = None
    rows: list[dict[str, str | None]] = []
    open: list[str] = []
    block: dict[str, object] | None = None
    trouble: str | None = None


def discover_map(named: NamedMap, settings: Settings, *, as_json: bool) -> int:
    """Show it; 1 where something could not be found."""
    found = describe_map(named, settings)
    if as_json:
        echo_json(msgspec.to_builtins(found))
    else:
        echo_lines(map_columns(found))
    if found.trouble is None:
        return ExitStatus.DONE
    if not as_json:
        echo_error(safe_text(found.trouble))
    return ExitStatus.FAILED


def describe_map(named: NamedMap, settings: Settings) -> MapDescription:
    """Look at the map *named*; it never fails, since what stands in the way is told of."""
    description = MapDescription(map=f"{named.kind}:{named.path}")
    try:
        sql_map = read_sql_map(named.path, named.kind)
        description = msgspec.structs.replace(description, file=_map_file(sql_map))
    except (SqlMapError, OSError) as error:
        return msgspec.structs.replace(description, trouble=str(error))
    name = "sql" if settings.config.mysql is None else "mysql"
    given = _given(settings.config, named.path)
    try:
        given = with_target(given, sql_map, settings.domain)
        description = _with_block(description, named, name, given)
        if packages := missing_packages(named.kind):
            trouble = format_message(
                _("The libraries for the database are not there, so it was not asked. Run: apt-get install {packages}"),
                packages=" ".join(packages),
            )
            return msgspec.structs.replace(description, trouble=trouble)
        proposal = propose(given, sql_map, settings.domain)
    except ExpectedError as error:
        return msgspec.structs.replace(description, trouble=str(error))
    shown = {given.address_column, given.goto_column}
    hidden = {column.name for column in proposal.table.columns if is_secret(column.name)} - shown
    return msgspec.structs.replace(
        _with_block(description, named, name, proposal.database),
        columns=_columns(proposal.table, hidden),
        total=proposal.table.count,
        rows=_shown_rows(proposal.table, hidden),
        open=[column.name for column in proposal.open],
    )


def _given(config: Config, path: str) -> Database:
    """What the configuration says of that very map, though the aliases may still be in files."""
    return config.database if config.database.map_file == path else Database(map_file=path)


def _map_file(sql_map: SqlMap) -> MapFile:
    status = os.stat(sql_map.path)
    secret = sql_map.password is not None or any(host.uri is not None for host in sql_map.hosts)
    return MapFile(
        path=sql_map.path,
        mode=f"{stat.S_IMODE(status.st_mode):04o}",
        owner=user_name(status.st_uid),
        group=group_name(status.st_gid),
        open_to_others=bool(status.st_mode & stat.S_IROTH),
        hosts=[host.text for host in sql_map.hosts],
        user=sql_map.user,
        database=sql_map.dbpath or sql_map.dbname,
        has_password=secret,
        query=sql_map.query,
    )


def _with_block(found: MapDescription, named: NamedMap, name: str, database: Database) -> MapDescription:
    return msgspec.structs.replace(
        found,
        table=database.table,
        address_column=database.address_column,
        goto_column=database.goto_column,
        constants=database.constants,
        # Under the name that the configuration has for it: it cannot stand there twice.
        block={"backend": f"postfix-{named.kind}", name: as_written(database)},
    )


def _columns(table: TableView, hidden: Container[str]) -> list[MapColumn]:
    return [
        MapColumn(
            name=column.name,
            type=_CHARACTER_SET.sub("", column.kind),
            nullable=column.nullable,
            default=column.default and (_("(not shown)") if column.name in hidden else column.default),
            needed=is_needed(column),
            refers_to=column.refers_to,
        )
        for column in table.columns
    ]


def _shown_rows(table: TableView, hidden: Container[str]) -> list[dict[str, str | None]]:
    names = [column.name for column in table.columns]
    return [
        {name: _("(not shown)") if name in hidden else value for name, value in zip(names, row, strict=True)}
        for row in table.rows
    ]


def is_secret(name: str) -> bool:
    """Whether a column called *name* may hold what only its owner should know."""
    return any(word in name.lower() for word in SECRET)


def map_columns(found: MapDescription) -> Iterator[str]:
    """Lay *state* out, but for its trouble."""
    return spaced([_file_lines(found), _table_lines(found), _row_lines(found), _open_lines(found), _block_lines(found)])


def _file_lines(found: MapDescription) -> Iterator[str]:
    rows: list[tuple[str, str]] = [(_("map"), found.map)]
    if found.file is not None:
        rows += _file_fields(found.file)
    yield _("MAP IN A DATABASE")
    yield from _fields(rows)
    if found.file is not None and found.file.open_to_others and found.file.has_password:
        message = format_message(
            _("Every account can read that file, and the password in it. Give it the mode 0640 and the group postfix.")
        )
        yield from wrapped(message, "  - ", "    ")


def _file_fields(file: MapFile) -> Iterator[tuple[str, str]]:
    yield _("file mode"), f"{file.mode} {file.owner}:{file.group}"
    if file.hosts:
        yield _("hosts"), " ".join(file.hosts)
    yield _("database"), file.database or NOTHING
    if file.user is not None or file.has_password:
        yield _("user"), file.user or NOTHING
        yield _("password"), _("given, and not shown") if file.has_password else _("none")
    yield _("query"), file.query or NOTHING


def _table_lines(found: MapDescription) -> Iterator[str]:
    if found.table is None:
        return
    yield _("TABLE")
    fields = [
        (_("table"), found.table),
        (_("addresses"), found.address_column or NOTHING),
        (_("destinations"), found.goto_column or NOTHING),
    ]
    if found.total is not None:
        fields.append((_("rows"), str(found.total)))
    yield from _fields(fields)
    if found.columns:
        yield ""
        yield from table(
            [_("COLUMN"), _("TYPE"), _("EMPTY"), _("DEFAULT"), _("REFERS TO")],
            (
                [
                    column.name,
                    column.type,
                    _("may be") if column.nullable else _("never"),
                    column.default if column.default is not None else NOTHING,
                    column.refers_to or NOTHING,
                ]
                for column in found.columns
            ),
        )


def _row_lines(found: MapDescription) -> Iterator[str]:
    if found.rows:
        names = list(found.rows[0])
        yield _("SOME ROWS")
        for row in found.rows:
            shown = "  ".join(f"{name}={_short(row[name])}" for name in names)
            yield from hanging_indent("  ", safe_text(shown))


def _short(value: str | None) -> str:
    if value is None:
        return _("(empty)")
    return value if len(value) <= _VALUE_LIMIT else f"{value[:_VALUE_LIMIT]}..."


def _open_lines(found: MapDescription) -> Iterator[str]:
    if found.open:
        names = ", ".join(found.open)
        yield from wrapped(
            format_message(
                _("New rows need a value in these columns too; give it in `constants`: {columns}."), columns=names
            )
        )


def _block_lines(found: MapDescription) -> Iterator[str]:
    if found.block is not None:
        yield _("FOR THE CONFIGURATION")
        # In ASCII, and every control character escaped: it is there to be pasted.
        yield from json.dumps(found.block, indent=2).splitlines()


def _fields(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    given = list(rows)
    room = max(len(name) for name, _text in given) + 2
    for name, value in given:
        yield from hanging_indent(SafeText(name.ljust(room)), safe_text(value))
