"""Checks of files: the registry, modes and owners of every path and of the unit, and what waits for a person."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from cli.admin.sentences import UNIT
from cli.doctor import sentences
from cli.doctor.checks import Check, Finding, command
from cli.output import SafeText, counted, format_message, safe_text
from cli.server.facts import Facts
from cli.server.paths import QUEUE_STICKY, PathFault, all_faults, path_specs, user_name
from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import Directory


def _registry(facts: Facts) -> Iterator[Finding]:
    if facts.registry is None:
        yield from _unusable(facts)
        return
    active = len(facts.registry.rows())
    others = len(facts.registry.entries) - active
    yield Finding("registry", "ok", format_message(sentences.REGISTRY_OK, active=active, others=others))


def _unusable(facts: Facts) -> Iterator[Finding]:
    trouble = safe_text(str(facts.registry_trouble))
    # Setup makes one only where there is none: one that is broken is for a person to mend.
    if not facts.privileged and not os.access(facts.settings.registry, os.R_OK):
        yield Finding("registry", "warning", trouble, sentences.DOCTOR_WITH_SUDO)
    elif os.path.lexists(facts.settings.registry):
        yield Finding("registry", "problem", trouble)
    elif something_is_published(facts):
        yield Finding("registry", "problem", format_message(sentences.REGISTRY_LOST, trouble=trouble, map=facts.map))
    else:
        yield Finding("registry", "problem", trouble, sentences.SETUP)


def something_is_published(facts: Facts) -> bool:
    """Whether there are aliases in the map, or may be: then a new registry would take them away."""
    return isinstance(facts.published, ExpectedError) or bool(facts.published.rows)


REGISTRY_CHECKS = (Check("registry", sentences.ABOUT_REGISTRY, _registry),)


_TOLD = 8


def _paths(facts: Facts) -> Iterator[Finding]:
    found = all_faults(facts.settings)
    unasked = [fault for fault in found if fault.kind == "unasked"]
    wrong = [fault for fault in found if fault.kind != "unasked"]
    for fault in wrong[:_TOLD]:
        yield Finding("paths", "problem", _message(fault), _fix(fault, facts))
    if len(wrong) > _TOLD:
        yield Finding(
            "paths", "problem", format_message(sentences.PATHS_MORE, count=len(wrong) - _TOLD), sentences.SETUP
        )
    if unasked:
        first = unasked[0]
        sentence = sentences.PATHS_UNASKED_ONE if len(unasked) == 1 else sentences.PATHS_UNASKED_MORE
        message = format_message(sentence, count=len(unasked), path=first.place.path, why=first.found)
        yield Finding("paths", "warning", message, None if facts.privileged else sentences.DOCTOR_WITH_SUDO)
    holders = list(_holders(facts))
    yield from holders
    if not found and not holders:
        yield Finding("paths", "ok", format_message(sentences.PATHS_OK, count=len(path_specs(facts.settings))))


def _holders(facts: Facts) -> Iterator[Finding]:
    """Whoever may write to the directory of the map or of the configuration can put another file in its place."""
    settings = facts.settings
    for name, file in (("map", settings.config.map_path), ("config", settings.path)):
        path = os.path.dirname(file)
        try:
            status = os.stat(path)
        except OSError:
            continue  # without Postfix it need not be there
        others = stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
        if status.st_uid != 0 or (others and not status.st_mode & stat.S_ISVTX):
            mode, owner = f"{stat.S_IMODE(status.st_mode):04o}", user_name(status.st_uid)
            message = format_message(sentences.HOLDER_WRITABLE, path=path, mode=mode, owner=owner, name=name)
            yield Finding("paths", "problem", message, command(sentences.CLOSE_HOLDER, path=path))


def _message(fault: PathFault) -> SafeText:
    return format_message(
        sentences.FAULTS[fault.kind],
        name=fault.place.name,
        path=fault.place.path,
        found=fault.found,
        wanted=fault.place.wanted,
        group=fault.place.group,
    )


def _fix(fault: PathFault, facts: Facts) -> str | None:
    # A new registry would switch every alias of the map off: one that is lost has to be brought back.
    if fault.place.name == "registry" and fault.kind == "missing" and something_is_published(facts):
        return None
    # What stands in the place of something else is for a person to look at; setup leaves it alone too.
    if fault.kind in {"link", "kind"}:
        return command(sentences.LOOK_INTO, place=fault.place.path)
    return sentences.SETUP


def _queue(facts: Facts) -> Iterator[Finding]:
    queue = facts.settings.queue
    try:
        mode = stat.S_IMODE(os.lstat(queue).st_mode)
    except FileNotFoundError:
        return  # told with the other paths
    if mode == QUEUE_STICKY:
        yield Finding("queue-mode", "ok", format_message(sentences.QUEUE_STICKY))
    elif shutil.which("fusermount3") or shutil.which("fusermount"):
        fix = command(sentences.MAKE_STICKY, queue=queue)
        yield Finding("queue-mode", "ok", format_message(sentences.QUEUE_MOUNTABLE), fix)
    else:
        fix = command(sentences.MAKE_STICKY, queue=queue)
        yield Finding("queue-mode", "ok", format_message(sentences.QUEUE_PLAIN), fix)


def _unit(facts: Facts) -> Iterator[Finding]:
    """Whoever can write to the unit, or put another in its place, is root at the watcher's next start."""
    for directory in facts.unit_directories:
        path = os.path.join(directory, f"{UNIT}.service")
        try:
            status = os.stat(path)
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(status.st_mode):
            # A masked unit is a link to /dev/null, of which nothing is to be mended: `watcher-unit` tells of it.
            return
        open_ones = [each for each in (path, *_drop_ins(facts)) if _others_may_write(each)]
        for each in open_ones:
            message = format_message(
                sentences.UNIT_WRITABLE, path=each, mode=f"{stat.S_IMODE(os.stat(each).st_mode):04o}"
            )
            close = sentences.CLOSE_UNIT_DIRECTORY if os.path.isdir(each) else sentences.CLOSE_UNIT
            yield Finding("unit-file", "problem", message, command(close, path=each))
        if not open_ones:
            yield Finding("unit-file", "ok", format_message(sentences.UNIT_CLOSED, path=path))
        return


def _drop_ins(facts: Facts) -> Iterator[str]:
    """What changes the unit, systemd.unit(5): the directories of drop-ins, and those in them."""
    for directory in facts.unit_directories:
        display_path = os.path.join(directory, f"{UNIT}.service.d")
        if os.path.isdir(display_path):
            yield display_path
            yield from (
                os.path.join(display_path, name) for name in sorted(os.listdir(display_path)) if name.endswith(".conf")
            )


def _others_may_write(path: str) -> bool:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    # A link to /dev/null switches a drop-in off, and its mode is that of the device.
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return False
    return status.st_uid != 0 or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


PATH_CHECKS = (
    Check("paths", sentences.ABOUT_PATHS, _paths),
    Check("queue-mode", sentences.ABOUT_PATHS, _queue),
    Check("unit-file", sentences.ABOUT_PATHS, _unit),
)


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


LEFTOVER_CHECKS = (
    Check("failed-decisions", sentences.ABOUT_FAILED, _failed),
    Check("waiting", sentences.ABOUT_WAITING, _waiting),
)
