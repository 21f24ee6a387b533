"""MariaDB's option files, of which a map of Postfix may name one: `option_file` in mysql_table(5).

Their form is on the page "Configuring MariaDB with Option Files" of MariaDB's manual. The client library of the watcher
reads one group of them alone, and sends a password as Latin-1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from schemas.errors import error_text
from watcher.publish.sql.map_file import SqlMap, SqlMapError

_GROUPS = frozenset({"client", "client-server", "client-mariadb"})
"""The groups that every client of MariaDB's own library reads, besides the one that the map names."""
_GROUP = re.compile(r"\[([^]]*)\]")
_SECOND_NAME = re.compile("^tls_(ca|capath|cert|key|cipher|enforce)$")
_UNCHECKED = re.compile("(ssl|tls)_(fp|fp_?list|crl|crlpath)")
_ESCAPE = re.compile(r"""\\([btnrs"'\\])""")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "s": " "}


def options_of(sql_map: SqlMap) -> Mapping[str, str]:
    """The options for clients in the option file of *sql_map*, none without a file; names have underscores.

    An option of two names in the library, such as `tls_ca` and `ssl_ca`, comes under the one that begins with `ssl_`.

    Raises:
        SqlMapError: it cannot be read, or wants a check of the server that cannot be made here. The message
            repeats nothing of its contents, which may be a password.
    """
    path = sql_map.option_file
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            found = dict(_options(file, _GROUPS | {sql_map.option_group}))
    except _NotUnderstoodError as error:
        raise SqlMapError(
            f"The option file {path} that {sql_map.path} names is not understood in line {error}: groups of lines "
            "`name = value` were expected, and none that include other files. Mend it, or write what it says into the "
            "map file."
        ) from None
    except OSError as error:
        raise SqlMapError(
            f"The option file {path} that {sql_map.path} names cannot be read: {error_text(error)}. Mend "
            "`option_file`, or write what it says into the map file."
        ) from None
    for name in filter(_UNCHECKED.fullmatch, found):
        # Passed over, a server would be trusted that is not to be.
        raise SqlMapError(
            f"The option file {path} that {sql_map.path} names has a line `{name}`, and neither fingerprints nor "
            "lists of revoked certificates can be checked here. Name the authority in `ssl_ca`, give "
            "`ssl_verify_server_cert`, and take that line out."
        )
    return found


def host_of(options: Mapping[str, str]) -> str | None:
    """The host that *options* lead to where the map names none, or `localhost`; `None`: the socket."""
    host = options.get("host", "")
    return host if host.lower() not in {"", "localhost"} else None


class _NotUnderstoodError(Exception):
    pass


def _options(lines: Iterable[str], groups: Iterable[str | None]) -> Iterable[tuple[str, str]]:
    # In the order of the file, whichever group they are in: of several under one name the last counts.
    group = None
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line[0] in "#;":
            continue
        if (begun := _GROUP.match(line)) is not None:
            group = begun[1].rstrip()
        elif group is None or line[0] in "![":
            raise _NotUnderstoodError(number)
        elif group in groups:
            name, _, value = line.partition("=")
            yield _name(name), _value(value)


def _name(written: str) -> str:
    name = written.strip().lower().replace("-", "_")
    return "ssl_verify_server_cert" if name == "tls_verify_peer" else _SECOND_NAME.sub(r"ssl_\1", name)


def _value(written: str) -> str:
    value = written.strip()
    # As the library has it that Postfix uses; MariaDB's own programs take what follows a # for a comment besides.
    if value[:1] in {"'", '"'}:
        value = value[1:-1] if value[1:].endswith(("'", '"')) else value[1:]
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), value)
