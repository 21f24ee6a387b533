"""`request` and `cancel`: a file is submitted to the queue, and its record says what became of it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from cli import polling
from cli.app import access, is_missing
from cli.identity import Member
from cli.messages import _
from cli.output import echo, echo_error, format_message, safe_text, timestamp
from cli.server.status import conflict_of, is_down, map_follows, read_registry
from schemas.addresses import DestinationRefusedError, check_destination
from schemas.config import Settings
from schemas.errors import RegistryError, StateError
from schemas.fs.directory import Directory, signature_of, temporary_name
from schemas.json_records import to_json
from schemas.names import NameRefusedError, alias_of, check_username
from schemas.program import ExitStatus
from schemas.queue_file import QueueFile
from schemas.registry import Entry
from schemas.request import FOLDERS, Folder, RecordFolders, RequestId, RequestRecord, request_id


class Outcome(NamedTuple):
    """What became of a submitted file: its record, or `None` where it is gone and none was written."""

    record: RequestRecord | None


class Submission(NamedTuple):
    """A file in the queue, and the id that its record will have."""

    name: str
    identifier: RequestId


class QueueClient:
    """A member's access to the queue, where files are submitted, and to the watcher's records of them.

    Args:
        settings: the paths.
        member: who submits.
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
                raise StateError(
                    format_message(
                        _(
                            "Somebody changed the file in {directory} while it was being written, so nothing was "
                            "handed in. Try again, and tell an administrator if it happens again."
                        ),
                        directory=self.queue.path,
                    )
                )
            try:
                self.queue.rename(temporary, name)
            except OSError:
                self.queue.remove(temporary)
                raise
            self.queue.sync()
        return Submission(name, request_id(self.member.name, name, status))

    def await_outcome(self, submission: Submission) -> Outcome | None:
        """Wait until the watcher has dealt with *submission*; `None` where it has not in time."""
        return polling.wait_for(lambda: self._outcome(submission), polling.OUTCOME_SECONDS)

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
        denied=format_message(
            _(
                "You may not use the directory {directory}: only members of the group {group} may. Log in again if you "
                "have just been added to the group; otherwise ask an administrator to add you."
            ),
            directory=path,
            group=group,
        ),
        missing=format_message(
            _(
                "The directory {directory} is not there, so the alias service is not set up on this server. Tell an "
                "administrator."
            ),
            directory=path,
        ),
    )


def request(settings: Settings, member: Member, destination: str, *, wait: bool) -> int:
    """Ask for the alias, or for another *destination* of it."""
    try:
        check_username(member.name, settings.config.reserved)
        accepted = check_destination(destination, settings.domain)
    except (NameRefusedError, DestinationRefusedError) as error:
        echo_error(safe_text(str(error)))
        return ExitStatus.FAILED
    alias = alias_of(member.name, settings.domain)
    with open_queue_client(settings, member) as client:
        if pending := client.pending():
            echo_error(
                format_message(
                    _(
                        "You already have a request for {destination} waiting since {since}, and there can be one at a "
                        "time. Withdraw it first: runv-email-alias cancel"
                    ),
                    destination=pending.destination,
                    since=timestamp(pending.created_at),
                )
            )
            return ExitStatus.FAILED
        present = _present_destination(settings, member)
        if present == accepted:
            echo(
                format_message(
                    _("Nothing is to be done: mail to {alias} already goes to {destination}."),
                    alias=alias,
                    destination=present,
                )
            )
            return ExitStatus.DONE
        if accepted != destination:
            echo(format_message(_("The address is understood as {destination}."), destination=accepted))
        if present:
            echo(
                format_message(
                    _(
                        "Mail to {alias} goes on to {present}; the destination changes only after an administrator "
                        "approves."
                    ),
                    alias=alias,
                    present=present,
                )
            )
        submission = client.submit(QueueFile(destination=accepted))
        return _follow(client, submission, _echo_requested, wait=wait)


def cancel(settings: Settings, member: Member, *, active: bool, wait: bool) -> int:
    """Withdraw the pending request; with *active*, switch the alias off."""
    try:
        check_username(member.name, settings.config.reserved)
    except NameRefusedError as error:
        echo_error(safe_text(str(error)))
        return ExitStatus.FAILED
    return _switch_off(settings, member, wait=wait) if active else _withdraw(settings, member, wait=wait)


def _withdraw(settings: Settings, member: Member, *, wait: bool) -> int:
    with open_queue_client(settings, member) as client:
        pending = client.pending()
        # A request that has not been taken in yet is withdrawn too: the files are dealt with in their order.
        if pending is None and not client.queued():
            alias = alias_of(member.name, settings.domain)
            active = _present_destination(settings, member)
            sentence = (
                _(
                    "You have no request waiting, so there is nothing to withdraw. To switch {alias} off: "
                    "runv-email-alias cancel --active"
                )
                if active
                else _("You have no request waiting, so there is nothing to withdraw.")
            )
            echo_error(format_message(sentence, alias=alias))
            return ExitStatus.FAILED

        submission = client.submit(QueueFile(action="cancel"))
        return _follow(client, submission, _echo_withdrawn, wait=wait)


def _switch_off(settings: Settings, member: Member, *, wait: bool) -> int:
    alias = alias_of(member.name, settings.domain)
    with open_queue_client(settings, member) as client:
        if not _may_be_active(settings, member):
            echo_error(format_message(_("{alias} is not active, so there is nothing to switch off."), alias=alias))
            return ExitStatus.FAILED

        # Asked before: the status has conflicts of active aliases only.
        sentence = (
            _("{alias} is switched off; the mail server stops accepting mail for it within moments.")
            if conflict_of(settings, alias) is None
            else _(
                "{alias} is switched off, but something else on the server holds the address and may go on taking mail "
                "for it. Ask an administrator."
            )
        )
        submission = client.submit(QueueFile(action="cancel", scope="active"))
        return _follow(client, submission, partial(_echo_switched_off, settings, sentence), wait=wait)


def own_entry(settings: Settings, member: Member) -> Entry | None:
    """The member's entry in the registry; not that of an earlier account of the same name.

    Raises:
        RegistryError: the registry cannot be read, or the entry breaks its schema.
    """
    entry = read_registry(settings).entry(member.name)
    return entry if entry and entry.uid in {None, member.uid} else None


def _present_destination(settings: Settings, member: Member) -> str | None:
    try:
        entry = own_entry(settings, member)
    except RegistryError:
        return None  # The watcher waits until somebody has mended it, and judges then.
    if entry is None or not entry.active or entry.destination is None:
        return None
    local, _separator, domain = entry.destination.rpartition("@")
    return f"{local}@{domain.lower()}"


def _may_be_active(settings: Settings, member: Member) -> bool:
    try:
        entry = own_entry(settings, member)
    except RegistryError:
        return True  # The watcher waits here, too.
    return entry is not None and entry.active


def _follow(
    client: QueueClient, submission: Submission, echo_outcome: Callable[[RequestRecord], int], *, wait: bool
) -> int:
    """Wait for the record of *submission* and have *echo_outcome* say what it says; give the exit status."""
    if is_down(client.settings):
        echo_error(
            _(
                "It is kept in the queue and will be taken in when the watcher starts, which is not running now. "
                "`runv-email-alias status` tells how it stands."
            )
        )
        return ExitStatus.LATER
    if not wait:
        echo(_("Handed in. `runv-email-alias status` tells how it stands."))
        return ExitStatus.DONE
    outcome = client.await_outcome(submission)
    if outcome is None:
        echo_error(
            format_message(
                _(
                    "It is kept in the queue and will be taken in when the watcher gets to it; there was no answer "
                    "within {seconds} seconds. `runv-email-alias status` tells how it stands."
                ),
                seconds=f"{polling.OUTCOME_SECONDS:g}",
            )
        )
        return ExitStatus.LATER
    if outcome.record is None:
        echo_error(
            format_message(
                _(
                    "The file {file} is gone from the queue and there is no record of it: somebody removed it before "
                    "it was taken in. Try again, and tell an administrator if it happens again."
                ),
                file=client.queue.display_path(submission.name),
            )
        )
        return ExitStatus.FAILED
    return echo_outcome(outcome.record)


def _echo_requested(record: RequestRecord) -> int:
    fields = {"alias": record.alias, "destination": record.destination}
    if record.status == "pending":
        echo(
            format_message(
                _(
                    "Your request for {alias} -> {destination} now waits for an administrator; `runv-email-alias "
                    "status` tells how it stands."
                ),
                **fields,
            )
        )
        return ExitStatus.DONE
    if record.status == "approved":
        echo(format_message(_("Your request for {alias} -> {destination} has been approved already."), **fields))
        return ExitStatus.DONE
    if record.status == "cancelled":
        echo_error(format_message(_("Your request for {destination} has been withdrawn meanwhile."), **fields))
        return ExitStatus.FAILED
    sentence = (
        _("Your request was refused: {reason}")
        if record.status == "refused"
        else _("Your request for {destination} has been rejected: {reason}")
    )
    return _echo_refusal(record, sentence)


def _echo_withdrawn(record: RequestRecord) -> int:
    if record.status != "cancelled":
        return _echo_refusal(record, _("The cancel was refused: {reason}"))
    echo(
        format_message(
            _("Your request for {alias} -> {destination} is withdrawn."),
            alias=record.alias,
            destination=record.destination,
        )
    )
    return ExitStatus.DONE


def _echo_switched_off(settings: Settings, sentence: str, record: RequestRecord) -> int:
    if record.status != "cancelled":
        return _echo_refusal(record, _("The cancel was refused: {reason}"))
    if not map_follows(settings):
        sentence = _(
            "{alias} is switched off, but the mail server does not follow at the moment, and may go on taking mail for "
            "it until an administrator has put that right."
        )
    echo(format_message(sentence, alias=record.alias))
    return ExitStatus.DONE


def _echo_refusal(record: RequestRecord, sentence: str) -> int:
    reason = safe_text(record.reason or _("no reason was given."))
    echo_error(format_message(sentence, destination=record.destination, reason=reason))
    return ExitStatus.FAILED
