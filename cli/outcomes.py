"""What came of the decisions that were handed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cli import admin_sentences as sentences
from cli import exits, waiting
from cli.deciding import DecisionsDirectory, worst
from cli.mail_flow import echo_problems
from cli.output import echo, echo_error, format_message
from cli.watcher_state import is_down
from schemas.settings import Settings


class SubmittedDecision(NamedTuple):
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
        echo_error(format_message(sentences.KEPT_NOT_RUNNING, unit=sentences.UNIT))
        return exits.LATER
    if not wait:
        echo(sentences.HANDED_IN)
        return exits.DONE
    return None


def await_applied(
    settings: Settings, directory: DecisionsDirectory, submitted_decisions: Sequence[SubmittedDecision]
) -> tuple[int, list[SubmittedDecision]]:
    """Wait until the watcher has dealt with *cases*; give the exit status and those that were applied."""
    return sort_out(
        settings,
        directory,
        submitted_decisions,
        directory.await_gone(submitted.marker for submitted in submitted_decisions),
    )


def sort_out(
    settings: Settings, directory: DecisionsDirectory, submitted_decisions: Sequence[SubmittedDecision], left: set[str]
) -> tuple[int, list[SubmittedDecision]]:
    """Say which of *cases* failed or, their markers being in *left*, still wait; then as `await_applied`."""
    statuses: list[int] = []
    applied: list[SubmittedDecision] = []
    for submitted in submitted_decisions:
        if submitted.marker in left:
            echo_kept(submitted.marker)
            statuses.append(exits.LATER)
        elif reason := directory.failure(submitted.marker):
            echo_error(format_message(sentences.FAILED, username=submitted.username, reason=reason))
            statuses.append(exits.FAILED)
        else:
            applied.append(submitted)
    if left:
        echo_problems(settings)
    return worst(statuses), applied


def echo_kept(marker: str) -> None:
    """Say that *marker* has not been dealt with in time."""
    echo_error(format_message(sentences.KEPT_NO_ANSWER, decision=marker, seconds=f"{waiting.MARKER_SECONDS:g}"))
