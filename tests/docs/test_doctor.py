"""The administrator's guide has every check of `doctor`."""

import ast

from .markdown import ROOT, code, read, section, table

GUIDE = section(read("docs/administrator-guide.md"), "Is it healthy?")


def codes() -> set[str]:
    """The first argument of every check and verdict in the code, where it is a text."""
    found = set()
    for path in (ROOT / "cli" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"check", "Finding"} and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


def test_the_administrators_guide_explains_every_check() -> None:
    assert codes() > {"registry", "converged", "dead-ends", "srs"}
    assert {code(row[0])[0] for row in table(GUIDE)} == codes()
