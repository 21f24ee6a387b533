"""What can be translated: sentences that xgettext finds and that a translation can be put in place of."""

import ast
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import NamedTuple

import pytest

import cli

ROOT = Path(cli.__file__).parents[1]
PACKAGES = {"cli": ("_", "ngettext"), "watcher": ("N_",), "schemas": ("N_",)}
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
SENTENCES = {"_": 1, "N_": 1, "ngettext": 2}
"""How many sentences each function is given."""


class Fault(NamedTuple):
    line: int
    text: str


def faults(source: str) -> Iterator[Fault]:
    """What is wrong in *source* with its sentences, or with the names by which they are marked."""
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"cli.messages", "schemas.text"}
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SENTENCES:
            yield from _call_faults(node, node.func.id)
        for name in _bound(node) & imported & SENTENCES.keys():
            yield Fault(getattr(node, "lineno", 0), f"{name} is rebound")


def _call_faults(call: ast.Call, name: str) -> Iterator[Fault]:
    arguments = call.args[: SENTENCES[name]]
    found = [each.value for each in arguments if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if len(found) != SENTENCES[name]:
        yield Fault(call.lineno, f"what {name} is given is no literal")
        return
    names = [{part[1] for part in Formatter().parse(text) if part[1] is not None} for text in found]
    if not all(each.isidentifier() for each in set().union(*names)):
        yield Fault(call.lineno, "a placeholder has no name")
    if name == "ngettext" and (names[0] - names[1] or len(names[1] - names[0]) > 1):
        yield Fault(call.lineno, "singular and plural differ in more than the number")


def _bound(node: ast.AST) -> set[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return {name}
        case ast.FunctionDef(name=name) | ast.ExceptHandler(name=str(name)):
            return {name}
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return {name}
    return set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_can_be_found_and_translated(path: Path) -> None:
    assert list(faults(path.read_text(encoding="utf-8"))) == []


def test_sentences_are_looked_for_where_they_are() -> None:
    """Each function is used in its packages and in no other, so that none is overlooked under another name."""
    for package, names in PACKAGES.items():
        used = {
            node.func.id
            for path in (ROOT / package).rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SENTENCES
        }
        assert used <= set(names)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("_(NAME)", "what _ is given is no literal"),
        ("_(f'{x} is on.')", "what _ is given is no literal"),
        ("N_('a' + b)", "what N_ is given is no literal"),
        ("ngettext('1 alias', MORE, 2)", "what ngettext is given is no literal"),
        ("_('{} is on.')", "a placeholder has no name"),
        ("N_('{0} is on.')", "a placeholder has no name"),
        ("ngettext('{}', '{}', 2)", "a placeholder has no name"),
        ("ngettext('1 of {path}', '{count} aliases', 2)", "singular and plural differ in more than the number"),
        ("ngettext('1', '{count} of {path}', 2)", "singular and plural differ in more than the number"),
        ("from cli.messages import _\nfor _ in range(2): pass", "_ is rebound"),
        ("from cli.messages import _\na, _, b = 'x'.partition('.')", "_ is rebound"),
        ("from cli.messages import _\nsorted('x', key=lambda _: 1)", "_ is rebound"),
        ("from cli.messages import ngettext\nngettext = None", "ngettext is rebound"),
        ("from schemas.text import N_\nN_ = str", "N_ is rebound"),
    ],
)
def test_what_is_wrong_is_found(source: str, text: str) -> None:
    assert [fault.text for fault in faults(source)] == [text]


@pytest.mark.parametrize(
    "source",
    [
        "_('Done: ' 'all of it, {{}}.')",
        "ngettext('1 alias of {path}', '{count} aliases of {path}', n)",
        "for _ in range(2): pass",
    ],
)
def test_what_is_right_is_left_alone(source: str) -> None:
    assert list(faults(source)) == []


HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural={};\n"
SENTENCE, TRANSLATION = "No request is waiting.", "Nenhum pedido espera."
TAKES = "{alias} is not active, so there is nothing to switch off."
PLURAL = "1 alias\0{count} aliases"


def catalogue(translations: dict[str, str], plural: str = "n != 1") -> bytes:
    """A catalogue as msgfmt(1) compiles it."""
    pairs = sorted(({"": HEADER.format(plural)} | translations).items())
    texts = [text.encode() for pair in zip(*pairs, strict=True) for text in pair]
    at = 28 + 8 * len(texts)
    table, data = b"", b""
    for text in texts:
        table += struct.pack("<2I", len(text), at + len(data))
        data += text + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 4 * len(texts), 0, 0) + table + data


def shown(root: Path, data: bytes, environment: dict[str, str]) -> list[str]:
    """What three sentences are in *environment*, where *data* is the catalogue of Portuguese."""
    path = root / "pt" / "LC_MESSAGES" / "runv-email-alias.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    code = (
        "import gettext, sys; gettext._default_localedir = sys.argv[1]; from cli.messages import _, ngettext; "
        "print(*map(_, sys.argv[2:]), ngettext('1 alias', '{count} aliases', 2).format(count=2), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root), SENTENCE, TAKES],
        cwd=ROOT,
        env={"PYTHONIOENCODING": "utf-8"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


ENGLISH = [SENTENCE, TAKES, "2 aliases"]
PORTUGUESE = {SENTENCE: TRANSLATION, TAKES: "{alias} está desligado.", PLURAL: "1 endereço\0{count} endereços"}


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "pt_BR.UTF-8"},
        {"LC_MESSAGES": "pt", "LANG": "de_DE.UTF-8"},
        {"LC_ALL": "pt_PT", "LC_MESSAGES": "C"},
        {"LC_ALL": "", "LANG": "pt"},
        {"LANGUAGE": "pt_BR:de", "LC_ALL": "C.UTF-8"},
        {"LANGUAGE": "xx:pt", "LANG": "xx_XX.UTF-8"},
        {"LANGUAGE": "", "LANG": "pt"},
    ],
)
def test_the_reader_s_locale_decides_whether_or_not_it_is_generated(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    assert shown(tmp_path, catalogue(PORTUGUESE), environment) == [
        TRANSLATION,
        "{alias} está desligado.",
        "2 endereços",
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LANGUAGE": "pt"},
        {"LANGUAGE": "pt", "LC_ALL": "C"},
        {"LANGUAGE": "pt", "LANG": "POSIX"},
        {"LC_ALL": "C", "LANG": "pt_BR.UTF-8"},
        {"LANG": "de_DE.UTF-8"},
        {"LANG": "../../pt"},
        {"LANG": "\udcff"},
    ],
)
def test_all_else_is_english(tmp_path: Path, environment: dict[str, str]) -> None:
    assert shown(tmp_path, catalogue(PORTUGUESE), environment) == ENGLISH


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xde\x12\x04\x95",
        bytes(range(64)),
        catalogue(PORTUGUESE)[:-40],
        catalogue(PORTUGUESE).replace(b"UTF-8", b"UTF-9"),
        catalogue(PORTUGUESE, "n != "),
    ],
)
def test_a_broken_catalogue_keeps_nothing_from_being_said(tmp_path: Path, data: bytes) -> None:
    said = shown(tmp_path, data, {"LANG": "pt"})
    assert len(said) == 3
    assert said[2] == "2 aliases"
