"""Sentences in the reader's language: gettext(3) over the catalogue of the commands.

A sentence stands where it is said, in English, with named placeholders: `_("{alias} is switched off.")`. The locale of
whoever runs the command decides, whether or not it is generated on this server: LANGUAGE, else LC_ALL, LC_MESSAGES or
LANG; in the locale C, which is also that of an environment without any of these three, all is English. So it is where
a catalogue is missing or cannot be read. That translations have the placeholders of their sentences, tests see to.

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

ngettext = _translations.ngettext
"""Give the one of two sentences that goes with a number, in the reader's language."""
translated = _translations.gettext
"""Give a sentence that `schemas.text.N_` has marked elsewhere, in the reader's language."""
_ = translated
"""Give a sentence that stands here, as a literal, in the reader's language."""
