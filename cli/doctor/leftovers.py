"""What waits for a person without being wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.verdicts import Check, Finding, command
from cli.output import counted, format_message
from schemas.errors import StateError
from schemas.files import Directory

_MARKER = ".json"


def _failed(facts: Facts) -> Iterator[Finding]:
    display_path = os.path.join(facts.settings.decisions, "failed")
    try:
        with Directory(display_path) as directory:
            count = sum(name.endswith(_MARKER) for name in directory.names())
    except StateError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return  # told by the check of the paths
        raise
    if count:
        message = counted(count, sentences.FAILED_ONE, sentences.FAILED_MORE)
        yield Finding("failed-decisions", "ok", message, command(sentences.LIST, place=display_path))
    else:
        yield Finding("failed-decisions", "ok", format_message(sentences.NONE_FAILED))


def _waiting(facts: Facts) -> Iterator[Finding]:
    status = facts.status
    if status is None:
        return
    message = format_message(
        sentences.WAITING, pending=status.pending, refused=status.refused, left_alone=status.left_alone
    )
    yield Finding("waiting", "ok", message, sentences.PENDING if status.pending else None)


CHECKS = (
    Check("failed-decisions", sentences.ABOUT_FAILED, _failed),
    Check("waiting", sentences.ABOUT_WAITING, _waiting),
)
