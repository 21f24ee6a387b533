"""`log`: the audit log, as columns or JSON.

`--json` prints a list, oldest first, of the lines of the audit log as schemas/audit-line.schema.json has them, without
those that a kill has doubled.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import chain

from cli.app import access
from cli.messages import _, ngettext
from cli.output import (
    NOTHING,
    SafeText,
    echo,
    echo_error,
    echo_json,
    echo_lines,
    format_message,
    hanging_indent,
    safe_text,
    short_timestamp,
)
from schemas.audit_line import LINE_LIMIT, AuditLine, parse_line, to_plain
from schemas.config import Settings
from schemas.errors import StateError, UnsafeFileError
from schemas.fs.log_file import RotatedLog
from schemas.json_records import NotJsonError, ShapeError
from schemas.program import ExitStatus

_EVENTS = {
    "accepted": _("asked"),
    "refused": _("refused"),
    "cancelled": _("cancelled"),
    "approved": _("approved"),
    "rejected": _("rejected"),
    "revoked": _("revoked"),
    "orphaned": _("orphaned"),
    "failed": _("failed"),
    "published": _("published"),
}

_NAME_WIDTH = 12
_EVENT_WIDTH = max(map(len, _EVENTS.values()))


def log(settings: Settings, *, user: str | None, since: str | None, as_json: bool) -> int:
    """Show the audit log.

    Args:
        settings: where it is.
        user: only what is about this member.
        since: only what happened at this time or later, a timestamp as the lines themselves have it.
        as_json: whether to print JSON.

    Raises:
        StateError: the directory it lies in cannot be read. A file that cannot be read is named, and the others are
            shown.
    """
    reader = _LogReader(settings.audit, since)
    lines = (line for line in reader.lines() if user is None or line.username == user)
    if as_json:
        echo_json([to_plain(line) for line in lines])
    else:
        shown = False
        for line in lines:
            shown = True
            echo_lines(_shown(line))
        if not shown and not reader.problems:
            echo(_("The log holds nothing of that."))
    if reader.unreadable:
        # A power cut leaves one such line, for as long as its file is kept: nothing has failed.
        echo_error(
            format_message(
                ngettext(
                    "One line of the audit log could not be understood and was left out.",
                    "{count} lines of the audit log could not be understood and were left out.",
                    reader.unreadable,
                ),
                count=reader.unreadable,
            )
        )
    for problem in reader.problems:
        echo_error(safe_text(problem))
    return ExitStatus.FAILED if reader.problems else ExitStatus.DONE


class _LogReader:
    """The lines of the audit log and of the files that it was rotated into, the oldest first, none of them twice.

    Attributes:
        unreadable: how many lines could not be understood.
        problems: which files could not be read, and why; a dict for its order.
    """

    def __init__(self, path: str, since: str | None) -> None:
        self._path = path
        self._log = RotatedLog(path)
        self._since = since or ""
        self.unreadable = 0
        self.problems: dict[str, None] = {}

    def lines(self) -> Iterator[AuditLine]:
        with self._access(self._path):
            names = self._log.names(_seconds(self._since))
        seen: set[tuple[str, str]] = set()
        for data in chain.from_iterable(map(self._read, names)):
            line = self._parsed(data)
            if line is None or line.key in seen:
                continue
            if line.key is not None:
                seen.add(line.key)
            if line.time >= self._since:
                yield line

    def _read(self, name: str) -> Iterator[bytes]:
        try:
            with self._access(os.path.join(self._log.folder, name)):
                yield from self._log.lines(name, LINE_LIMIT)
        except (StateError, UnsafeFileError) as error:
            self.problems[str(error)] = None

    def _access(self, display_path: str) -> AbstractContextManager[None]:
        denied = format_message(
            _("You may not read the audit log {path}: root and the group adm may. Run it with sudo."), path=self._path
        )
        missing = format_message(
            _("The directory of the audit log {path} is not there. Start the watcher, or mend the installation."),
            path=self._path,
        )
        return access(display_path, denied=denied, missing=missing)

    def _parsed(self, data: bytes) -> AuditLine | None:
        if not data.strip():
            return None
        # Of a line that is longer, only the beginning was read.
        if len(data) <= LINE_LIMIT:
            with contextlib.suppress(NotJsonError, ShapeError):
                return parse_line(data)
        self.unreadable += 1
        return None


def _seconds(timestamp: str) -> float:
    return datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() if timestamp else 0


def _shown(line: AuditLine) -> list[str]:
    time, event, name = safe_text(short_timestamp(line.time)), _EVENTS[line.what], safe_text(line.username or NOTHING)
    head = f"{time}  {event.ljust(_EVENT_WIDTH)}  {name.ljust(_NAME_WIDTH)}  "
    return hanging_indent(head, _details(line))


def _details(line: AuditLine) -> SafeText:
    match line.what:
        case "accepted":
            sentence = _("for {destination}")
        case "refused":
            sentence = _("{reason}") if line.count is None else _("{count} more; the last: {reason}")
        case "cancelled" if line.reason:
            sentence = _("the request for {destination}: {reason}")
        case "cancelled" if line.request_id:
            sentence = _("the request for {destination}, by its member")
        case "cancelled":
            sentence = _("the alias to {destination} was switched off, by its member")
        case "approved":
            sentence = _("{destination}, by {by}")
        case "rejected" | "revoked":
            sentence = _("{destination}, by {by}: {reason}")
        case "orphaned":
            sentence = _("the alias to {destination} was switched off: {reason}")
        case "failed":
            sentence = _("a decision of {by}: {reason}")
        case "published" if line.decided_by == "watcher":
            sentence = _("{aliases}: {added} added, {changed} changed, {removed} removed")
        case "published":
            sentence = _("{aliases}: {added} added, {changed} changed, {removed} removed; forced by {by}")
    return format_message(
        sentence,
        destination=safe_text(line.destination or NOTHING),
        reason=safe_text(line.reason or NOTHING),
        by=safe_text(line.decided_by or NOTHING),
        count=line.count,
        aliases=format_message(ngettext("1 alias", "{count} aliases", line.aliases or 0), count=line.aliases or 0),
        added=line.added or 0,
        changed=line.changed or 0,
        removed=line.removed or 0,
    )
