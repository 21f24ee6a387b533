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

from cli.admin.outcomes import echo_behind, echo_kept, echo_not_awaited, echo_problems, echo_publish_state
from cli.admin.records import open_records, reading_records
from cli.decisions_directory import open_decisions
from cli.identity import operator
from cli.output import SafeText, echo, echo_error, echo_json, echo_lines, format_message, table
from cli.server.orphans import Orphans, find_orphans
from cli.server.status import find_publish_state, read_published, read_registry
from schemas.config import Settings
from schemas.decision import Decision
from schemas.program import ExitStatus
from schemas.status import Conflict
from schemas.times import now

if TYPE_CHECKING:
    from watcher.publish.plan import MassChange, Plan
from cli.messages import _, ngettext, translated

_COLOURS = {"+": "green", "~": "yellow", "-": "red"}


def sync(settings: Settings, *, force: bool, wait: bool) -> int:
    """Have the watcher bring the map into line; with *force*, though the guard would hold this registry back."""
    with open_decisions(settings) as directory:
        sha256 = read_registry(settings).whole().sha256 if force else None
        decision = Decision(decision="sync", operator=operator(), created_at=now(), force=force, registry_sha256=sha256)
        name = directory.write(decision)
        status_at_once = echo_not_awaited(settings, wait=wait)
        if status_at_once is not None:
            return status_at_once
        if directory.await_gone([name]):
            echo_kept(name)
            echo_problems(settings)
            return ExitStatus.LATER
        if reason := directory.failure(name):
            echo_error(format_message(_("The sync was not done: {reason}"), reason=reason))
            return ExitStatus.FAILED
    publish_state = find_publish_state(settings)
    if publish_state.state == "off":
        echo_error(
            format_message(
                _("Publishing is switched off (`enabled` is false in {config}), so the map was left alone."),
                config=settings.path,
            )
        )
        return ExitStatus.FAILED
    if publish_state.unseen:
        echo_behind(publish_state.unseen)
        return ExitStatus.FAILED
    if publish_state.state == "live":
        sentence = (
            _("The map is in line with the registry as far as it can be: {aliases} published, {left_out} left out.")
            if publish_state.conflicts
            else _("The map is in line with the registry: {aliases} published.")
        )
        echo(
            format_message(
                sentence, aliases=_aliases(publish_state.aliases), left_out=_aliases(len(publish_state.conflicts))
            )
        )
    return echo_publish_state(settings, publish_state)


def dry_run(settings: Settings, *, as_json: bool) -> int:
    """Show what a publish would change, and whether the guard against mass changes would hold it back."""
    from watcher.publish.plan import make_plan, mass_change  # noqa: PLC0415

    found = find_orphans(settings, read_registry(settings).whole())
    registry = found.registry
    published = read_published(settings, registry.rows())
    plan = make_plan(published.rows, published.without_conflicts(registry.rows()))
    with open_records(settings) as records, reading_records(settings):
        guard = mass_change(plan, registry, records.by_owner("approved"))
    if as_json:
        echo_json(_json_object(settings, plan, guard, found) | {"conflicts": msgspec.to_builtins(published.conflicts)})
    else:
        _echo_plan(settings, plan, len(published.conflicts))
        _echo_conflicts(published.conflicts)
        _echo_orphans(found)
    for problem in found.troubles:
        echo_error(problem)
    if guard is None:
        return ExitStatus.FAILED if found.troubles else ExitStatus.DONE
    from watcher.publish.plan import MASS_CHANGE  # noqa: PLC0415

    echo_error(
        format_message(
            translated(MASS_CHANGE),
            published=guard.published,
            removed=guard.removed,
            changed=guard.changed,
            limit=guard.limit,
        )
    )
    return ExitStatus.FAILED


def _echo_conflicts(conflicts: Sequence[Conflict]) -> None:
    if conflicts:
        echo(_("Left out, since rows of somebody else hold these aliases (where they go -> where they should go):"))
        rows = [[conflict.alias, _change(", ".join(conflict.held), conflict.destination)] for conflict in conflicts]
        echo_lines(table((), rows, {}))


def _echo_orphans(found: Orphans) -> None:
    if found.switch_off:
        echo(
            _("Held, though their account or its membership is gone:")
            if found.held is not None
            else _("Switched off, since their account or its membership is gone:")
        )
        echo_lines(table((), [[orphan.alias, orphan.reason] for orphan in found.switch_off], {}))


def _echo_plan(settings: Settings, plan: Plan, left_out: int) -> None:
    if not settings.config.enabled:
        echo(
            format_message(
                _(
                    "Publishing is switched off (`enabled` is false in {config}); this is what switching it on would "
                    "do."
                ),
                config=settings.path,
            )
        )
    if plan.empty:
        sentence = (
            _("Nothing would change: {aliases} published, {left_out} left out.")
            if left_out
            else _("Nothing differs: the map and the registry both have {aliases}.")
        )
        echo(format_message(sentence, aliases=_aliases(plan.published), left_out=_aliases(left_out)))
        return
    echo_lines(_plan_lines(plan))
    echo(
        format_message(
            _("{added} to add, {changed} to change, {removed} to remove; the map has {published}."),
            added=len(plan.added),
            changed=len(plan.changed),
            removed=len(plan.removed),
            published=_aliases(plan.published),
        )
    )


def _plan_lines(plan: Plan) -> Iterator[str]:
    rows = [
        *(["+", alias, new] for alias, new in plan.added.items()),
        *(["~", alias, _change(present, new)] for alias, (present, new) in plan.changed.items()),
        *(["-", alias, present] for alias, present in plan.removed.items()),
    ]
    return table((), sorted(rows, key=lambda row: row[1]), _COLOURS)


def _json_object(settings: Settings, plan: Plan, guard: MassChange | None, found: Orphans) -> dict[str, object]:
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


def _change(present: str, destination: str) -> str:
    return _("{present} -> {destination}").format(present=present, destination=destination)


def _aliases(count: int) -> SafeText:
    return format_message(ngettext("1 alias", "{count} aliases", count), count=count)
