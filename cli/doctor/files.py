"""Checks of files: the registry, and modes and owners of every path and of the watcher's unit."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from cli.doctor.checks import DOCTOR_WITH_SUDO, SETUP, Finding, check, command
from cli.messages import _, ngettext
from cli.output import SafeText, format_message, safe_text
from cli.server.facts import Facts
from cli.server.paths import QUEUE_STICKY, PathFault, all_faults, path_specs, user_name
from schemas.errors import RegistryError
from schemas.program import WATCHER_UNIT

_SHOWN = 8
"""How many faults of paths are shown in full."""


@check("registry", _("Whether the registry can be used"))
def registry(facts: Facts) -> Iterator[Finding]:
    """That the registry is there and fits its schema."""
    try:
        found = facts.registry
    except RegistryError as error:
        yield _unusable(safe_text(str(error)), facts)
        return
    active = len(found.rows())
    message = format_message(
        _("The registry can be used; active aliases: {active}, others kept as history: {others}."),
        active=active,
        others=len(found.entries) - active,
    )
    yield Finding("registry", "ok", message)


def _unusable(why: SafeText, facts: Facts) -> Finding:
    # Setup makes one only where there is none: one that is broken is for a person to fix.
    if not facts.privileged and not os.access(facts.settings.registry, os.R_OK):
        return Finding("registry", "warning", why, DOCTOR_WITH_SUDO)
    if os.path.lexists(facts.settings.registry):
        return Finding("registry", "problem", why)
    if _may_be_published(facts):
        message = format_message(
            _(
                "{trouble} But {map} still holds aliases, and a new, empty registry would switch them off: bring the "
                "registry back from a backup."
            ),
            trouble=why,
            map=facts.map,
        )
        return Finding("registry", "problem", message)
    return Finding("registry", "problem", why, SETUP)


def _may_be_published(facts: Facts) -> bool:
    """Whether there are aliases in the map, or may be: then a new registry would take them away."""
    return not facts.has("published") or bool(facts.published.rows)


@check("paths", _("Whether every path has the mode and owner that it has to have"))
def paths(facts: Facts) -> Iterator[Finding]:
    """That every path of the service is as `path_specs` has it, and that nobody can replace the map or the config."""
    found = all_faults(facts.settings)
    unasked = [fault for fault in found if fault.kind == "unasked"]
    wrong = [fault for fault in found if fault.kind != "unasked"]
    for fault in wrong[:_SHOWN]:
        yield Finding("paths", "problem", _fault_message(fault), _fault_fix(fault, facts))
    if len(wrong) > _SHOWN:
        message = format_message(
            _("Further faults of paths: {count}. `setup --dry-run` shows them all."), count=len(wrong) - _SHOWN
        )
        yield Finding("paths", "problem", message, SETUP)
    if unasked:
        sentence = ngettext(
            "One path could not be looked at, {path}: {why}.",
            "{count} paths could not be looked at, such as {path}: {why}.",
            len(unasked),
        )
        message = format_message(sentence, count=len(unasked), path=unasked[0].spec.path, why=unasked[0].found)
        yield Finding("paths", "warning", message, None if facts.privileged else DOCTOR_WITH_SUDO)
    open_directories = list(_open_directories(facts))
    yield from open_directories
    if not found and not open_directories:
        message = format_message(
            _(
                "Every path of the service that is there has the mode and owner that it has to have ({count} looked "
                "at)."
            ),
            count=len(path_specs(facts.settings)),
        )
        yield Finding("paths", "ok", message)


def _fault_message(fault: PathFault) -> SafeText:
    sentences = {
        "missing": _("The {name} {path} is not there; {wanted} was expected."),
        "link": _("The {name} {path} is a symbolic link. Find out who made it, and put the real thing in its place."),
        "kind": _(
            "The {name} {path} is {found}, which it should not be. Find out who made it, and put the real thing in its "
            "place."
        ),
        "mode": _("The {name} {path} has the mode {found}; {wanted} was expected."),
        "owner": _("The {name} {path} belongs to {found}; {wanted} was expected."),
        "group": _("The {name} {path} belongs to the group {found}; {wanted} was expected."),
        "no-group": _("The {name} {path} should belong to the group {group}, which does not exist."),
    }
    spec = fault.spec
    return format_message(
        sentences[fault.kind],
        name=spec.name,
        path=spec.path,
        found=fault.found,
        wanted=spec.wanted,
        group=spec.group,
    )


def _fault_fix(fault: PathFault, facts: Facts) -> str | None:
    # A new registry would switch every alias of the map off: one that is lost has to be brought back.
    if fault.spec.name == "registry" and fault.kind == "missing" and _may_be_published(facts):
        return None
    # What stands in the place of something else is for a person to look at; setup leaves it alone too.
    if fault.kind in {"link", "kind"}:
        return command("ls -ld {path}", path=fault.spec.path)
    return SETUP


def _open_directories(facts: Facts) -> Iterator[Finding]:
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
            message = format_message(
                _(
                    "The directory {path} has the mode {mode} and the owner {owner}: others than root could put "
                    "another {name} in place."
                ),
                path=path,
                mode=f"{stat.S_IMODE(status.st_mode):04o}",
                owner=user_name(status.st_uid),
                name=name,
            )
            yield Finding("paths", "problem", message, command("chown root {path} && chmod go-w {path}", path=path))


@check("queue-mode", _("Whether every path has the mode and owner that it has to have"))
def queue_mode(facts: Facts) -> Iterator[Finding]:
    """Whether the queue has the stronger of its two modes; the other is no fault."""
    queue = facts.settings.queue
    try:
        mode = stat.S_IMODE(os.lstat(queue).st_mode)
    except FileNotFoundError:
        return  # said by the check of the paths
    fix = command("chmod 3770 {queue}", queue=queue)
    if mode == QUEUE_STICKY:
        message = format_message(_("The queue has the mode 3770: no member can rename or remove another's file."))
        yield Finding("queue-mode", "ok", message)
    elif shutil.which("fusermount3") or shutil.which("fusermount"):
        message = format_message(
            _(
                "The queue may have the mode 3770, which keeps members from removing each other's files, and from "
                "mounting something over the queue by fusermount3, which is installed here."
            )
        )
        yield Finding("queue-mode", "ok", message, fix)
    else:
        message = format_message(
            _("The queue may have the mode 3770, which keeps members from renaming or removing each other's files.")
        )
        yield Finding("queue-mode", "ok", message, fix)


@check("unit-file", _("Whether every path has the mode and owner that it has to have"))
def unit_file(facts: Facts) -> Iterator[Finding]:
    """Whoever can write to the unit, or put another in its place, is root at the watcher's next start."""
    for directory in facts.unit_directories:
        path = os.path.join(directory, f"{WATCHER_UNIT}.service")
        try:
            status = os.stat(path)
        except FileNotFoundError:
            continue
        # A masked unit is a link to /dev/null, in which nothing is to be fixed: `watcher-unit` says so.
        if stat.S_ISREG(status.st_mode):
            yield from _writable_by_others([path, *_drop_ins(facts)])
        return


def _writable_by_others(paths: list[str]) -> Iterator[Finding]:
    writable = [path for path in paths if _others_may_write(path)]
    for path in writable:
        message = format_message(
            _(
                "The unit {path} has the mode {mode} or an owner other than root: whoever may write there becomes root "
                "at the watcher's next start. See that nothing was changed in it."
            ),
            path=path,
            mode=f"{stat.S_IMODE(os.stat(path).st_mode):04o}",
        )
        mode = "0755" if os.path.isdir(path) else "0644"
        fix = command("chown root:root {path} && chmod {mode} {path}", path=path, mode=mode)
        yield Finding("unit-file", "problem", message, fix)
    if not writable:
        message = format_message(_("The unit {path} can be changed by root alone."), path=paths[0])
        yield Finding("unit-file", "ok", message)


def _drop_ins(facts: Facts) -> Iterator[str]:
    """What changes the unit, systemd.unit(5): the directories of drop-ins, and those in them."""
    for directory in facts.unit_directories:
        path = os.path.join(directory, f"{WATCHER_UNIT}.service.d")
        if os.path.isdir(path):
            yield path
            yield from (os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".conf"))


def _others_may_write(path: str) -> bool:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    # A link to /dev/null switches a drop-in off, and its mode is that of the device.
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return False
    return status.st_uid != 0 or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
