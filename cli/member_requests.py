"""`request` and `cancel`: what is said before a file is handed in, and what its verdict means."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cli import exits, waiting
from cli import member_sentences as sentences
from cli.handing_in import Counter, HandedIn, Verdict, open_counter
from cli.output import complain, fill, moment, prose, tell
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
        complain(prose(str(error)))
        return exits.FAILED
    alias = alias_of(member.name, settings.domain)
    with open_counter(settings, member) as counter:
        if pending := counter.pending():
            complain(fill(sentences.ALREADY_PENDING, destination=pending.destination, since=moment(pending.created_at)))
            return exits.FAILED
        present = _present_destination(settings, member)
        if present == accepted:
            tell(fill(sentences.ALREADY_THERE, alias=alias, destination=present))
            return exits.DONE
        if accepted != destination:
            tell(fill(sentences.UNDERSTOOD, destination=accepted))
        if present:
            tell(fill(sentences.CHANGE_WARNING, alias=alias, present=present))
        handed_in = counter.hand_in(QueueFile(destination=accepted))
        return _follow(counter, handed_in, _tell_request, wait=wait)


def cancel(settings: Settings, member: Member, *, active: bool, wait: bool) -> int:
    """Withdraw the pending request; with *active*, switch the alias off."""
    try:
        check_username(member.name, settings.config.reserved)
    except NameRefusedError as error:
        complain(prose(str(error)))
        return exits.FAILED
    return _switch_off(settings, member, wait=wait) if active else _withdraw(settings, member, wait=wait)


def _withdraw(settings: Settings, member: Member, *, wait: bool) -> int:
    with open_counter(settings, member) as counter:
        pending = counter.pending()
        # A request that has not been taken in yet is withdrawn too: the files are dealt with in their order.
        if pending is None and not counter.queued():
            alias = alias_of(member.name, settings.domain)
            known = _present_destination(settings, member)
            sentence = sentences.NOTHING_PENDING_BUT_ACTIVE if known else sentences.NOTHING_PENDING
            complain(fill(sentence, alias=alias))
            return exits.FAILED

        handed_in = counter.hand_in(QueueFile(action="cancel"))
        return _follow(counter, handed_in, _tell_cancel, wait=wait)


def _switch_off(settings: Settings, member: Member, *, wait: bool) -> int:
    alias = alias_of(member.name, settings.domain)
    with open_counter(settings, member) as counter:
        if not _may_be_active(settings, member):
            complain(fill(sentences.NOTHING_ACTIVE, alias=alias))
            return exits.FAILED

        # The watcher tells of conflicts of active aliases alone.
        sentence = sentences.SWITCHED_OFF if conflict_of(settings, alias) is None else sentences.SWITCHED_OFF_BUT_HELD
        handed_in = counter.hand_in(QueueFile(action="cancel", scope="active"))
        return _follow(counter, handed_in, partial(_tell_switched_off, settings, sentence), wait=wait)


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


def _follow(counter: Counter, handed_in: HandedIn, tell_verdict: Callable[[RequestRecord], int], *, wait: bool) -> int:
    if is_down(counter.settings):
        complain(sentences.KEPT_NOT_RUNNING)
        return exits.LATER
    if not wait:
        tell(sentences.HANDED_IN)
        return exits.DONE
    verdict: Verdict | None = counter.await_verdict(handed_in)
    if verdict is None:
        complain(fill(sentences.KEPT_NO_ANSWER, seconds=f"{waiting.VERDICT_SECONDS:g}"))
        return exits.LATER
    if verdict.record is None:
        complain(fill(sentences.VANISHED, file=counter.queue.place(handed_in.name)))
        return exits.FAILED
    return tell_verdict(verdict.record)


def _tell_request(verdict: RequestRecord) -> int:
    known = {"alias": verdict.alias, "destination": verdict.destination}
    if verdict.status == "pending":
        tell(fill(sentences.WAITS_FOR_APPROVAL, **known))
        return exits.DONE
    if verdict.status == "approved":
        tell(fill(sentences.APPROVED_ALREADY, **known))
        return exits.DONE
    if verdict.status == "cancelled":
        complain(fill(sentences.WITHDRAWN_ALREADY, **known))
        return exits.FAILED
    refused = verdict.status == "refused"
    return _tell_refusal(verdict, sentences.REQUEST_REFUSED if refused else sentences.REJECTED_ALREADY)


def _tell_cancel(verdict: RequestRecord) -> int:
    if verdict.status != "cancelled":
        return _tell_refusal(verdict, sentences.CANCEL_REFUSED)
    tell(fill(sentences.WITHDRAWN, alias=verdict.alias, destination=verdict.destination))
    return exits.DONE


def _tell_switched_off(settings: Settings, sentence: str, verdict: RequestRecord) -> int:
    if verdict.status != "cancelled":
        return _tell_refusal(verdict, sentences.CANCEL_REFUSED)
    if not map_follows(settings):
        sentence = sentences.SWITCHED_OFF_BUT_BEHIND
    tell(fill(sentence, alias=verdict.alias))
    return exits.DONE


def _tell_refusal(verdict: RequestRecord, sentence: str) -> int:
    reason = prose(verdict.reason or sentences.NO_REASON)
    complain(fill(sentence, destination=verdict.destination, reason=reason))
    return exits.FAILED
