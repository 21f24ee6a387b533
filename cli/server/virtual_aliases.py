"""Where Postfix sends an address by virtual_alias_maps, and which domains it keeps for itself."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.errors import ExpectedError
from schemas.fs.directory import read_plain
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix, lookups

_WHOLE_ADDRESSES_ONLY = frozenset({"regexp", "pcre"})
_NAME_LIMIT = 4096
_OWN_DOMAINS = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")


class VirtualAliases:
    """The tables of virtual_alias_maps, asked in the order of cleanup(8).

    Each of `user+more@domain`, `user@domain`, `user+more` and `user` (where the domain is one of the machine's own) and
    `@domain` is asked of every table before the next: virtual(5), TABLE SEARCH ORDER and ADDRESS EXTENSION. Tables of
    patterns see whole addresses only.

    Attributes:
        tables: their names, in order.
        troubles: why those could not be asked that could not; they are passed over. Those of *troubles* are not asked
            once more: each failing look costs a second, and each look at a database that is down ten.
    """

    def __init__(self, postfix: Postfix, troubles: Mapping[str, CommandError] | None = None) -> None:
        self.tables = postfix.items("virtual_alias_maps")
        self.troubles: dict[str, CommandError] = dict(troubles or {})
        self._origin = _origin(postfix)
        self._delimiters = postfix.value("recipient_delimiter")
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
        forms = (_whole, self._bare, self._local_part, self._bare_local_part, _catch_all)
        for keys in forms:
            whole = keys is _whole
            asked = {address: key for address in left if address not in found and (key := keys(address))}
            for address, answer in self._first(asked, whole=whole).items():
                found[address] = [self._complete(target, address) for target in answer.split(",") if target.strip()]
        return found

    def _first(self, asked: Mapping[str, str], *, whole: bool) -> dict[str, str]:
        answers: dict[str, str] = {}
        keys = set(asked.values())
        for table in self.tables:
            if whole or table_kind(table) not in _WHOLE_ADDRESSES_ONLY:
                answers = self.ask(table, sorted(keys - answers.keys())) | answers
        return {address: answers[key] for address, key in asked.items() if key in answers}

    def _bare(self, address: str) -> str | None:
        """*address* without its extension, where it has one: recipient_delimiter in postconf(5)."""
        local, _separator, domain = address.rpartition("@")
        ends = [at for at in map(local.find, self._delimiters) if at > 0]
        return f"{local[: min(ends)]}@{domain}" if ends else None

    def _bare_local_part(self, address: str) -> str | None:
        bare = self._bare(address)
        return self._local_part(bare) if bare else None

    def _local_part(self, address: str) -> str | None:
        local, _separator, domain = address.rpartition("@")
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


def _origin(postfix: Postfix) -> str:
    """The domain of addresses that have none. Debian's Postfix takes the name of a file whose first line is it."""
    origin = postfix.expanded("myorigin")
    if origin.startswith("/"):
        try:
            lines = read_plain(os.path.realpath(origin), _NAME_LIMIT).data.decode("utf-8", "replace").split("\n")
        except (OSError, ExpectedError):
            return origin
        return lines[0].strip()
    return origin


def table_kind(table: str) -> str:
    """The type of *table*, or of the one behind it where it is asked by way of proxymap(8)."""
    return table.removeprefix("proxy:").partition(":")[0]


def own_domains(postfix: Postfix, domains: Iterable[str], silent: Collection[str] = ()) -> dict[str, str]:
    """Those of *domains* that Postfix keeps for itself, and the parameter that says so.

    Domains are found by name and in tables, but for the tables in *silent*, which are known not to answer. Files of
    domains and exceptions (`!`) are not followed.

    Raises:
        CommandError: Postfix, or one of the tables, cannot be asked.
    """
    left = set(domains)
    found: dict[str, str] = {}
    for parameter in _OWN_DOMAINS:
        patterns = [pattern for pattern in postfix.items(parameter) if pattern not in silent]
        for domain in _among(patterns, left - found.keys()):
            found[domain] = parameter
    return found


def _among(patterns: Sequence[str], domains: set[str]) -> set[str]:
    names = {pattern.lower() for pattern in patterns}
    tables = [pattern for pattern in patterns if ":" in pattern and not pattern.startswith(("/", "!", "["))]
    return (names & domains).union(*(lookups(table, sorted(domains)) for table in tables))
