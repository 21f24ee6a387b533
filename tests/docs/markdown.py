"""Reading our own Markdown: headings, links, tables and fenced blocks, as far as our pages use them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}.*\n|\n(?= {4}))+")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CELLS = re.compile(r"(?<!\\)\|")


class Block(NamedTuple):
    """A fenced block: its language and its contents."""

    language: str
    text: str


def read(name: str) -> str:
    """The page *name*, relative to the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """What stands below *heading*, up to the next heading of the same level or a higher one."""
    found = list(_HEADING.finditer(_without_comments(page)))
    for number, each in enumerate(found):
        if each[2] == heading:
            ends = (later.start() for later in found[number + 1 :] if len(later[1]) <= len(each[1]))
            return page[each.end() : next(ends, len(page))]
    raise AssertionError(f"there is no heading {heading!r}")


def _without_comments(page: str) -> str:
    """The page with nothing in its fenced blocks that looks like a heading, every character at its place."""
    return _FENCE.sub(lambda match: match[0].replace("#", " "), page)


def fences(page: str, language: str | None = None) -> list[Block]:
    """The fenced blocks of *page*, all or those of one *language*."""
    found = [Block(*match.groups()) for match in _FENCE.finditer(page)]
    return [block for block in found if language in {None, block.language}]


def indented(page: str) -> list[str]:
    """The indented blocks of *page*: commands and what they print."""
    return [match[0].strip("\n") for match in _INDENTED.finditer(_FENCE.sub("", page))]


def tables(text: str) -> list[list[list[str]]]:
    """The tables in *text*, each a list of rows without the heading; a row is a list of cells."""
    found: list[list[list[str]]] = []
    rows: list[list[str]] = []
    for line in [*text.split("\n"), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in _CELLS.split(line)[1:-1]])
        elif rows:
            found.append(rows[2:])
            rows = []
    return found


def table(text: str) -> list[list[str]]:
    """The first table in *text*."""
    return tables(text)[0]


def code(cell: str) -> list[str]:
    """What is written as code in *cell*."""
    return re.findall(r"`([^`]+)`", cell)


def links(page: str) -> Iterator[tuple[str, str]]:
    """The relative links of *page*: path and anchor, either of which may be empty."""
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page))):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: str) -> set[str]:
    """The anchors that the headings of *page* have, by the rule of the usual Markdown viewers."""
    titles = [title for _, title in _HEADING.findall(_FENCE.sub("", page))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
