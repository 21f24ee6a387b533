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

from cli.admin import sentences
from cli.app import access
from cli.output import (
    SafeText,
    counted,
    echo,
    echo_error,
    echo_json,
    echo_lines,
    format_message,
    hanging_indent,
    safe_text,
    short_timestamp,
)
from cli.sentences import NOTHING
from schemas.audit_line import LINE_LIMIT, AuditLine, parse_line, to_plain
from schemas.config import Settings
from schemas.errors import StateError, UnsafeFileError
from schemas.fs.log_file import RotatedLog
from schemas.json_records import NotJsonError, ShapeError
from schemas.program import ExitStatus

_NAME_ROOM = 12
_WHAT_ROOM = max(map(len, sentences.LOG_WHAT.values()))


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
            echo(sentences.LOG_NONE)
    if found.unreadable:
        # A power cut leaves one such line, for as long as its file is kept: nothing has failed.
        echo_error(counted(found.unreadable, sentences.LOG_LINE_UNREADABLE, sentences.LOG_LINES_UNREADABLE))
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
        denied = format_message(sentences.LOG_DENIED, path=self._path)
        missing = format_message(sentences.LOG_NO_DIRECTORY, path=self._path)
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
    what = sentences.LOG_WHAT[line.what]
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
            sentences.LOG_PUBLISHED_FORCED if forced else sentences.LOG_PUBLISHED,
            aliases=counted(line.aliases or 0, sentences.ALIASES_ONE, sentences.ALIASES_MORE),
            added=line.added or 0,
            changed=line.changed or 0,
            removed=line.removed or 0,
            by=by,
        )
    if line.what == "refused" and line.count is not None:
        return format_message(sentences.LOG_REFUSED_MORE, count=line.count, reason=reason)
    if line.what == "cancelled":
        sentence = sentences.LOG_WITHDRAWN if line.request_id else sentences.LOG_SWITCHED_OFF
        return format_message(sentences.LOG_CLOSED if line.reason else sentence, destination=destination, reason=reason)
    return format_message(sentences.LOG_DETAILS[line.what], destination=destination, reason=reason, by=by)
