"""`request` and `cancel`: what is said before a file is handed in, and what its verdict means."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cli import exits, waiting
from cli import member_sentences as sentences
from cli.handing_in import Outcome, QueueClient, Submission, open_queue_client
from cli.output import echo, echo_error, format_message, safe_text, timestamp
from cli.registry_file import read_registry
from cli.watcher_state import conflict_of, is_down, map_follows
from cli.who import Member
from schemas.addresses import DestinationRefusedError, check_destination
from schemas.errors import RegistryError
from schemas.names import NameRefusedError, alias_of, check_username
from schemas.queue import QueueFile
from schemas.registry import Entry
from schemas.requests import RequestRecord
from schemas.settings import Settings


def request(settings: Settings, member: Member, destination: str, *, wait: bool) -> int:
    """Ask for the alias, or for another *destination* of it."""
    try:
        check_username(member.name, settings.config.reserved)
        accepted = check_destination(destination, settings.domain)
    except (NameRefusedError, DestinationRefusedError) as error:
        echo_error(safe_text(str(error)))
        return exits.FAILED
    alias = alias_of(member.name, settings.domain)
    with open_queue_client(settings, member) as client:
        if pending := client.pending():
            echo_error(
                format_message(
                    sentences.ALREADY_PENDING, destination=pending.destination, since=timestamp(pending.created_at)
                )
            )
            return exits.FAILED
        present = _present_destination(settings, member)
        if present == accepted:
            echo(format_message(sentences.ALREADY_THERE, alias=alias, destination=present))
            return exits.DONE
        if accepted != destination:
            echo(format_message(sentences.UNDERSTOOD, destination=accepted))
        if present:
            echo(format_message(sentences.CHANGE_WARNING, alias=alias, present=present))
        submission = client.submit(QueueFile(destination=accepted))
        return _follow(client, submission, _tell_request, wait=wait)


def cancel(settings: Settings, member: Member, *, active: bool, wait: bool) -> int:
    """Withdraw the pending request; with *active*, switch the alias off."""
    try:
        check_username(member.name, settings.config.reserved)
    except NameRefusedError as error:
        echo_error(safe_text(str(error)))
        return exits.FAILED
    return _switch_off(settings, member, wait=wait) if active else _withdraw(settings, member, wait=wait)


def _withdraw(settings: Settings, member: Member, *, wait: bool) -> int:
    with open_queue_client(settings, member) as client:
        pending = client.pending()
        # A request that has not been taken in yet is withdrawn too: the files are dealt with in their order.
        if pending is None and not client.queued():
            alias = alias_of(member.name, settings.domain)
            known = _present_destination(settings, member)
            sentence = sentences.NOTHING_PENDING_BUT_ACTIVE if known else sentences.NOTHING_PENDING
            echo_error(format_message(sentence, alias=alias))
            return exits.FAILED

        submission = client.submit(QueueFile(action="cancel"))
        return _follow(client, submission, _tell_cancel, wait=wait)


def _switch_off(settings: Settings, member: Member, *, wait: bool) -> int:
    alias = alias_of(member.name, settings.domain)
    with open_queue_client(settings, member) as client:
        if not _may_be_active(settings, member):
            echo_error(format_message(sentences.NOTHING_ACTIVE, alias=alias))
            return exits.FAILED

        # The watcher tells of conflicts of active aliases alone.
        sentence = sentences.SWITCHED_OFF if conflict_of(settings, alias) is None else sentences.SWITCHED_OFF_BUT_HELD
        submission = client.submit(QueueFile(action="cancel", scope="active"))
        return _follow(client, submission, partial(_tell_switched_off, settings, sentence), wait=wait)


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
    local, _, domain = entry.destination.rpartition("@")
    return f"{local}@{domain.lower()}"


def _may_be_active(settings: Settings, member: Member) -> bool:
    try:
        entry = own_entry(settings, member)
    except RegistryError:
        return True  # Likewise.
    return entry is not None and entry.active


def _follow(
    client: QueueClient, submission: Submission, tell_verdict: Callable[[RequestRecord], int], *, wait: bool
) -> int:
    if is_down(client.settings):
        echo_error(sentences.KEPT_NOT_RUNNING)
        return exits.LATER
    if not wait:
        echo(sentences.HANDED_IN)
        return exits.DONE
    outcome: Outcome | None = client.await_outcome(submission)
    if outcome is None:
        echo_error(format_message(sentences.KEPT_NO_ANSWER, seconds=f"{waiting.VERDICT_SECONDS:g}"))
        return exits.LATER
    if outcome.record is None:
        echo_error(format_message(sentences.VANISHED, file=client.queue.display_path(submission.name)))
        return exits.FAILED
    return tell_verdict(outcome.record)


def _tell_request(outcome: RequestRecord) -> int:
    known = {"alias": outcome.alias, "destination": outcome.destination}
    if outcome.status == "pending":
        echo(format_message(sentences.WAITS_FOR_APPROVAL, **known))
        return exits.DONE
    if outcome.status == "approved":
        echo(format_message(sentences.APPROVED_ALREADY, **known))
        return exits.DONE
    if outcome.status == "cancelled":
        echo_error(format_message(sentences.WITHDRAWN_ALREADY, **known))
        return exits.FAILED
    refused = outcome.status == "refused"
    return _tell_refusal(outcome, sentences.REQUEST_REFUSED if refused else sentences.REJECTED_ALREADY)


def _tell_cancel(outcome: RequestRecord) -> int:
    if outcome.status != "cancelled":
        return _tell_refusal(outcome, sentences.CANCEL_REFUSED)
    echo(format_message(sentences.WITHDRAWN, alias=outcome.alias, destination=outcome.destination))
    return exits.DONE


def _tell_switched_off(settings: Settings, sentence: str, outcome: RequestRecord) -> int:
    if outcome.status != "cancelled":
        return _tell_refusal(outcome, sentences.CANCEL_REFUSED)
    if not map_follows(settings):
        sentence = sentences.SWITCHED_OFF_BUT_BEHIND
    echo(format_message(sentence, alias=outcome.alias))
    return exits.DONE


def _tell_refusal(outcome: RequestRecord, sentence: str) -> int:
    reason = safe_text(outcome.reason or sentences.NO_REASON)
    echo_error(format_message(sentence, destination=outcome.destination, reason=reason))
    return exits.FAILED
