"""Applying decisions: one write of the registry for all of a pass, then the records, and what failed is kept."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from schemas.config import Settings
from schemas.errors import RegistryError
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
    applied: list[tuple[Marker, Applied]] = field(default_factory=list)
    failed: list[tuple[Marker, str]] = field(default_factory=list)
    cancelled: list[Judgement] = field(default_factory=list)
    refused: list[Judgement] = field(default_factory=list)
    repeats: set[str] = field(default_factory=set)


class Decide:
    """Applies the decisions of a pass."""

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
        rest = [marker for marker in markers if marker.decision.decision != "sync"]
        registry = self._change(rest, cancels) if rest or cancels else self._registry.current()
        decided = DecisionResult(registry, spent=rest, answered=cancels, handled=len(rest) + len(cancels))
        for marker in syncs:
            outdated = marker.decision.force and marker.decision.registry_sha256 != registry.sha256
            if outdated or self._markers.failed_before(marker) is not None:
                self._markers.fail(
                    marker,
                    N_(
                        "The registry changed since the forced sync was asked for. Look at "
                        "`runv-admin-email-alias sync --dry-run` and repeat `runv-admin-email-alias "
                        "sync --force`."
                    ),
                )
                decided.spent.append(marker)
            elif marker.decision.force:
                decided.force.append(marker)
            else:
                decided.spent.append(marker)
        return decided

    def finish_interrupted(self, markers: list[Marker]) -> None:
        """Close the requests of approvals that reached the registry, but no further, before the process ended.

        Before anything else is taken in: a cancel that waits in the queue must not withdraw what is approved already.

        Raises:
            RegistryError, StateError, OSError: as `apply`.
        """
        markers = [marker for marker in markers if self._markers.failed_before(marker) is None]
        halves = [marker for marker in markers if marker.decision.decision == "approve"]
        if not halves:
            return
        settled = _settled(self._registry.current().entries, markers)
        for marker in halves:
            record = self._records.pending.get(marker.decision.username or "")
            if marker.id in settled and record is not None and record.request_id == marker.decision.request_id:
                self._records.close_pending(closed(record, "approved", marker), self._accounts.gid)
        self._records.settle()

    def _change(self, markers: list[Marker], cancels: list[Judgement]) -> Registry:
        with self._registry.lock():
            registry = before = self._registry.current()
            draft = Draft(registry, self._registry.path)
            outcome = self._lay_over(registry, draft, markers, cancels)
            self._turn_down(outcome)
            if draft.changed:
                registry = draft.finish()
                self._registry.write(registry, self._accounts.gid)
        self._close(outcome)
        self._write_down(outcome, before, registry)
        return registry

    def _lay_over(self, registry: Registry, draft: Draft, markers: list[Marker], cancels: list[Judgement]) -> _Outcome:
        outcome = _Outcome()
        failed = {
            marker.id: reason for marker in markers if (reason := self._markers.failed_before(marker)) is not None
        }
        outcome.failed += [(marker, failed[marker.id]) for marker in markers if marker.id in failed]
        steps = _in_order([marker for marker in markers if marker.id not in failed], cancels)
        settled = _settled(registry.entries, steps)
        pending = dict(self._records.pending)
        for step in steps:
            if isinstance(step, Judgement):
                record = step.record
                if record is not None and record.request_id in settled:
                    outcome.repeats.add(record.request_id)
                done = record is not None and (record.request_id in settled or cancel_active(record, draft))
                (outcome.cancelled if done else outcome.refused).append(step)
                continue
            try:
                applied = self._rules.apply(step, draft, pending, settled=step.id in settled)
            except (DecisionFailedError, RegistryError) as error:
                outcome.failed.append((step, str(error)))
                continue
            if applied.told is None or step.id in settled:
                outcome.repeats.add(step.id)
            if applied.closes is not None:
                del pending[applied.closes.username]
            outcome.applied.append((step, applied))
        return outcome

    def _turn_down(self, outcome: _Outcome) -> None:
        # Before the registry is written: after a kill its entry names the last of a member's decisions, and of those
        # before it only these records tell which were not applied.
        for marker, reason in outcome.failed:
            self._markers.fail(marker, reason)
        for judgement in outcome.refused:
            if judgement.record is not None:
                reason = N_("There is no active alias to switch off.")
                record = msgspec.structs.replace(
                    judgement.record, status="refused", reason=reason, decided_by="watcher"
                )
                self._intake.refuse(replace(judgement, record=record, refused=reason))
        if outcome.refused:
            self._records.settle()

    def _close(self, outcome: _Outcome) -> None:
        gid = self._accounts.gid
        for _, applied in outcome.applied:
            if applied.closes is not None:
                self._records.close_pending(applied.closes, gid)
        for judgement in outcome.cancelled:
            if judgement.record is not None:
                self._records.add(judgement.record, gid)
        self._tell(outcome)

    def _write_down(self, outcome: _Outcome, before: Registry, after: Registry) -> None:
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

    def _tell(self, outcome: _Outcome) -> None:
        for _, applied in outcome.applied:
            if applied.told is not None:
                log.info(printable(applied.told, 1000))
        for judgement in outcome.cancelled:
            if judgement.record is not None:
                log.info(f"Cancel {judgement.record.request_id} for {judgement.record.alias} is done.")


def _in_order(markers: Iterable[Marker], cancels: Iterable[Judgement]) -> list[Marker | Judgement]:
    steps: list[tuple[int, str, Marker | Judgement]] = [(marker.mtime_ns, marker.name, marker) for marker in markers]
    steps += [(judgement.item.mtime_ns, judgement.item.name, judgement) for judgement in cancels]
    return [step for _, _, step in sorted(steps, key=lambda step: step[:2])]


def _settled(entries: Mapping[str, Entry], steps: Iterable[Marker | Judgement]) -> set[str]:
    """The ids of those *steps* that the registry has already: the one that an entry names, and those before it.

    A kill, or a status that cannot be written, leaves markers behind that were applied. Of two about one member the
    entry names the later; to apply the earlier one again would undo it.
    """
    settled: set[str] = set()
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
            settled.update(earlier[username])
    return settled
