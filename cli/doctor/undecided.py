"""Checks of what waits for a person: decisions that could not be applied, and requests without a decision."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cli.doctor.checks import Finding, check, command
from cli.messages import _, ngettext
from cli.output import format_message
from cli.server.facts import Facts
from schemas.errors import StateError
from schemas.fs.directory import Directory


@check("failed-decisions", _("Whether decisions have failed"))
def failed_decisions(facts: Facts) -> Iterator[Finding]:
    """The markers that the watcher could not apply."""
    path = os.path.join(facts.settings.decisions, "failed")
    try:
        with Directory(path) as directory:
            count = sum(name.endswith(".json") for name in directory.names())
    except StateError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return  # said by the check of the paths
        raise
    if not count:
        yield Finding("failed-decisions", "ok", format_message(_("No decision that could not be applied is kept.")))
        return
    message = format_message(
        ngettext(
            "A decision could not be applied and is kept with the reason. Remove the file when you have read it.",
            "{count} decisions could not be applied and are kept with their reasons. Remove the files when you have "
            "read them.",
            count,
        ),
        count=count,
    )
    yield Finding("failed-decisions", "ok", message, command("ls -l {path}", path=path))


@check("waiting", _("What waits"), needs=("status",))
def waiting(facts: Facts) -> Iterator[Finding]:
    """The requests that wait for a decision, and what the watcher left in the queue."""
    status = facts.status
    message = format_message(
        _(
            "Requests that wait for a decision: {pending}; queue entries refused since the watcher started: {refused}; "
            "left alone there: {left_alone}."
        ),
        pending=status.pending,
        refused=status.refused,
        left_alone=status.left_alone,
    )
    yield Finding("waiting", "ok", message, "runv-admin-email-alias pending" if status.pending else None)
