"""The query of a map in a database: which table, columns and constants a plain SELECT names.

Only what can be told for sure is told: one table, one column that is compared with the whole address, and conditions
that are all met by giving a column one value. Everything else is refused, since a wrong guess would publish rows that
Postfix never finds, or change somebody else's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.sql_block import Value

DEPTH_LIMIT = 20
"""How deep parentheses may be nested."""
_NAME_LIMIT = 64

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

_WHOLE_ADDRESS = frozenset({"%s", "%u@%d"})
_KEYWORDS = frozenset(
    {"all", "and", "as", "between", "by", "case", "cross", "distinct", "except", "exists", "fetch", "for", "from"}
    | {"full", "group", "having", "in", "inner", "intersect", "into", "is", "join", "lateral", "left", "like", "limit"}
    | {"natural", "not", "null", "offset", "on", "only", "or", "order", "outer", "right", "select", "straight_join"}
    | {"union", "using", "where", "window", "xor"}
)
_NOT_PLAIN = "is more than a plain SELECT of one column of one table, with conditions joined by AND"
_ODD_CONDITION = "has a condition that is not understood"
_TRUTHS = {"true": True, "false": False}
_LOWERING = frozenset({"lower", "lcase"})


class NotPlainError(ValueError):
    """The query is more than can be read; the message is the rest of a sentence that begins with `the query`."""


@dataclass(frozen=True)
class Query:
    """A plain SELECT.

    Attributes:
        table: the table, without quotes.
        schema: what stands before the dot.
        address_column: the column that is compared with the address.
        goto_column: the one that is answered.
        constants: the columns that have to hold one value, with it.
        parts: the columns that have to hold a part of the address, with its pattern (`%d`): no literal of the query.
    """

    table: str
    schema: str | None
    address_column: str
    goto_column: str
    constants: dict[str, Value]
    parts: dict[str, str]


def parse_query(text: str, kind: str) -> Query:
    """Read the query *text* of a map of type *kind*: `mysql`, `pgsql` or `sqlite`, which differ in their quotes.

    Raises:
        NotPlainError: it is not as plain as that; the message says in what.
    """
    return _Parser(tokens(text, kind), folds=kind == "pgsql").query()


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


def tokens(text: str, kind: str) -> list[Token]:
    """Take the query *text* of a map of type *kind* apart; the types differ in their quotes.

    Raises:
        NotPlainError: it has something that no plain query has.
    """
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotPlainError("holds signs that are not understood")
        position = match.end()
        group, written = match.lastgroup or "", match.group()
        if group in {"single", "double", "back"}:
            found.append(_quoted(written, group, kind))
        elif group == "word" and not (written.isascii() and len(written) <= _NAME_LIMIT):
            raise NotPlainError("has a name that is not understood")
        elif group != "blank":
            found.append(Token(group, written))
    return found


def _quoted(written: str, group: str, kind: str) -> Token:
    inner = written[1:-1].replace(written[0] * 2, written[0])
    # MariaDB takes double quotes for a string, and so does SQLite where no column has that name.
    is_string = group == "single" or (group == "double" and (kind == "mysql" or (kind == "sqlite" and "%" in inner)))
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


class _Column(NamedTuple):
    path: tuple[str, ...]
    lowered: bool = False


_Operand = _Column | Literal | Pattern


@dataclass
class _Parser:
    """A recursive descent over the tokens; each method takes what it is named after, from `position` on.

    Attributes:
        tokens: of the query.
        folds: whether names without quotes are in lower case, as in PostgreSQL.
        position: index of the next token.
        depth: how many parentheses are open.
        names: what a column of the table may be qualified with.
        address: the column that is compared with the whole address, once it was found.
        constants, parts: as in `Query`.
        spellings: name of a column, folded -> as the query spelt it first.
    """

    tokens: list[Token]
    folds: bool
    position: int = 0
    depth: int = 0
    names: frozenset[tuple[str, ...]] = frozenset()
    address: str | None = None
    constants: dict[str, Value] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)

    def query(self) -> Query:
        self._expect("select")
        answered = self._column()
        if self._word("as"):
            self._name()
        self._expect("from")
        path = self._path()
        if len(path) > 2:
            raise NotPlainError("names a table by more than a schema and a name")
        self._from(path)
        self._expect("where")
        self._conditions()
        if self._word("limit") and not re.fullmatch("[1-9][0-9]*", self._next().text):
            raise NotPlainError("has a LIMIT that is not understood")
        self._sign(";")
        if self.position < len(self.tokens):
            raise NotPlainError(_NOT_PLAIN)
        if self.address is None:
            raise NotPlainError("compares no column with the whole address, `'%s'`")
        goto = self._name_of(answered)
        if {self.address, goto} & {*self.constants, *self.parts} or self.address == goto:
            raise NotPlainError("wants more of the columns of address and destination than that they are these")
        return Query(
            table=path[-1],
            schema=path[0] if len(path) == 2 else None,
            address_column=self.address,
            goto_column=goto,
            constants=self.constants,
            parts=self.parts,
        )

    def _from(self, path: tuple[str, ...]) -> None:
        explicit = self._word("as")
        if explicit or (self._peek().kind in {"word", "name"} and not self._peek().is_word("where")):
            self.names = frozenset({(self._name(),)})
        else:
            self.names = frozenset({path, path[-1:]})

    def _conditions(self) -> None:
        self._condition()
        while self._word("and"):
            self._condition()

    def _condition(self) -> None:
        if self._sign("("):
            self.depth += 1
            if self.depth > DEPTH_LIMIT:
                raise NotPlainError("is nested too deep")
            self._conditions()
            self.depth -= 1
            self._close()
            return
        if self._word("not"):
            self._require(self._name_of(self._column()), False)
            return
        one = self._operand()
        if self._sign("="):
            self._compare(one, self._operand())
        elif isinstance(one, _Column) and not one.lowered:
            self._require(self._name_of(one), self._truth())
        elif one not in {Literal(1), Literal(True)}:
            raise NotPlainError(_ODD_CONDITION)

    def _truth(self) -> bool:
        if not self._word("is"):
            return True
        denied = self._word("not")
        word = self._next()
        if not word.is_word(*_TRUTHS):
            raise NotPlainError(_ODD_CONDITION)
        return _TRUTHS[word.text.lower()] != denied

    def _compare(self, one: _Operand, other: _Operand) -> None:
        if isinstance(other, _Column):
            one, other = other, one
        if not isinstance(one, _Column):
            if one != other or isinstance(one, Pattern):
                raise NotPlainError(_ODD_CONDITION)
        elif isinstance(other, _Column):
            raise NotPlainError("compares two columns with each other")
        elif isinstance(other, Literal):
            if one.lowered:
                raise NotPlainError("compares what a function makes of a column")
            self._require(self._name_of(one), other.value)
        elif other.text.lower() in _WHOLE_ADDRESS:
            if self.address is not None:
                raise NotPlainError("compares more than once with the whole address")
            self.address = self._name_of(one)
        elif self.parts.setdefault(self._name_of(one), other.text) != other.text:
            raise NotPlainError(_ODD_CONDITION)

    def _require(self, column: str, value: Value) -> None:
        required = self.constants.setdefault(column, value)
        if required != value or type(required) is not type(value):
            raise NotPlainError(f"wants two values of the column `{column}` at once")

    def _operand(self) -> _Operand:
        if not (self._peek().is_word(*_LOWERING) and self._peek(1) == Token("sign", "(")):
            return self._plain()
        self.position += 2
        operand = self._plain()
        self._close()
        if isinstance(operand, Literal):
            raise NotPlainError(_ODD_CONDITION)
        # Lower case makes no difference to the address: Postfix asks in lower case, and our addresses are in it.
        return operand._replace(lowered=True) if isinstance(operand, _Column) else operand

    def _plain(self) -> _Operand:
        token = self._peek()
        if token.kind == "number":
            return number(self._next().text)
        if token.kind == "string":
            return string(self._next().text)
        if token.is_word(*_TRUTHS):
            return Literal(_TRUTHS[self._next().text.lower()])
        return self._column()

    def _column(self) -> _Column:
        return _Column(self._path())

    def _name_of(self, column: _Column) -> str:
        if len(column.path) > 1 and column.path[:-1] not in self.names:
            raise NotPlainError("names a column of another table")
        name = column.path[-1]
        # PostgreSQL alone tells columns from each other that differ in case only.
        return self.spellings.setdefault(name if self.folds else name.lower(), name)

    def _path(self) -> tuple[str, ...]:
        found = [self._name()]
        while self._sign("."):
            found.append(self._name())
        return tuple(found)

    def _name(self) -> str:
        token = self._next()
        if token.kind == "name":
            return token.text
        if token.kind != "word" or token.is_word(*_KEYWORDS):
            raise NotPlainError(_NOT_PLAIN)
        return token.text.lower() if self.folds else token.text

    def _peek(self, further: int = 0) -> Token:
        index = self.position + further
        return self.tokens[index] if index < len(self.tokens) else Token("end", "")

    def _next(self) -> Token:
        token = self._peek()
        self.position += 1
        return token

    def _word(self, word: str) -> bool:
        found = self._peek().is_word(word)
        self.position += found
        return found

    def _sign(self, sign: str) -> bool:
        found = self._peek() == Token("sign", sign)
        self.position += found
        return found

    def _expect(self, word: str) -> None:
        if not self._word(word):
            raise NotPlainError(_NOT_PLAIN)

    def _close(self) -> None:
        if not self._sign(")"):
            raise NotPlainError(_ODD_CONDITION)
