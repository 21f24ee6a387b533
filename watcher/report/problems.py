"""What is wrong at the moment, and since when."""

from __future__ import annotations

import logging

from schemas.status import Problem
from schemas.times import now
from watcher import sentences

log = logging.getLogger("runv.report")


class Problems:
    """Compares each pass's problems with those before: one that stays keeps its beginning and is told once."""

    def __init__(self) -> None:
        self._known: dict[str, Problem] = {}

    def update(self, found: dict[str, str]) -> list[Problem]:
        """Take the problems of a pass, their words by code, and give them with their beginnings."""
        for code in self._known.keys() - found.keys():
            log.info(sentences.LOG_SOLVED.format(code=code))
        now_known: dict[str, Problem] = {}
        for code, what in found.items():
            before = self._known.get(code)
            if before is None:
                log.error(sentences.LOG_PROBLEM.format(what=what))
            now_known[code] = Problem(code, what, before.since if before else now())
        self._known = now_known
        return list(now_known.values())
