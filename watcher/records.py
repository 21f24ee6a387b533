"""Writing request records: new ones, from one folder to the next, old ones away; and the rule against replays."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator

from schemas.errors import StateError
from schemas.fs.directory import Directory, Signature
from schemas.json_records import to_json
from schemas.request import (
    CANCELLED_KEPT,
    FOLDERS,
    REFUSED_KEPT,
    Folder,
    RecordFolders,
    RequestId,
    RequestRecord,
    parse_request_id,
    record_name,
    request_id,
)
from schemas.times import stamp

MODE = 0o640
FOLDER_MODE = 0o750
_STEP_NS = 1_000_000_000
"""By how much less a clock is not taken to be set back: two clocks are not read at the same instant."""


class RecordStore:
    """The record folders of the one process that writes them.

    Attributes:
        folders: the same, for reading.
        pending: the pending record of each member that has one.
        troubles: messages on records that cannot be read; they are left where they are.
    """

    def __init__(self, path: str) -> None:
        self.folders = RecordFolders(path)
        self.pending: dict[str, RequestRecord] = {}
        self.troubles: list[str] = []
        self._replay_rule = ReplayRule()
        # What is known of the folders without listing them:
        #   _newest          the time of each owner's newest record
        #   _of_newest       the digests and queue file names of the records of that time, where they were asked for
        #   _cancelled       how many cancelled records each owner has
        #   _pending_seen    the signature of pending/ when it was last read
        #   _approved        gives the approved records of an owner, from a listing
        #   _approved_seen   the signature of approved/ when it was listed
        #   _touched         folders with changes that are not synced yet
        self._newest: dict[str, str] = {}
        self._of_newest: dict[str, list[tuple[str, str]]] = {}
        self._cancelled: Counter[str] = Counter()
        self._pending_seen: Signature | None = None
        self._approved: Callable[[str], Iterator[RequestRecord]] | None = None
        self._approved_seen: Signature | None = None
        self._touched: set[Folder] = set()
        self._make_folders(path)
        for folder in FOLDERS:
            self._note_records(folder)

    def _make_folders(self, path: str) -> None:
        parent, name = os.path.split(path)
        with Directory(parent) as directory:
            directory.make(name, FOLDER_MODE)
        with Directory(path) as directory:
            for folder in FOLDERS:
                directory.make(folder, FOLDER_MODE)

    def _note_records(self, folder: Folder) -> None:
        for identifier in self.folders.ids(folder):
            owner, timestamp = identifier.owner, identifier.stamp
            self._newest[owner] = max(timestamp, self._newest.get(owner, ""))
            self._replay_rule.note(owner, timestamp)
            if folder == "cancelled":
                self._cancelled[owner] += 1

    def tidy(self) -> None:
        """Remove what is half written; only this process writes here, so that is whatever is hidden."""
        for folder in FOLDERS:
            directory = self.folders.folder(folder)
            for name in directory.names():
                if name.startswith("."):
                    directory.remove(name)

    def close(self) -> None:
        """Close the folders."""
        self.folders.close()

    def refresh(self) -> None:
        """Read the pending folder again if somebody else has changed it; close what a kill left half closed."""
        self._replay_rule.check_clocks()
        directory = self.folders.folder("pending")
        seen = directory.signature(".")
        if seen == self._pending_seen:
            return
        self.pending = {}
        self.troubles = []
        for identifier in self.folders.ids("pending"):
            try:
                record = self.folders.load("pending", identifier)
            except StateError as error:
                self.troubles.append(str(error))
                continue
            if record is None:
                continue
            if record.status == "pending":
                self.pending[record.username] = record
            else:
                self._rename(record, "pending")
        self.sync()
        self._pending_seen = directory.signature(".")

    def known(self, identifier: RequestId) -> bool:
        """Whether the queue file of *identifier* has been taken in before."""
        if identifier.stamp > self._newest.get(identifier.owner, ""):
            return False
        name = record_name(identifier)
        return any(self.folders.folder(folder).has(name) for folder in FOLDERS)

    def find(self, identifier: RequestId) -> RequestRecord | None:
        """The record *identifier*, in whichever folder; `None` where there is none, or one that cannot be read."""
        found = None
        # What cannot be read is reported where it matters, by `refresh`.
        with contextlib.suppress(StateError):
            found = self.folders.find(identifier)
        return found[1] if found else None

    def outdated(self, identifier: RequestId, status: os.stat_result) -> bool:
        """Whether a queue file is a replay: it is older than its owner's newest record, or the very same file."""
        if identifier.stamp < self._replay_rule.of(identifier.owner):
            return True
        if identifier.stamp != self._newest.get(identifier.owner):
            return False
        # Two files may have one time; one file that comes back under another name has all but the name in common.
        return any(
            request_id(identifier.owner, file, status).digest == digest
            for digest, file in self._files_of_newest(identifier.owner)
        )

    def _files_of_newest(self, owner: str) -> list[tuple[str, str]]:
        if owner not in self._of_newest:
            newest = self._newest.get(owner)
            self._of_newest[owner] = [
                (found.digest, record.file)
                for folder in FOLDERS
                for found in self.folders.ids(folder, owner)
                if found.stamp == newest and (record := self.folders.load(folder, found)) is not None
            ]
        return self._of_newest[owner]

    def withdrawn_by(self, cancel: RequestRecord) -> RequestRecord | None:
        """The request that *cancel* took back, if it is the cancel of a request."""
        if cancel.action != "cancel":
            return None
        for record in self.folders.newest_first("cancelled", cancel.username):
            if record.decision_id == cancel.request_id:
                return record
        return None

    def written_since(self, since_ns: int) -> Iterator[RequestRecord]:
        """The records that were written at *since_ns* or later; those that cannot be read are passed over."""
        for folder in FOLDERS:
            directory = self.folders.folder(folder)
            seen = directory.status(".")
            # A record comes by a rename, which the folder shows.
            if seen is None or seen.st_mtime_ns < since_ns:
                continue
            for identifier in self.folders.ids(folder):
                status = directory.status(record_name(identifier))
                if status is not None and status.st_mtime_ns >= since_ns:
                    with contextlib.suppress(StateError):
                        if (record := self.folders.load(folder, identifier)) is not None:
                            yield record

    def approved(self, owner: str) -> Iterator[RequestRecord]:
        """The approved records of *owner*, the newest first; the folder is listed again only if it has changed."""
        seen = self.folders.folder("approved").signature(".")
        if self._approved is None or seen != self._approved_seen:
            self._approved_seen = seen
            self._approved = self.folders.by_owner("approved")
        return self._approved(owner)

    def add(self, record: RequestRecord, gid: int) -> None:
        """Write a new record into the folder of its status. Not durable before `sync`."""
        self._write(record.status, record, gid)
        self._cancelled[record.username] += record.status == "cancelled"
        identifier = parse_request_id(record.request_id)
        if identifier is not None:
            self._note(identifier, record.file)
        if record.status == "pending":
            self.pending[record.username] = record

    def close_pending(self, record: RequestRecord, gid: int) -> None:
        """Rewrite a pending record, whose status now is another, and move it to that folder. Durable by `sync`."""
        self._write("pending", record, gid)
        self._rename(record, "pending")
        self.pending.pop(record.username, None)

    def _oldest_first(self, folder: Folder, owner: str) -> list[RequestId]:
        # What seems to come from the future was made before the clock was set back.
        present = stamp(time.time_ns())
        return sorted(self.folders.ids(folder, owner), key=lambda found: (found.stamp <= present, found))

    def prune_refused(self, owner: str) -> None:
        """Keep the newest refused records of *owner* only."""
        directory = self.folders.folder("refused")
        for identifier in self._oldest_first("refused", owner)[:-REFUSED_KEPT]:
            directory.remove(record_name(identifier))
            self._touched.add("refused")

    def sync(self) -> None:
        """Make all that was written since the last call durable."""
        if "cancelled" in self._touched:
            self._prune_cancelled()
        for folder in self._touched:
            self.folders.folder(folder).sync()
        if "pending" in self._touched:
            self._pending_seen = self.folders.folder("pending").signature(".")
        self._touched.clear()

    def _prune_cancelled(self) -> None:
        # Some at a time: the folder is listed for it.
        for owner in [owner for owner, count in self._cancelled.items() if count > CANCELLED_KEPT * 1.1]:
            for identifier in self._oldest_first("cancelled", owner)[:-CANCELLED_KEPT]:
                self.folders.folder("cancelled").remove(record_name(identifier))
            self._cancelled[owner] = CANCELLED_KEPT

    def _write(self, folder: Folder, record: RequestRecord, gid: int) -> None:
        directory = self.folders.folder(folder)
        directory.write(record_name(record.request_id), to_json(record), MODE, gid, durable=False)
        self._touched.add(folder)

    def _rename(self, record: RequestRecord, folder: Folder) -> None:
        name = record_name(record.request_id)
        self.folders.folder(folder).rename(name, name, self.folders.folder(record.status))
        self._touched |= {folder, record.status}
        self._cancelled[record.username] += record.status == "cancelled"
        if record.status == "approved":
            # The clock of file times may stand still between one change and the next.
            self._approved = None

    def _note(self, identifier: RequestId, file: str) -> None:
        owner, newest = identifier.owner, self._newest.get(identifier.owner, "")
        self._replay_rule.note(owner, identifier.stamp)
        if identifier.stamp > newest:
            self._newest[owner] = identifier.stamp
            self._of_newest[owner] = [(identifier.digest, file)]
        elif identifier.stamp == newest:
            self._files_of_newest(owner).append((identifier.digest, file))


class ReplayRule:
    """The replay rule: a queue file that is older than its owner's newest record must not be taken in.

    Times are texts as `schemas.times.stamp` writes them. Records that were made before the clock was set back seem to
    come from the future, and all that their owner writes from then on looks old. So the time of such a record counts as
    the present of when it was noted; or, where the clock is set back while this process runs, as that of the last
    `check_clocks` before, which is when the last of them can have been made.

    Args:
        wall: the clock of file times.
        steady: one that nobody sets.
    """

    def __init__(self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns) -> None:
        self._wall = wall
        self._steady = steady
        self._newest: dict[str, str] = {}  # the time of each owner's newest record, as it counts
        self._checked = wall(), steady()

    def of(self, owner: str) -> str:
        """The time before which files of *owner* are outdated."""
        return self._newest.get(owner, "")

    def note(self, owner: str, timestamp: str) -> None:
        """There is a record of *owner*, made of a file of that *timestamp*."""
        self.check_clocks()
        present = stamp(self._checked[0])
        self._newest[owner] = max(self.of(owner), min(timestamp, present))

    def check_clocks(self) -> None:
        """See whether the clock was set back since the last time."""
        wall, steady = self._wall(), self._steady()
        before, then = self._checked
        # When that was, by the clock as it is now.
        checked = wall - (steady - then)
        if checked < before - _STEP_NS:
            ceiling = stamp(checked)
            self._newest = {owner: min(timestamp, ceiling) for owner, timestamp in self._newest.items()}
        self._checked = wall, steady
