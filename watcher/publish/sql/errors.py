"""The kinds of database errors, each with the sentence that says what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType

from schemas.errors import ExpectedError
from schemas.text import N_, printable


class Kind(Enum):
    """A kind of error of a database; its value is the sentence, with the placeholders of `Remedies.fields`."""

    UNREACHABLE = N_(
        "The database {host} of {path} cannot be reached: {error}. See that its server runs and listens there; it is "
        "tried again by itself."
    )
    NOT_WRITABLE = N_(
        "None of the database hosts of {path} can be written to: {error}. Name the one that can in `hosts`, or wait "
        "until one is; it is tried again by itself."
    )
    PASSWORD = N_(
        "The database {host} does not let {user} in: {error}. Mend `user` and `password` in {path}, or the account; "
        "the file is watched, so it is tried again at once."
    )
    PEER = N_(
        "The database {host} does not let {user} in: {error}. By its socket it lets in only the account of the same "
        "name. Give `hosts = 127.0.0.1` in {path}, or let {user} in by its password in pg_hba.conf; it is tried again "
        "by itself."
    )
    NOT_ENCRYPTED = N_(
        "The connection to the database {host} of {path} cannot be encrypted as that file asks: {error}. See what "
        "certificate the server has and whose signature is on it, then mend `sslmode` and `sslrootcert` of "
        "PostgreSQL's connection string, or the lines `tls_...` of MariaDB; it is tried again by itself."
    )
    NO_DATABASE = N_("The server {host} has no database {database}: {error}. Mend `dbname` in {path}, or make it.")
    NO_FILE = N_("The database file {database} of {path} cannot be opened: {error}. Make it, or mend `dbpath`.")
    LOST = N_("The connection to the database {host} of {path} was lost: {error}. It is tried again by itself.")
    TIMED_OUT = N_(
        "The database {host} of {path} did not answer within {seconds:.3g} seconds. Look whether it hangs, or whether "
        "somebody's transaction holds a lock on the table {table}; it is tried again by itself."
    )
    NO_TABLE = N_(
        "The table {table} is not in the database {database} of {path}: {error}. Mend `table` in the configuration, or "
        "make it: {making}"
    )
    NO_COLUMN = N_(
        "The table {table} in the database {database} of {path} lacks a column: {error}. Mend `address_column`, "
        "`goto_column`, `managed_column` and `constants` in the configuration; without `managed_column`, a table of "
        "ours lists the rows."
    )
    NO_PRIVILEGE = N_(
        "The database {host} does not permit {user} to keep the table {table}: {error}. Have an administrator of the "
        "database run: {statement}"
    )
    READ_ONLY = N_(
        "The database {host} of {path} is read-only at the moment: {error}. Name the host that can be written to in "
        "`write_map_file`, or wait until this one can; it is tried again by itself."
    )
    NO_DEFAULT = N_(
        "The table {table} wants a value for a column that has no default: {error}. Give it one in `constants` of the "
        "configuration."
    )
    BAD_VALUE = N_(
        "The table {table} does not take a value: {error}. Make the column wide enough, or mend `constants` and "
        "`managed_value` in the configuration.{longest}"
    )
    NOT_UNIQUE = N_(
        "The table {table} does not take a row, since another one holds what has to be unique in it: {error}. Look at "
        "its unique keys and at `constants` in the configuration."
    )
    REFERENCE = N_(
        "The table {table} does not take a change, since its rows refer to another table, or that to them: {error}. "
        "Mend `constants` in the configuration, or make the row that is referred to; where a row of ours is to go, "
        "remove what refers to it."
    )
    BUSY = N_(
        "Other transactions on the table {table} at {host} came in the way: {error}. It is tried again by itself."
    )
    REFUSED = N_(
        "The database {host} of {path} refused to keep the table {table} in line: {error}. Mend what it complains of."
    )
    UNFORESEEN = N_(
        "The database {host} of {path} said what its library does not understand: {error}. See that nothing but a "
        "database listens there, and what its own log says; it is tried again by itself."
    )
    CONCURRENT_CHANGE = N_(
        "The rows of the table {table} were changed by somebody else while they were being brought into line. It is "
        "tried again by itself."
    )
    NO_OWNERSHIP_TABLE = N_(
        "The table {table} has no column that marks the rows of ours, so a table of ours has to list them, and {user} "
        "may not make or use it: {error}. Have an administrator of the database {database} run: {ownership} "
        "{statement} Or name a column in `managed_column`."
    )

    @property
    def is_transient(self) -> bool:
        """Whether a second try, which reads the rows anew, may work at once."""
        return self in {Kind.NOT_UNIQUE, Kind.BUSY, Kind.CONCURRENT_CHANGE}


class DatabaseError(ExpectedError):
    """The database could not be read or written; the message says why, and the next step."""

    def __init__(self, kind: Kind, fields: Mapping[str, object] = MappingProxyType({})) -> None:
        super().__init__(kind.value.format_map(fields))
        self.kind = kind


class LibraryMissingError(ExpectedError):
    """The Python *library* that leads to the database of the map *path* is not installed; Debian's *package* has it."""

    def __init__(self, library: str, package: str, path: str) -> None:
        super().__init__(
            N_(
                "The library {library}, which leads to the database of {path}, is not installed. Install it: `apt "
                "install {package}`; it is tried again by itself."
            ).format(library=library, package=package, path=path)
        )


def library_message(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """What a library said, as the end of a sentence on one line, escaped, and without any of *secrets*."""
    # PostgreSQL's errors repeat the statement, and MariaDB's have a number first.
    candidates = [getattr(getattr(error, "diag", None), "message_primary", None), *error.args[1:2], str(error)]
    text = next(each for each in candidates if isinstance(each, str))
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "***")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable("; ".join(lines), 500).rstrip(".?") or type(error).__name__
