"""Postfix's postmap(1): building, changing and asking lookup tables.

Its exit status is no proof of anything: a malformed or doubled line is a warning with status 0, and on a full disk lmdb
reports success over an empty table. So whatever it writes to standard error is a failure, and what was built is asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from watcher.publish.commands import CommandError, failure, run, shown

SUFFIXES: Mapping[str, str] = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "texthash": ""}
"""What each type of lookup table adds to the source's name for the file that Postfix reads, see DATABASE_README."""

DUMPABLE = frozenset({"hash", "btree", "lmdb"})
"""The types whose every row postmap can tell; they are also the ones that it can change by key."""

# Said by every Postfix program about a main.cf that sets a parameter twice; it says nothing of the table.
_ABOUT_MAIN_CF = re.compile(r"post\w+: warning: \S+/main\.cf, line \d+: .*")


def is_plain_postmap(command: Sequence[str], map_type: str, path: str) -> bool:
    """Whether *command* is just `postmap`, alone or on the map *path* with or without its type."""
    return os.path.basename(command[0]) == "postmap" and list(command[1:]) in ([], [path], [f"{map_type}:{path}"])


class Postmap:
    """postmap(1), found by the name or path *program*, for tables of *map_type*."""

    def __init__(self, program: str, map_type: str) -> None:
        self.program = program
        self.map_type = map_type

    def build(self, path: str) -> None:
        """Make the table of the source text *path*, beside it."""
        self._run([f"{self.map_type}:{path}"])

    def update(self, path: str, rows: Mapping[str, str], meanwhile: Callable[[], object] | None = None) -> None:
        """Set *rows* in the existing table of *path*; *meanwhile* is done before the table is changed."""
        # -r: without it an existing key keeps its old value, with a warning and exit status 0.
        text = "".join(f"{alias}\t{destination}\n" for alias, destination in rows.items())
        self._run(["-i", "-r", f"{self.map_type}:{path}"], text, meanwhile=meanwhile)

    def delete(self, path: str, aliases: Iterable[str], meanwhile: Callable[[], object] | None = None) -> None:
        """Take *aliases* out of the existing table of *path*; *meanwhile* is done before the table is changed."""
        text = "".join(f"{alias}\n" for alias in aliases)
        self._run(["-d", "-", f"{self.map_type}:{path}"], text, meanwhile=meanwhile)

    def ask(
        self, path: str, aliases: Iterable[str], meanwhile: Callable[[], object] | None = None
    ) -> dict[str, str]:
        """What the table of *path* answers for *aliases*; those that it does not know are left out."""
        # Status 1 with nothing on standard error says that none was found.
        text = "".join(f"{alias}\n" for alias in aliases)
        return self._rows(["-q", "-", f"{self.map_type}:{path}"], text, good=(0, 1), meanwhile=meanwhile)

    def dump(self, path: str) -> dict[str, str]:
        """Every row of the table of *path*. cdb has no way to tell them."""
        return self._rows(["-s", f"{self.map_type}:{path}"], "", good=(0, 1))

    def _rows(
        self,
        arguments: Sequence[str],
        given: str,
        good: tuple[int, ...],
        meanwhile: Callable[[], object] | None = None,
    ) -> dict[str, str]:
        output = self._run(arguments, given, good, meanwhile)
        rows: dict[str, str] = {}
        for line in output.decode("utf-8", "surrogateescape").split("\n")[:-1]:
            alias, _, destination = line.partition("\t")
            rows[alias] = destination
        return rows

    def _run(
        self,
        arguments: Sequence[str],
        given: str = "",
        good: tuple[int, ...] = (0,),
        meanwhile: Callable[[], object] | None = None,
    ) -> bytes:
        command = [self.program, *arguments]
        answer = run(command, given.encode("utf-8", "surrogateescape"), meanwhile=meanwhile)
        complaints = [line for line in answer.complaints if not _ABOUT_MAIN_CF.fullmatch(line)]
        if answer.status not in good:
            raise CommandError(failure(command, answer))
        if complaints:
            raise CommandError(f"The command `{shown(command)}` complained: {' / '.join(complaints)}")
        return answer.output
