"""What the installed Postfix says of its configuration and its lookup tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from watcher.publish.commands import CommandError, failure, run, run_well
from watcher.publish.mapcheck import split as split  # noqa: PLC0414 - given on to those who ask Postfix here
from watcher.publish.postmap import Postmap


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
        return {name.strip(): value.strip() for name, _, value in rows}

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
    kind, _, name = table.removeprefix("proxy:").partition(":")
    return Postmap("postmap", kind).ask(name, wanted)
