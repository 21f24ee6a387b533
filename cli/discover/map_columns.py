"""What a map in a database points at, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from cli.discover import sentences
from cli.discover.maps import MapFile, MapView
from cli.output import SafeText, format_message, hanging_indent, safe_text, spaced, table, wrapped
from cli.sentences import NOTHING

_VALUE_LIMIT = 60


def map_columns(view: MapView) -> Iterator[str]:
    """Lay *state* out, but for its trouble."""
    return spaced([_file(view), _table(view), _rows(view), _open(view), _block(view)])


def _file(view: MapView) -> Iterator[str]:
    rows: list[tuple[str, str]] = [(sentences.MAP, view.map)]
    if view.file is not None:
        rows += _told(view.file)
    yield sentences.MAP_HEADING
    yield from _fields(rows)
    if view.file is not None and view.file.open_to_others and view.file.has_password:
        yield from wrapped(format_message(sentences.MAP_FILE_OPEN), "  - ", "    ")


def _told(file: MapFile) -> Iterator[tuple[str, str]]:
    yield sentences.MAP_MODE, f"{file.mode} {file.owner}:{file.group}"
    if file.hosts:
        yield sentences.MAP_HOSTS, " ".join(file.hosts)
    yield sentences.MAP_DATABASE, file.database or NOTHING
    if file.user is not None or file.has_password:
        yield sentences.MAP_USER, file.user or NOTHING
        yield sentences.MAP_PASSWORD, sentences.PASSWORD_GIVEN if file.has_password else sentences.PASSWORD_NONE
    yield sentences.MAP_QUERY, file.query or NOTHING


def _table(view: MapView) -> Iterator[str]:
    if view.table is None:
        return
    yield sentences.TABLE_HEADING
    fields = [
        (sentences.TABLE, view.table),
        (sentences.ADDRESSES, view.address_column or NOTHING),
        (sentences.DESTINATIONS, view.goto_column or NOTHING),
    ]
    if view.total is not None:
        fields.append((sentences.TOTAL, str(view.total)))
    yield from _fields(fields)
    if view.columns:
        yield ""
        yield from table(
            sentences.COLUMN_HEADINGS,
            (
                [
                    column.name,
                    column.type,
                    sentences.MAY_BE_EMPTY if column.nullable else sentences.NEVER_EMPTY,
                    column.default if column.default is not None else NOTHING,
                    column.refers_to or NOTHING,
                ]
                for column in view.columns
            ),
        )


def _rows(view: MapView) -> Iterator[str]:
    if view.rows:
        names = list(view.rows[0])
        yield sentences.ROWS_HEADING
        for row in view.rows:
            shown = "  ".join(f"{name}={_short(row[name])}" for name in names)
            yield from hanging_indent("  ", safe_text(shown))


def _short(value: str | None) -> str:
    if value is None:
        return sentences.EMPTY
    return value if len(value) <= _VALUE_LIMIT else f"{value[:_VALUE_LIMIT]}..."


def _open(view: MapView) -> Iterator[str]:
    if view.open:
        names = ", ".join(view.open)
        yield from wrapped(format_message(sentences.OPEN_COLUMNS, columns=names))


def _block(view: MapView) -> Iterator[str]:
    if view.block is not None:
        yield sentences.BLOCK_HEADING
        # In ASCII, and every control character escaped: it is there to be pasted.
        yield from json.dumps(view.block, indent=2).splitlines()


def _fields(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    given = list(rows)
    room = max(len(name) for name, _ in given) + 2
    for name, value in given:
        yield from hanging_indent(SafeText(name.ljust(room)), safe_text(value))
