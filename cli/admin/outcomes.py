"""What became of submitted decisions, printed for the administrator, and whether the map follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cli import polling
from cli.decisions_directory import DecisionsDirectory
from cli.messages import _
from cli.output import SafeText, echo, echo_error, format_message, safe_text
from cli.server.status import PublishState, is_down
from schemas.config import Settings
from schemas.program import WATCHER_UNIT, ExitStatus
from schemas.status import read_status


class SubmittedDecision(NamedTuple):
    """A decision about a member that was handed in as the file *marker*."""

    username: str
    alias: str
    destination: str
    marker: str


def echo_not_awaited(settings: Settings, *, wait: bool) -> int | None:
    """Say how a submitted decision goes on where nothing is waited for, and give the exit status.

    `None` where it is worth waiting.
    """
    if is_down(settings):
        echo_error(
            format_message(
                _(
                    "The watcher is not running. The decision is kept and will be applied when it starts: systemctl "
                    "start {unit}"
                ),
                unit=WATCHER_UNIT,
            )
        )
        return ExitStatus.LATER
    if not wait:
        echo(_("Handed in. `runv-admin-email-alias status` tells of problems."))
        return ExitStatus.DONE
    return None


def await_applied(
    settings: Settings, directory: DecisionsDirectory, submitted_decisions: Sequence[SubmittedDecision]
) -> tuple[int, list[SubmittedDecision]]:
    """Wait until the watcher has dealt with *submitted_decisions*; then as `echo_not_applied`."""
    left = directory.await_gone(submitted.marker for submitted in submitted_decisions)
    return echo_not_applied(settings, directory, submitted_decisions, left)


def echo_not_applied(
    settings: Settings, directory: DecisionsDirectory, submitted_decisions: Sequence[SubmittedDecision], left: set[str]
) -> tuple[int, list[SubmittedDecision]]:
    """Say which of *submitted_decisions* failed or, their markers being in *left*, still wait.

    Returns:
        The exit status, and those that were applied.
    """
    statuses: list[int] = []
    applied: list[SubmittedDecision] = []
    for submitted in submitted_decisions:
        if submitted.marker in left:
            echo_kept(submitted.marker)
            statuses.append(ExitStatus.LATER)
        elif reason := directory.failure(submitted.marker):
            echo_error(format_message(_("{username}: {reason}"), username=submitted.username, reason=reason))
            statuses.append(ExitStatus.FAILED)
        else:
            applied.append(submitted)
    if left:
        echo_problems(settings)
    return worst(statuses), applied


def worst(statuses: Iterable[int]) -> int:
    """Give one exit status for several outcomes: failed before kept for later before done."""
    found = set(statuses)
    return ExitStatus.FAILED if ExitStatus.FAILED in found else max(found, default=ExitStatus.DONE)


def echo_kept(marker: str) -> None:
    """Say that *marker* has not been dealt with in time."""
    echo_error(
        format_message(
            _(
                "The watcher has not applied the decision {decision} within {seconds} seconds. It is kept; see "
                "`runv-admin-email-alias status`."
            ),
            decision=marker,
            seconds=f"{polling.MARKER_SECONDS:g}",
        )
    )


def echo_problems(settings: Settings) -> None:
    """Say which problems the watcher has, where it does not answer in time."""
    status = read_status(settings.config.runtime_dir)
    for problem in status.problems if status else ():
        _echo_warning(safe_text(problem.what))


def echo_publish_state(settings: Settings, publish_state: PublishState) -> int:
    """Say what keeps the map from following, or mail from following the map, if anything; give the exit status."""
    if publish_state.state == "off":
        echo(
            format_message(
                _("It is recorded only: publishing is switched off (`enabled` is false in {config})."),
                config=settings.path,
            )
        )
        return ExitStatus.DONE
    if publish_state.state == "live":
        for problem in (*publish_state.unseen, *publish_state.problems, *publish_state.reservations.values()):
            _echo_warning(problem)
        return ExitStatus.DONE
    echo_behind(publish_state.problems)
    if not publish_state.problems:
        echo_error(_("The mail server's map does not follow yet. See: runv-admin-email-alias status"))
    return ExitStatus.FAILED


def echo_behind(problems: Iterable[SafeText]) -> None:
    """Say of each of *problems* that it keeps the map from following the registry."""
    for problem in problems:
        echo_error(format_message(_("The mail server's map does not follow: {problem}"), problem=problem))


def _echo_warning(problem: SafeText) -> None:
    echo_error(format_message(_("Warning: {problem}"), problem=problem))
