"""The lines of the audit log, each made from the record or the decision that it tells of."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from schemas.audit import AuditLine, What
from schemas.decisions import Decision
from schemas.names import alias_of
from schemas.registry import Entry, Registry
from schemas.requests import RequestRecord
from schemas.text import printable
from schemas.times import now
from watcher.publish.plan import Plan

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
    """A file among the decisions that is none."""
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
    """The aliases in *present* that the watcher switched off at the moment *since* or later; at any, where `None`."""
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
