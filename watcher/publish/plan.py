"""What a publish would change, and the guard: whether that is too much without an administrator's word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from schemas.errors import ExpectedError
from schemas.registry import Registry
from schemas.request import RequestRecord
from schemas.text import N_

GUARD_FLOOR = 10
"""With fewer published rows than this, no change counts as a mass change."""
GUARD_PERCENT = 30
"""More than this share of the published rows removed, or pointed elsewhere, waits for an administrator."""

MASS_CHANGE = N_(
    "This would take away {removed} and point elsewhere {changed} of {published} published aliases, and no more than "
    "{limit} of either are changed unasked. Look at `runv-admin-email-alias sync --dry-run`; if that is meant, run "
    "`runv-admin-email-alias sync --force`. Until then the published map stays as it is."
)
"""Why a publish waits; with the placeholders of `MassChange`."""


class MassChangeError(ExpectedError):
    """The guard holds a publish back; the message has the counts, the limit and the command that lets it pass."""


@dataclass(frozen=True)
class Plan:
    """The difference between what is published and what should be, in the order of the aliases.

    Attributes:
        published: how many aliases are published.
        added: alias -> destination.
        changed: alias -> destination before and after.
        removed: alias -> destination before.
        empty, count: whether nothing differs, and how many aliases differ.
    """

    published: int
    added: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]
    removed: Mapping[str, str]

    @property
    def empty(self) -> bool:
        return not (self.added or self.changed or self.removed)

    @property
    def count(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)


@dataclass(frozen=True)
class MassChange:
    """A plan that the guard holds back: counts of what nobody's decision explains, and the limit."""

    published: int
    removed: int
    changed: int
    limit: int


def make_plan(published: Mapping[str, str], desired: Mapping[str, str]) -> Plan:
    """Compare two tables of alias -> destination."""
    if published == desired:
        return Plan(len(published), {}, {}, {})
    touched = sorted({alias for alias, _ in published.items() ^ desired.items()})
    return Plan(
        published=len(published),
        added={alias: desired[alias] for alias in touched if alias not in published},
        changed={
            alias: (published[alias], desired[alias]) for alias in touched if alias in published and alias in desired
        },
        removed={alias: published[alias] for alias in touched if alias not in desired},
    )


def mass_change(
    plan: Plan, registry: Registry, approvals: Callable[[str], Iterable[RequestRecord]]
) -> MassChange | None:
    """Say whether *plan* removes or redirects more than the guard allows, leaving out what decisions explain.

    Args:
        plan: what would be published.
        registry: the registry that it was made from.
        approvals: gives the approved records of a username, the newest first; asked only where it may matter.
    """
    limit = plan.published * GUARD_PERCENT // 100
    if plan.published < GUARD_FLOOR or max(len(plan.removed), len(plan.changed)) <= limit:
        return None
    removed = sum(not _removal_explained(registry, alias, approvals) for alias in plan.removed)
    changed = sum(
        not any(record.destination == new for record in approvals(_username(alias)))
        for alias, (_, new) in plan.changed.items()
    )
    if max(removed, changed) <= limit:
        return None
    return MassChange(published=plan.published, removed=removed, changed=changed, limit=limit)


def refuse_mass_change(plan: Plan, registry: Registry, approvals: Callable[[str], Iterable[RequestRecord]]) -> None:
    """Raise `MassChangeError` where `mass_change` holds *plan* back."""
    excess = mass_change(plan, registry, approvals)
    if excess is not None:
        raise MassChangeError(
            MASS_CHANGE.format(
                removed=excess.removed, changed=excess.changed, published=excess.published, limit=excess.limit
            )
        )


def describe(plan: Plan, path: str, aliases: int) -> str:
    """The journal's line of a publish to *path*, which holds so many *aliases* now."""
    return (
        f"Published {path}: {aliases} aliases; {len(plan.added)} added, {len(plan.changed)} changed, "
        f"{len(plan.removed)} removed."
    )


def _username(alias: str) -> str:
    return alias.rpartition("@")[0]


def _removal_explained(registry: Registry, alias: str, approvals: Callable[[str], Iterable[RequestRecord]]) -> bool:
    entry = registry.entries.get(_username(alias))
    if entry is None or entry.active or entry.updated_by is None:
        return False
    # Where `updated_by` still names an approval, whoever switched the entry off afterwards recorded no decision.
    return all(record.decision_id != entry.updated_by for record in approvals(_username(alias)))
