"""Postfix: what its configuration says, whether it asks our map, and what its lookup tables answer."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence

from schemas.config import Config
from schemas.fs.directory import Signature, signature_of
from schemas.text import N_
from watcher.publish.commands import CommandError, failure, run, run_well
from watcher.publish.postmap import Postmap

_SEPARATORS = frozenset(", \t\r\n")


def main_cf() -> str:
    """Where Postfix's main.cf is, by the rule of postconf(1)."""
    return os.path.join(os.environ.get("MAIL_CONFIG") or "/etc/postfix", "main.cf")


class Postfix:
    """Answers of postconf(1), each asked for once. With MAIL_CONFIG they are those of the instance that it names.

    Every method raises CommandError where the program is not there, fails, or hangs.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str, ...], str] = {}

    def value(self, name: str) -> str:
        """The value of the parameter *name* as it stands in main.cf, or its default: `$mydomain` is left as it is."""
        return self._ask("-h", name)

    def expanded(self, name: str) -> str:
        """The value of the parameter *name* with each `$name` in it replaced."""
        return self._ask("-hx", name)

    def given(self, name: str) -> bool:
        """Whether main.cf says anything of the parameter *name*; else its default holds."""
        return self._ask("-n", name) != ""

    def values(self, names: Sequence[str], *, expanded: bool = False) -> dict[str, str]:
        """The values of several parameters at once, as `value` or `expanded` has them; without those it has not."""
        return self._table(*(["-x"] if expanded else []), *names)

    def set_in_main_cf(self, names: Sequence[str]) -> frozenset[str]:
        """Those of *names* of which main.cf says anything."""
        return frozenset(self._table("-n", *names))

    def items(self, name: str) -> list[str]:
        """The value of the parameter *name*, expanded, as the list that Postfix makes of it."""
        return list(split(self.expanded(name)))

    def all_values(self) -> list[str]:
        """The values of all that main.cf sets, each expanded: where it names tables, whatever its parameter."""
        return list(self._table("-nx").values())

    def chrooted(self, programs: Collection[str]) -> list[str]:
        """Those of *programs* that master.cf has run in a chroot, see master(5)."""
        rows = [line.split() for line in self._ask("-M").splitlines()]
        found = {row[7] for row in rows if len(row) > 7 and self._in_chroot(row[4])}
        return [program for program in programs if program in found]

    def _in_chroot(self, field: str) -> bool:
        # What `-` stands for became another with Postfix 3.0, unless main.cf asks for how it was.
        if field != "-":
            return field == "y"
        level = self.expanded("compatibility_level").partition(".")[0]
        return level.isdecimal() and int(level) < 1

    def table_types(self) -> frozenset[str]:
        """The types of lookup tables that it has: `hash`, `lmdb` and so on, see DATABASE_README."""
        return frozenset(self._ask("-m").split())

    def version(self) -> str:
        """Its version, such as `3.10.13`. It needs no main.cf, unlike the other answers."""
        return self._ask("-hd", "mail_version")

    def _table(self, *arguments: str) -> dict[str, str]:
        rows = (line.partition("=") for line in self._ask(*arguments).splitlines())
        return {name.strip(): value.strip() for name, _separator, value in rows}

    def _ask(self, *arguments: str) -> str:
        if arguments not in self._answers:
            output = run_well(["postconf", *arguments])
            self._answers[arguments] = output.decode("utf-8", "replace").strip()
        return self._answers[arguments]


def lookup(table: str, key: str) -> str | None:
    """Ask the lookup table *table*, `type:name`, for *key* as Postfix does; `None` where it is not in it.

    Of `proxy:` tables the table behind it is asked, so that Postfix need not be running.

    Raises:
        CommandError: the table cannot be opened or asked, or postmap(1) complains.
    """
    command = ["postmap", "-q", key, table.removeprefix("proxy:")]
    answer = run(command)
    if answer.status == 0 and not answer.complaints:
        return answer.output.decode("utf-8", "replace").strip()
    if answer.status == 1 and not answer.complaints:
        return None
    raise CommandError(failure(command, answer))


def lookups(table: str, keys: Iterable[str]) -> dict[str, str]:
    """Ask *table* for many *keys* by one postmap(1), as `lookup` does for one; those that are not in it are left out.

    Of `proxy:` tables the table behind it is asked: proxymap(8) answers Postfix's own programs.

    Raises:
        CommandError: as for `lookup`.
    """
    wanted = list(keys)
    if not wanted:
        return {}
    kind, _separator, name = table.removeprefix("proxy:").partition(":")
    return Postmap("postmap", kind).ask(name, wanted)


def split(value: str) -> Iterator[str]:
    """Split the *value* of a parameter at commas and white space, but not within braces: see postconf(5)."""
    item, depth = "", 0
    for character in value:
        depth += (character == "{") - (character == "}")
        if depth <= 0 and character in _SEPARATORS:
            if item:
                yield item
            item, depth = "", 0
        else:
            item += character
    if item:
        yield item


def names_map(value: str, table: str) -> bool:
    """Whether the list of tables *value* names *table* (`type:path`), directly or by way of proxymap(8)."""
    names = list(split(value))
    return table in names or f"proxy:{table}" in names


def with_map(value: str, table: str) -> str:
    """Give the list of tables *value* with *table* behind it, in place of the same file as another type."""
    path = table.partition(":")[2]
    # The same file as another type is what was asked before a change of backend; it would answer first.
    others = [name for name in split(value) if not name.endswith(f":{path}")]
    return ", ".join([*others, table])


class MapCheck:
    """Asks `postconf virtual_alias_maps`, and again only when main.cf has changed.

    What it keeps:
        _asked      the version of main.cf that the answer is of; `None` where it was not there
        _answered   whether that answer counts; else it asks again
        _trouble    the answer
    """

    def __init__(self, config: Config) -> None:
        self._map = config.map_name
        self._wanted = config.check_maps and config.enabled
        self._asked: Signature | None = None
        self._answered = False
        self._trouble: str | None = None

    def changed(self) -> bool:
        """Whether main.cf is another than the one that was asked about."""
        return self._wanted and (not self._answered or _signature() != self._asked)

    def trouble(self) -> str | None:
        """What is wrong, with the line that fixes it; `None` when Postfix names the map, or `check_maps` is off."""
        if self.changed():
            self._asked = _signature()
            self._answered = True
            self._trouble = self._find_trouble()
        return self._trouble

    def _find_trouble(self) -> str | None:
        try:
            value = run_well(["postconf", "-h", "virtual_alias_maps"]).decode("utf-8", "replace").strip()
            if names_map(value, self._map) or names_map(_expanded(), self._map):
                return None
        except CommandError as error:
            # The watcher notices when a main.cf that is missing is made; any other failure may go by itself: ask again.
            self._answered = self._asked is None
            return N_("Whether Postfix asks the map {map} could not be found out. {error}").format(
                map=self._map, error=error
            )
        return N_(
            "Postfix does not ask the map {map}, so the aliases are published but not live. "
            "Run `postconf -e 'virtual_alias_maps = {line}'`, then `postfix reload`."
        ).format(map=self._map, line=with_map(value, self._map))


def _expanded() -> str:
    return run_well(["postconf", "-hx", "virtual_alias_maps"]).decode("utf-8", "replace")


def _signature() -> Signature | None:
    try:
        return signature_of(os.stat(main_cf()))
    except OSError:
        return None
