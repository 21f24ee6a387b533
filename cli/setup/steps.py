"""What is to be done, as values: shown in a dry run, else carried out one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cli.messages import _
from cli.output import SafeText, echo, echo_error, format_message, safe_text
from schemas.errors import ExpectedError, error_text


class Step(NamedTuple):
    """One thing to do.

    Attributes:
        what: it, as an infinitive.
        act: does it, and gives the sentence for when it is done; `None` where nothing was left to do after all. Raises
            ExpectedError or OSError where it could not be done.
    """

    what: SafeText
    act: Callable[[], SafeText | None]


class Remark(NamedTuple):
    """Something to be told besides; *failed* where it keeps the service from being set up."""

    text: SafeText
    failed: bool = False


class Plan(NamedTuple):
    """The steps of one room, in their order, and what it has to tell. It is made by looking only."""

    steps: Sequence[Step] = ()
    remarks: Sequence[Remark] = ()


class Progress:
    """How far it has come.

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

    def carry_out(self, plan: Plan) -> None:
        """Tell the remarks of *plan*, and do its steps; one that fails keeps no other from being tried."""
        for remark in plan.remarks:
            echo_error(format_message(_("Warning: {what}"), what=remark.text))
            self.failed |= remark.failed
        for step in plan.steps:
            if self.dry_run:
                echo(format_message(_("Would {what}."), what=step.what))
                self.changes += 1
            else:
                self._do(step)

    def _do(self, step: Step) -> None:
        try:
            done = step.act()
        except (ExpectedError, OSError) as error:
            echo_error(format_message(_("Could not {what}: {why}."), what=step.what, why=safe_text(error_text(error))))
            self.failed = True
        else:
            if done is not None:
                echo(done)
                self.changes += 1
