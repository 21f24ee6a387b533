"""`approve`, `reject` and `revoke`: each decision is bound to what the administrator was shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cli import polling
from cli.admin.outcomes import (
    SubmittedDecision,
    await_applied,
    echo_not_applied,
    echo_not_awaited,
    echo_publish_state,
    worst,
)
from cli.admin.records import open_records, reading_records
from cli.decisions_directory import DecisionsDirectory, open_decisions
from cli.identity import operator
from cli.messages import _
from cli.output import echo, echo_error, format_message, safe_text, timestamp
from cli.server.status import PublishState, conflict_of, find_publish_state, read_registry
from schemas.config import Settings
from schemas.decision import Decision
from schemas.errors import ExpectedError, RegistryError, StateError
from schemas.names import USERNAME, alias_of
from schemas.program import ExitStatus
from schemas.registry import Entry
from schemas.request import RecordFolders, RequestRecord
from schemas.times import now


def approve(settings: Settings, users: Sequence[str], *, sync_mail: bool, wait: bool) -> int:
    """Approve the waiting request of each of *users*; one that cannot be approved keeps back no other."""
    statuses: list[int] = []
    submitted_decisions: list[SubmittedDecision] = []
    with open_decisions(settings) as directory, open_records(settings) as records:
        for user in dict.fromkeys(users):
            try:
                submitted_decisions.append(_approval(settings, directory, records, user))
            except ExpectedError as error:
                echo_error(safe_text(str(error)))
                statuses.append(ExitStatus.FAILED)
        if submitted_decisions:
            statuses.append(_follow_approvals(settings, directory, submitted_decisions, sync_mail=sync_mail, wait=wait))
    return worst(statuses)


def _approval(
    settings: Settings, directory: DecisionsDirectory, records: RecordFolders, user: str
) -> SubmittedDecision:
    record = _waiting_request(settings, records, user)
    destination = record.destination or ""
    present = _active_destination(settings, record)
    shown = (
        _("{alias} -> {destination} (asked {when}; now {present})")
        if present and present != destination
        else _("{alias} -> {destination} (asked {when})")
    )
    when = timestamp(record.created_at)
    echo(format_message(shown, alias=record.alias, destination=destination, when=when, present=present))
    return SubmittedDecision(user, record.alias, destination, directory.write(_decision("approve", record)))


def reject(settings: Settings, user: str, reason: str, *, wait: bool) -> int:
    """Reject the waiting request of *user*."""
    with open_decisions(settings) as directory, open_records(settings) as records:
        record = _waiting_request(settings, records, user)
        marker = directory.write(_decision("reject", record, reason))
        submitted = SubmittedDecision(user, record.alias, record.destination or "", marker)
        status_at_once = echo_not_awaited(settings, wait=wait)
        if status_at_once is not None:
            return status_at_once
        status, applied = await_applied(settings, directory, [submitted])
    for rejected in applied:
        echo(
            format_message(
                _("Rejected: {alias} -> {destination}. {username} reads the reason with `runv-email-alias status`."),
                alias=rejected.alias,
                destination=rejected.destination,
                username=user,
            )
        )
    return status


def revoke(settings: Settings, user: str, reason: str, *, wait: bool) -> int:
    """Switch the active alias of *user* off."""
    with open_decisions(settings) as directory:
        _refuse_bad_name(user)
        entry = read_registry(settings).entry(user)
        if entry is None or not entry.active or entry.destination is None:
            raise StateError(
                format_message(_("{username} has no active alias. See: runv-admin-email-alias list"), username=user)
            )
        decision = Decision(
            decision="revoke",
            username=user,
            destination=entry.destination,
            operator=operator(),
            reason=reason,
            created_at=now(),
        )
        alias = alias_of(user, settings.domain)
        # Asked before: the status has conflicts of active aliases only.
        conflict = conflict_of(settings, alias)
        submitted = SubmittedDecision(user, alias, entry.destination, directory.write(decision))
        status_at_once = echo_not_awaited(settings, wait=wait)
        if status_at_once is not None:
            return status_at_once
        status, applied = await_applied(settings, directory, [submitted])
    if not applied:
        return status
    publish_state = find_publish_state(settings)
    if conflict is not None:
        held = safe_text(", ".join(conflict.held))
        echo_error(
            format_message(
                _(
                    "Revoked, but the row in the database that is not of this program's making was left alone: it "
                    "sends mail to {alias} to {held}. Delete it if that is to end, too."
                ),
                alias=submitted.alias,
                held=held,
            )
        )
        # Where it leads elsewhere, revoking the alias is how such a conflict ends.
        status = worst([status, ExitStatus.FAILED if submitted.destination in conflict.held else ExitStatus.DONE])
    else:
        sentence = (
            _("Revoked: mail to {alias} no longer goes to {destination}.")
            if publish_state.state == "live"
            else _("Revoked: {alias} -> {destination}.")
        )
        echo(format_message(sentence, alias=submitted.alias, destination=submitted.destination))
    return worst([status, echo_publish_state(settings, publish_state)])


def _decision(kind: Literal["approve", "reject"], record: RequestRecord, reason: str | None = None) -> Decision:
    return Decision(
        decision=kind,
        username=record.username,
        request_id=record.request_id,
        destination=record.destination,
        operator=operator(),
        reason=reason,
        created_at=now(),
    )


def _waiting_request(settings: Settings, records: RecordFolders, user: str) -> RequestRecord:
    _refuse_bad_name(user)
    with reading_records(settings):
        record = next(records.newest_first("pending", user), None)
    if record is not None and record.username == user:
        return record
    from watcher.accounts import Accounts  # noqa: PLC0415

    group = settings.config.group
    account = Accounts(group).of_name(user)
    if account is None:
        raise StateError(format_message(_("{username}: there is no account of this name."), username=user))
    if not account.member:
        raise StateError(
            format_message(
                _("{username} is not a member of the group {group} and has no request waiting."),
                username=user,
                group=group,
            )
        )
    raise StateError(
        format_message(_("{username} has no request waiting. See: runv-admin-email-alias pending"), username=user)
    )


def _refuse_bad_name(user: str) -> None:
    # It becomes part of the marker's file name.
    if not USERNAME.fullmatch(user):
        raise StateError(
            format_message(
                _(
                    "{username}: nobody with an alias can have this name. Look it up with: runv-admin-email-alias "
                    "pending"
                ),
                username=user,
            )
        )


def _active_destination(settings: Settings, record: RequestRecord) -> str | None:
    entry = _entry_if_readable(settings, record.username)
    return entry.destination if entry and entry.active and entry.uid in {None, record.uid} else None


def _entry_if_readable(settings: Settings, username: str) -> Entry | None:
    try:
        return read_registry(settings).entry(username)
    except RegistryError:
        return None  # The watcher lets decisions wait, and its status says why.


def _follow_approvals(
    settings: Settings,
    directory: DecisionsDirectory,
    submitted_decisions: Sequence[SubmittedDecision],
    *,
    sync_mail: bool,
    wait: bool,
) -> int:
    status_at_once = echo_not_awaited(settings, wait=wait)
    if status_at_once is not None:
        return status_at_once
    if not sync_mail:
        left = {
            submitted.marker for submitted in submitted_decisions if not _registered(settings, directory, submitted)
        }
        status, applied = echo_not_applied(settings, directory, submitted_decisions, left)
        for submitted in applied:
            echo(
                format_message(
                    _("Approved: the registry has {alias} -> {destination}; the mail server's map follows."),
                    alias=submitted.alias,
                    destination=submitted.destination,
                )
            )
        return status
    status, applied = await_applied(settings, directory, submitted_decisions)
    if not applied:
        return status
    publish_state = find_publish_state(settings)
    statuses = [status, *(_echo_approved(publish_state, submitted) for submitted in applied)]
    rest = publish_state.after_telling_of([submitted.alias for submitted in applied])
    return worst([*statuses, echo_publish_state(settings, rest)])


def _registered(settings: Settings, directory: DecisionsDirectory, submitted: SubmittedDecision) -> bool:
    identifier = submitted.marker.removesuffix(".json")

    def look() -> bool | None:
        if not directory.is_waiting(submitted.marker):
            return True
        entry = _entry_if_readable(settings, submitted.username)
        found = entry and entry.active and entry.destination == submitted.destination and entry.updated_by == identifier
        return True if found else None

    return polling.wait_for(look, polling.MARKER_SECONDS) is True


def _echo_approved(publish_state: PublishState, submitted: SubmittedDecision) -> int:
    if publish_state.state != "live" or publish_state.registry is None:
        echo(
            format_message(
                _("Approved: {alias} -> {destination}."), alias=submitted.alias, destination=submitted.destination
            )
        )
        return ExitStatus.DONE
    entry = publish_state.registry.entry(submitted.username)
    if entry is None or not entry.active or entry.destination != submitted.destination:
        echo_error(
            format_message(
                _(
                    "The approval was applied, but the registry does not have {alias} -> {destination} any more: "
                    "something has changed it since. See: runv-admin-email-alias list"
                ),
                alias=submitted.alias,
                destination=submitted.destination,
            )
        )
        return ExitStatus.FAILED
    if (conflict := publish_state.conflicts.get(submitted.alias)) is not None:
        held = safe_text(", ".join(conflict.held))
        sentence = (
            _(
                "Approved, and mail to {alias} goes to {destination} already, but by a row in the database that is not "
                "of this program's making and would stay when the alias is revoked. Delete that row, then run: "
                "runv-admin-email-alias sync"
            )
            if conflict.same
            else _(
                "Approved, but mail to {alias} does not go to {destination}: a row in the database that is not of this "
                "program's making sends it to {held}. Delete that row, then run: runv-admin-email-alias sync"
            )
        )
        echo_error(format_message(sentence, alias=submitted.alias, destination=submitted.destination, held=held))
        return ExitStatus.FAILED
    echo(
        format_message(
            _("Approved: mail to {alias} now goes to {destination}."),
            alias=submitted.alias,
            destination=submitted.destination,
        )
    )
    return ExitStatus.DONE
