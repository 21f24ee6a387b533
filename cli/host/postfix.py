"""What the installed Postfix says of its configuration and its lookup tables."""

from __future__ import annotations

from collections.abc import Iterator

from watcher.publish.commands import CommandError, failure, run, run_well

_OPENING, _CLOSING, _BETWEEN = "{", "}", frozenset(", \t\r\n")


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

    def items(self, name: str) -> list[str]:
        """The value of the parameter *name*, expanded, as the list that Postfix makes of it."""
        return list(split(self.expanded(name)))

    def table_types(self) -> frozenset[str]:
        """The types of lookup tables that it has: `hash`, `lmdb` and so on, see DATABASE_README."""
        return frozenset(self._ask("-m").split())

    def version(self) -> str:
        """Its version, such as `3.10.13`."""
        return self._ask("-h", "mail_version")

    def _ask(self, *arguments: str) -> str:
        if arguments not in self._answers:
            output = run_well(["postconf", *arguments])
            self._answers[arguments] = output.decode("utf-8", "replace").strip()
        return self._answers[arguments]


def split(value: str) -> Iterator[str]:
    """Split the *value* of a parameter at commas and white space, but not within braces: see postconf(5)."""
    item, depth = "", 0
    for character in value:
        depth += (character == _OPENING) - (character == _CLOSING)
        if depth <= 0 and character in _BETWEEN:
            if item:
                yield item
            item, depth = "", 0
        else:
            item += character
    if item:
        yield item


def lookup(table: str, key: str) -> str | None:
    """Ask the lookup table *table*, `type:name`, for *key* as Postfix does; `None` where it is not in it.

    Raises:
        CommandError: the table cannot be opened or asked, or postmap(1) complains.
    """
    command = ["postmap", "-q", key, table]
    answer = run(command)
    if answer.status == 0 and not answer.complaints:
        return answer.output.decode("utf-8", "replace").strip()
    if answer.status == 1 and not answer.complaints:
        return None
    raise CommandError(failure(command, answer))
