"""Applying the decisions of a pass: failed ones are kept, the registry is written once, then the records are moved."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from schemas.config import Settings
from schemas.errors import RegistryError
from schemas.reason import Reason
from schemas.registry import Draft, Entry, Registry
from schemas.text import N_, printable
from watcher import audit
from watcher.accounts import Accounts
from watcher.audit import Audit
from watcher.decide.markers import Marker, Markers
from watcher.decide.rules import Applied, DecisionFailedError, Rules, cancel_active, closed
from watcher.intake.intake import Intake
from watcher.intake.judge import Judgement
from watcher.records import RecordStore
from watcher.registry_store import RegistryStore

log = logging.getLogger("runv.decide")


@dataclass
class DecisionResult:
    """What the decisions of a pass came to.

    Attributes:
        registry: the registry after them.
        spent: markers to remove once the status tells of them.
        force: the sync markers that force a publish, by the registry that each holds for.
        answered: members' cancels whose files are to be removed from the queue at that time too.
        handled: decisions and active cancels dealt with.
    """

    registry: Registry
    spent: list[Marker] = field(default_factory=list)
    force: list[Marker] = field(default_factory=list)
    answered: list[Judgement] = field(default_factory=list)
    handled: int = 0


@dataclass
class _Outcome:
    """What each of a pass's decisions and active cancels comes to.

    Attributes:
        applied: decisions that hold, those that held before included.
        failed: decisions that cannot be applied, and why.
        cancelled: active cancels that hold.
        refused: active cancels that had nothing to switch off.
        repeats: the ids of those that the registry had already, so that the audit log cannot say what it was before.
    """

    applied: list[tuple[Marker, Applied]] = field(default_factory=list)
    failed: list[tuple[Marker, Reason]] = field(default_factory=list)
    cancelled: list[Judgement] = field(default_factory=list)
    refused: list[Judgement] = field(default_factory=list)
    repeats: set[str] = field(default_factory=set)


class Decide:
    """Applies the decisions of a pass.

    In this order, so that a kill between any two writes leaves something that the next start recognises: what failed is
    kept, the registry is written, the requests are closed, and the audit log's lines are added.
    """

    def __init__(
        self,
        settings: Settings,
        registry: RegistryStore,
        records: RecordStore,
        accounts: Accounts,
        markers: Markers,
        intake: Intake,
        audit: Audit,
    ) -> None:
        self._registry = registry
        self._records = records
        self._accounts = accounts
        self._markers = markers
        self._intake = intake
        self._audit = audit
        self._domain = settings.domain
        self._rules = Rules(settings, records, accounts)

    def apply(self, markers: list[Marker], cancels: list[Judgement]) -> DecisionResult:
        """Apply *markers* and members' active *cancels*, all in the order of their files' mtime, then name.

        Raises:
            RegistryError: the registry cannot be used; nothing was changed.
            RegistryBusyError: another program holds its lock; nothing was changed.
            StateError: the lock or a record cannot be read.
            OSError: something could not be written; doing it again completes it.
        """
        if not markers and not cancels:
            return DecisionResult(self._registry.current())
        syncs = [marker for marker in markers if marker.decision.decision == "sync"]
        others = [marker for marker in markers if marker.decision.decision != "sync"]
        registry = self._change(others, cancels) if others or cancels else self._registry.current()
        result = DecisionResult(registry, spent=others, answered=cancels, handled=len(others) + len(cancels))
        for marker in syncs:
            outdated = marker.decision.force and marker.decision.registry_sha256 != registry.sha256
            if outdated or self._markers.failed_before(marker) is not None:
                message = N_(
                    "The registry changed since the forced sync was asked for. Look at "
                    "`runv-admin-email-alias sync --dry-run` and repeat `runv-admin-email-alias sync --force`."
                )
                self._markers.fail(marker, Reason("registry-changed", message))
                result.spent.append(marker)
            elif marker.decision.force:
                result.force.append(marker)
            else:
                result.spent.append(marker)
        return result

    def finish_interrupted(self, markers: list[Marker]) -> None:
        """Close the requests of approvals that reached the registry, but no further, before the process ended.

        Before anything else is taken in: a cancel that waits in the queue must not withdraw what is approved already.

        Raises:
            RegistryError, StateError, OSError: as `apply`.
        """
        markers = [marker for marker in markers if self._markers.failed_before(marker) is None]
        approvals = [marker for marker in markers if marker.decision.decision == "approve"]
        if not approvals:
            return
        in_registry = _in_registry(self._registry.current().entries, markers)
        for marker in approvals:
            record = self._records.pending.get(marker.decision.username or "")
            if marker.id in in_registry and record is not None and record.request_id == marker.decision.request_id:
                self._records.close_pending(closed(record, "approved", marker), self._accounts.gid)
        self._records.sync()

    def _change(self, markers: list[Marker], cancels: list[Judgement]) -> Registry:
        with self._registry.lock():
            registry = before = self._registry.current()
            draft = Draft(registry, self._registry.path)
            outcome = self._apply_to(draft, registry, markers, cancels)
            self._keep_failed(outcome)
            if draft.changed:
                registry = draft.finish()
                self._registry.write(registry, self._accounts.gid)
        self._close_requests(outcome)
        _log_applied(outcome)
        self._add_to_audit(outcome, before, registry)
        return registry

    def _apply_to(self, draft: Draft, registry: Registry, markers: list[Marker], cancels: list[Judgement]) -> _Outcome:
        outcome = _Outcome()
        fresh: list[Marker] = []
        for marker in markers:
            reason = self._markers.failed_before(marker)
            if reason is None:
                fresh.append(marker)
            else:
                outcome.failed.append((marker, reason))
        steps = _in_order(fresh, cancels)
        in_registry = _in_registry(registry.entries, steps)
        pending = dict(self._records.pending)
        for step in steps:
            if isinstance(step, Judgement):
                _apply_cancel(step, draft, outcome, in_registry)
                continue
            try:
                applied = self._rules.apply(step, draft, pending, in_registry=step.id in in_registry)
            except DecisionFailedError as error:
                outcome.failed.append((step, error.reason))
                continue
            except RegistryError as error:
                outcome.failed.append((step, Reason("bad-entry", str(error))))
                continue
            if applied.log_line is None or step.id in in_registry:
                outcome.repeats.add(step.id)
            if applied.closes is not None:
                del pending[applied.closes.username]
            outcome.applied.append((step, applied))
        return outcome

    def _keep_failed(self, outcome: _Outcome) -> None:
        # Before the registry is written: after a kill its entry names the last of a member's decisions, and of those
        # before it only these records say which were not applied.
        for marker, reason in outcome.failed:
            self._markers.fail(marker, reason)
        for judgement in outcome.refused:
            if judgement.record is not None:
                refused = Reason("no-active-alias", N_("There is no active alias to switch off."))
                record = msgspec.structs.replace(
                    judgement.record,
                    status="refused",
                    reason=refused.text,
                    reason_code=refused.code,
                    decided_by="watcher",
                )
                self._intake.refuse(replace(judgement, record=record, refused=refused))
        if outcome.refused:
            self._records.sync()

    def _close_requests(self, outcome: _Outcome) -> None:
        gid = self._accounts.gid
        for _marker, applied in outcome.applied:
            if applied.closes is not None:
                self._records.close_pending(applied.closes, gid)
        for judgement in outcome.cancelled:
            if judgement.record is not None:
                self._records.add(judgement.record, gid)

    def _add_to_audit(self, outcome: _Outcome, before: Registry, after: Registry) -> None:
        def known_before(identifier: str) -> str | None:
            return None if identifier in outcome.repeats else before.sha256

        for marker, applied in outcome.applied:
            entry = after.entries.get(marker.decision.username or "")
            line = audit.of_decision(marker.id, marker.decision, applied.closes, entry, self._domain)
            if marker.decision.decision != "reject":
                line = msgspec.structs.replace(
                    line, registry_sha256_before=known_before(marker.id), registry_sha256_after=after.sha256
                )
            self._audit.add(line)
        for judgement in outcome.cancelled:
            if (record := judgement.record) is not None:
                self._audit.add(audit.of_active_cancel(record, known_before(record.request_id), after))


def _apply_cancel(cancel: Judgement, draft: Draft, outcome: _Outcome, in_registry: set[str]) -> None:
    record = cancel.record
    if record is not None and record.request_id in in_registry:
        outcome.repeats.add(record.request_id)
    done = record is not None and (record.request_id in in_registry or cancel_active(record, draft))
    (outcome.cancelled if done else outcome.refused).append(cancel)


def _log_applied(outcome: _Outcome) -> None:
    for _marker, applied in outcome.applied:
        if applied.log_line is not None:
            log.info(printable(applied.log_line, 1000))
    for judgement in outcome.cancelled:
        if judgement.record is not None:
            log.info(f"Cancel {judgement.record.request_id} for {judgement.record.alias} is done.")


def _in_order(markers: Iterable[Marker], cancels: Iterable[Judgement]) -> list[Marker | Judgement]:
    steps: list[tuple[int, str, Marker | Judgement]] = [(marker.mtime_ns, marker.name, marker) for marker in markers]
    steps += [(judgement.item.mtime_ns, judgement.item.name, judgement) for judgement in cancels]
    return [step for _mtime_ns, _name, step in sorted(steps, key=lambda step: step[:2])]


def _in_registry(entries: Mapping[str, Entry], steps: Iterable[Marker | Judgement]) -> set[str]:
    """The ids of those *steps* that the registry has already: the one that an entry names, and those before it.

    A kill, or a status that cannot be written, leaves markers behind that were applied. Of two about one member the
    entry names the later; to apply the earlier one again would undo it.
    """
    found: set[str] = set()
    earlier: dict[str, list[str]] = {}
    for step in steps:
        if isinstance(step, Marker):
            username, identifier = step.decision.username or "", step.id
        elif step.record is not None:
            username, identifier = step.record.username, step.record.request_id
        else:
            continue
        earlier.setdefault(username, []).append(identifier)
        entry = entries.get(username)
        if entry is not None and entry.updated_by == identifier:
            found.update(earlier[username])
    return found
