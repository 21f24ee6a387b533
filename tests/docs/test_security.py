"""The security page names a test for each threat and each guard, and every one of them exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from .markdown import ROOT, code, read, section, tables

PAGE = read("docs/security.md")
THREATS = [row for rows in tables(section(PAGE, "Threats")) for row in rows]
GUARDS = [row for rows in tables(section(PAGE, "Guards")) for row in rows]


@cache
def functions_of(path: Path) -> frozenset[str]:
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def missing(cell: str) -> list[str]:
    """The tests that *cell* names and that are not there."""
    found = [name.split("::") for name in code(cell) if name.startswith("tests/")]
    assert found, f"no test is named: {cell}"
    gone = []
    for path, *names in found:
        if not (ROOT / path).is_file() or not names or names[0].split("[")[0] not in functions_of(ROOT / path):
            gone.append("::".join([path, *names]))
    return gone


def test_there_are_threats_and_guards() -> None:
    assert len(THREATS) > 40
    assert len(GUARDS) > 30
    assert {len(row) for row in THREATS} == {4}
    assert {len(row) for row in GUARDS} == {3}


@pytest.mark.parametrize("row", THREATS, ids=lambda row: re.sub(r"\W+", "-", " ".join(row[:2]))[:60])
def test_every_threat_has_a_test(row: list[str]) -> None:
    assert missing(row[3]) == []


@pytest.mark.parametrize("row", GUARDS, ids=lambda row: re.sub(r"\W+", "-", row[0])[:60])
def test_every_guard_stands_where_it_is_said_and_has_a_test(row: list[str]) -> None:
    for path in code(row[1]):
        assert (ROOT / path).is_file(), path
    assert missing(row[2]) == []
