"""The reason codes that stand in the code, each with the sentence that it stands for."""

import ast
import re
import string
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_MAKERS = {"Reason", "NameRefusedError", "DestinationRefusedError", "DecisionFailedError"}


@cache
def sentences() -> Mapping[str, str]:
    """The sentence of each code before its fields are filled in; empty where it is put together elsewhere."""
    found: dict[str, str] = {}
    for folder in ("schemas", "watcher"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for function in ast.walk(tree):
                if isinstance(function, ast.FunctionDef):
                    for code, sentence in _made_in(function):
                        assert found.setdefault(code, sentence) == sentence, f"{code} stands for two sentences"
    return found


def _made_in(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    named: dict[str, str] = {}
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.Call)]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        if isinstance(node, ast.Assign):
            if isinstance(target := node.targets[0], ast.Name) and (sentence := _marked(node.value)):
                named[target.id] = sentence
        elif isinstance(node.func, ast.Name) and node.func.id in _MAKERS and len(node.args) == 2:
            code, text = node.args
            if isinstance(code, ast.Constant):
                names = [each.id for each in ast.walk(text) if isinstance(each, ast.Name) and each.id in named]
                yield str(code.value), _marked(text) or (named[names[0]] if names else "")


def _marked(expression: ast.expr) -> str:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "N_":
            return str(ast.literal_eval(node.args[0]))
    return ""


def check(record: Mapping[str, object]) -> None:
    """The code in *record*, a refusal or a failed decision of the watcher's, is that of its sentence."""
    sentence = sentences()[str(record["reason_code"])]
    pieces = string.Formatter().parse(sentence)
    pattern = "".join(re.escape(text) + ("" if field is None else ".*") for text, field, _, _ in pieces)
    assert not sentence or re.fullmatch(pattern, str(record["reason"]), re.DOTALL), (record["reason_code"], sentence)
