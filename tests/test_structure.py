"""Which room may import which: from the one that decides to the one that is asked, and never back.

A room is a folder of a floor, or a module that lies on the floor itself.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 420

FLOORS = ["cli", "watcher", "schemas"]
"""Each may import from those behind it."""

ROOMS = {
    "cli": [
        "member admin",
        "setup doctor discover",
        "decisions_directory",
        "server",
        "app",
        "polling identity",
        "output",
        "messages",
    ],
    "watcher": [
        "main",
        "service",
        "passes watch",
        "publishing",
        "context",
        "orphans",
        "decide",
        "intake",
        "orphan_search records registry_store audit status",
        "publish accounts incomplete systemd rate_limit",
        "timers wake",
    ],
}
"""The rooms of a floor, line by line: each may import from the lines behind its own, and from itself."""


def modules() -> dict[str, Path]:
    """Every module of the program, by its name."""
    found = {}
    for path in sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """The modules of the program that *path* imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


GRAPH = {name: {other for other in imports(path) if other in MODULES} - {name} for name, path in MODULES.items()}


def upward(before: list[list[str]], arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of *arrows* that do not lead to a later line of *before*, or stay where they are."""
    line = {name: number for number, names in enumerate(before) for name in names}
    return {(one, other) for one, other in arrows if one != other and line[one] >= line[other]}


def test_no_floor_imports_from_the_one_above_it() -> None:
    arrows = {(name.split(".")[0], other.split(".")[0]) for name, others in GRAPH.items() for other in others}
    assert upward([[floor] for floor in FLOORS], arrows) == set()


@pytest.mark.parametrize("floor", ROOMS)
def test_no_room_imports_from_one_above_it(floor: str) -> None:
    lines = [line.split() for line in ROOMS[floor]]
    inside = {name: name.split(".")[1] for name in MODULES if name.startswith(f"{floor}.")}
    assert {room for line in lines for room in line} == set(inside.values())
    arrows = {(inside[name], inside[other]) for name in inside for other in GRAPH[name] if other in inside}
    assert upward(lines, arrows) == set()


def test_there_is_no_circle() -> None:
    left = dict(GRAPH)
    # Whatever imports nothing that is left, or is imported by nothing that is left, is in no circle.
    while off := {
        name
        for name, others in left.items()
        if not others & left.keys() or not any(name in left[other] for other in left)
    }:
        left = {name: others for name, others in left.items() if name not in off}
    assert sorted(left) == []


def test_no_module_is_longer_than_somebody_reads_in_one_go() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_the_first_line_of_every_module_says_what_is_in_it() -> None:
    texts = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    heads = {name: (ast.get_docstring(ast.parse(text)) or "").split("\n")[0] for name, text in texts.items()}
    assert [name for name, head in heads.items() if not head.endswith(".") and texts[name]] == []
