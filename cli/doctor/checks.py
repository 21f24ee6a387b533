"""What a check finds out: fine, doubtful or broken, in a sentence, with the command that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from cli.output import SafeText, format_message, safe_text
from schemas.errors import ExpectedError, error_text

if TYPE_CHECKING:
    from cli.server.facts import Facts
from cli.messages import _

Severity = Literal["ok", "warning", "problem"]

_SHOWN = 3


class Finding(NamedTuple):
    """What one check found.

    Attributes:
        code: a stable word for programs.
        severity: `ok`; `warning`: mail flows, but something is doubtful or could not be asked; `problem`.
        what: a whole sentence or two. Escaped.
        fix: a command to paste, if there is one. Escaped. With `ok` it is advice.
    """

    code: str
    severity: Severity
    what: SafeText
    fix: str | None = None


class Check(NamedTuple):
    """One thing to look at.

    Attributes:
        code: that of the verdict where it cannot be looked at.
        about: what could not be found out then, to begin a sentence with.
        look: the look itself. It may raise ExpectedError or OSError, and give no verdict where another check has told
            why there is nothing to look at.
    """

    code: str
    about: str
    look: Callable[[Facts], Iterable[Finding]]


def run_check(check: Check, facts: Facts) -> Iterator[Finding]:
    """Give the verdicts of *check*; trouble on the way is a warning that says what could not be found out, and why."""
    try:
        yield from check.look(facts)
    except (ExpectedError, OSError) as error:
        yield Finding(
            check.code,
            "warning",
            format_message(
                _("{about} could not be found out: {why}."), about=check.about, why=safe_text(error_text(error))
            ),
        )


def examples(items: Iterable[object]) -> SafeText:
    """Name the first few of *items*, each escaped, and count the others."""
    every = list(items)
    some = SafeText(
        ", ".join(
            item if isinstance(item, SafeText) else format_message("{item}", item=item) for item in every[:_SHOWN]
        )
    )
    return (
        some
        if len(every) <= _SHOWN
        else format_message(_("{some} and {count} more"), some=some, count=len(every) - _SHOWN)
    )


def command(template: str, **values: str) -> SafeText:
    """Give a command to paste: *template* with *values* in its placeholders, each quoted for the shell."""
    return safe_text(template.format(**{name: shlex.quote(value) for name, value in values.items()}))


def command_line(*commands: Iterable[str]) -> SafeText:
    """Give *commands*, each a list of words, as one line to paste; one that fails keeps the next from being run."""
    return safe_text(" && ".join(shlex.join(words) for words in commands))
