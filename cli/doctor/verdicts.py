"""What a check finds out: fine, doubtful or broken, in a sentence, with the command that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from cli.doctor import sentences
from cli.output import Prose, fill, prose
from schemas.errors import TroubleError, reason

if TYPE_CHECKING:
    from cli.doctor.context import Context

Grade = Literal["ok", "warning", "problem"]

_SHOWN = 3


class Verdict(NamedTuple):
    """What one check found.

    Attributes:
        code: a stable word for programs.
        verdict: `ok`; `warning`: mail flows, but something is doubtful or could not be asked; `problem`.
        what: a whole sentence or two. Escaped.
        mend: a command to paste, if there is one. Escaped. With `ok` it is advice.
    """

    code: str
    verdict: Grade
    what: Prose
    mend: str | None = None


class Check(NamedTuple):
    """One thing to look at.

    Attributes:
        code: that of the verdict where it cannot be looked at.
        about: what could not be found out then, to begin a sentence with.
        look: the look itself. It may raise TroubleError or OSError, and give no verdict where another check has told
            why there is nothing to look at.
    """

    code: str
    about: str
    look: Callable[[Context], Iterable[Verdict]]


def examine(check: Check, context: Context) -> Iterator[Verdict]:
    """Give the verdicts of *check*; trouble on the way is a warning that says what could not be found out, and why."""
    try:
        yield from check.look(context)
    except (TroubleError, OSError) as error:
        yield Verdict(check.code, "warning", fill(sentences.UNASKED, about=check.about, why=prose(reason(error))))


def examples(items: Iterable[object]) -> Prose:
    """Name the first few of *items*, each escaped, and count the others."""
    every = list(items)
    some = Prose(", ".join(item if isinstance(item, Prose) else fill("{item}", item=item) for item in every[:_SHOWN]))
    return some if len(every) <= _SHOWN else fill(sentences.AND_MORE, some=some, count=len(every) - _SHOWN)


def command(template: str, **values: str) -> Prose:
    """Give a command to paste: *template* with *values* in its placeholders, each quoted for the shell."""
    return prose(template.format(**{name: shlex.quote(value) for name, value in values.items()}))


def command_line(*commands: Iterable[str]) -> Prose:
    """Give *commands*, each a list of words, as one line to paste; one that fails keeps the next from being run."""
    return prose(" && ".join(shlex.join(words) for words in commands))
