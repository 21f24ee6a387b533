"""What waits for a person without being wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict, command
from cli.output import counted, fill
from schemas.errors import StateError
from schemas.files import Directory

_MARKER = ".json"


def _failed(context: Context) -> Iterator[Verdict]:
    place = os.path.join(context.settings.decisions, "failed")
    try:
        with Directory(place) as directory:
            count = sum(name.endswith(_MARKER) for name in directory.names())
    except StateError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return  # told by the check of the paths
        raise
    if count:
        told = counted(count, sentences.FAILED_ONE, sentences.FAILED_MORE)
        yield Verdict("failed-decisions", "ok", told, command(sentences.LIST, place=place))
    else:
        yield Verdict("failed-decisions", "ok", fill(sentences.NONE_FAILED))


def _waiting(context: Context) -> Iterator[Verdict]:
    status = context.status
    if status is None:
        return
    told = fill(sentences.WAITING, pending=status.pending, refused=status.refused, left_alone=status.left_alone)
    yield Verdict("waiting", "ok", told, sentences.PENDING if status.pending else None)


CHECKS = (
    Check("failed-decisions", sentences.ABOUT_FAILED, _failed),
    Check("waiting", sentences.ABOUT_WAITING, _waiting),
)
