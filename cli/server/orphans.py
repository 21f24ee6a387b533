"""Active aliases that have no member any more, and what the watcher would do about them: nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.output import SafeText, safe_text
from schemas.config import Settings
from schemas.errors import ExpectedError
from schemas.registry import Draft, Registry
from schemas.status import is_running, read_status

if TYPE_CHECKING:
    from watcher.orphan_search import Orphan, OrphansHeld


@dataclass(frozen=True)
class Orphans:
    """What the watcher would do about orphans now.

    Attributes:
        registry: the registry as it would be then.
        switch_off: those that it would switch off, or that are `held`.
        held: why it would not do so unasked.
        report: those that it would only report.
        troubles: the sentences of its problem, if it would have one. Escaped.
    """

    registry: Registry
    switch_off: Sequence[Orphan] = ()
    held: OrphansHeld | None = None
    report: Sequence[Orphan] = ()
    troubles: Sequence[SafeText] = ()


def find_orphans(settings: Settings, registry: Registry) -> Orphans:
    """Look for orphans in *registry*; where that cannot be done, the troubles say why, and none are found."""
    from watcher.accounts import AccountFiles, Accounts  # noqa: PLC0415
    from watcher.decide.rules import switched_off  # noqa: PLC0415
    from watcher.orphan_search import OrphanSearch  # noqa: PLC0415

    config = settings.config
    # Which entries without a uid have lost a member, only the watcher has seen; while it holds some back, all may be.
    held = _held_by_watcher(settings)
    members = None if held else set[str]()
    try:
        search = OrphanSearch(config, Accounts(config.group), AccountFiles().read(), members=members)
        found = search.judge(registry)
        if held and found.held is None and found.switch_off:
            # It goes by how many were allowed when it held them first.
            search.limit = len(found.switch_off) - 1
            found = search.judge(registry)
    except ExpectedError as error:
        return Orphans(registry, troubles=[safe_text(str(error))])
    draft = Draft(registry, settings.registry)
    for orphan in () if found.held else found.switch_off:
        draft.set(orphan.username, switched_off("orphaned", "orphan", orphan.reason))
    troubles = [found.held.message] if found.held else []
    if found.problem is not None:
        troubles.append(found.problem)
    after = draft.finish() if draft.changed else registry
    return Orphans(after, found.switch_off, found.held, found.report, [safe_text(trouble) for trouble in troubles])


def _held_by_watcher(settings: Settings) -> bool:
    status = read_status(settings.config.runtime_dir)
    # One that was killed has seen nobody any more when it is started again.
    return (
        status is not None and is_running(status) and any(problem.code == "orphans-held" for problem in status.problems)
    )
