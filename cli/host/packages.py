"""Which of Debian's packages are installed."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.publish.commands import CommandError, failure, run

_INSTALLED = frozenset("iWt")
"""The second letter of dpkg's status: whole, or waiting for triggers. The first is what is wanted: `h` is hold."""


def installed(patterns: Sequence[str]) -> dict[str, str]:
    """Give name -> version of the installed packages among *patterns*, which may hold `*`.

    Raises:
        CommandError: dpkg-query(1) is not there, as on other distributions, or fails.
    """
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}\t${Package}\t${Version}\n", *patterns]
    answer = run(command)
    # It ends with 1 where a pattern matches nothing, and still shows the others.
    if answer.status not in {0, 1}:
        raise CommandError(failure(command, answer))
    rows = (line.split("\t") for line in answer.output.decode("utf-8", "replace").splitlines())
    return {name: version for status, name, version in rows if status[1:2] in _INSTALLED}
