"""Modes and owners: of every path of the service, of the queue in particular, and of the unit that starts it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from cli.admin_sentences import UNIT
from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.registry import something_is_published
from cli.doctor.verdicts import Check, Verdict, command
from cli.house import QUEUE_STICKY, Fault, all_faults, places, user_name
from cli.output import Prose, fill

_TOLD = 8


def _paths(context: Context) -> Iterator[Verdict]:
    found = all_faults(context.settings)
    unasked = [fault for fault in found if fault.kind == "unasked"]
    wrong = [fault for fault in found if fault.kind != "unasked"]
    for fault in wrong[:_TOLD]:
        yield Verdict("paths", "problem", _told(fault), _mend(fault, context))
    if len(wrong) > _TOLD:
        yield Verdict("paths", "problem", fill(sentences.PATHS_MORE, count=len(wrong) - _TOLD), sentences.SETUP)
    if unasked:
        first = unasked[0]
        sentence = sentences.PATHS_UNASKED_ONE if len(unasked) == 1 else sentences.PATHS_UNASKED_MORE
        told = fill(sentence, count=len(unasked), path=first.place.path, why=first.found)
        yield Verdict("paths", "warning", told, None if context.privileged else sentences.DOCTOR_WITH_SUDO)
    holders = list(_holders(context))
    yield from holders
    if not found and not holders:
        yield Verdict("paths", "ok", fill(sentences.PATHS_OK, count=len(places(context.settings))))


def _holders(context: Context) -> Iterator[Verdict]:
    """Whoever may write to the directory of the map or of the configuration can put another file in its place."""
    settings = context.settings
    for name, file in (("map", settings.config.map_path), ("config", settings.path)):
        path = os.path.dirname(file)
        try:
            status = os.stat(path)
        except OSError:
            continue  # without Postfix it need not be there
        others = stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
        if status.st_uid != 0 or (others and not status.st_mode & stat.S_ISVTX):
            mode, owner = f"{stat.S_IMODE(status.st_mode):04o}", user_name(status.st_uid)
            told = fill(sentences.HOLDER_WRITABLE, path=path, mode=mode, owner=owner, name=name)
            yield Verdict("paths", "problem", told, command(sentences.CLOSE_HOLDER, path=path))


def _told(fault: Fault) -> Prose:
    return fill(
        sentences.FAULTS[fault.kind],
        name=fault.place.name,
        path=fault.place.path,
        found=fault.found,
        wanted=fault.place.wanted,
        group=fault.place.group,
    )


def _mend(fault: Fault, context: Context) -> str | None:
    # A new registry would switch every alias of the map off: one that is lost has to be brought back.
    if fault.place.name == "registry" and fault.kind == "missing" and something_is_published(context):
        return None
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
        if not stat.S_ISREG(status.st_mode):
            # A masked unit is a link to /dev/null, of which nothing is to be mended: `watcher-unit` tells of it.
            return
        open_ones = [each for each in (path, *_drop_ins(context)) if _others_may_write(each)]
        for each in open_ones:
            told = fill(sentences.UNIT_WRITABLE, path=each, mode=f"{stat.S_IMODE(os.stat(each).st_mode):04o}")
            close = sentences.CLOSE_UNIT_DIRECTORY if os.path.isdir(each) else sentences.CLOSE_UNIT
            yield Verdict("unit-file", "problem", told, command(close, path=each))
        if not open_ones:
            yield Verdict("unit-file", "ok", fill(sentences.UNIT_CLOSED, path=path))
        return


def _drop_ins(context: Context) -> Iterator[str]:
    """What changes the unit, systemd.unit(5): the directories of drop-ins, and those in them."""
    for directory in context.unit_directories:
        place = os.path.join(directory, f"{UNIT}.service.d")
        if os.path.isdir(place):
            yield place
            yield from (os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".conf"))


def _others_may_write(path: str) -> bool:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    # A link to /dev/null switches a drop-in off, and its mode is that of the device.
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return False
    return status.st_uid != 0 or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


CHECKS = (
    Check("paths", sentences.ABOUT_PATHS, _paths),
    Check("queue-mode", sentences.ABOUT_PATHS, _queue),
    Check("unit-file", sentences.ABOUT_PATHS, _unit),
)
