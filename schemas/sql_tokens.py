"""The words, names, strings and numbers of a query in a map: see mysql_table(5), pgsql_table(5) and sqlite_table(5)."""

from __future__ import annotations

import re
from typing import NamedTuple

from schemas.database import Value

_NAME_LIMIT = 64


class NotPlainError(ValueError):
    """The query is more than can be read; the message is the rest of a sentence that begins with `the query`."""


class Token(NamedTuple):
    """A piece of a query.

    Attributes:
        kind: `word` (a keyword, or a name without quotes), `name`, `string`, `number`, `sign` or `end`.
        text: it, without its quotes.
    """

    kind: str
    text: str

    def is_word(self, *words: str) -> bool:
        """Whether it is one of *words*, in any case."""
        return self.kind == "word" and self.text.lower() in words


class Literal(NamedTuple):
    """A value that the query gives."""

    value: Value


class Pattern(NamedTuple):
    """A string that Postfix puts the key, or a part of it, into."""

    text: str


_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\n\v\f]+)
    | (?P<single>'(?:[^'\\]|'')*+')
    | (?P<double>"(?:[^"\\]|"")*+")
    | (?P<back>`(?:[^`]|``)*+`)
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?![\w.]))
    | (?P<word>[^\W\d][\w$]*+)
    | (?P<sign>[=(),.;])
    """,
    re.VERBOSE,
)
_EXPANSION = re.compile(r"%(.?)", re.DOTALL)


def tokens(text: str, kind: str) -> list[Token]:
    """Take the query *text* of a map of type *kind* apart; the types differ in their quotes.

    Raises:
        NotPlainError: it has something that no plain query has.
    """
    found: list[Token] = []
    path = 0
    while path < len(text):
        match = _TOKEN.match(text, path)
        if match is None:
            raise NotPlainError("holds signs that are not understood")
        path = match.end()
        sort, written = match.lastgroup or "", match.group()
        if sort in {"single", "double", "back"}:
            found.append(_quoted(written, sort, kind))
        elif sort == "word" and not (written.isascii() and len(written) <= _NAME_LIMIT):
            raise NotPlainError("has a name that is not understood")
        elif sort != "blank":
            found.append(Token(sort, written))
    return found


def _quoted(written: str, sort: str, kind: str) -> Token:
    inner = written[1:-1].replace(written[0] * 2, written[0])
    # MariaDB takes double quotes for a string, and so does SQLite where no column has that name.
    is_string = sort == "single" or (sort == "double" and (kind == "mysql" or (kind == "sqlite" and "%" in inner)))
    if is_string and not inner.isprintable():
        raise NotPlainError("has a string that is not understood")
    if is_string:
        return Token("string", inner)
    if not 0 < len(inner) <= _NAME_LIMIT or set(inner) & set('%"`.') or not inner.isprintable():
        raise NotPlainError("has a quoted name that is not understood")
    return Token("name", inner)


def number(digits: str) -> Literal:
    """What *digits* are.

    Raises:
        NotPlainError: more than a column holds.
    """
    found = float(digits) if "." in digits else int(digits) if len(digits) < 20 else 2**63
    if abs(found) >= 2**63:
        raise NotPlainError("has a number that no column holds")
    return Literal(found)


def string(text: str) -> Literal | Pattern:
    """What the string *text* is once Postfix has put the key in.

    Raises:
        NotPlainError: a `%` in it that no letter follows.
    """
    expansions = _EXPANSION.findall(text)
    if all(each == "%" for each in expansions):
        return Literal(text.replace("%%", "%"))
    if "%" in expansions or "" in expansions:
        raise NotPlainError("has a condition that is not understood")
    return Pattern(text)
