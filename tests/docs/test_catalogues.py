"""`po/messages.pot` has every sentence of the code that people read, and no catalogue has other placeholders."""

import string
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from .markdown import ROOT

TEMPLATE = ROOT / "po" / "messages.pot"

Sentence = str | tuple[str, ...]


def catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def sentences(path: Path) -> set[Sentence]:
    ids = (message.id for message in catalogue(path) if message.id)
    return {tuple(one) if isinstance(one, list | tuple) else one for one in ids}


def said() -> set[Sentence]:
    """What is marked in the code: `_`, `N_` and `ngettext`."""
    found: set[Sentence] = set()
    for floor in ("cli", "schemas", "watcher"):
        for _file, _line, message, _comments, _context in extract_from_dir(str(ROOT / floor)):
            found.add(message if isinstance(message, str) else tuple(message))
    return found


def placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def differing(path: Path) -> list[Sentence]:
    """The sentences of a catalogue whose translation has other placeholders; a singular may leave the number out."""
    found: list[Sentence] = []
    for message in catalogue(path):
        ids = [message.id] if isinstance(message.id, str) else list(message.id or ())
        said = [message.string] if isinstance(message.string, str) else list(message.string or ())
        wanted = placeholders(ids[-1])
        for text in (*ids, *filter(None, said)):
            numberless = len(ids) > 1 and wanted - placeholders(text) == {"count"}
            if message.id and placeholders(text) != wanted and not numberless:
                found.append(tuple(ids) if len(ids) > 1 else ids[0])
    return found


def test_the_template_has_every_sentence_and_no_other() -> None:
    """Where it has not: `make messages`."""
    assert sentences(TEMPLATE) == said()


@pytest.mark.parametrize("path", sorted((ROOT / "po").glob("*.po*")), ids=lambda path: path.name)
def test_every_translation_has_the_placeholders_of_its_sentence(path: Path) -> None:
    assert differing(path) == []


def test_a_translation_with_another_placeholder_is_noticed(tmp_path: Path) -> None:
    made = tmp_path / "pt_BR.po"
    made.write_text(
        'msgid "{alias} is yours."\nmsgstr "{alias} pertence a {user}."\n\n'
        'msgid "1 alias"\nmsgid_plural "{count} aliases"\nmsgstr[0] "1 alias"\nmsgstr[1] "{count} aliases"\n\n'
        'msgid "{one} and {other}"\nmsgstr "{one}"\n'
    )
    assert differing(made) == ["{alias} is yours.", "{one} and {other}"]
