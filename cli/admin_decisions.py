"""`approve`, `reject` and `revoke`: each decision is bound to what the administrator was shown."""

from __future__ import annotations

from collections.abc import Sequence

from cli import admin_sentences as sentences
from cli import exits, waiting
from cli.deciding import Desk, open_desk, open_records, reading, worst
from cli.mail_flow import Flow, find_flow, tell_flow
from cli.outcomes import Case, await_applied, sort_out, unless_awaited
from cli.output import complain, fill, moment, prose, tell
from cli.registry_file import read_registry
from cli.watcher_state import conflict_of
from cli.who import operator
from schemas.decisions import Decision
from schemas.errors import RegistryError, StateError, TroubleError
from schemas.names import USERNAME, alias_of
from schemas.records import RecordFolders
from schemas.registry import Entry
from schemas.requests import RequestRecord
from schemas.settings import Settings
from schemas.times import now


def approve(settings: Settings, users: Sequence[str], *, sync_mail: bool, wait: bool) -> int:
    """Approve the waiting request of each of *users*; the trouble of one does not keep the others."""
    statuses: list[int] = []
    cases: list[Case] = []
    with open_desk(settings) as desk, open_records(settings) as records:
        for user in dict.fromkeys(users):
            try:
                cases.append(_approval(settings, desk, records, user))
            except TroubleError as error:
                complain(prose(str(error)))
                statuses.append(exits.FAILED)
        if cases:
            statuses.append(_follow_approvals(settings, desk, cases, sync_mail=sync_mail, wait=wait))
    return worst(statuses)


def _approval(settings: Settings, desk: Desk, records: RecordFolders, user: str) -> Case:
    record = _waiting_request(settings, records, user)
    destination = record.destination or ""
    present = _active_destination(settings, record)
    shown = sentences.ASKED_CHANGE if present and present != destination else sentences.ASKED
    when = moment(record.created_at)
    tell(fill(shown, alias=record.alias, destination=destination, when=when, present=present))
    return Case(user, record.alias, destination, desk.drop(_about("approve", record)))


def reject(settings: Settings, user: str, reason: str, *, wait: bool) -> int:
    """Reject the waiting request of *user*."""
    with open_desk(settings) as desk, open_records(settings) as records:
        record = _waiting_request(settings, records, user)
        marker = desk.drop(_about("reject", record, reason))
        case = Case(user, record.alias, record.destination or "", marker)
        handed_in = unless_awaited(settings, wait=wait)
        if handed_in is not None:
            return handed_in
        status, applied = await_applied(settings, desk, [case])
    for done in applied:
        tell(fill(sentences.REJECTED, alias=done.alias, destination=done.destination, username=user))
    return status


def revoke(settings: Settings, user: str, reason: str, *, wait: bool) -> int:
    """Switch the active alias of *user* off."""
    with open_desk(settings) as desk:
        _refuse_bad_name(user)
        entry = read_registry(settings).entry(user)
        if entry is None or not entry.active or entry.destination is None:
            raise StateError(fill(sentences.NOTHING_ACTIVE, username=user))
        decision = Decision(
            decision="revoke",
            username=user,
            destination=entry.destination,
            operator=operator(),
            reason=reason,
            created_at=now(),
        )
        alias = alias_of(user, settings.domain)
        # The watcher tells of conflicts of active aliases alone.
        conflict = conflict_of(settings, alias)
        case = Case(user, alias, entry.destination, desk.drop(decision))
        handed_in = unless_awaited(settings, wait=wait)
        if handed_in is not None:
            return handed_in
        status, applied = await_applied(settings, desk, [case])
    if not applied:
        return status
    flow = find_flow(settings)
    if conflict is not None:
        held = prose(", ".join(conflict.held))
        complain(fill(sentences.REVOKED_BUT_HELD, alias=case.alias, held=held))
        # Where it leads elsewhere, revoking the alias is how such a conflict ends.
        status = worst([status, exits.FAILED if case.destination in conflict.held else exits.DONE])
    else:
        sentence = sentences.REVOKED_LIVE if flow.state == "live" else sentences.REVOKED
        tell(fill(sentence, alias=case.alias, destination=case.destination))
    return worst([status, tell_flow(settings, flow)])


def _about(kind: str, record: RequestRecord, reason: str | None = None) -> Decision:
    return Decision(
        decision="approve" if kind == "approve" else "reject",
        username=record.username,
        request_id=record.request_id,
        destination=record.destination,
        operator=operator(),
        reason=reason,
        created_at=now(),
    )


def _waiting_request(settings: Settings, records: RecordFolders, user: str) -> RequestRecord:
    _refuse_bad_name(user)
    with reading(settings):
        record = next(records.newest_first("pending", user), None)
    if record is not None and record.username == user:
        return record
    from watcher.accounts import Accounts  # noqa: PLC0415

    group = settings.config.group
    account = Accounts(group).of_name(user)
    if account is None:
        raise StateError(fill(sentences.NO_ACCOUNT, username=user))
    if not account.member:
        raise StateError(fill(sentences.NOT_A_MEMBER, username=user, group=group))
    raise StateError(fill(sentences.NOTHING_PENDING, username=user))


def _refuse_bad_name(user: str) -> None:
    # It becomes part of the marker's file name.
    if not USERNAME.fullmatch(user):
        raise StateError(fill(sentences.BAD_USERNAME, username=user))


def _active_destination(settings: Settings, record: RequestRecord) -> str | None:
    entry = _entry(settings, record.username)
    return entry.destination if entry and entry.active and entry.uid in {None, record.uid} else None


def _entry(settings: Settings, username: str) -> Entry | None:
    try:
        return read_registry(settings).entry(username)
    except RegistryError:
        return None  # The watcher lets decisions wait, and its status says why.


def _follow_approvals(settings: Settings, desk: Desk, cases: Sequence[Case], *, sync_mail: bool, wait: bool) -> int:
    handed_in = unless_awaited(settings, wait=wait)
    if handed_in is not None:
        return handed_in
    if not sync_mail:
        left = {case.marker for case in cases if not _registered(settings, desk, case)}
        status, applied = sort_out(settings, desk, cases, left)
        for case in applied:
            tell(fill(sentences.APPROVED_REGISTERED, alias=case.alias, destination=case.destination))
        return status
    status, applied = await_applied(settings, desk, cases)
    if not applied:
        return status
    flow = find_flow(settings)
    statuses = [status, *(_tell_approved(flow, case) for case in applied)]
    rest = flow.after_telling_of([case.alias for case in applied])
    return worst([*statuses, tell_flow(settings, rest)])


def _registered(settings: Settings, desk: Desk, case: Case) -> bool:
    identifier = case.marker.removesuffix(".json")

    def look() -> bool | None:
        if not desk.is_waiting(case.marker):
            return True
        entry = _entry(settings, case.username)
        found = entry and entry.active and entry.destination == case.destination and entry.updated_by == identifier
        return True if found else None

    return waiting.wait_for(look, waiting.MARKER_SECONDS) is True


def _tell_approved(flow: Flow, case: Case) -> int:
    if flow.state != "live" or flow.registry is None:
        tell(fill(sentences.APPROVED, alias=case.alias, destination=case.destination))
        return exits.DONE
    entry = flow.registry.entry(case.username)
    if entry is None or not entry.active or entry.destination != case.destination:
        complain(fill(sentences.APPROVED_BUT_CHANGED, alias=case.alias, destination=case.destination))
        return exits.FAILED
    if (conflict := flow.conflicts.get(case.alias)) is not None:
        held = prose(", ".join(conflict.held))
        sentence = sentences.APPROVED_IN_CONFLICT_SAME if conflict.same else sentences.APPROVED_IN_CONFLICT
        complain(fill(sentence, alias=case.alias, destination=case.destination, held=held))
        return exits.FAILED
    tell(fill(sentences.APPROVED_LIVE, alias=case.alias, destination=case.destination))
    return exits.DONE
