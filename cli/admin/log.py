"""`log`: what happened, who decided it, and when.

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

_LOG_WHAT = {
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

_LOG_DETAILS = {
    "accepted": _("for {destination}"),
    "refused": _("{reason}"),
    "approved": _("{destination}, by {by}"),
    "rejected": _("{destination}, by {by}: {reason}"),
    "revoked": _("{destination}, by {by}: {reason}"),
    "orphaned": _("the alias to {destination} was switched off: {reason}"),
    "failed": _("a decision of {by}: {reason}"),
}

_NAME_ROOM = 12
_WHAT_ROOM = max(map(len, _LOG_WHAT.values()))


def log(settings: Settings, *, user: str | None, since: str | None, as_json: bool) -> int:
    """Show the audit log.

    Args:
        settings: where it is.
        user: only what is about this member.
        since: only what happened at this moment or later, as the lines themselves have it.
        as_json: whether to print JSON.

    Raises:
        StateError: the directory it lies in cannot be read. Trouble with one file of it is told of, and keeps no other
            from being shown.
    """
    found = _Reading(settings.audit, since)
    lines = (line for line in found.lines() if user is None or line.username == user)
    if as_json:
        echo_json([to_plain(line) for line in lines])
    else:
        shown = False
        for line in lines:
            shown = True
            echo_lines(_shown(line))
        if not shown and not found.troubles:
            echo(_("The log holds nothing of that."))
    if found.unreadable:
        # A power cut leaves one such line, for as long as its file is kept: nothing has failed.
        echo_error(
            format_message(
                ngettext(
                    "One line of the audit log could not be understood and was left out.",
                    "{count} lines of the audit log could not be understood and were left out.",
                    found.unreadable,
                ),
                count=found.unreadable,
            )
        )
    for trouble in found.troubles:
        echo_error(safe_text(trouble))
    return ExitStatus.FAILED if found.troubles else ExitStatus.DONE


class _Reading:
    def __init__(self, path: str, since: str | None) -> None:
        self._path = path
        self._log = RotatedLog(path)
        self._since = since or ""
        self.unreadable = 0
        self.troubles: dict[str, None] = {}

    def lines(self) -> Iterator[AuditLine]:
        with self._access(self._path):
            names = self._log.names(_seconds(self._since))
        seen: set[tuple[str, str]] = set()
        for data in chain.from_iterable(map(self._read, names)):
            line = self._parsed(data)
            if line is None or (line.key in seen):
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
            self.troubles[str(error)] = None

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
        # The rest of a longer one was not read.
        if len(data) <= LINE_LIMIT:
            with contextlib.suppress(NotJsonError, ShapeError):
                return parse_line(data)
        self.unreadable += 1
        return None


def _seconds(timestamp: str) -> float:
    return datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() if timestamp else 0


def _shown(line: AuditLine) -> list[str]:
    what = _LOG_WHAT[line.what]
    name = safe_text(line.username or NOTHING)
    head = f"{safe_text(short_timestamp(line.time))}  {what.ljust(_WHAT_ROOM)}  {name.ljust(_NAME_ROOM)}  "
    return hanging_indent(head, _details(line))


def _details(line: AuditLine) -> SafeText:
    by = safe_text(line.decided_by or NOTHING)
    reason = safe_text(line.reason or NOTHING)
    destination = safe_text(line.destination or NOTHING)
    if line.what == "published":
        forced = line.decided_by != "watcher"
        return format_message(
            _("{aliases}: {added} added, {changed} changed, {removed} removed; forced by {by}")
            if forced
            else _("{aliases}: {added} added, {changed} changed, {removed} removed"),
            aliases=format_message(ngettext("1 alias", "{count} aliases", line.aliases or 0), count=line.aliases or 0),
            added=line.added or 0,
            changed=line.changed or 0,
            removed=line.removed or 0,
            by=by,
        )
    if line.what == "refused" and line.count is not None:
        return format_message(_("{count} more; the last: {reason}"), count=line.count, reason=reason)
    if line.what == "cancelled":
        sentence = (
            _("the request for {destination}, by its member")
            if line.request_id
            else _("the alias to {destination} was switched off, by its member")
        )
        return format_message(
            _("the request for {destination}: {reason}") if line.reason else sentence,
            destination=destination,
            reason=reason,
        )
    return format_message(_LOG_DETAILS[line.what], destination=destination, reason=reason, by=by)
