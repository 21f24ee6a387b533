"""Checks of the machine: how much inotify(7) and the disks have left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from cli.doctor.checks import DOCTOR_WITH_SUDO, Finding, check, command
from cli.messages import _
from cli.output import format_message
from cli.server.facts import Facts

_NEARLY_ALL = 0.8
"""The share of inotify's limits from which on there is a warning."""
_LEAST_SHARE = 0.01
_LEAST_BYTES = 10 * 1024 * 1024
_FULL_BYTES = 64 * 1024
"""With less than that, no record and no registry can be written."""
_INSTANCES, _WATCHES = "max_user_instances", "max_user_watches"


class InotifyUse(NamedTuple):
    """How much of what inotify(7) gives to one user is in use."""

    instances: int
    watches: int


@check("inotify", _("Whether inotify instances and watches are left"))
def inotify(facts: Facts) -> Iterator[Finding]:
    """That root's programs have instances and watches left, of those that the kernel gives to one user."""
    if not facts.privileged:
        message = format_message(_("How many inotify instances and watches are left can only be seen by root."))
        yield Finding("inotify", "warning", message, DOCTOR_WITH_SUDO)
        return
    used = inotify_use(facts.proc)
    near = False
    for name, count in ((_INSTANCES, used.instances), (_WATCHES, used.watches)):
        limit = _limit(facts.proc, name)
        if count >= limit * _NEARLY_ALL:
            near = True
            message = format_message(
                _(
                    "Root's programs use {count} of what fs.inotify.{name} allows ({limit}); without one of its own "
                    "the watcher cannot start."
                ),
                name=name,
                count=count,
                limit=limit,
            )
            fix = command(
                "echo fs.inotify.{name}={more} >/etc/sysctl.d/60-runv-email-alias.conf && "
                "sysctl -p /etc/sysctl.d/60-runv-email-alias.conf",
                name=name,
                more=str(max(limit, count) * 2),
            )
            yield Finding("inotify", "warning", message, fix)
    if not near:
        message = format_message(
            _("Root's programs use {instances} of {limit} inotify instances."),
            instances=used.instances,
            limit=_limit(facts.proc, _INSTANCES),
        )
        yield Finding("inotify", "ok", message)


def _limit(proc: str, name: str) -> int:
    with open(os.path.join(proc, "sys/fs/inotify", name), "rb") as file:
        return int(file.read(32))


def inotify_use(proc: str) -> InotifyUse:
    """Count the inotify instances and watches of root's processes, by proc_pid_fd(5) and proc_pid_fdinfo(5).

    One that several processes share is counted for each of them: the kernel does not tell them apart.
    """
    instances = watches = 0
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            if os.stat(os.path.join(proc, pid)).st_uid != 0:
                continue
            descriptors = os.listdir(os.path.join(proc, pid, "fd"))
        except OSError:  # it has ended since
            continue
        for descriptor in descriptors:
            try:
                if "inotify" not in os.readlink(os.path.join(proc, pid, "fd", descriptor)):
                    continue
                with open(os.path.join(proc, pid, "fdinfo", descriptor), "rb") as file:
                    watches += sum(line.startswith(b"inotify ") for line in file)
            except OSError:
                continue
            instances += 1
    return InotifyUse(instances, watches)


@check("disk", _("Whether the disk has room"))
def disk(facts: Facts) -> Iterator[Finding]:
    """That the file systems of the state, the map and the status have room."""
    config = facts.settings.config
    full = False
    devices: set[int] = set()
    # A server of databases looks after its own disk.
    maps = [] if config.in_database else [os.path.dirname(config.virtual_alias_file)]
    for path in (config.state_dir, *maps, config.runtime_dir):
        try:
            device = os.stat(path).st_dev
            space = os.statvfs(path)
        except FileNotFoundError:
            continue  # said by the check of the paths, where it has to be there
        if device in devices:
            continue
        devices.add(device)
        free, size = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
        if size and (free < _LEAST_BYTES or free < size * _LEAST_SHARE):
            full = True
            message = format_message(
                _(
                    "The file system of {path} is nearly full: {free} KiB ({percent}) are left. Make room before "
                    "requests and decisions have to wait."
                ),
                path=path,
                free=free // 1024,
                percent=f"{free / size:.1%}",
            )
            yield Finding("disk", "problem" if free < _FULL_BYTES else "warning", message)
        elif space.f_files and space.f_favail < space.f_files * _LEAST_SHARE:
            full = True
            message = format_message(
                _("The file system of {path} is nearly full: {free} inodes are left."), path=path, free=space.f_favail
            )
            yield Finding("disk", "warning", message)
    if not full:
        message = format_message(
            _("The file systems of the state, the map and the status have room.")
            if maps
            else _("The file systems of the state and the status have room.")
        )
        yield Finding("disk", "ok", message)
