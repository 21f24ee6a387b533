"""What came of the decisions that were handed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cli import admin_sentences as sentences
from cli import exits, waiting
from cli.deciding import Desk, worst
from cli.mail_flow import tell_problems
from cli.output import complain, fill, tell
from cli.watcher_state import is_down
from schemas.settings import Settings


class Case(NamedTuple):
    """A decision about a member that was handed in as the file *marker*."""

    username: str
    alias: str
    destination: str
    marker: str


def unless_awaited(settings: Settings, *, wait: bool) -> int | None:
    """Say how a decision that was handed in will go on where nothing is waited for, and give the exit status.

    `None` where it is worth waiting.
    """
    if is_down(settings):
        complain(fill(sentences.KEPT_NOT_RUNNING, unit=sentences.UNIT))
        return exits.LATER
    if not wait:
        tell(sentences.HANDED_IN)
        return exits.DONE
    return None


def await_applied(settings: Settings, desk: Desk, cases: Sequence[Case]) -> tuple[int, list[Case]]:
    """Wait until the watcher has dealt with *cases*; give the exit status and those that were applied."""
    return sort_out(settings, desk, cases, desk.await_gone(case.marker for case in cases))


def sort_out(settings: Settings, desk: Desk, cases: Sequence[Case], left: set[str]) -> tuple[int, list[Case]]:
    """Say which of *cases* failed or, their markers being in *left*, still wait; then as `await_applied`."""
    statuses: list[int] = []
    applied: list[Case] = []
    for case in cases:
        if case.marker in left:
            tell_kept(case.marker)
            statuses.append(exits.LATER)
        elif reason := desk.failure(case.marker):
            complain(fill(sentences.FAILED, username=case.username, reason=reason))
            statuses.append(exits.FAILED)
        else:
            applied.append(case)
    if left:
        tell_problems(settings)
    return worst(statuses), applied


def tell_kept(marker: str) -> None:
    """Say that *marker* has not been dealt with in time."""
    complain(fill(sentences.KEPT_NO_ANSWER, decision=marker, seconds=f"{waiting.MARKER_SECONDS:g}"))
