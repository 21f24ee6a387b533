"""What is wrong at the moment, and since when."""

from __future__ import annotations

import logging

from schemas.status import Problem
from schemas.times import now
from watcher import sentences
from watcher.tally import RateLimit

TOLD_AT_ONCE = 4
"""How often within a minute it is told that a problem has come or gone: a member can make directories by the second."""

log = logging.getLogger("runv.report")


class Problems:
    """Compares each pass's problems with those before: one that stays keeps its beginning and is told once.

    Attributes:
        tally: what the journal is still to be told.
    """

    def __init__(self) -> None:
        self._known: dict[str, Problem] = {}
        self.rate_limit = RateLimit(log)

    def update(self, found: dict[str, str]) -> list[Problem]:
        """Take the problems of a pass, their words by code, and give them with their beginnings."""
        self.rate_limit.settle()
        for code in self._known.keys() - found.keys():
            self._say(logging.INFO, code, sentences.LOG_SOLVED)
        now_known: dict[str, Problem] = {}
        for code, what in found.items():
            before = self._known.get(code)
            if before is None:
                self._say(logging.ERROR, code, sentences.LOG_PROBLEM, what)
            now_known[code] = Problem(code, what, before.since if before else now())
        self._known = now_known
        return list(now_known.values())

    def _say(self, level: int, code: str, sentence: str, what: str = "") -> None:
        line = sentence.format(code=code, what=what)
        self.rate_limit.say(
            level,
            (sentence, code),
            line,
            lambda total: sentences.LOG_REPEATED.format(line=line, count=total),
            at_once=TOLD_AT_ONCE,
        )
