"""The directory of decisions, as the commands use it: markers written for the watcher, and what became of each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from cli import polling
from cli.app import access
from cli.messages import _
from cli.output import format_message, safe_text
from schemas.config import Settings
from schemas.decision import Decision, FailedDecision, marker_name
from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import Directory
from schemas.json_records import NotJsonError, ShapeError, parse_record, to_json

_FAILED = "failed"
_FAILED_LIMIT = 64 * 1024


class DecisionsDirectory:
    """The open directory of the markers."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def write(self, decision: Decision) -> str:
        """Hand *decision* in; give the name of its marker."""
        name = marker_name(decision)
        with admin_access(self._directory.path):
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
            return format_message(
                _("The decision could not be applied; {path} says why, but cannot be read."),
                path=os.path.join(self._directory.path, _FAILED, name),
            )


@contextlib.contextmanager
def open_decisions(settings: Settings) -> Iterator[DecisionsDirectory]:
    """Open the directory of the markers; raise `StateError` with the next step where that is not allowed."""
    with admin_access(settings.decisions):
        directory = Directory(settings.decisions)
    with directory:
        yield DecisionsDirectory(directory)


def admin_access(path: str) -> contextlib.AbstractContextManager[None]:
    """Give `cli.app.access` to *path*, with an administrator's next steps."""
    return access(
        path,
        denied=format_message(_("You may not use the directory {directory}. Run it with sudo."), directory=path),
        missing=format_message(
            _("The directory {directory} is not there. Start the watcher, which makes it, or mend the installation."),
            directory=path,
        ),
    )
