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
from schemas.errors import ExpectedError
from schemas.registry import Registry
from schemas.requests import RequestRecord
from schemas.rotated import RotatedLog
from watcher.audit import lines
from watcher.audit.refusals import RefusalRateLimit

MODE = 0o640
GROUP = "adm"
"""Who may read logs on Debian and its kin; without that group the file stays with root's."""

_TAIL_BYTES = 64 * 1024
_TAIL_OF_PUBLISHED = 1024 * 1024
_PUBLISHED = b'"published"'
_REMEMBERED = 4096


class Audit:
    """Adds to the log at *path*.

    Args:
        path: the file; made where it is missing.
        registry: gives the registry as it is, or `None` where it cannot be used.
        clock: seconds that only ever grow.

    Attributes:
        refusals: those that are counted.
    """

    def __init__(
        self, path: str, registry: Callable[[], Registry | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = RotatedLog(path)
        self._registry = registry
        self._waiting: list[AuditLine] = []
        self._keys: set[tuple[str, str]] = set()
        self._written: dict[tuple[str, str], None] = {}
        self.refusals = RefusalRateLimit(clock)

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

    def flush(self) -> None:
        """Write what was added. It is durable when this returns.

        Raises:
            OSError, StateError, UnsafeFileError: it could not be written; it is kept for the next call.
        """
        self._waiting += self.refusals.due()
        if not self._waiting:
            return
        registry = self._registry()
        present = registry.sha256 if registry else None
        self._file.append(b"".join(to_line(_with_registry(line, present)) for line in self._waiting), MODE, _gid())
        self._written.update(dict.fromkeys(self._keys))
        while len(self._written) > _REMEMBERED:
            del self._written[next(iter(self._written))]
        self._waiting.clear()
        self._keys.clear()

    def add_again(self, record: RequestRecord, withdrawn: RequestRecord | None) -> None:
        """Have the log tell what *record* came to before a kill, if it has not; *withdrawn* is what it took back."""
        self.add(lines.of_earlier(record, withdrawn, self._registry()))

    def close(self) -> None:
        """Tell of what was counted, as far as it can be told."""
        self._waiting += self.refusals.due(all_of_them=True)
        with contextlib.suppress(OSError, ExpectedError):
            self.flush()

    def remember(self, size: int = _TAIL_BYTES) -> int | None:
        """Look which things the last *size* of the log have told of, so that `add` tells of none of them again.

        Returns:
            The moment of its last line, in nanoseconds; `None` where there is no log.

        Raises:
            OSError, StateError, UnsafeFileError: it cannot be read.
        """
        # What was told just before the log was rotated away was told as well.
        for tail in (self._file.tail_before, self._file.tail):
            with contextlib.suppress(FileNotFoundError):
                for data in tail(size).split(b"\n"):
                    with contextlib.suppress(NotJsonError, ShapeError):
                        if (key := parse_line(data).key) is not None:
                            self._written[key] = None
        return self._file.written_ns()

    def last_published(self) -> str | None:
        """The registry that the last `published` line tells of, where the end of the log holds one."""
        for look in (self._file.tail, self._file.tail_before):
            try:
                tail = look(_TAIL_OF_PUBLISHED)
            except (OSError, ExpectedError):
                continue
            end = len(tail)
            while (found := tail.rfind(_PUBLISHED, 0, end)) >= 0:
                end = tail.rfind(b"\n", 0, found) + 1
                with contextlib.suppress(NotJsonError, ShapeError):
                    line = parse_line(tail[end:].partition(b"\n")[0])
                    if line.what == "published":
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
