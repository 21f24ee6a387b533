"""What `setup` has to do, as values: shown in a dry run, else carried out one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cli.messages import _
from cli.output import SafeText, echo, echo_error, format_message, safe_text
from schemas.errors import ExpectedError, error_text


class Step(NamedTuple):
    """One thing to do.

    Attributes:
        description: what it is, as an infinitive.
        act: does it, and gives the sentence for when it is done; `None` where nothing was left to do after all. Raises
            ExpectedError or OSError where it could not be done.
    """

    description: SafeText
    act: Callable[[], SafeText | None]


class Remark(NamedTuple):
    """A warning beside the steps; *failed* where it keeps the service from being set up."""

    text: SafeText
    failed: bool = False


class Steps(NamedTuple):
    """What one part of `setup` has to do, in its order, and its remarks. It is made by looking only."""

    todo: Sequence[Step] = ()
    remarks: Sequence[Remark] = ()


class Progress:
    """How far `setup` has come.

    Args:
        dry_run: whether steps are only shown.

    Attributes:
        changes: how many steps were carried out, or shown.
        failed: whether any could not be carried out, or a remark told of a failure.
    """

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.changes = 0
        self.failed = False

    def carry_out(self, steps: Steps) -> None:
        """Say the remarks of *steps*, and do them; one that fails keeps no other from being tried."""
        for remark in steps.remarks:
            echo_error(format_message(_("Warning: {remark}"), remark=remark.text))
            self.failed |= remark.failed
        for step in steps.todo:
            if self.dry_run:
                echo(format_message(_("Would {step}."), step=step.description))
                self.changes += 1
            else:
                self._do(step)

    def _do(self, step: Step) -> None:
        try:
            done = step.act()
        except (ExpectedError, OSError) as error:
            echo_error(could_not(step.description, safe_text(error_text(error))))
            self.failed = True
        else:
            if done is not None:
                echo(done)
                self.changes += 1


def could_not(step: SafeText, why: object) -> SafeText:
    """Give the sentence that *step*, an infinitive, could not be done."""
    return format_message(_("Could not {step}: {why}."), step=step, why=why)


def error_sentence(error: ExpectedError | OSError) -> SafeText:
    """Give *error* as a whole sentence."""
    return safe_text(str(error) if isinstance(error, ExpectedError) else f"{error_text(error)}.")
