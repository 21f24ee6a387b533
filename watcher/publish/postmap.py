"""Postfix's postmap(1): building, changing and asking lookup tables.

Its exit status proves nothing: a malformed or doubled line is a warning with status 0, and on a full disk lmdb reports
success over an empty table. So whatever it writes to standard error is a failure, and what was built is asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from watcher.publish.commands import CommandError, Running, failure, shown

SUFFIXES: Mapping[str, str] = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "texthash": ""}
"""What each type of lookup table adds to the source's name for the file that Postfix reads, see DATABASE_README."""

DUMPABLE = frozenset({"hash", "btree", "lmdb"})
"""The types whose every row postmap can tell; they are also the ones that it can change by key."""

# The warning of every Postfix program about a main.cf that sets a parameter twice; the table may be well.
_ABOUT_MAIN_CF = re.compile(r"post\w+: warning: \S+/main\.cf, line \d+: .*")


def is_plain_postmap(command: Sequence[str], map_type: str, path: str) -> bool:
    """Whether *command* is just `postmap`, alone or on the map *path* with or without its type."""
    return os.path.basename(command[0]) == "postmap" and list(command[1:]) in ([], [path], [f"{map_type}:{path}"])


class Postmap:
    """postmap(1), found by the name or path *program*, for tables of *map_type*."""

    def __init__(self, program: str, map_type: str) -> None:
        self.program = program
        self.map_type = map_type

    def build(self, path: str, first: Callable[[], object] | None = None) -> None:
        """Make the table of the source text *path*, beside it; *first* is done while postmap starts."""
        self._run([f"{self.map_type}:{path}"], first=first)

    def update(self, path: str, rows: Mapping[str, str], first: Callable[[], object] | None = None) -> None:
        """Set *rows* in the existing table of *path*; *first* is done before that, while postmap starts."""
        # -r: without it an existing key keeps its old value, with a warning and exit status 0.
        text = "".join(f"{alias}\t{destination}\n" for alias, destination in rows.items())
        self._run(["-i", "-r", f"{self.map_type}:{path}"], text, first=first)

    def delete(self, path: str, aliases: Iterable[str], first: Callable[[], object] | None = None) -> None:
        """Take *aliases* out of the existing table of *path*; *first* is done before that, while postmap starts."""
        text = "".join(f"{alias}\n" for alias in aliases)
        self._run(["-d", "-", f"{self.map_type}:{path}"], text, first=first)

    def ask(self, path: str, aliases: Iterable[str]) -> dict[str, str]:
        """What the table of *path* answers for *aliases*; those that it does not know are left out."""
        with Asker(self, path) as asker:
            return asker.ask(aliases)

    def dump(self, path: str) -> dict[str, str]:
        """Every row of the table of *path*. cdb has no way to tell them."""
        return _rows(self._run(["-s", f"{self.map_type}:{path}"], good=(0, 1)))

    def _run(
        self,
        arguments: Sequence[str],
        given: str = "",
        good: tuple[int, ...] = (0,),
        first: Callable[[], object] | None = None,
    ) -> bytes:
        with Running([self.program, *arguments]) as running:
            if first is not None:
                first()
            return _finished(running, given, good)


class Asker:
    """A postmap that asks the table of *path* and can be started beforehand; a `with` block ends it.

    Most of what postmap does is starting. With keys on its standard input it opens the table only when it has read the
    first one, so it may be started before the table is as it should be, or even there.
    """

    def __init__(self, postmap: Postmap, path: str) -> None:
        self._command = [postmap.program, "-q", "-", f"{postmap.map_type}:{path}"]
        self._running: Running | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.__exit__(kind, error, trace)

    def start(self) -> None:
        """Start postmap."""
        if self._running is None:
            self._running = Running(self._command)

    def ask(self, aliases: Iterable[str]) -> dict[str, str]:
        """What the table answers for *aliases*, once; those that it does not know are left out."""
        running = self._running = self._running or Running(self._command)
        # Status 1 with nothing on standard error says that none was found.
        return _rows(_finished(running, "".join(f"{alias}\n" for alias in aliases), good=(0, 1)))


def _finished(running: Running, given: str, good: tuple[int, ...]) -> bytes:
    answer = running.finish(given.encode("utf-8", "surrogateescape"))
    complaints = [line for line in answer.complaints if not _ABOUT_MAIN_CF.fullmatch(line)]
    if answer.status not in good:
        raise CommandError(failure(running.command, answer))
    if complaints:
        raise CommandError(f"The command `{shown(running.command)}` complained: {' / '.join(complaints)}")
    return answer.output


def _rows(output: bytes) -> dict[str, str]:
    rows: dict[str, str] = {}
    for line in output.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        alias, _, destination = line.partition("\t")
        rows[alias] = destination
    return rows
