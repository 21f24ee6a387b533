"""Escaping: untrusted text on its way to a terminal, a log line or a status file."""

from __future__ import annotations

import os


def printable(text: str | bytes, limit: int = 200) -> str:
    r"""Give *text* on one line with every character that a terminal could act on written as an escape.

    Control characters, line ends, bidirectional overrides, unassigned code points and bytes that are not UTF-8 come
    out as `\n`, `\x1b`, `\u202e` and so on; a backslash is doubled, so that the original can be made out.
    At most *limit* characters of it are shown, with `...` behind them where some were cut.
    """
    value = os.fsdecode(text) if isinstance(text, bytes) else text
    shown = value[:limit]
    if not shown.isprintable() or "\\" in shown:
        shown = "".join(map(_escape, shown))
    return shown + "..." if len(value) > limit else shown


def sentence(text: str, limit: int = 4000) -> str:
    """Give a sentence of ours on one line, escaped as by `printable`, but with the backslashes in it left single.

    The values of its placeholders are escaped already, and would otherwise be escaped once more.
    """
    return printable(text, limit).replace("\\\\", "\\")


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # surrogateescape: a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def N_(text: str) -> str:  # noqa: N802 - its name in gettext, which extracts what is marked with it
    """Mark *text* for `po/messages.pot`, and give it as it is: files and the journal are in English.

    A command that tells of it in its reader's language passes it through `cli.messages.translated`.
    """
    return text
