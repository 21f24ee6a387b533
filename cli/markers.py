"""Decision markers handed to the watcher, waiting until it has applied them, and what came of each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cli import polling
from cli.app import access
from cli.messages import _
from cli.output import echo, echo_error, format_message, safe_text
from cli.server.status import PublishState, is_down
from schemas.config import Settings
from schemas.decision import Decision, FailedDecision, marker_name
from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import Directory
from schemas.json_records import NotJsonError, ShapeError, parse_record, to_json
from schemas.program import WATCHER_UNIT, ExitStatus
from schemas.request import RecordFolders
from schemas.status import read_status

_WARNING = _("Warning: {what}")

_FAILED = "failed"
_FAILED_LIMIT = 64 * 1024


class DecisionsDirectory:
    """The open directory of the markers."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def write(self, decision: Decision) -> str:
        """Hand *decision* in; give the name of its marker."""
        name = marker_name(decision)
        with _admin_access(self._directory.path):
            self._directory.write(name, to_json(decision), 0o600)
        return name

    def is_waiting(self, name: str) -> bool:
        """Whether the marker *name* has not been dealt with."""
        return self._directory.has(name)

    def await_gone(self, names: Iterable[str]) -> set[str]:
        """Wait until the markers *names* have gone; give those that had not when none had gone for ten seconds."""
        left = set(names)

        def look() -> set[str] | None:
            return {name for name in left if not self.is_waiting(name)} or None

        while left and (gone := polling.wait_for(look, polling.MARKER_SECONDS)):
            left -= gone
        return left

    def failure(self, name: str) -> str | None:
        """Why the marker *name*, which has gone, could not be applied; `None` where it was. Escaped."""
        try:
            with Directory(os.path.join(self._directory.path, _FAILED)) as failed:
                data = failed.read(name, _FAILED_LIMIT).data
                return safe_text(parse_record(data, FailedDecision).reason)
        except FileNotFoundError:
            return None
        except StateError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        except (OSError, ExpectedError, NotJsonError, ShapeError):
            display_path = os.path.join(self._directory.path, _FAILED, name)
            return format_message(
                _("The decision could not be applied; {place} says why, but cannot be read."), place=display_path
            )


@contextlib.contextmanager
def open_decisions(settings: Settings) -> Iterator[DecisionsDirectory]:
    """Open the directory of the markers; raise `StateError` with the next step where that is not allowed."""
    with _admin_access(settings.decisions):
        directory = Directory(settings.decisions)
    with directory:
        yield DecisionsDirectory(directory)


def _admin_access(path: str) -> contextlib.AbstractContextManager[None]:
    return access(
        path,
        denied=format_message(_("You may not use the directory {directory}. Run it with sudo."), directory=path),
        missing=format_message(
            _("The directory {directory} is not there. Start the watcher, which makes it, or mend the installation."),
            directory=path,
        ),
    )


@contextlib.contextmanager
def open_records(settings: Settings) -> Iterator[RecordFolders]:
    """Give the folders of the records, which are opened as they are needed; see `reading`."""
    records = RecordFolders(settings.requests)
    try:
        yield records
    finally:
        records.close()


def reading(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Trouble with the records comes with the next step inside; nothing but the reading belongs there."""
    return _admin_access(settings.requests)


def worst(statuses: Iterable[int]) -> int:
    """Give one exit status for several outcomes: failed before kept for later before done."""
    found = set(statuses)
    return ExitStatus.FAILED if ExitStatus.FAILED in found else max(found, default=ExitStatus.DONE)


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
        echo_error(
            format_message(
                _(
                    "The watcher is not running. The decision is kept and will be applied when it "
                    "starts: systemctl start {unit}"
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
            statuses.append(ExitStatus.LATER)
        elif reason := directory.failure(submitted.marker):
            echo_error(format_message(_("{username}: {reason}"), username=submitted.username, reason=reason))
            statuses.append(ExitStatus.FAILED)
        else:
            applied.append(submitted)
    if left:
        echo_problems(settings)
    return worst(statuses), applied


def echo_kept(marker: str) -> None:
    """Say that *marker* has not been dealt with in time."""
    echo_error(
        format_message(
            _(
                "The watcher has not applied the decision {decision} within {seconds} seconds. "
                "It is kept; see `runv-admin-email-alias status`."
            ),
            decision=marker,
            seconds=f"{polling.MARKER_SECONDS:g}",
        )
    )


def echo_problems(settings: Settings) -> None:
    """Say what the watcher has on its mind, when it does not answer."""
    status = read_status(settings.config.runtime_dir)
    for problem in status.problems if status else ():
        echo_error(format_message(_WARNING, what=safe_text(problem.what)))


def echo_publish_state(settings: Settings, publish_state: PublishState) -> int:
    """Say what keeps mail from flowing, if anything; give the exit status."""
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
            echo_error(format_message(_WARNING, what=problem))
        return ExitStatus.DONE
    for problem in publish_state.problems:
        echo_error(format_message(_("The mail server's map does not follow: {what}"), what=problem))
    if not publish_state.problems:
        echo_error(_("The mail server's map does not follow yet. See: runv-admin-email-alias status"))
    return ExitStatus.FAILED
