"""Which of Debian's packages are installed."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.publish.commands import CommandError, failure, run

_INSTALLED = "ii "


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
    return {row[1]: row[2] for row in rows if row[0] == _INSTALLED}
