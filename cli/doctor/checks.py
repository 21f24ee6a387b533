"""A check of `doctor` as data, its runner, and what it finds: fine, doubtful or broken, with a command to fix it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from cli.messages import _
from cli.output import SafeText, format_message, safe_text
from cli.server.facts import FactName, Facts
from schemas.errors import ExpectedError, error_text

Severity = Literal["ok", "warning", "problem"]
FindFunction = Callable[[Facts], Iterator["Finding"]]

SETUP = "runv-admin-email-alias setup"
ENABLE = "runv-admin-email-alias setup --enable"
SYNC = "runv-admin-email-alias sync"
SYNC_DRY_RUN = "runv-admin-email-alias sync --dry-run"
DOCTOR_WITH_SUDO = "sudo runv-admin-email-alias doctor"

_EXAMPLES = 3


class Finding(NamedTuple):
    """What one check found.

    Attributes:
        code: a stable word for programs.
        severity: `ok`; `warning`: mail flows, but something is doubtful or could not be asked; `problem`.
        message: a whole sentence or two. Escaped.
        fix: a command to paste, if there is one. Escaped. With `ok` it is advice.
    """

    code: str
    severity: Severity
    message: SafeText
    fix: str | None = None


class Check(NamedTuple):
    """One thing to look at.

    Attributes:
        code: that of the finding where it cannot be looked at.
        about: what could not be found out then, to begin a sentence with.
        find: looks. It may raise ExpectedError or OSError, and find nothing where another check says why there is
            nothing to look at.
        needs: the facts without which there is nothing to look at. Another check says so.
    """

    code: str
    about: str
    find: FindFunction
    needs: tuple[FactName, ...]


def check(code: str, about: str, *, needs: tuple[FactName, ...] = ()) -> Callable[[FindFunction], Check]:
    """Make a check of the function below it; see `Check`. `run` lists the checks of a module in their order there."""
    return lambda find: Check(code, about, find, needs)


def run_check(each: Check, facts: Facts) -> Iterator[Finding]:
    """What the check *each* finds; trouble on the way is a warning that says what could not be found out, and why."""
    if not all(facts.has(name) for name in each.needs):
        return
    try:
        yield from each.find(facts)
    except (ExpectedError, OSError) as error:
        message = format_message(
            _("{about} could not be found out: {why}."), about=each.about, why=safe_text(error_text(error))
        )
        yield Finding(each.code, "warning", message)


def severity_before_publishing(facts: Facts) -> Severity:
    """The severity of what publishing needs: before it is switched on, the server need not be ready for it."""
    return "problem" if facts.enabled else "warning"


def examples(items: Iterable[object]) -> SafeText:
    """Name the first few of *items*, each escaped, and count the others."""
    every = list(items)
    some = SafeText(
        ", ".join(
            item if isinstance(item, SafeText) else format_message("{item}", item=item) for item in every[:_EXAMPLES]
        )
    )
    if len(every) <= _EXAMPLES:
        return some
    return format_message(_("{some} and {count} more"), some=some, count=len(every) - _EXAMPLES)


def command(template: str, **values: str) -> SafeText:
    """Give a command to paste: *template* with *values* in its placeholders, each quoted for the shell."""
    return safe_text(template.format(**{name: shlex.quote(value) for name, value in values.items()}))


def command_line(*commands: Iterable[str]) -> SafeText:
    """Give *commands*, each a list of words, as one line to paste; one that fails keeps the next from being run."""
    return safe_text(" && ".join(shlex.join(words) for words in commands))
