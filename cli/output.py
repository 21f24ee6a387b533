"""Terminal output: sentences, aligned columns, JSON; nothing in it can act on the terminal.

Whatever was written by somebody else goes through `format_message`, `safe_text`, `table` or `echo_json`, and each of
them escapes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

import click

from cli.messages import _
from schemas.text import printable, sentence

WIDTH = 80
"""Columns, where the terminal does not say how many it has."""
NARROWEST = 40
"""Columns that are used even where the terminal has fewer: below, columns could not be read."""
GAP = "  "
NOTHING = "-"
"""What stands in a table where there is nothing."""

_CELL_LIMIT = 400
_TEXT_LIMIT = 4000
_NARROWEST_COLUMN = 8
_NARROWEST_TEXT = 20
_TIMESTAMP = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}):[0-9]{2}Z", re.ASCII)


class SafeText(str):
    """Text that has been escaped, and goes into a sentence as it is."""

    __slots__ = ()


def format_message(template: str, **values: object) -> SafeText:
    """Give the sentence *template* with *values* in its placeholders, each escaped."""
    return SafeText(template.format(**{name: _escaped(value) for name, value in values.items()}))


def _escaped(value: object) -> str:
    return value if isinstance(value, SafeText) else printable(str(value), _CELL_LIMIT)


def safe_text(text: str) -> SafeText:
    """Escape a *text* that is a sentence itself: as `printable`, but a backslash in it is left single.

    The sentences that the watcher keeps hold escapes already, which would otherwise be escaped once more.
    """
    return SafeText(sentence(text, _TEXT_LIMIT))


def timestamp(text: str | None) -> str:
    """Give the timestamp *text*, as files hold it, for a sentence."""
    found = _TIMESTAMP.fullmatch(text or "")
    return _("{date} {time} UTC").format(date=found[1], time=found[2]) if found else _as_it_is(text)


def short_timestamp(text: str | None) -> str:
    """Give the timestamp *text* for a column whose heading says UTC."""
    found = _TIMESTAMP.fullmatch(text or "")
    return f"{found[1]} {found[2]}" if found else _as_it_is(text)


def short_date(text: str | None) -> str:
    """Give the day of the timestamp *text*, in UTC, for a narrow column."""
    found = _TIMESTAMP.fullmatch(text or "")
    return found[1] if found else _as_it_is(text)


def _as_it_is(text: str | None) -> str:
    return text or NOTHING


def echo(text: str) -> None:
    """Print the safe *text* on standard output, broken between words where that is a terminal."""
    click.echo(_for(sys.stdout, text), color=_colourful(sys.stdout))


def echo_error(text: str) -> None:
    """Print the safe *text* on standard error, broken between words where that is a terminal."""
    click.echo(_for(sys.stderr, text), err=True, color=_colourful(sys.stderr))


def echo_lines(lines: Iterable[str]) -> None:
    """Print *lines* that are laid out already."""
    for line in lines:
        click.echo(line, color=_colourful(sys.stdout))


def echo_json(value: object) -> None:
    """Print *value* as JSON in ASCII, so that not even a program's output carries what a terminal acts on."""
    import json  # noqa: PLC0415

    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


def _for(stream: object, text: str) -> str:
    if not _terminal(stream):
        return text
    return "\n".join(wrapped(text))


def wrapped(text: str, indent: str = "", later: str | None = None) -> list[str]:
    """Break *text* between words to the terminal's width; *later* indents every line but the first."""
    import textwrap  # noqa: PLC0415

    return textwrap.wrap(
        text,
        width(),
        initial_indent=indent,
        subsequent_indent=indent if later is None else later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def hanging_indent(head: str, text: str) -> list[str]:
    """Give *head* and *text* behind it, which goes on below itself where a terminal is too narrow for it all.

    Where hardly a word fits behind *head*, all of *text* stands below.
    """
    if not _terminal(sys.stdout):
        return [(head + text).rstrip()]
    if width() - len(head) < _NARROWEST_TEXT:
        return [head.rstrip(), *wrapped(text, "    ")]
    first, *rest = wrapped(text, " " * len(head)) or [""]
    return [(head + first[len(head) :]).rstrip(), *rest]


def width() -> int:
    """How many columns there are: those of the terminal, else 80."""
    wanted = os.environ.get("COLUMNS", "")
    try:
        columns = int(wanted) if wanted.isdecimal() else os.get_terminal_size(sys.stdout.fileno()).columns
    except (ValueError, OSError):
        return WIDTH
    return max(columns, NARROWEST) if columns else WIDTH


def paint(text: str, colour: str | None) -> str:
    """Give *text* in *colour*, where standard output is a terminal that wants colour."""
    return click.style(text, fg=colour) if colour and _colourful(sys.stdout) else text


def _terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())


def _colourful(stream: object) -> bool:
    # no-color.org: any value but the empty one. A dumb terminal has no colours at all.
    return _terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def spaced(blocks: Iterable[Iterable[str]]) -> Iterator[str]:
    """The lines of *blocks* with an empty one between two; a block without lines is left out."""
    begun = False
    for block in blocks:
        lines = list(block)
        if lines and begun:
            yield ""
        yield from lines
        begun = begun or bool(lines)


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    colours: Mapping[str, str] | None = None,
    *,
    whole: bool = False,
) -> Iterator[str]:
    """Lay *rows* out under *headings* in columns that fit the terminal.

    A cell that is too wide goes on below itself: an address is never cut short.

    Args:
        headings: one for each column; none for no line of headings.
        rows: the cells, not escaped yet.
        colours: the colour of cells that hold just this text.
        whole: where there is no terminal, each row is one line however long, so that a search finds what is in it.
    """
    cells = [list(headings)] if headings else []
    cells += ([printable(cell, _CELL_LIMIT) for cell in row] for row in rows)
    widths = [max(map(_columns, column)) for column in zip(*cells, strict=True)]
    if not whole or _terminal(sys.stdout):
        widths = _fitted(widths)
    for row in cells:
        pieces = [_pieces(cell, columns) for cell, columns in zip(row, widths, strict=True)]
        hues = [(colours or {}).get(cell) for cell in row]
        for line in zip_longest(*pieces, fillvalue=""):
            padded = [part + " " * (columns - _columns(part)) for part, columns in zip(line, widths, strict=True)]
            padded[-1] = line[-1]
            yield GAP.join(paint(part, hue) for part, hue in zip(padded, hues, strict=True)).rstrip()


def _fitted(widths: list[int]) -> list[int]:
    available = width() - len(GAP) * (len(widths) - 1)
    fitted = list(widths)
    while sum(fitted) > available and max(fitted) > _NARROWEST_COLUMN:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def _pieces(cell: str, columns: int) -> list[str]:
    if _columns(cell) <= columns:
        return [cell]
    pieces = [""]
    for character in cell:
        if _columns(pieces[-1]) + _columns(character) > columns:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415

    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
