"""Where the log goes: to the journal with its priorities, or to a terminal."""

from __future__ import annotations

import logging
import os
import sys

from schemas.text import sentence

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _OneLine(logging.Formatter):
    """Writes each event on one line: what stands behind a line end would pass for an event of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return sentence(super().format(record))


class _Journal(_OneLine):
    """Prefixes each line with its priority, sd-daemon(3)."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelno, 5)}>{super().format(record)}"


def set_up() -> None:
    """Send the log to standard error, in the form that the journal wants if that is where it goes."""
    handler = logging.StreamHandler(sys.stderr)
    journal = "JOURNAL_STREAM" in os.environ
    handler.setFormatter(_Journal("%(message)s") if journal else _OneLine("%(levelname)s: %(message)s"))
    root = logging.getLogger("runv")
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    root.propagate = False
    # watchdog complains now and then when a watch is taken away while it reads. What matters of it the ears check.
    logging.getLogger("watchdog").addHandler(logging.NullHandler())
