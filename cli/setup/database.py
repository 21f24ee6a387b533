"""`setup --enable` for a map in a database: the block of the configuration is worked out, and the way to it tried."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from cli.database.block import as_written, propose
from cli.database.libraries import missing_packages
from cli.database.naming import NamedMap
from cli.database.reach import sql_type
from cli.output import format_message
from cli.published import read_published
from cli.setup import sentences
from cli.setup.walls import hidden
from schemas.config import Config
from schemas.database import Database
from schemas.errors import ExpectedError
from schemas.settings import Settings
from schemas.sql_map import read_sql_map


class NotReadyError(ExpectedError):
    """The database is not ready for aliases; the message says why, and the next step."""


class Prepared(NamedTuple):
    """How things will be.

    Attributes:
        settings: as they are then.
        keys: what has to be set in the configuration for that, by key.
    """

    settings: Settings
    keys: dict[str, Any]


def prepare(settings: Settings, named: NamedMap | None) -> Prepared:
    """Work out how the configuration has to be for the map *named*, or else for its own.

    The database is asked, and nothing in it is changed.

    Raises:
        ExpectedError: it cannot be used as it is.
    """
    config = settings.config
    if named is None and not config.in_database:
        return Prepared(settings, {})
    kind = named.kind if named else sql_type(config)
    path = named.path if named else config.map_path
    if packages := missing_packages(kind):
        raise NotReadyError(format_message(sentences.NO_LIBRARY, packages=" ".join(packages)))
    present = config.sql or config.mysql
    given = config.database if config.database.map_file == path else Database(map_file=path)
    found = propose(given, read_sql_map(path, kind), settings.domain)
    if found.open:
        names = ", ".join(f"`{column.name}`" for column in found.open)
        raise NotReadyError(
            format_message(
                sentences.COLUMNS_OPEN, table=found.database.table, columns=names, path=settings.path, map=path
            )
        )
    wanted = found.database
    keys: dict[str, Any] = {}
    if config.map_type != kind:
        keys["backend"] = f"postfix-{kind}"
    if wanted != present:
        keys["mysql" if config.mysql is not None else "sql"] = as_written(wanted)
    if config.mysql_map_file not in {None, path}:
        keys["mysql_map_file"] = path
    changed = msgspec.convert(msgspec.to_builtins(config) | keys, Config)
    ready = msgspec.structs.replace(settings, config=changed)
    if (unseen := hidden(ready.config)) is not None:
        raise NotReadyError(format_message(sentences.FILE_HIDDEN, path=unseen))
    # By the way on which rows will be written.
    read_published(ready, {})
    return Prepared(ready, keys)
