"""Modes and owners: of every path of the service, of the queue in particular, and of the unit that starts it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from cli.admin_sentences import UNIT
from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict, command
from cli.house import QUEUE_STICKY, Fault, all_faults, places
from cli.output import Prose, fill

_TOLD = 8


def _paths(context: Context) -> Iterator[Verdict]:
    found = all_faults(context.settings)
    unasked = [fault for fault in found if fault.kind == "unasked"]
    wrong = [fault for fault in found if fault.kind != "unasked"]
    for fault in wrong[:_TOLD]:
        yield Verdict("paths", "problem", _told(fault), _mend(fault))
    if len(wrong) > _TOLD:
        yield Verdict("paths", "problem", fill(sentences.PATHS_MORE, count=len(wrong) - _TOLD), sentences.SETUP)
    if unasked:
        first = unasked[0]
        sentence = sentences.PATHS_UNASKED_ONE if len(unasked) == 1 else sentences.PATHS_UNASKED_MORE
        told = fill(sentence, count=len(unasked), path=first.place.path, why=first.found)
        yield Verdict("paths", "warning", told, None if context.privileged else sentences.DOCTOR_WITH_SUDO)
    if not found:
        yield Verdict("paths", "ok", fill(sentences.PATHS_OK, count=len(places(context.settings))))


def _told(fault: Fault) -> Prose:
    return fill(
        sentences.FAULTS[fault.kind],
        name=fault.place.name,
        path=fault.place.path,
        found=fault.found,
        wanted=fault.place.wanted,
        group=fault.place.group,
    )


def _mend(fault: Fault) -> str:
    # What stands in the place of something else is for a person to look at; setup leaves it alone too.
    if fault.kind in {"link", "kind"}:
        return command(sentences.LOOK_INTO, place=fault.place.path)
    return sentences.SETUP


def _queue(context: Context) -> Iterator[Verdict]:
    queue = context.settings.queue
    try:
        mode = stat.S_IMODE(os.lstat(queue).st_mode)
    except FileNotFoundError:
        return  # told with the other paths
    if mode == QUEUE_STICKY:
        yield Verdict("queue-mode", "ok", fill(sentences.QUEUE_STICKY))
    elif shutil.which("fusermount3") or shutil.which("fusermount"):
        mend = command(sentences.MAKE_STICKY, queue=queue)
        yield Verdict("queue-mode", "ok", fill(sentences.QUEUE_MOUNTABLE), mend)
    else:
        mend = command(sentences.MAKE_STICKY, queue=queue)
        yield Verdict("queue-mode", "ok", fill(sentences.QUEUE_PLAIN), mend)


def _unit(context: Context) -> Iterator[Verdict]:
    """Whoever can write to the unit, or put another in its place, is root at the watcher's next start."""
    for directory in context.unit_directories:
        path = os.path.join(directory, f"{UNIT}.service")
        try:
            status = os.stat(path)
        except FileNotFoundError:
            continue
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            told = fill(sentences.UNIT_WRITABLE, path=path, mode=f"{stat.S_IMODE(status.st_mode):04o}")
            yield Verdict("unit-file", "problem", told, command(sentences.CLOSE_UNIT, path=path))
        else:
            yield Verdict("unit-file", "ok", fill(sentences.UNIT_CLOSED, path=path))
        return


CHECKS = (
    Check("paths", sentences.ABOUT_PATHS, _paths),
    Check("queue-mode", sentences.ABOUT_PATHS, _queue),
    Check("unit-file", sentences.ABOUT_PATHS, _unit),
)
