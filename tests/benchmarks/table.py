"""All figures as one table of at most 80 columns, and that table in the documentation."""

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.figures import Figure

BEGIN = "<!-- figures: begin; written by `make bench`, not by hand -->"
END = "<!-- figures: end -->"

_HEAD = ("figure", "ours", "floor", "ratio", "target", "verdict")


def render(figures: Sequence[Figure]) -> str:
    """The table, with a line for each figure."""
    rows = [_HEAD, *((f.name, f.ours, f.floor, f.held, f.target, verdict(f)) for f in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [" ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    lines.insert(1, " ".join("-" * width for width in widths))
    return "\n".join(lines)


def verdict(figure: Figure) -> str:
    """The verdict in one word; none where there is no target."""
    if not figure.target:
        return ""
    return "ok" if figure.met else "MISSED"


def write_into(document: Path, table: str, conditions: str) -> None:
    """Put *table* and the *conditions* that it was measured under between the two marks of *document*."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{document} lacks the lines\n{BEGIN}\n{END}")
    document.write_text(f"{before}{BEGIN}\n\n```text\n{table}\n```\n\n{conditions}\n\n{END}{after}", encoding="utf-8")
