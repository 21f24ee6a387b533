"""`sync`: ask the watcher to look again, or show what it would do.

`sync --dry-run --json` prints one object with these keys, always all of them:

    published   how many aliases the map has now
    added       a list of {alias, destination}
    changed     a list of {alias, destination, present}
    removed     a list of {alias, present}
    conflicts   a list of {alias, destination, held}: aliases that rows of somebody else hold (`held` is a list of where
                these send it), which are left out; always empty where the map is a file
    held_back   null, or {published, removed, changed, limit}: the change is too large to be made unasked
    orphans     a list of {alias, reason}: those to be switched off, since their account or its membership is gone
    orphans_held  null, or {active, orphans, limit}: these are too many to be switched off unasked
    enabled     whether publishing is switched on
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from cli import admin_sentences as sentences
from cli import exits
from cli.deciding import open_desk, open_records, reading
from cli.mail_flow import find_flow, tell_flow, tell_problems
from cli.orphans import Orphans, find_orphans
from cli.outcomes import tell_kept, unless_awaited
from cli.output import Prose, complain, counted, fill, table, tell, tell_json, tell_lines
from cli.published import read_published
from cli.registry_file import read_registry
from cli.who import operator
from schemas.decisions import Decision
from schemas.settings import Settings
from schemas.status import Conflict
from schemas.times import now

if TYPE_CHECKING:
    from watcher.publish.plan import MassChange, Plan

_COLOURS = {sentences.ADDED: "green", sentences.CHANGED: "yellow", sentences.REMOVED: "red"}


def sync(settings: Settings, *, force: bool, wait: bool) -> int:
    """Have the watcher bring the map into line; with *force*, though the guard would hold this registry back."""
    with open_desk(settings) as desk:
        seen = read_registry(settings).whole().sha256 if force else None
        decision = Decision(decision="sync", operator=operator(), created_at=now(), force=force, registry_sha256=seen)
        name = desk.drop(decision)
        handed_in = unless_awaited(settings, wait=wait)
        if handed_in is not None:
            return handed_in
        if desk.await_gone([name]):
            tell_kept(name)
            tell_problems(settings)
            return exits.LATER
        if reason := desk.failure(name):
            complain(fill(sentences.SYNC_FAILED, reason=reason))
            return exits.FAILED
    flow = find_flow(settings)
    if flow.state == "off":
        complain(fill(sentences.SYNC_OFF, config=settings.path))
        return exits.FAILED
    if flow.unseen:
        for problem in flow.unseen:
            complain(fill(sentences.PUBLISH_PROBLEM, what=problem))
        return exits.FAILED
    if flow.state == "live":
        sentence = sentences.IN_LINE_BUT if flow.conflicts else sentences.IN_LINE
        tell(fill(sentence, aliases=_aliases(flow.aliases), left_out=_aliases(len(flow.conflicts))))
    return tell_flow(settings, flow)


def dry_run(settings: Settings, *, as_json: bool) -> int:
    """Show what a publish would change, and hold it against the same guard; changes nothing."""
    from watcher.publish.plan import make_plan, mass_change  # noqa: PLC0415

    found = find_orphans(settings, read_registry(settings).whole())
    registry = found.registry
    published = read_published(settings, registry.rows())
    plan = make_plan(published.rows, published.without_conflicts(registry.rows()))
    with open_records(settings) as records, reading(settings):
        guard = mass_change(plan, registry, records.by_owner("approved"))
    if as_json:
        tell_json(_plain(settings, plan, guard, found) | {"conflicts": msgspec.to_builtins(published.conflicts)})
    else:
        _tell_plan(settings, plan, len(published.conflicts))
        _tell_conflicts(published.conflicts)
        _tell_orphans(found)
    for trouble in found.troubles:
        complain(trouble)
    if guard is None:
        return exits.FAILED if found.troubles else exits.DONE
    from watcher.sentences import MASS_CHANGE  # noqa: PLC0415

    complain(
        fill(
            MASS_CHANGE,
            published=guard.published,
            removed=guard.removed,
            changed=guard.changed,
            limit=guard.limit,
        )
    )
    return exits.FAILED


def _tell_conflicts(conflicts: Sequence[Conflict]) -> None:
    if conflicts:
        tell(sentences.DRY_RUN_CONFLICTS)
        rows = [
            [each.alias, sentences.CHANGE.format(present=", ".join(each.held), destination=each.destination)]
            for each in conflicts
        ]
        tell_lines(table((), rows, {}))


def _tell_orphans(found: Orphans) -> None:
    if found.switch_off:
        held = found.held is not None
        tell(sentences.DRY_RUN_ORPHANS_HELD if held else sentences.DRY_RUN_ORPHANS)
        tell_lines(table((), [[orphan.alias, orphan.reason] for orphan in found.switch_off], {}))


def _tell_plan(settings: Settings, plan: Plan, left_out: int) -> None:
    if not settings.config.enabled:
        tell(fill(sentences.DRY_RUN_OFF, config=settings.path))
    if plan.empty:
        sentence = sentences.DRY_RUN_EMPTY_BUT if left_out else sentences.DRY_RUN_EMPTY
        tell(fill(sentence, aliases=_aliases(plan.published), left_out=_aliases(left_out)))
        return
    tell_lines(_plan_lines(plan))
    tell(
        fill(
            sentences.DRY_RUN_COUNTS,
            added=len(plan.added),
            changed=len(plan.changed),
            removed=len(plan.removed),
            published=_aliases(plan.published),
        )
    )


def _plan_lines(plan: Plan) -> Iterator[str]:
    rows = [
        *([sentences.ADDED, alias, new] for alias, new in plan.added.items()),
        *(
            [sentences.CHANGED, alias, sentences.CHANGE.format(present=present, destination=new)]
            for alias, (present, new) in plan.changed.items()
        ),
        *([sentences.REMOVED, alias, present] for alias, present in plan.removed.items()),
    ]
    return table((), sorted(rows, key=lambda row: row[1]), _COLOURS)


def _plain(settings: Settings, plan: Plan, guard: MassChange | None, found: Orphans) -> dict[str, object]:
    held = found.held
    return {
        "published": plan.published,
        "added": [{"alias": alias, "destination": new} for alias, new in plan.added.items()],
        "changed": [
            {"alias": alias, "destination": new, "present": present} for alias, (present, new) in plan.changed.items()
        ],
        "removed": [{"alias": alias, "present": present} for alias, present in plan.removed.items()],
        "held_back": guard
        and {
            "published": guard.published,
            "removed": guard.removed,
            "changed": guard.changed,
            "limit": guard.limit,
        },
        "orphans": [{"alias": orphan.alias, "reason": orphan.reason} for orphan in found.switch_off],
        "orphans_held": held and {"active": held.active, "orphans": held.orphans, "limit": held.limit},
        "enabled": settings.config.enabled,
    }


def _aliases(count: int) -> Prose:
    return counted(count, sentences.ALIASES_ONE, sentences.ALIASES_MORE)
