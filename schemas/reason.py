"""Why the watcher refused something: a sentence for people, and a code for programs.

The sentence is in English and may be worded better one day; the code stays, so that a command can say the same in its
reader's language. docs/files-protocol.md lists the codes, one for each sentence.
"""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """Why something was refused.

    Attributes:
        code: words with hyphens between them, which stand for *text* whatever it is filled with; empty for one that an
            earlier version recorded without a code.
        text: whole sentences in English.
    """

    code: str
    text: str


class RefusedError(ValueError):
    """What was given is not accepted; the message says why in whole sentences, and *reason* has the code as well."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.reason = Reason(code, text)
