"""Reading our own manual pages: sections and tags, as far as our pages use man(7)."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from .markdown import ROOT

FOLDER = ROOT / "docs" / "man"
PAGES = sorted(FOLDER.rglob("*.[1-9]"))

_REQUEST = re.compile(r"^\.(\w+) ?(.*)$")
_FONT = re.compile(r"\\f(?:\[\w*\]|\w)")
_WORD = re.compile(r'"((?:[^"]|"")*)"|((?:\\.|[^\s\\])+)')
_CHARACTERS = {r"\-": "-", r"\e": "\\", r"\(dq": '"', r"\(aq": "'", r"\(bu": "*", r"\%": "", r"\ ": " ", r"\&": ""}


def page(name: str) -> list[str]:
    """The lines of the page *name*, below docs/man, with those that are continued joined."""
    return (FOLDER / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines()


def plain(line: str) -> str:
    """What is printed of *line*, be it text or a macro of fonts."""
    found = _REQUEST.match(line)
    if found and found[1] in {"B", "I", "SM", "SH", "SS"}:
        line = " ".join(_words(found[2]))
    elif found and found[1] in {"BR", "RB", "BI", "IB", "IR", "RI"}:
        line = "".join(_words(found[2]))
    elif found:
        return ""
    line = _FONT.sub("", line)
    for escape, character in _CHARACTERS.items():
        line = line.replace(escape, character)
    return line


def _words(rest: str) -> Iterator[str]:
    for quoted, bare in _WORD.findall(rest):
        yield quoted or bare


def text(lines: list[str]) -> str:
    """All that is printed of *lines*, each on its line."""
    return "\n".join(filter(None, map(plain, lines)))


def sections(lines: list[str], macro: str = "SH") -> dict[str, list[str]]:
    """The lines below each heading of *macro*, by the heading; what is above the first is left out."""
    found: dict[str, list[str]] = {}
    heading = None
    for line in lines:
        if line.startswith(f".{macro} "):
            heading = plain(line)
            found[heading] = []
        elif heading is not None:
            found[heading].append(line)
    return found


def above(lines: list[str], macro: str = "SS") -> list[str]:
    """The lines that stand before the first heading of *macro*."""
    first = next((number for number, line in enumerate(lines) if line.startswith(f".{macro} ")), len(lines))
    return lines[:first]


def tags(lines: list[str]) -> list[str]:
    """What each paragraph with a tag (`.TP`) is about."""
    return [plain(tag) for request, tag in itertools.pairwise(lines) if request == ".TP"]


def names(lines: list[str]) -> list[str]:
    """The same, where a tag may be several names with commas between them."""
    return [name for tag in tags(lines) for name in tag.split(", ")]


def title(lines: list[str]) -> list[str]:
    """The words of the title line: name, section, date, version, manual."""
    (line,) = (line for line in lines if line.startswith(".TH "))
    return [plain(word) for word in _words(line.removeprefix(".TH "))]


def name_of(path: Path) -> str:
    """How the page *path* is called, relative to docs/man."""
    return str(path.relative_to(FOLDER))
