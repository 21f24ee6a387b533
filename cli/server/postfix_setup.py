"""How Postfix is set up for us: whether it asks our map and takes mail for our domain, and what to set where not."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Literal, NamedTuple

from schemas.config import Settings
from schemas.errors import ExpectedError, error_text
from schemas.fs.directory import read_plain
from schemas.text import printable
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix, lookup, names_map, split, with_map

DomainClass = Literal["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"]
DOMAIN_CLASSES: tuple[DomainClass, ...] = (
    "mydestination",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
    "relay_domains",
)
"""The parameters that make Postfix take mail for a domain, in the order of its own address classes; see
ADDRESS_CLASS_README."""

_PATTERNS_LIMIT = 4 * 1024 * 1024
_FILES_WITHIN_FILES = 5


class Setting(NamedTuple):
    """A value that a parameter of Postfix has to be given."""

    name: str
    value: str

    @property
    def line(self) -> str:
        """The command that gives it, to be pasted into a shell."""
        return edit_line([self])


def edit_command(settings: Sequence[Setting]) -> list[str]:
    """The command that gives all of them at once, as postconf(1) takes it: no shell is in between."""
    return ["postconf", "-e", *(f"{setting.name} = {setting.value}" for setting in settings)]


def edit_line(settings: Sequence[Setting]) -> str:
    """The same, to be pasted into a shell."""
    return shlex.join(edit_command(settings))


class UnavailableTable(NamedTuple):
    """A table or file among the domains of Postfix that could not be asked, and why, in a sentence."""

    parameter: str
    pattern: str
    why: str


class PostfixState(NamedTuple):
    """Whether Postfix asks our map and takes mail for our domain.

    Attributes:
        table: our map as Postfix names it: `hash:/etc/postfix/runv-member-aliases`.
        named: whether `virtual_alias_maps` names it.
        type_known: whether this Postfix has tables of that type.
        accepted_by: the parameter by which it takes mail for our domain, if it does.
        unavailable: what could not be asked for the domain. While nothing accepts the domain, each of them might.
        missing: what has to be set, in this order. Nothing for the domain while a table is unavailable: a domain that
            stands in two classes is a fault of its own, see virtual_alias_domains in postconf(5).
        also: the other parameters that name the domain, which only one of them may.
        outdated: names of the map of files in `virtual_alias_maps`, where the aliases are in a database now: it would
            go on answering for aliases that are revoked.
    """

    table: str
    named: bool
    type_known: bool
    accepted_by: DomainClass | None
    unavailable: tuple[UnavailableTable, ...]
    missing: tuple[Setting, ...]
    also: tuple[DomainClass, ...] = ()
    outdated: tuple[str, ...] = ()


def find_postfix_state(postfix: Postfix, settings: Settings) -> PostfixState:
    """Ask Postfix.

    Raises:
        CommandError: postconf(1) is not there, or fails.
    """
    table = settings.config.map_name
    maps = postfix.value("virtual_alias_maps")
    named = names_map(maps, table) or names_map(postfix.expanded("virtual_alias_maps"), table)
    outdated = _outdated(maps, settings)
    accepting, unavailable = _accepting(postfix, settings.domain, table)
    accepted_by = accepting[0] if accepting else None
    missing = []
    if not named or outdated:
        kept = ", ".join(name for name in split(maps) if name not in outdated) if outdated else maps
        missing.append(
            Setting("virtual_alias_maps", kept if named else with_map(kept, _name_to_set(postfix, settings)))
        )
    if accepted_by is None and not unavailable:
        present = postfix.value("virtual_alias_domains")
        missing.append(Setting("virtual_alias_domains", ", ".join(filter(None, [present, settings.domain]))))
    type_known = settings.config.map_type in postfix.table_types()
    return PostfixState(
        table, named, type_known, accepted_by, tuple(unavailable), tuple(missing), tuple(accepting[1:]), outdated
    )


def _outdated(maps: str, settings: Settings) -> tuple[str, ...]:
    config = settings.config
    if not config.in_database:
        return ()
    return tuple(name for name in split(maps) if name.endswith(f":{config.virtual_alias_file}"))


def _name_to_set(postfix: Postfix, settings: Settings) -> str:
    """Our map as Postfix is to name it: by way of proxymap(8) where it could not get to the database otherwise."""
    table = settings.config.map_name
    if not settings.config.in_database:
        return table
    from cli.server.database import needs_proxymap  # noqa: PLC0415

    return f"proxy:{table}" if needs_proxymap(postfix, settings.config) else table


def _accepting(postfix: Postfix, domain: str, table: str) -> tuple[list[DomainClass], list[UnavailableTable]]:
    accepting: list[DomainClass] = []
    unavailable: list[UnavailableTable] = []
    for parameter in DOMAIN_CLASSES:
        # Of a domain of local accounts it is no matter: relay_domains once was $mydestination where nothing is set.
        if parameter == "relay_domains" and "mydestination" in accepting:
            continue
        patterns = _Patterns(parameter, domain, table)
        first = not accepting
        if patterns.match(postfix.items(parameter)):
            accepting.append(parameter)
        if first:
            unavailable += patterns.unavailable
    return accepting, unavailable


class _Patterns:
    """The list of domains in *parameter*, held against *domain* as match_list(3) of Postfix does it.

    A pattern is a domain, `/a/file` of patterns, or a `type:table` in which only the key counts; `!` before one turns
    it round, and the first that matches decides.
    """

    def __init__(self, parameter: str, domain: str, table: str) -> None:
        self._parameter = parameter
        self._domain = domain
        self._table = table
        self.unavailable: list[UnavailableTable] = []

    def match(self, patterns: list[str]) -> bool:
        """Whether the list takes the domain in."""
        return bool(self._first(patterns, _FILES_WITHIN_FILES))

    def _first(self, patterns: list[str], depth: int) -> bool | None:
        for pattern in patterns:
            bare = pattern.lstrip("!")
            turned = (len(pattern) - len(bare)) % 2 == 1
            found = self._in_file(bare, depth) if bare.startswith("/") else self._is(bare)
            if found is not None:
                return found != turned
        return None

    def _is(self, pattern: str) -> bool | None:
        if ":" in pattern and not pattern.startswith("["):
            return self._in_table(pattern)
        name = pattern.lower()
        # Of these lists, this one alone takes in the domains below those that it names, where nothing else is set:
        # see parent_domain_matches_subdomains in postconf(5).
        below = self._parameter == "relay_domains" and self._domain.endswith("." + name.lstrip("."))
        return True if name == self._domain or below else None

    def _in_table(self, pattern: str) -> bool | None:
        # Our own map has addresses in it and no domain, and it may not have been made yet.
        if names_map(pattern, self._table):
            return None
        try:
            return True if lookup(pattern, self._domain) is not None else None
        except CommandError as error:
            self.unavailable.append(UnavailableTable(self._parameter, pattern, printable(str(error), 1000)))
            return None

    def _in_file(self, path: str, depth: int) -> bool | None:
        try:
            data = read_plain(os.path.realpath(path), _PATTERNS_LIMIT).data
        except (OSError, ExpectedError) as error:
            self.unavailable.append(UnavailableTable(self._parameter, path, error_text(error)))
            return None
        if depth == 0:
            self.unavailable.append(UnavailableTable(self._parameter, path, "The files name each other without end."))
            return None
        lines = data.decode("utf-8", "replace").splitlines()
        return self._first([name for line in lines if not line.startswith("#") for name in split(line)], depth - 1)
