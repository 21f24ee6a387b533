"""What people read, in their language: gettext(3) over the catalogue of the commands.

A sentence stands where it is said, in English, with named placeholders: `_("{alias} is switched off.")`. The locale of
whoever runs the command decides, by LANGUAGE, LC_ALL, LC_MESSAGES and LANG, whether or not that locale is generated;
where there is no catalogue for it, the English stands. What goes to the journal, to files and into `--json` is never
translated; the watcher marks what a command may tell of with `schemas.text.N_`.
"""

from __future__ import annotations

import gettext

DOMAIN = "runv-email-alias"
"""The name of the catalogues: `runv-email-alias.mo`."""

_translations = gettext.translation(DOMAIN, fallback=True)

_ = _translations.gettext
"""Give a sentence in the reader's language."""
ngettext = _translations.ngettext
"""Give the one of two sentences, in the reader's language, that goes with a number."""
