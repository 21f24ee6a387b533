"""The audit log: what happened is written down before the file that asked for it goes.

Lines are only ever added. After a kill a thing may be told twice, never not at all; `AuditLine.key` tells a repeat.
"""

from __future__ import annotations

import contextlib
import grp
import time
from collections.abc import Callable

from msgspec.structs import replace

from schemas.audit import AuditLine, parse_line, to_line
from schemas.documents import NotJsonError, ShapeError
from schemas.errors import TroubleError
from schemas.requests import REFUSED_KEPT
from schemas.rotated import RotatedLog

MODE = 0o640
GROUP = "adm"
"""Who may read logs on Debian and its kin; without that group the file stays with root's."""

_TAIL_OCTETS = 64 * 1024
_REMEMBERED = 4096
_MINUTE = 60.0


class Audit:
    """Adds to the log at *path*.

    Args:
        path: the file; made where it is missing.
        registry: gives the SHA-256 of the registry as it is, or `None` where it cannot be used.
        clock: seconds that only ever grow.
    """

    def __init__(
        self, path: str, registry: Callable[[], str | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = RotatedLog(path)
        self._registry = registry
        self._clock = clock
        self._waiting: list[AuditLine] = []
        self._keys: set[tuple[str, str]] = set()
        self._written: dict[tuple[str, str], None] = {}
        self._told: dict[str, int] = {}
        self._told_since = clock()

    def add(self, line: AuditLine) -> None:
        """Have *line* written by the next `flush`, unless it is there already.

        A line without a registry gets the present one, before and after: it changed nothing.
        """
        key = line.key
        if key is not None:
            # A file that could not be removed comes up in every pass.
            if key in self._keys or key in self._written:
                return
            self._keys.add(key)
        self._waiting.append(line)

    def allowance(self, username: str, count: int) -> int:
        """How many of *count* refusals of *username* get a line of their own; the others are to be counted in one.

        A member may be refused thousands of times in a second, for as long as they please: some lines a minute tell
        the administrator as much as all of them.
        """
        moment = self._clock()
        if moment - self._told_since >= _MINUTE:
            self._told.clear()
            self._told_since = moment
        told = self._told.get(username, 0)
        allowed = min(count, REFUSED_KEPT - told)
        self._told[username] = told + allowed
        return allowed

    def flush(self) -> None:
        """Write what was added. It is durable when this returns.

        Raises:
            OSError, StateError, UnsafeFileError: it could not be written; it is kept for the next call.
        """
        if not self._waiting:
            return
        present = self._registry()
        self._file.append(b"".join(to_line(_with_registry(line, present)) for line in self._waiting), MODE, _gid())
        self._written.update(dict.fromkeys(self._keys))
        while len(self._written) > _REMEMBERED:
            del self._written[next(iter(self._written))]
        self._waiting.clear()
        self._keys.clear()

    def remember(self) -> int:
        """Look which things the log has told of lately, so that `add` tells of none of them again.

        Returns:
            The moment of its last line, in nanoseconds; 0 where there is none.

        Raises:
            OSError, StateError, UnsafeFileError: it cannot be read.
        """
        with contextlib.suppress(FileNotFoundError):
            for data in self._file.tail(_TAIL_OCTETS).split(b"\n"):
                with contextlib.suppress(NotJsonError, ShapeError):
                    if (key := parse_line(data).key) is not None:
                        self._written[key] = None
        return self._file.written_ns()

    def last_published(self) -> str | None:
        """The registry that the last `published` line tells of, where the end of the log holds one."""
        try:
            tail = self._file.tail(_TAIL_OCTETS)
        except (OSError, TroubleError):
            return None
        for data in reversed(tail.split(b"\n")):
            try:
                line = parse_line(data) if b'"published"' in data else None
            except (NotJsonError, ShapeError):
                continue
            if line is not None and line.what == "published":
                return line.registry_sha256_after
        return None


def _gid() -> int | None:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


def _with_registry(line: AuditLine, present: str | None) -> AuditLine:
    if line.registry_sha256_after is not None:
        return line
    return replace(line, registry_sha256_before=present, registry_sha256_after=present)
