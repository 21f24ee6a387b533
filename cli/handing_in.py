"""Handing a file in to the queue, and finding out what became of it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from cli import member_sentences as sentences
from cli import waiting
from cli.access import access, is_missing
from cli.output import format_message
from cli.who import Member
from schemas.documents import to_json
from schemas.errors import StateError
from schemas.files import Directory, signature_of, temporary_name
from schemas.queue import QueueFile
from schemas.records import RecordFolders
from schemas.requests import FOLDERS, Folder, RequestId, RequestRecord, request_id
from schemas.settings import Settings


class Outcome(NamedTuple):
    """What became of a file: its record, or `None` where it is gone and none was written."""

    record: RequestRecord | None


class Submission(NamedTuple):
    """A file in the queue, and the id that its record will have."""

    name: str
    identifier: RequestId


class QueueClient:
    """Where a member hands in files, and where the watcher's records of them are.

    Args:
        settings: the paths.
        member: who hands in.
        queue: the open queue.
        records: the folders of the records.
    """

    def __init__(self, settings: Settings, member: Member, queue: Directory, records: RecordFolders) -> None:
        self.settings = settings
        self.member = member
        self.queue = queue
        self.records = records

    def pending(self) -> RequestRecord | None:
        """The member's own request that waits for an administrator."""
        return self.newest("pending")

    def newest(self, folder: Folder) -> RequestRecord | None:
        """The member's newest record in *folder*; not one of an earlier account of the same name."""
        with self._access(self.settings.requests):
            try:
                found = self.records.newest_first(folder, self.member.name)
                return next((record for record in found if record.uid == self.member.uid), None)
            except StateError as error:
                if is_missing(error):
                    return None
                raise

    def queued(self) -> int:
        """How many files of the member's lie in the queue and have not been taken in."""
        with self._access(self.queue.path):
            found = (self.queue.status(name) for name in self.queue.names() if not name.startswith("."))
            return sum(
                status is not None and status.st_uid == self.member.uid and not stat.S_ISDIR(status.st_mode)
                for status in found
            )

    def submit(self, contents: QueueFile) -> Submission:
        """Put *contents* in the queue, whole or not at all."""
        name = f"{self.member.name}-{os.urandom(8).hex()}.json"
        temporary = temporary_name(name)
        with self._access(self.queue.path):
            written = self.queue.write_aside(temporary, to_json(contents), 0o600)
            status = self.queue.status(temporary)
            if status is None or signature_of(status) != written:
                # In a directory that every member may write, another can have put theirs under the name.
                raise StateError(format_message(sentences.INTERFERED, directory=self.queue.path))
            try:
                self.queue.rename(temporary, name)
            except OSError:
                self.queue.remove(temporary)
                raise
            self.queue.sync()
        return Submission(name, request_id(self.member.name, name, status))

    def await_outcome(self, submission: Submission) -> Outcome | None:
        """Wait until the watcher has dealt with *submission*; `None` where it has not in time."""
        return waiting.wait_for(lambda: self._outcome(submission), waiting.VERDICT_SECONDS)

    def _outcome(self, submission: Submission) -> Outcome | None:
        record = self.find(submission.identifier)
        if record is None and not self.queue.has(submission.name):
            # The record is written before the file is removed: it is there by now, or never will be.
            return Outcome(self.find(submission.identifier))
        return Outcome(record) if record else None

    def find(self, identifier: RequestId | str) -> RequestRecord | None:
        """The record *identifier* in whichever folder it is."""
        for folder in FOLDERS:
            try:
                record = self.records.load(folder, identifier)
            except StateError as error:
                if is_missing(error):
                    continue
                raise
            if record is not None:
                return record
        return None

    def _access(self, path: str) -> contextlib.AbstractContextManager[None]:
        return _member_access(path, self.settings.config.group)


@contextlib.contextmanager
def open_queue_client(settings: Settings, member: Member) -> Iterator[QueueClient]:
    """Open the queue; raise `StateError` with the next step where *member* may not use it."""
    with _member_access(settings.queue, settings.config.group):
        queue = Directory(settings.queue)
    records = RecordFolders(settings.requests)
    try:
        yield QueueClient(settings, member, queue, records)
    finally:
        records.close()
        queue.close()


def _member_access(path: str, group: str) -> contextlib.AbstractContextManager[None]:
    return access(
        path,
        denied=format_message(sentences.NO_ACCESS, directory=path, group=group),
        missing=format_message(sentences.NOT_SET_UP, directory=path),
    )
