"""What could not be asked, and why: an inventory must not pass over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from schemas.errors import ExpectedError

T = TypeVar("T")


class Unavailable(msgspec.Struct, frozen=True):
    """One question without an answer.

    Neither is escaped yet.

    Attributes:
        what: what was to be asked; a path, or words.
        why: a whole sentence.
    """

    what: str
    why: str


def unless_unavailable(what: str, question: Callable[[], T], otherwise: T, not_asked: list[Unavailable]) -> T:
    """Give the answer to *question*; where it cannot be asked, give *otherwise* and tell *not_asked* why."""
    try:
        return question()
    except ExpectedError as error:
        not_asked.append(Unavailable(what, str(error)))
        return otherwise
