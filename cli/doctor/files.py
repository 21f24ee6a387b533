"""Checks of files: the registry, modes and owners of every path and of the unit, and what waits for a person."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from cli.doctor.checks import Check, Finding, command
from cli.messages import _, ngettext
from cli.output import SafeText, format_message, safe_text
from cli.server.facts import Facts
from cli.server.paths import QUEUE_STICKY, PathFault, all_faults, path_specs, user_name
from schemas.errors import ExpectedError, StateError
from schemas.fs.directory import Directory
from schemas.program import WATCHER_UNIT

_SETUP = "runv-admin-email-alias setup"

_ABOUT_PATHS = _("Whether every path has the mode and owner that it has to have")

_FAULTS = {
    "missing": _("The {name} {path} is not there; {wanted} was expected."),
    "link": _("The {name} {path} is a symbolic link. Find out who made it, and put the real thing in its place."),
    "kind": _(
        "The {name} {path} is {found}, which it should not be. Find out who made it, "
        "and put the real thing in its place."
    ),
    "mode": _("The {name} {path} has the mode {found}; {wanted} was expected."),
    "owner": _("The {name} {path} belongs to {found}; {wanted} was expected."),
    "group": _("The {name} {path} belongs to the group {found}; {wanted} was expected."),
    "no-group": _("The {name} {path} should belong to the group {group}, which does not exist."),
}

_DOCTOR_WITH_SUDO = "sudo runv-admin-email-alias doctor"

_MAKE_STICKY = "chmod 3770 {queue}"


def _registry(facts: Facts) -> Iterator[Finding]:
    if facts.registry is None:
        yield from _unusable(facts)
        return
    active = len(facts.registry.rows())
    others = len(facts.registry.entries) - active
    yield Finding(
        "registry",
        "ok",
        format_message(
            _("The registry can be used; active aliases: {active}, others kept as history: {others}."),
            active=active,
            others=others,
        ),
    )


def _unusable(facts: Facts) -> Iterator[Finding]:
    trouble = safe_text(str(facts.registry_trouble))
    # Setup makes one only where there is none: one that is broken is for a person to mend.
    if not facts.privileged and not os.access(facts.settings.registry, os.R_OK):
        yield Finding("registry", "warning", trouble, _DOCTOR_WITH_SUDO)
    elif os.path.lexists(facts.settings.registry):
        yield Finding("registry", "problem", trouble)
    elif something_is_published(facts):
        yield Finding(
            "registry",
            "problem",
            format_message(
                _(
                    "{trouble} But {map} still holds aliases, and a new, empty registry would "
                    "switch them off: bring the registry back from a backup."
                ),
                trouble=trouble,
                map=facts.map,
            ),
        )
    else:
        yield Finding("registry", "problem", trouble, _SETUP)


def something_is_published(facts: Facts) -> bool:
    """Whether there are aliases in the map, or may be: then a new registry would take them away."""
    return isinstance(facts.published, ExpectedError) or bool(facts.published.rows)


REGISTRY_CHECKS = (Check("registry", _("Whether the registry can be used"), _registry),)


_TOLD = 8


def _paths(facts: Facts) -> Iterator[Finding]:
    found = all_faults(facts.settings)
    unasked = [fault for fault in found if fault.kind == "unasked"]
    wrong = [fault for fault in found if fault.kind != "unasked"]
    for fault in wrong[:_TOLD]:
        yield Finding("paths", "problem", _message(fault), _fix(fault, facts))
    if len(wrong) > _TOLD:
        yield Finding(
            "paths",
            "problem",
            format_message(
                _("Further faults of paths: {count}. `setup --dry-run` shows them all."), count=len(wrong) - _TOLD
            ),
            _SETUP,
        )
    if unasked:
        first = unasked[0]
        sentence = ngettext(
            "One path could not be looked at, {path}: {why}.",
            "{count} paths could not be looked at, such as {path}: {why}.",
            len(unasked),
        )
        message = format_message(sentence, count=len(unasked), path=first.place.path, why=first.found)
        yield Finding("paths", "warning", message, None if facts.privileged else _DOCTOR_WITH_SUDO)
    holders = list(_holders(facts))
    yield from holders
    if not found and not holders:
        yield Finding(
            "paths",
            "ok",
            format_message(
                _(
                    "Every path of the service that is there has the mode and owner that it has to "
                    "have ({count} looked at)."
                ),
                count=len(path_specs(facts.settings)),
            ),
        )


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
            message = format_message(
                _(
                    "The directory {path} has the mode {mode} and the owner {owner}: others than "
                    "root could put another {name} in place."
                ),
                path=path,
                mode=mode,
                owner=owner,
                name=name,
            )
            yield Finding("paths", "problem", message, command("chown root {path} && chmod go-w {path}", path=path))


def _message(fault: PathFault) -> SafeText:
    return format_message(
        _FAULTS[fault.kind],
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
        return command("ls -ld {place}", place=fault.place.path)
    return _SETUP


def _queue(facts: Facts) -> Iterator[Finding]:
    queue = facts.settings.queue
    try:
        mode = stat.S_IMODE(os.lstat(queue).st_mode)
    except FileNotFoundError:
        return  # told with the other paths
    if mode == QUEUE_STICKY:
        yield Finding(
            "queue-mode",
            "ok",
            format_message(_("The queue has the mode 3770: no member can rename or remove another's file.")),
        )
    elif shutil.which("fusermount3") or shutil.which("fusermount"):
        fix = command(_MAKE_STICKY, queue=queue)
        yield Finding(
            "queue-mode",
            "ok",
            format_message(
                _(
                    "The queue may have the mode 3770, which keeps members from removing each "
                    "other's files, and from mounting something over the queue by fusermount3, "
                    "which is installed here."
                )
            ),
            fix,
        )
    else:
        fix = command(_MAKE_STICKY, queue=queue)
        yield Finding(
            "queue-mode",
            "ok",
            format_message(
                _("The queue may have the mode 3770, which keeps members from renaming or removing each other's files.")
            ),
            fix,
        )


def _unit(facts: Facts) -> Iterator[Finding]:
    """Whoever can write to the unit, or put another in its place, is root at the watcher's next start."""
    for directory in facts.unit_directories:
        path = os.path.join(directory, f"{WATCHER_UNIT}.service")
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
                _(
                    "The unit {path} has the mode {mode} or an owner other than root: whoever may "
                    "write there becomes root at the watcher's next start. See that nothing was "
                    "changed in it."
                ),
                path=each,
                mode=f"{stat.S_IMODE(os.stat(each).st_mode):04o}",
            )
            close = (
                "chown root:root {path} && chmod 0755 {path}"
                if os.path.isdir(each)
                else "chown root:root {path} && chmod 0644 {path}"
            )
            yield Finding("unit-file", "problem", message, command(close, path=each))
        if not open_ones:
            yield Finding(
                "unit-file", "ok", format_message(_("The unit {path} can be changed by root alone."), path=path)
            )
        return


def _drop_ins(facts: Facts) -> Iterator[str]:
    """What changes the unit, systemd.unit(5): the directories of drop-ins, and those in them."""
    for directory in facts.unit_directories:
        display_path = os.path.join(directory, f"{WATCHER_UNIT}.service.d")
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
    Check("paths", _ABOUT_PATHS, _paths),
    Check("queue-mode", _ABOUT_PATHS, _queue),
    Check("unit-file", _ABOUT_PATHS, _unit),
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
        message = format_message(
            ngettext(
                "A decision could not be applied and is kept with the reason. Remove the file when you have read it.",
                "{count} decisions could not be applied and are kept with their reasons. Remove "
                "the files when you have read them.",
                count,
            ),
            count=count,
        )
        yield Finding("failed-decisions", "ok", message, command("ls -l {place}", place=display_path))
    else:
        yield Finding("failed-decisions", "ok", format_message(_("No decision that could not be applied is kept.")))


def _waiting(facts: Facts) -> Iterator[Finding]:
    status = facts.status
    if status is None:
        return
    message = format_message(
        _(
            "Requests that wait for a decision: {pending}; queue entries refused since the "
            "watcher started: {refused}; left alone there: {left_alone}."
        ),
        pending=status.pending,
        refused=status.refused,
        left_alone=status.left_alone,
    )
    yield Finding("waiting", "ok", message, "runv-admin-email-alias pending" if status.pending else None)


LEFTOVER_CHECKS = (
    Check("failed-decisions", _("Whether decisions have failed"), _failed),
    Check("waiting", _("What waits"), _waiting),
)
