"""The administrator's markers: reading them, keeping those that failed, removing those that are done."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import UNSET

from schemas.decision import SIZE_LIMIT, Decision, FailedDecision, parse_decision
from schemas.errors import ExpectedError, error_text
from schemas.fs.directory import Directory, signature_of
from schemas.json_records import NotJsonError, ShapeError, parse_record, to_json
from schemas.queue_file import FILE_NAME
from schemas.reason import Reason
from schemas.text import N_, printable
from schemas.times import now
from watcher import audit
from watcher.audit import Audit
from watcher.incomplete import IncompleteFiles

FAILED_FOLDER_MODE = 0o700
FAILED_MODE = 0o600
_KEPT_LIMIT = 64 * 1024
_SHOWN_BYTES = 1000

log = logging.getLogger("runv.decide")


@dataclass(frozen=True)
class Marker:
    """A marker that was read.

    Attributes:
        name: its file name.
        inode: of the file that was read.
        mtime_ns: when it was made; markers are applied in this order, then by name.
        ctime_ns: when it was put there; nobody can set that.
        decision: what it says.
    """

    name: str
    inode: int
    mtime_ns: int
    ctime_ns: int
    decision: Decision

    @property
    def id(self) -> str:
        """The decision's id: the name without its ending."""
        return self.name.removesuffix(".json")


class Markers:
    """The decisions directory."""

    def __init__(self, path: str, audit: Audit, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = Directory(path)
        self._directory.make("failed", FAILED_FOLDER_MODE)
        self._failed = Directory(os.path.join(path, "failed"))
        self._audit = audit
        self.incomplete = IncompleteFiles(clock)

    def tidy(self) -> None:
        """Remove what a kill left half written; only while holding the lock."""
        for name in self._failed.names():
            if name.startswith("."):
                self._failed.remove(name)

    @property
    def fd(self) -> int:
        """The directory's descriptor, which the one watcher locks."""
        return self._directory.fd

    def close(self) -> None:
        """Let go of the directory, and of the lock on it."""
        self._failed.close()
        self._directory.close()

    @property
    def waiting(self) -> bool:
        """Whether there is anything that may be a marker."""
        return bool(self._candidates())

    def _candidates(self) -> list[str]:
        # Whoever can make a directory here is root: it is theirs, and theirs to remove.
        with self._directory.scan() as entries:
            return [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and not entry.is_dir(follow_symlinks=False)
            ]

    def read(self) -> list[Marker]:
        """Every whole marker, in the order of application; files that are no valid decision go to `failed/`.

        Raises:
            OSError: the directory or a marker cannot be read, or `failed/` cannot be written.
        """
        names = self._candidates()
        self.incomplete.forget_all_but(names)
        markers = [marker for name in names if (marker := self._read_one(name)) is not None]
        return sorted(markers, key=lambda marker: (marker.mtime_ns, marker.name))

    def _read_one(self, name: str) -> Marker | None:
        status = self._directory.status(name)
        if status is None or stat.S_ISDIR(status.st_mode) or self.incomplete.waits(name, signature_of(status)):
            return None
        try:
            found = self._directory.read(name, SIZE_LIMIT)
        except FileNotFoundError:
            return None
        except ExpectedError as error:
            # What is wrong with the file itself; a disk or a limit in the way says nothing against the decision.
            message = N_("The marker cannot be read: {error}.").format(error=error_text(error))
            self._set_aside(name, status, Reason("marker-unreadable", message))
            return None
        status = found.status
        reason = _not_acceptable(name, status)
        if reason is None:
            try:
                decision = parse_decision(found.data)
            except NotJsonError as error:
                if not self.incomplete.expired(name, signature_of(status)):
                    return None
                reason = Reason("marker-not-json", str(error))
            except ShapeError as error:
                reason = Reason("marker-bad-shape", str(error))
            else:
                return Marker(name, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, decision)
        self._set_aside(name, status, reason, printable(found.data, _SHOWN_BYTES))
        return None

    def fail(self, marker: Marker, reason: Reason) -> None:
        """Keep *marker* in `failed/` with the reason. The marker itself stays until `remove`."""
        self._keep(marker.name, marker.id, reason, marker.decision)
        self._audit.add(audit.of_failure(marker.id, marker.decision, reason.text))

    def failed_before(self, marker: Marker) -> Reason | None:
        """Why *marker*, this very file, was kept in `failed/` before the process was killed; `None` where it was not.

        What failed stays failed, though by now it could be applied: whoever decided has read that it failed, or will.
        """
        status = self._failed.status(marker.name)
        if status is None or status.st_mtime_ns < marker.ctime_ns:
            return None
        try:
            kept = parse_record(self._failed.read(marker.name, _KEPT_LIMIT).data, FailedDecision)
        except (OSError, ExpectedError, NotJsonError, ShapeError):
            return None
        return Reason(str(kept.reason_code or ""), kept.reason) if kept.marker == marker.decision else None

    def _set_aside(self, name: str, status: os.stat_result, reason: Reason, contents: str = "") -> None:
        # The same each time, or one that is set aside again after a kill would be kept twice.
        kept_as = name if FILE_NAME.fullmatch(name) else f"unnamed-{status.st_mtime_ns}-{status.st_ino}.json"
        identifier = printable(name.removesuffix(".json"))
        self._keep(kept_as, identifier, reason, contents)
        self._audit.add(audit.of_foreign_marker(identifier, reason.text))
        self._audit.flush()
        self._directory.remove(name)

    def _keep(self, name: str, identifier: str, reason: Reason, marker: Decision | str) -> None:
        record = FailedDecision(
            decision_id=identifier,
            reason=reason.text,
            reason_code=reason.code or UNSET,
            failed_at=now(),
            marker=marker,
        )
        # A copy, never a rename: after a rename out of a watched directory its events come half a second late.
        self._failed.write(name, to_json(record), FAILED_MODE)
        log.error(f"Decision {identifier} could not be applied: {reason.text}")

    def remove(self, marker: Marker) -> None:
        """Remove *marker*, which is dealt with and in the status, unless another file has taken its name."""
        status = self._directory.status(marker.name)
        if status is not None and status.st_ino == marker.inode:
            self._directory.remove(marker.name)


def _not_acceptable(name: str, status: os.stat_result) -> Reason | None:
    if not FILE_NAME.fullmatch(name):
        message = N_("The marker's name was not accepted: letters, digits, '.', '_', '-' and '.json' were expected.")
        return Reason("marker-bad-name", message)
    if status.st_uid not in {0, os.geteuid()}:
        message = N_(
            "The marker belongs to uid {uid}; only root decides. Look how it came into a directory of mode 0700."
        ).format(uid=status.st_uid)
        return Reason("marker-not-roots", message)
    return None
