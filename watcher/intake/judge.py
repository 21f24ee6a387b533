"""What one queue entry asks for, and whether it may: judging changes nothing."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property

from msgspec.structs import replace

from schemas.addresses import DestinationRefusedError, check_destination
from schemas.config import Settings
from schemas.errors import BeingWrittenError, TooLargeError, UnsafeFileError
from schemas.fs.directory import Directory, signature_of
from schemas.fs.pinned import FoundFile, Pinned
from schemas.json_records import NotJsonError, ShapeError
from schemas.names import NameRefusedError, alias_of, check_username
from schemas.queue_file import FILE_NAME, SIZE_LIMIT, QueueFile, parse_queue_file
from schemas.reason import Reason
from schemas.request import RequestId, RequestRecord, has_record, request_id
from schemas.text import N_, printable
from schemas.times import now
from watcher.accounts import Account, Accounts
from watcher.incomplete import IncompleteFiles
from watcher.intake.backlog import Item
from watcher.records import RecordStore

_DAY_NS = 24 * 3600 * 1_000_000_000


@dataclass(frozen=True)
class Judgement:
    """A judged entry.

    Attributes:
        item: the entry.
        inode: of the file that was judged; another file that took its name since is not meant.
        record: what to write, its status saying where; `None` where it has no owner to write one for, or nothing new
            to say.
        active_cancel: whether the record stands for switching the active alias off, which is still to be done.
        withdraws: the pending record that a cancel takes back.
        refused: why it was refused, if it was.
        before: the record of a file that was taken in before, and is only to be removed.
    """

    item: Item
    inode: int
    record: RequestRecord | None = None
    active_cancel: bool = False
    withdraws: RequestRecord | None = None
    refused: Reason | None = None
    before: RequestRecord | None = None


@dataclass(frozen=True)
class _Entry:
    """An entry as it was opened, its owner, and what the id of its record is made from."""

    item: Item
    account: Account | None
    status: os.stat_result
    born_ns: int | None = None

    @cached_property
    def identifier(self) -> RequestId:
        return request_id(self.account.name if self.account else "", self.item.name, self.status, self.born_ns)

    @property
    def created_at(self) -> str:
        stamp = self.identifier.stamp
        return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:11]}:{stamp[11:13]}:{stamp[13:15]}Z"


class Judge:
    """Judges entries of *queue*, one at a time.

    The checks are made in this order: the entry's name and kind, its owner's account, what can be read of it, whether
    it was taken in before, its owner's membership, its time, its contents, and what the member has already.
    """

    def __init__(
        self,
        settings: Settings,
        queue: Directory,
        records: RecordStore,
        accounts: Accounts,
        incomplete: IncompleteFiles,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._records = records
        self._accounts = accounts
        self._incomplete = incomplete

    def judge(self, item: Item) -> Judgement | None:
        """The judgement of *item*, or `None`: it is gone, is still being written, or has to be left alone.

        Raises:
            GroupMissingError: the members' group does not exist.
            OSError: the entry cannot be read, which says nothing against it.
        """
        try:
            pinned = self._queue.pin(item.name)
        except FileNotFoundError:
            return None
        with pinned:
            # Whoever serves what was mounted over it can name any owner for it. The next scan counts it.
            return None if pinned.mount != self._queue.mount else self._judge(item.name, pinned)

    def _judge(self, name: str, pinned: Pinned) -> Judgement | None:
        status = pinned.status
        item = Item(status.st_mtime_ns, name, status.st_ino, status.st_uid, status.st_mode)
        if item.directory:
            return None
        account = self._accounts.of_uid(item.uid)
        entry = _Entry(item, account, status)
        if not FILE_NAME.fullmatch(name):
            message = N_(
                "The file's name was not accepted: a letter or digit, then at most 127 letters, digits, dots, '_' or "
                "'-', and '.json' at the end was expected."
            )
            return self._refusal(entry, Reason("bad-name", message))
        if not item.regular:
            message = N_("It is a link, FIFO, socket or device; a plain file was expected.")
            return self._refusal(entry, Reason("not-a-file", message))
        if account is None:
            return self._refusal(entry, Reason("no-account", N_("Its owner has no account on this server.")))
        if self._incomplete.waits(name, signature_of(status)):
            return None
        try:
            found = self._read(name, pinned)
        except BeingWrittenError:
            return None
        except BlockingIOError:
            if not self._incomplete.expired(name, signature_of(status), item.uid):
                return None
            message = N_(
                "The file could not be read in peace: a program of yours holds a lease on it, or kept changing it. "
                "Let go of it and send it again."
            )
            return self._refusal(entry, Reason("never-finished", message))
        except UnsafeFileError:
            message = N_(
                "The file has a second name (a hard link), or was swapped for a link; a plain file of one name was "
                "expected."
            )
            return self._refusal(entry, Reason("second-name", message))
        except TooLargeError:
            message = N_("The file is larger than the {limit} octets that a request may have.").format(limit=SIZE_LIMIT)
            return self._refusal(entry, Reason("too-large", message))
        return self._judge_file(_Entry(item, account, found.status, found.born_ns), account, found)

    def _read(self, name: str, pinned: Pinned) -> FoundFile:
        try:
            return pinned.read(SIZE_LIMIT, at_rest=True)
        except BeingWrittenError:
            # A program may keep open what it has long written; of what it still writes it was given time enough.
            if self._incomplete.expired(name, signature_of(pinned.status), pinned.status.st_uid, opened=True):
                return pinned.read(SIZE_LIMIT)
            raise

    def _judge_file(self, entry: _Entry, account: Account, found: FoundFile) -> Judgement | None:
        if self._records.known(entry.identifier):
            return Judgement(entry.item, entry.item.inode, before=self._records.find(entry.identifier))
        reason = self._wrong_owner(account, found) or self._wrong_time(entry.identifier, found)
        if reason is not None:
            return self._refusal(entry, reason)
        try:
            asked = parse_queue_file(found.data)
        except NotJsonError as error:
            if not self._incomplete.expired(entry.item.name, signature_of(found.status), entry.item.uid):
                return None
            message = N_("The file was expected to hold one JSON object. {error}").format(error=error)
            return self._refusal(entry, Reason("not-json", message))
        except ShapeError as error:
            message = N_("The file was understood as JSON but not as a request. {error}").format(error=error)
            return self._refusal(entry, Reason("bad-shape", message))
        alias = alias_of(account.name, self._settings.domain)
        if asked.username not in (None, account.name) or (asked.alias or alias).lower() != alias:
            message = N_(
                "The file belongs to {owner} but speaks for somebody else; {owner} can ask for {alias} alone."
            ).format(owner=account.name, alias=alias)
            return self._refusal(entry, Reason("forged", message), asked)
        return self._request(entry, asked) if asked.action == "request" else self._cancel(entry, asked)

    def _wrong_owner(self, account: Account, found: FoundFile) -> Reason | None:
        if not account.member:
            group = self._settings.config.group
            return Reason("not-a-member", N_("Its owner is not a member of the group {group}.").format(group=group))
        if found.status.st_mode & 0o022:
            return Reason(
                "writable-by-others",
                N_(
                    "The file is writable by its group or by others, so somebody else may have put words in your "
                    "mouth. Take that right away (chmod go-w) and send it again."
                ),
            )
        try:
            check_username(account.name, self._settings.config.reserved)
        except NameRefusedError as error:
            return error.reason
        return None

    def _wrong_time(self, identifier: RequestId, found: FoundFile) -> Reason | None:
        days = self._settings.config.max_request_age_days
        if time.time_ns() - found.status.st_mtime_ns > days * _DAY_NS:
            message = N_("The file is more than {days} days old. If you still want this, ask again.")
            return Reason("too-old", message.format(days=days))
        changed, born = found.status.st_ctime_ns, found.born_ns
        if found.status.st_mtime_ns > changed and (born is None or born > changed):
            # A rename renews the ctime, so of such a file nobody could say whether it is being brought back. One that
            # was made after that is of the time before the clock was set back, and certainly is.
            message = N_("The file's time lies in the future. Set it to the present (touch) and send it again.")
            return Reason("in-the-future", message)
        if self._records.outdated(identifier, found.status):
            message = N_(
                "The file is older than one of yours that was taken in before. If you still want this, ask again."
            )
            return Reason("outdated", message)
        return None

    def _request(self, entry: _Entry, asked: QueueFile) -> Judgement:
        pending = self._pending(entry)
        if pending is not None:
            message = N_(
                "A request for {destination} is pending since {since}. Cancel that one first if you want another "
                "address."
            ).format(destination=pending.destination, since=pending.created_at)
            return self._refusal(entry, Reason("already-pending", message), asked)
        try:
            destination = check_destination(asked.destination or "", self._settings.domain)
        except DestinationRefusedError as error:
            return self._refusal(entry, error.reason, asked)
        return Judgement(entry.item, entry.item.inode, replace(self._record(entry, asked), destination=destination))

    def _cancel(self, entry: _Entry, asked: QueueFile) -> Judgement:
        record = replace(
            self._record(entry, asked), status="cancelled", decided_at=now(), decided_by=entry.identifier.owner
        )
        if asked.scope == "active":
            return Judgement(entry.item, entry.item.inode, record, active_cancel=True)
        pending = self._pending(entry) or self._withdrawn_by(entry)
        if pending is None:
            message = N_("There is no pending request to cancel.")
            return self._refusal(entry, Reason("nothing-pending", message), asked)
        record = replace(record, destination=pending.destination)
        return Judgement(entry.item, entry.item.inode, record, withdraws=pending)

    def _pending(self, entry: _Entry) -> RequestRecord | None:
        found = self._records.pending.get(entry.identifier.owner)
        # A pending request of an earlier holder of the name is nobody's: it cannot be approved any more.
        return found if found is not None and found.uid == entry.item.uid else None

    def _withdrawn_by(self, entry: _Entry) -> RequestRecord | None:
        # After a kill between moving the request and recording the cancel, the request is in its folder already.
        for record in self._records.folders.newest_first("cancelled", entry.identifier.owner):
            if record.decision_id == str(entry.identifier):
                return record
        return None

    def _record(self, entry: _Entry, asked: QueueFile | None) -> RequestRecord:
        return RequestRecord(
            request_id=str(entry.identifier),
            username=entry.identifier.owner,
            uid=entry.item.uid,
            alias=alias_of(entry.identifier.owner, self._settings.domain),
            destination=asked.destination if asked else None,
            action=asked.action if asked else "unknown",
            file=printable(entry.item.name),
            client_id=asked.request_id if asked else None,
            created_at=entry.created_at,
        )

    def _refusal(self, entry: _Entry, reason: Reason, asked: QueueFile | None = None) -> Judgement:
        if entry.account is None or not has_record(entry.identifier):
            return Judgement(entry.item, entry.item.inode, refused=reason)
        record = replace(
            self._record(entry, asked),
            status="refused",
            reason=reason.text,
            reason_code=reason.code,
            decided_at=now(),
            decided_by="watcher",
        )
        return Judgement(entry.item, entry.item.inode, record, refused=reason)
