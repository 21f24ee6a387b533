"""Lookup tables of Postfix, asked for thousands of addresses at once: one postmap(1) for each table, not for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cli.host.postfix import Postfix, lookups
from watcher.publish.commands import CommandError

_WHOLE_ADDRESSES_ONLY = frozenset({"regexp", "pcre"})
_OWN_DOMAINS = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")


class VirtualAliases:
    """The tables of virtual_alias_maps, asked in the order of cleanup(8).

    Each of `user@domain`, `user` (where the domain is one of the machine's own) and `@domain` is asked of every table
    before the next: virtual(5), TABLE SEARCH ORDER. Tables of patterns see whole addresses only.

    Attributes:
        tables: their names, in order.
        troubles: why those could not be asked that could not; they are passed over.
    """

    def __init__(self, postfix: Postfix) -> None:
        self.tables = postfix.items("virtual_alias_maps")
        self.troubles: dict[str, CommandError] = {}
        self._origin = postfix.expanded("myorigin")
        self._local = frozenset(map(str.lower, [self._origin, *postfix.items("mydestination")]))

    def ask(self, table: str, keys: Iterable[str]) -> dict[str, str]:
        """What *table* answers for *keys*; nothing where it cannot be asked."""
        if table in self.troubles:
            return {}
        try:
            return lookups(table, keys)
        except CommandError as error:
            self.troubles[table] = error
            return {}

    def find(self, addresses: Iterable[str]) -> dict[str, list[str]]:
        """Where each of *addresses*, in lower case, is sent on to. Those that nothing answers for are left out."""
        left = dict.fromkeys(addresses)
        found: dict[str, list[str]] = {}
        for keys, whole in ((_whole, True), (self._local_part, False), (_catch_all, False)):
            asked = {address: key for address in left if address not in found and (key := keys(address))}
            for address, answer in self._first(asked, whole=whole).items():
                found[address] = [self._complete(target, address) for target in answer.split(",") if target.strip()]
        return found

    def _first(self, asked: Mapping[str, str], *, whole: bool) -> dict[str, str]:
        answers: dict[str, str] = {}
        keys = set(asked.values())
        for table in self.tables:
            if whole or table.removeprefix("proxy:").partition(":")[0] not in _WHOLE_ADDRESSES_ONLY:
                answers = self.ask(table, sorted(keys - answers.keys())) | answers
        return {address: answers[key] for address, key in asked.items() if key in answers}

    def _local_part(self, address: str) -> str | None:
        local, _, domain = address.rpartition("@")
        return local if domain in self._local else None

    def _complete(self, target: str, address: str) -> str:
        """The whole address that *target*, as a table has it, stands for: virtual(5), RESULT ADDRESS REWRITING."""
        target = target.strip().lower()
        if target.startswith("@"):
            return address.rpartition("@")[0] + target
        return target if "@" in target else f"{target}@{self._origin.lower()}"


def _whole(address: str) -> str:
    return address


def _catch_all(address: str) -> str:
    return "@" + address.rpartition("@")[2]


def own_domains(postfix: Postfix, domains: Iterable[str]) -> dict[str, str]:
    """Those of *domains* that Postfix keeps for itself, and the parameter that says so.

    Domains are found by name and in tables. Files of domains and exceptions (`!`) are not followed.

    Raises:
        CommandError: Postfix, or one of the tables, cannot be asked.
    """
    left = set(domains)
    found: dict[str, str] = {}
    for parameter in _OWN_DOMAINS:
        for domain in _among(postfix.items(parameter), left - found.keys()):
            found[domain] = parameter
    return found


def _among(patterns: Sequence[str], domains: set[str]) -> set[str]:
    names = {pattern.lower() for pattern in patterns}
    tables = [pattern for pattern in patterns if ":" in pattern and not pattern.startswith(("/", "!", "["))]
    return (names & domains).union(*(lookups(table, sorted(domains)) for table in tables))
