"""Sentences in the reader's language: gettext(3) over the catalogue of the commands.

A sentence stands where it is said, in English, with named placeholders: `_("{alias} is switched off.")`. The locale of
whoever runs the command decides, whether or not it is generated on this server: LANGUAGE, else LC_ALL, LC_MESSAGES or
LANG; in the locale C, which is also that of an environment without any of these three, all is English. So it is where
a catalogue is missing, cannot be read, or has other placeholders.

What goes to the journal, to files and into `--json` is never translated; the watcher marks what a command may tell of
with `schemas.text.N_`.
"""

from __future__ import annotations

import gettext
import os

DOMAIN = "runv-email-alias"
"""The name of the catalogues: `runv-email-alias.mo`."""


def _languages() -> list[str]:
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "C")
    return [] if locale in {"C", "POSIX"} else (os.environ.get("LANGUAGE") or locale).split(":")


def _catalogue() -> gettext.NullTranslations:
    try:
        return gettext.translation(DOMAIN, languages=_languages(), fallback=True)
    except Exception:  # noqa: BLE001 - whatever is wrong with a catalogue, no command may fail of it
        return gettext.NullTranslations()


_translations = _catalogue()


def translated(sentence: str) -> str:
    """Give *sentence*, which `schemas.text.N_` has marked elsewhere, in the reader's language."""
    found = _translations.gettext(sentence)
    return found if _can_stand_for(found, sentence) else sentence


_ = translated
"""Give a sentence that stands here, as a literal, in the reader's language."""


def ngettext(one: str, more: str, count: int) -> str:
    """Give the sentence that goes with *count*, in the reader's language; in English *one* or *more*."""
    english = one if count == 1 else more
    try:
        found = _translations.ngettext(one, more, count)
    except ArithmeticError:  # the catalogue's rule for plurals divides by zero
        return english
    return found if _can_stand_for(found, more) else english


def _can_stand_for(found: str, sentence: str) -> bool:
    """Whether *found* can be filled with what *sentence* is filled with; it need not use it all."""
    if found == sentence:
        return True
    try:
        return _placeholders(found) <= _placeholders(sentence)
    except ValueError:
        return False


def _placeholders(text: str) -> set[tuple[str | None, ...]]:
    """Each placeholder's name, format and conversion, as `str.format` has them."""
    from string import Formatter  # noqa: PLC0415 - only readers of a catalogue wait for it

    return {part[1:] for part in Formatter().parse(text) if part[1] is not None}
