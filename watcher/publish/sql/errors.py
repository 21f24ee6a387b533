"""What can go wrong with a database, and the sentence for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType

from schemas.errors import ExpectedError
from schemas.text import printable
from watcher.publish.sql import sentences


class Kind(Enum):
    """A kind of trouble; its value is the sentence."""

    UNREACHABLE = sentences.NOT_THERE
    NOT_WRITABLE = sentences.NO_WRITABLE
    PASSWORD = sentences.NOT_LET_IN
    PEER = sentences.NOT_THE_PEER
    NOT_ENCRYPTED = sentences.NOT_ENCRYPTED
    NO_DATABASE = sentences.NO_DATABASE
    NO_FILE = sentences.NO_FILE
    LOST = sentences.LOST
    TIMED_OUT = sentences.TIMED_OUT
    NO_TABLE = sentences.NO_TABLE
    NO_COLUMN = sentences.NO_COLUMN
    NO_PRIVILEGE = sentences.NO_PRIVILEGE
    READ_ONLY = sentences.READ_ONLY
    NO_DEFAULT = sentences.NO_DEFAULT
    BAD_VALUE = sentences.BAD_VALUE
    NOT_UNIQUE = sentences.NOT_UNIQUE
    REFERENCE = sentences.REFERENCE
    BUSY = sentences.BUSY
    REFUSED = sentences.REFUSED
    UNFORESEEN = sentences.UNFORESEEN
    RESTLESS = sentences.RESTLESS
    NO_LIST = sentences.NO_LIST

    @property
    def of_the_moment(self) -> bool:
        """Whether a second try, from a new look on, may work at once."""
        return self in _OF_THE_MOMENT


_OF_THE_MOMENT = frozenset({Kind.NOT_UNIQUE, Kind.BUSY, Kind.RESTLESS})


class DatabaseError(ExpectedError):
    """The database stands in the way; the message says of what, and the next step."""

    def __init__(self, kind: Kind, fields: Mapping[str, object] = MappingProxyType({})) -> None:
        super().__init__(kind.value.format_map(fields))
        self.kind = kind


class LibraryMissingError(ExpectedError):
    """A library that leads to the database is not installed."""


def library_message(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """What a library said, as the end of a sentence on one line, escaped, and without any of *secrets*."""
    # PostgreSQL's errors repeat the statement, and MariaDB's have a number first.
    message = [getattr(getattr(error, "diag", None), "message_primary", None), *error.args[1:2], str(error)]
    text = next(each for each in message if isinstance(each, str))
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "***")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable("; ".join(lines), 500).rstrip(".?") or type(error).__name__
