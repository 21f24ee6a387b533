"""Orphans: active aliases whose account is gone, belongs to another uid, or is in the members' group no more.

Who gets the name next would find the alias there, and mail would go on to somebody who has left. An entry that was
approved says by its uid whose it is. One without came from an earlier tool or an editor: it may be meant for no account
at all, so it has lost its member only where it was seen to have one. What is here looks and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.config import Config
from schemas.errors import ExpectedError
from schemas.registry import Entry, Registry
from schemas.text import N_
from watcher.accounts import Account, Accounts, LocalAccounts, Marks
from watcher.publish.plan import GUARD_FLOOR, GUARD_PERCENT

ALL_FLOOR = 3
"""Where at least so many aliases are active, that none of them should remain is never believed unasked."""
SEARCH_SECONDS = 2.0
"""How long the name services may take in one go: one that is asked over a network may not answer."""
_NAMED = 5
"""How many orphans a message names; the others are counted."""


class AccountsSlowError(ExpectedError):
    """The name services take too long."""


@dataclass(frozen=True)
class Orphan:
    """An active alias without its member.

    Attributes:
        username: the key of the entry.
        alias: what it was published as.
        reason: why it is one, as a whole sentence.
        sure: whether that is a real answer. A service that cannot be reached gives the same one for an account that
            only it knows.
    """

    username: str
    alias: str
    reason: str
    sure: bool = True


@dataclass(frozen=True)
class OrphansHeld:
    """Why orphans are not switched off unasked.

    Attributes:
        active: how many aliases are active.
        orphans: how many of them would be switched off.
        limit: how many are switched off at the most.
        message: the same for people.
    """

    active: int
    orphans: int
    limit: int
    message: str


@dataclass(frozen=True)
class OrphanJudgement:
    """What is to become of the orphans that were found.

    Attributes:
        switch_off: those to switch off.
        report: those to report alone.
        held: why those to switch off have to wait for an administrator.
        problem: the message on those to report.
    """

    switch_off: Sequence[Orphan] = ()
    report: Sequence[Orphan] = ()
    held: OrphansHeld | None = None
    problem: str | None = None


@dataclass
class OrphanMemory:
    """What was seen of members and orphans in the life of one process.

    Attributes:
        members: see `OrphanSearch`.
        held: the account files by which orphans are held, and the limit by which they were held at first.
    """

    members: set[str] = field(default_factory=set)
    held: tuple[Marks, int] | None = None

    def forget(self) -> None:
        """Forget everything: the members are others now."""
        self.members.clear()
        self.held = None


@dataclass
class OrphanSearch:
    """The search for orphans, by what the account files and the name services say at one time.

    Attributes:
        config: the configuration.
        accounts: the name services.
        local: the account files.
        clock: seconds that only ever grow.
        members: the names of entries without a uid whose member was seen, which are added to it; where `None`, every
            entry has to have a member.
        limit: where orphans are held already, how many were allowed then. What else becomes of the registry meanwhile
            does not let them pass: they may be there by a mistake that somebody is about to mend.
        _known: the entries that were looked at, by username.
        _found: those of them that are orphans, by username.
    """

    config: Config
    accounts: Accounts
    local: LocalAccounts
    clock: Callable[[], float] = time.monotonic
    members: set[str] | None = None
    limit: int | None = None
    _known: dict[str, Entry] = field(default_factory=dict)
    _found: dict[str, Orphan] = field(default_factory=dict)

    def orphans(self, registry: Registry) -> list[Orphan]:
        """Every orphan in *registry*, in its order.

        An entry that was looked at before is not looked at again, also where the others took too long.

        Raises:
            GroupMissingError: the members' group does not exist.
            AccountsSlowError: the name services take too long.
        """
        known, entries = self._known, registry.entries
        until = self.clock() + SEARCH_SECONDS
        for name, entry in entries.items():
            if known.get(name) is entry:
                continue
            if self.clock() > until:
                raise AccountsSlowError(
                    N_(
                        "The name services take too long to say who has an account; see nsswitch.conf(5) for which "
                        "are asked. Until they have answered, no alias is switched off because its account is gone."
                    )
                )
            found = self._orphan(name, entry) if entry.active else None
            self._found.pop(name, None)
            if found is not None:
                self._found[name] = found
            known[name] = entry
        if not self._found:
            return []
        return [self._found[name] for name in entries if name in self._found]

    def _orphan(self, name: str, entry: Entry) -> Orphan | None:
        bound = entry.uid is not None or self.members is None or name in self.members
        if not bound and name not in self.local.users and not self.local.foreign_users:
            return None
        account = self._account(name)
        orphan = self._why_orphan(name, entry, account)
        if orphan is None and entry.uid is None and self.members is not None:
            self.members.add(name)
        return orphan if bound else None

    def _why_orphan(self, name: str, entry: Entry, account: Account | None) -> Orphan | None:
        if account is None:
            message = N_("There is no account {username}.").format(username=name)
            return Orphan(name, entry.alias, message, sure=not self.local.foreign_users)
        if entry.uid not in {None, account.uid}:
            message = N_(
                "The account {username} has the uid {found} now; the alias was approved for the one with uid {uid}."
            ).format(username=name, found=account.uid, uid=entry.uid)
            return Orphan(name, entry.alias, message)
        if not account.member:
            message = N_("The account {username} is not a member of the group {group}.").format(
                username=name, group=self.config.group
            )
            return Orphan(name, entry.alias, message, sure=not self.local.foreign_groups)
        return None

    def _account(self, name: str) -> Account | None:
        entry = self.local.users.get(name) if self.local.asked_first else None
        # By what was read already: each look-up would read the whole file again, for thousands of aliases.
        if entry is not None:
            return Account(name, entry.uid, self.accounts.is_member(name, entry.gid))
        if self.local.alone:
            return None
        return self.accounts.of_name(name)

    def judge(self, registry: Registry) -> OrphanJudgement:
        """Say what is to become of the orphans in *registry*. Raises as `orphans`."""
        found = self.orphans(registry)
        deactivate = self.config.orphans == "deactivate"
        switch_off = [orphan for orphan in found if orphan.sure and deactivate]
        report = [orphan for orphan in found if not (orphan.sure and deactivate)]
        held = self._held(registry, switch_off) if switch_off else None
        self.limit = held.limit if held else None
        return OrphanJudgement(switch_off, report, held, self._problem(report) if report else None)

    def _held(self, registry: Registry, orphans: Sequence[Orphan]) -> OrphansHeld | None:
        active, count = len(registry.rows()), len(orphans)
        limit = active * GUARD_PERCENT // 100
        if active < GUARD_FLOOR:
            limit = active if active < ALL_FLOOR else active - 1
        if self.limit is not None:
            limit = min(limit, self.limit)
        if count <= limit:
            return None
        message = N_(
            "The accounts of {orphans} of {active} active aliases are gone or are no members, all at once, and no "
            "more than {limit} are switched off unasked: {names}. Look at `runv-admin-email-alias sync --dry-run`; if "
            "that is meant, run `runv-admin-email-alias sync --force`. Until then these aliases stay active."
        ).format(orphans=count, active=active, limit=limit, names=names_of(orphans))
        return OrphansHeld(active, count, limit, message)

    def _problem(self, orphans: Sequence[Orphan]) -> str:
        message = N_(
            "Active aliases whose account is gone or is no member: {names}. For each, run `runv-admin-email-alias "
            "revoke NAME --reason TEXT`, or bring the account back."
        ).format(names=names_of(orphans))
        if all(orphan.sure for orphan in orphans):
            return message
        services = dict.fromkeys((*self.local.foreign_users, *self.local.foreign_groups))
        unsure = N_(
            "Accounts come from other services too ({services}), which may only be out of reach, so these are not "
            "switched off unasked."
        )
        return f"{message} {unsure.format(services=', '.join(services))}"


def names_of(orphans: Sequence[Orphan]) -> str:
    """The names of a few of *orphans*, and how many there are besides."""
    names = ", ".join(orphan.username for orphan in orphans[:_NAMED])
    more = len(orphans) - _NAMED
    return N_("{names} and {count} more").format(names=names, count=more) if more > 0 else names
