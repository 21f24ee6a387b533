"""The audit log: a line for each record and decision, durable before the file that asked for it goes.

The functions make the lines, `Audit` adds them. Lines are only ever added. After a kill a thing may have two lines,
never none; `AuditLine.key` is the same in both. A member may be refused thousands of times in a second, for as long as
they please, so `RefusalRateLimit` counts most of their refusals.
"""

from __future__ import annotations

import contextlib
import grp
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from schemas.audit_line import AuditLine, What, parse_line, to_line
from schemas.decision import Decision
from schemas.errors import ExpectedError
from schemas.fs.log_file import RotatedLog
from schemas.json_records import NotJsonError, ShapeError
from schemas.names import alias_of
from schemas.registry import Entry, Registry
from schemas.request import REFUSED_KEPT, RequestRecord
from schemas.text import printable
from schemas.times import now
from watcher.publish.plan import Plan

MODE = 0o640
GROUP = "adm"
"""Who may read logs on Debian and its kin; without that group the file stays with root's."""

MINUTE = 60.0
"""For how long an owner's refusals are counted before they get a line."""
_TAIL_BYTES = 64 * 1024
"""How much of the end of the log is read at a start, to know what has a line already."""
_REMEMBERED = 4096
"""Of how many lines the keys are remembered."""
_TAIL_OF_PUBLISHED = 1024 * 1024
"""How much of the end of the log is searched for the last line on a published registry."""
_PUBLISHED = b'"published"'

WATCHER = "watcher"
"""Who decided, where a rule did and no person."""

ORPHAN = "orphan-"
"""What the ids begin with under which the watcher itself switches aliases off."""

_DONE: dict[str, What] = {"approve": "approved", "reject": "rejected", "revoke": "revoked"}


def of_record(record: RequestRecord) -> AuditLine:
    """What the queue file of *record* came to: a request accepted, or refused, or a member's cancel."""
    line = AuditLine(
        time=now(),
        what="accepted",
        username=printable(record.username),
        uid=record.uid,
        decided_by=WATCHER,
        alias=printable(record.alias),
        destination=record.destination,
        request_id=record.request_id,
        file=record.file,
    )
    if record.status == "refused":
        return replace(line, what="refused", reason=record.reason)
    if record.action == "cancel":
        return replace(line, what="cancelled", decided_by=line.username, request_id=None, decision_id=record.request_id)
    return line


def of_closed(record: RequestRecord) -> AuditLine:
    """A pending *record* that no person closed."""
    return replace(of_record(record), what="cancelled", decided_by=record.decided_by, reason=record.reason)


def of_withdrawal(cancel: RequestRecord, request_id: str) -> AuditLine:
    """The pending request *request_id*, which its member's *cancel* took back."""
    return replace(of_record(cancel), request_id=request_id)


def of_active_cancel(cancel: RequestRecord, before: str | None, after: Registry) -> AuditLine:
    """An alias that its member's *cancel* switched off; *before* is the registry's SHA-256, where it is known."""
    entry = after.entries.get(cancel.username)
    return replace(
        of_record(cancel),
        destination=entry.destination if entry else None,
        registry_sha256_before=before,
        registry_sha256_after=after.sha256,
    )


def of_earlier(record: RequestRecord, withdrawn: RequestRecord | None, present: Registry | None) -> AuditLine:
    """What *record* came to before a kill; *withdrawn* is the request that it took back, if it is a cancel of one."""
    if withdrawn is not None:
        return of_withdrawal(record, withdrawn.request_id)
    # A cancel of a request names its destination; one of the alias does not.
    if record.status == "cancelled" and record.action == "cancel" and not record.destination and present is not None:
        return of_active_cancel(record, None, present)
    return of_record(record)


def of_refusals(username: str | None, uid: int, count: int, reason: str, file: str) -> AuditLine:
    """*count* refusals of one owner that have no lines of their own, with the *reason* and *file* of the last."""
    return AuditLine(
        time=now(),
        what="refused",
        username=printable(username) if username else None,
        uid=uid,
        decided_by=WATCHER,
        reason=reason,
        file=printable(file),
        count=count,
    )


def of_decision(
    identifier: str, decision: Decision, record: RequestRecord | None, entry: Entry | None, domain: str
) -> AuditLine:
    """A decision that was applied.

    Args:
        identifier: the decision's.
        decision: what its marker says.
        record: the request that it closed, where it closed one just now.
        entry: what the registry holds of the member afterwards.
        domain: the alias domain.
    """
    username = decision.username or ""
    bound = entry.uid if entry else None
    return AuditLine(
        time=now(),
        what=_DONE[decision.decision],
        username=username,
        uid=record.uid if record else bound,
        decided_by=decision.operator,
        alias=alias_of(username, domain),
        destination=decision.destination or (record.destination if record else entry.destination if entry else None),
        request_id=decision.request_id or (record.request_id if record else None),
        decision_id=identifier,
        reason=decision.reason,
    )


def of_failure(identifier: str, decision: Decision, reason: str) -> AuditLine:
    """A decision that could not be applied."""
    return AuditLine(
        time=now(),
        what="failed",
        username=decision.username,
        decided_by=decision.operator,
        destination=decision.destination,
        request_id=decision.request_id,
        decision_id=identifier,
        reason=reason,
    )


def of_foreign_marker(identifier: str, reason: str) -> AuditLine:
    """A file in the decisions directory that is no valid decision."""
    return AuditLine(time=now(), what="failed", decision_id=identifier, reason=reason)


def of_orphan(username: str, entry: Entry, before: str | None, after: Registry) -> AuditLine:
    """The alias of *username*, which the watcher switched off: its account or its membership is gone.

    *entry* is what the registry *after* holds of it; *before* is the SHA-256 of the one before, where it is known.
    """
    return AuditLine(
        time=now(),
        what="orphaned",
        username=printable(username),
        uid=entry.uid,
        decided_by=WATCHER,
        alias=printable(entry.alias),
        destination=entry.destination,
        decision_id=entry.updated_by,
        reason=entry.reason,
        registry_sha256_before=before,
        registry_sha256_after=after.sha256,
    )


def of_earlier_orphans(present: Registry, since: str | None) -> Iterator[AuditLine]:
    """The aliases in *present* that the watcher switched off at the time *since* or later; at any, where `None`."""
    for username, entry in present.entries.items():
        ours = entry.status == "orphaned" and (entry.updated_by or "").startswith(ORPHAN)
        if ours and (since is None or (entry.updated_at or "") >= since):
            yield of_orphan(username, entry, None, present)


def of_publish(before: str | None, registry: Registry, plan: Plan | None, operator: str | None) -> AuditLine:
    """The map answers for *registry* now; *operator* is who forced that, if anybody did."""
    return AuditLine(
        time=now(),
        what="published",
        decided_by=operator or WATCHER,
        registry_sha256_before=before,
        registry_sha256_after=registry.sha256,
        aliases=len(registry.rows()),
        added=len(plan.added) if plan else 0,
        changed=len(plan.changed) if plan else 0,
        removed=len(plan.removed) if plan else 0,
    )


@dataclass
class _Minute:
    """One owner's minute: how many lines there were, and how many refusals were counted, with those of the last one."""

    until: float
    lines: int = 0
    count: int = 0
    uid: int = 0
    reason: str = ""
    file: str = ""


class RefusalRateLimit:
    """How many refusals of each owner have lines of their own in this minute; the others are counted.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minutes: dict[str, _Minute] = {}

    def allowance(self, owner: str, count: int) -> int:
        """How many of *count* refusals of *owner* get a line of their own, which they are taken to have from now on."""
        minute = self._minute(owner)
        allowed = min(count, REFUSED_KEPT - minute.lines)
        minute.lines += allowed
        return allowed

    def count(self, owner: str, uid: int, count: int, reason: str, file: str) -> None:
        """Count *count* others of *owner*, with the *reason* and the *file* of the last."""
        minute = self._minute(owner)
        minute.count += count
        minute.uid, minute.reason, minute.file = uid, reason, file

    @property
    def next_due(self) -> float | None:
        """When, on this clock, the line on something that was counted is due."""
        return min((minute.until for minute in self._minutes.values() if minute.count), default=None)

    def due(self, *, all_of_them: bool = False) -> Iterator[AuditLine]:
        """Give a line for each owner whose minute is over, or for every one, and begin to count anew."""
        present = self._clock()
        for owner, minute in list(self._minutes.items()):
            if present < minute.until and not all_of_them:
                continue
            del self._minutes[owner]
            if minute.count:
                yield of_refusals(owner or None, minute.uid, minute.count, minute.reason, minute.file)

    def _minute(self, owner: str) -> _Minute:
        found = self._minutes.get(owner)
        if found is None:
            found = self._minutes[owner] = _Minute(self._clock() + MINUTE)
        return found


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
        """Add the line on what *record* came to before a kill, if it is missing; *withdrawn* is what it took back."""
        self.add(of_earlier(record, withdrawn, self._registry()))

    def close(self) -> None:
        """Write what was counted, as far as it can be written."""
        self._waiting += self.refusals.due(all_of_them=True)
        with contextlib.suppress(OSError, ExpectedError):
            self.flush()

    def remember(self, size: int = _TAIL_BYTES) -> int | None:
        """Read which things have lines in the last *size* bytes of the log, so that `add` adds none of them again.

        Returns:
            The time of its last line, in nanoseconds; `None` where there is no log.

        Raises:
            OSError, StateError, UnsafeFileError: it cannot be read.
        """
        # What was written just before the log was rotated away counts as well.
        for tail in (self._file.tail_before, self._file.tail):
            with contextlib.suppress(FileNotFoundError):
                for data in tail(size).split(b"\n"):
                    with contextlib.suppress(NotJsonError, ShapeError):
                        if (key := parse_line(data).key) is not None:
                            self._written[key] = None
        return self._file.written_ns()

    def last_published(self) -> str | None:
        """The registry in the last `published` line, where the end of the log holds one."""
        for tail in (self._file.tail, self._file.tail_before):
            try:
                data = tail(_TAIL_OF_PUBLISHED)
            except (OSError, ExpectedError):
                continue
            end = len(data)
            while (found := data.rfind(_PUBLISHED, 0, end)) >= 0:
                end = data.rfind(b"\n", 0, found) + 1
                with contextlib.suppress(NotJsonError, ShapeError):
                    line = parse_line(data[end:].partition(b"\n")[0])
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
