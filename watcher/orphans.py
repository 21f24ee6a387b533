"""The step of a pass that switches orphans off: aliases whose member is gone, which `watcher.orphan_search` finds.

It waits until the account files have been left alone for a moment, searches, holds back what is too much to do unasked,
and writes the registry. What it came to stands until the account files or the registry change.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from schemas.config import Settings
from schemas.errors import RegistryBusyError
from schemas.registry import Draft, Registry
from schemas.times import stamp
from watcher import audit
from watcher.accounts import (
    LONGEST_SECONDS,
    QUIET_SECONDS,
    AccountFiles,
    Accounts,
    AccountsUnreadableError,
    Marks,
    long_ago,
)
from watcher.audit import Audit
from watcher.decide.rules import switched_off
from watcher.orphan_search import AccountsSlowError, Orphan, OrphanJudgement, OrphanMemory, OrphanSearch
from watcher.registry_store import RegistryStore
from watcher.timers import Retry

log = logging.getLogger("runv.decide")


@dataclass
class OrphanResult:
    """What the step came to.

    Attributes:
        registry: the registry after it.
        count: how many aliases were switched off.
        problems: messages, by problem code.
    """

    registry: Registry
    count: int = 0
    problems: dict[str, str] = field(default_factory=dict)


class OrphanStep:
    """Takes the step. Where neither the account files nor the registry have changed, it costs three calls of stat(2).

    Args:
        settings: the configuration.
        store: the registry.
        accounts: the name services.
        audit: where a line is added for each alias that is switched off.
        files: the account files.
        memory: what was seen before; it lives as long as the process.
        clock: seconds that only ever grow.

    Attributes:
        waits: whether something is left to do: the account files have changed since the last look, or an alias could
            not be switched off.
    """

    def __init__(
        self,
        settings: Settings,
        store: RegistryStore,
        accounts: Accounts,
        audit: Audit,
        files: AccountFiles,
        memory: OrphanMemory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = settings.config
        self._store = store
        self._accounts = accounts
        self._audit = audit
        self._files = files
        self._memory = memory
        self._clock = clock
        # Of the account files:
        #   _marks           how they were in the last step
        #   _changing_since  when they began to change without having been judged by; `None` once they were
        #   _quiet_from      from when on they count as left alone
        #   _unreadable      why they cannot be judged by until they change
        # Of the search:
        #   _search          what was found so far by these files; `None` until it begins
        #   _judged          the registry that was judged last by these files, and the judgement
        #   _suspected       whether there seem to be orphans, as far as can be seen before the files are quiet
        #   _suspected_of    the files and the registry that this was seen of
        # Of what comes next:
        #   _retry           when to read the files or ask the name services again, which failed
        #   _lock_retry      when to try for the registry's lock again
        #   _problems        what the last judgement came to, which stands until the next one
        self._marks: Marks | None = None
        self._changing_since: float | None = None
        self._quiet_from = 0.0
        self._unreadable: str | None = None
        self._search: OrphanSearch | None = None
        self._judged: tuple[Registry, OrphanJudgement] | None = None
        self._suspected = False
        self._suspected_of: tuple[Marks, Registry] | None = None
        self._retry = Retry(clock=clock)
        self._lock_retry = Retry(first=0.05, longest=1.0, clock=clock)
        self._problems: dict[str, str] = {}
        self.waits = True

    @property
    def due(self) -> float | None:
        """When, on this clock, the step is due though nothing happens."""
        if self._retry.due is not None or self._lock_retry.due is not None:
            return min(due for due in (self._retry.due, self._lock_retry.due) if due is not None)
        unjudged = self._marks is not None and self._search is None and self._unreadable is None
        return self._quiet_from if unjudged else None

    @property
    def suspicious_until(self) -> float | None:
        """Until when, on this clock, the account files are left alone though there may be orphans."""
        return self._quiet_from if self._suspected and self._clock() < self._quiet_from else None

    def take(self, registry: Registry, *, forced: bool) -> OrphanResult:
        """Switch the orphans in *registry* off, unless that is too much to do unasked; with *forced* it is not.

        Raises:
            GroupMissingError: the members' group does not exist; nothing was changed.
            OSError, StateError: the registry could not be written; nothing was changed.
        """
        quiet = self._files_are_quiet()
        if not quiet:
            self._suspect(registry)
        self.waits = not quiet or self._lock_retry.waits
        if self.waits or self._retry.waits:
            return OrphanResult(registry, problems=self._problems)
        marks = self._marks
        changing_since, self._changing_since = self._changing_since, None
        try:
            judgement = self._judge(registry)
        except AccountsUnreadableError as error:
            self._unreadable = str(error) if error.lasts else None
            return self._not_judged(registry, str(error), again=not error.lasts)
        except AccountsSlowError as error:
            return self._not_judged(registry, str(error), again=True)
        self._retry.worked()
        if self._files.marks() != marks:
            # They were changed while they were asked: the next pass, which that event brings, asks again.
            self._search = None
            self._changing_since = changing_since
            self.waits = True
            return OrphanResult(registry, problems=self._problems)
        self._problems = _problems(judgement)
        self._memory.held = (marks, judgement.held.limit) if judgement.held else None
        if judgement.switch_off and (forced or judgement.held is None):
            self.waits = True
            return self._switch_off(registry, judgement.switch_off)
        self._lock_retry.worked()
        return OrphanResult(registry, problems=self._problems)

    def _files_are_quiet(self) -> bool:
        marks = self._files.marks()
        if marks != self._marks:
            present = self._clock()
            if self._changing_since is None:
                self._changing_since = present
            # At a start the files themselves say how long they have been left alone.
            known_old = self._marks is None and long_ago(marks)
            # Every member may change passwd as often as they like, see chfn(1), and must not put this off for ever.
            longest = self._changing_since + LONGEST_SECONDS
            self._quiet_from = present if known_old else min(present + QUIET_SECONDS, longest)
            self._marks = marks
            self._search = self._unreadable = self._judged = None
            self._retry.worked()
            self._lock_retry.worked()
        return self._clock() >= self._quiet_from

    def _suspect(self, registry: Registry) -> None:
        """See who is a member now, which does not take files that are left alone."""
        if self._marks is None or self._suspected_of == (self._marks, registry):
            return
        self._suspected_of = (self._marks, registry)
        self._suspected = True
        with contextlib.suppress(AccountsUnreadableError, AccountsSlowError):
            search = self._new_search()
            # The name services are asked later, once for all: that may take long, and many members may have gone.
            search.local = replace(search.local, alone=not search.local.foreign_users)
            self._suspected = bool(search.orphans(registry))

    def _new_search(self) -> OrphanSearch:
        held = self._memory.held
        limit = held[1] if held is not None and held[0] == self._marks else None
        local = self._files.read()
        return OrphanSearch(self._config, self._accounts, local, self._clock, self._memory.members, limit)

    def _judge(self, registry: Registry) -> OrphanJudgement:
        if self._judged is not None and self._judged[0] is registry:
            return self._judged[1]
        if self._unreadable is not None:
            raise AccountsUnreadableError(self._unreadable, lasts=True)
        if self._search is None:
            self._search = self._new_search()
        judgement = self._search.judge(registry)
        self._judged = (registry, judgement)
        return judgement

    def _not_judged(self, registry: Registry, message: str, *, again: bool) -> OrphanResult:
        if again:
            self._retry.failed()
        self._problems = {"accounts-unreadable": message}
        return OrphanResult(registry, problems=self._problems)

    def _switch_off(self, registry: Registry, orphans: Sequence[Orphan]) -> OrphanResult:
        self._problems.pop("orphans-held", None)
        try:
            with self._store.lock():
                # What somebody has changed meanwhile, or broken, is an event, and the next pass judges it.
                present = self._store.usable()
                after = self._write(registry, orphans) if present is registry else None
        except RegistryBusyError as error:
            self._lock_retry.failed()
            self._problems["registry-busy"] = str(error)
            return OrphanResult(registry, problems=self._problems)
        self._lock_retry.worked()
        if after is None:
            return OrphanResult(registry, problems=self._problems)
        self.waits = False
        return OrphanResult(after, len(orphans), self._problems)

    def _write(self, registry: Registry, orphans: Sequence[Orphan]) -> Registry:
        draft = Draft(registry, self._store.path)
        for orphan in orphans:
            identifier = f"{audit.ORPHAN}{stamp(time.time_ns())}-{orphan.username}-{secrets.token_hex(3)}"
            draft.set(orphan.username, switched_off("orphaned", identifier, orphan.reason))
        after = draft.finish()
        self._store.write(after, self._accounts.gid)
        self._memory.members.difference_update(orphan.username for orphan in orphans)
        self._memory.held = None
        for orphan in orphans:
            log.warning(f"Switched {orphan.alias} off: {orphan.reason}")
            self._audit.add(audit.of_orphan(orphan.username, after.entries[orphan.username], registry.sha256, after))
        return after


def _problems(judgement: OrphanJudgement) -> dict[str, str]:
    found = {}
    if judgement.held is not None:
        found["orphans-held"] = judgement.held.message
    if judgement.problem is not None:
        found["orphans"] = judgement.problem
    return found
