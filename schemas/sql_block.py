"""The `sql` block of the configuration: where in a database the aliases belong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.text import printable

# In Python `$` also matches before a line end at the end, hence `(?!\n)`; JSON Schema knows no `\Z`.
AbsolutePath = Annotated[str, Meta(pattern="^/[^\\0\\n]*(?!\\n)$")]
Identifier = Annotated[str, Meta(pattern='^[^\\0-\\x1f\\x7f."`]{1,64}(?!\\n)$')]
TableName = Annotated[str, Meta(pattern='^(?:[^\\0-\\x1f\\x7f."`]{1,64}\\.)?[^\\0-\\x1f\\x7f."`]{1,64}(?!\\n)$')]
Text = Annotated[str, Meta(pattern="^[^\\0]*$")]
Value = Text | int | float | bool


EARLIER_VALUE = "runv-email-alias"
"""What stands in `managed_column` where no value is given, as earlier tools have it."""
_COLUMN = "the name of a column was expected, without quotes and dots"
_VALUE = "text, a number, true or false was expected"
_PATH = "a path from / was expected"
_EXPECTED = {
    "map_file": _PATH,
    "write_map_file": _PATH,
    "table": "the name of a table was expected, or `schema.table`, without quotes",
    "managed_value": _VALUE,
    "constants": "an object of columns, each with its value, was expected",
}


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `sql` block. What it leaves out is inferred from the query of the map file."""

    map_file: Annotated[
        AbsolutePath | None,
        Meta(description="Postfix's own file of the map: mysql_table(5), pgsql_table(5), sqlite_table(5)."),
    ] = None
    write_map_file: Annotated[
        AbsolutePath | None,
        Meta(description="A file of the same form for the connection that writes, where Postfix's user may only read."),
    ] = None
    table: Annotated[TableName | None, Meta(description="The table, or `schema.table`.")] = None
    address_column: Annotated[Identifier | None, Meta(description="The column of the aliases.")] = None
    goto_column: Annotated[Identifier | None, Meta(description="The column of the destinations.")] = None
    managed_column: Annotated[
        Identifier | None,
        Meta(description="The column that marks the rows of ours. Without one, a table of ours lists them."),
    ] = None
    managed_value: Annotated[Value | None, Meta(description="What stands in it in the rows of ours.")] = None
    constants: Annotated[
        dict[Identifier, Value],
        Meta(
            description="What else rows of ours hold, by column.",
            examples=[{"domain": "runv.club", "active": 1}],
        ),
    ] = msgspec.field(default_factory=dict)


def without_blanks(given: Mapping[str, object]) -> dict[str, object]:
    """The block *given* without the keys that are left blank in it, which count as not given.

    The example of earlier tools has `"table": ""` and the like, to be filled in or not, and a `managed_value` that
    counts for nothing where the column for it is blank. A blank one would take every row without a mark for ours.
    """
    known = Database.__struct_fields__
    kept = {key: value for key, value in given.items() if key not in known or (value is not None and value != "")}
    if "managed_column" in kept:
        kept.setdefault("managed_value", EARLIER_VALUE)
    elif "managed_column" in given:
        kept.pop("managed_value", None)
    return kept


def problem_of(path: str, key: str, value: object) -> str | None:
    """What is wrong with *value* of the known *key* of the block; *path* is how the sentence calls it."""
    types = {field.name: field.type for field in msgspec.structs.fields(Database)}
    if key == "constants" and isinstance(value, dict):
        for column, each in value.items():
            if not _fits(column, Identifier):
                return f"`{path}` has the key {printable(column)!r}; {_COLUMN}."
            if not _fits(each, Value):
                return f"`{path}.{printable(column)}` is {printable(str(each))!r}; {_VALUE}."
    if _fits(value, types[key]):
        return None
    return f"`{path}` is {printable(str(value))!r}; {_EXPECTED.get(key, _COLUMN)}."


def _fits(value: object, expected: object) -> bool:
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError:
        return False
    return True


def contradictions(database: Database) -> Iterator[str]:
    """What is wrong with *database* though each key of it is right by itself, in sentences without the file's name."""
    if (database.managed_column is None) != (database.managed_value is None):
        yield "`managed_column` and `managed_value` belong together; give both or neither."
    named = [database.address_column, database.goto_column, database.managed_column]
    used = [name for name in named if name is not None]
    if len(set(used)) != len(used):
        yield "`address_column`, `goto_column` and `managed_column` have to be different columns."
    for name in sorted(database.constants.keys() & set(used)):
        yield f"`constants` gives the column `{name}` a value, which another key names already."
