"""The members' group, and the config's word for it."""

from __future__ import annotations

import re

from cli import house
from cli.output import Prose, fill
from cli.setup import sentences
from cli.setup.config_file import set_key
from cli.setup.steps import Plan, Step
from schemas.config import Settings
from watcher.publish.commands import run_well

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

_POWERFUL = frozenset(
    {
        *("root", "daemon", "bin", "sys", "adm", "tty", "disk", "lp", "mail", "news", "uucp", "kmem", "shadow", "utmp"),
        *("sudo", "wheel", "admin", "staff", "backup", "operator", "src", "crontab", "www-data", "postfix", "postdrop"),
        *("docker", "lxd", "libvirt", "kvm", "input", "systemd-journal", "ssl-cert", "_ssh", "messagebus", "nogroup"),
    }
)
"""Groups of Debian that can do or read more than a member may (base-passwd's users-and-groups), or that mean nobody."""


def refusal(name: str) -> Prose | None:
    """Why the group *name* cannot be the members' group; `None` where it can."""
    if not _NAME.fullmatch(name):
        return fill(sentences.BAD_GROUP, group=name)
    if name in _POWERFUL or house.group_id(name) == 0:
        return fill(sentences.POWERFUL_GROUP, group=name)
    return None


def plan(settings: Settings, configured: str) -> Plan:
    """What makes the group that *settings* name, and has the config, which says *configured*, name it."""
    group, path = settings.config.group, settings.path
    steps = []
    if house.group_id(group) is None:

        def make() -> Prose:
            run_well(["groupadd", "--system", group])
            return fill(sentences.MADE_GROUP, group=group)

        steps.append(Step(fill(sentences.MAKE_GROUP, group=group), make))
    if group != configured:

        def name() -> Prose:
            set_key(path, "group", group)
            return fill(sentences.NAMED_GROUP, group=group, path=path)

        steps.append(Step(fill(sentences.NAME_GROUP, group=group, path=path), name))
    return Plan(steps)
