"""The members' group: made, named in the config, and joined by the accounts of the server's other tools."""

from __future__ import annotations

import re
from collections.abc import Collection

from cli.messages import _, ngettext
from cli.output import SafeText, format_message, safe_text
from cli.server import paths
from cli.server.users import Joining, UsersFile, accounts_of, is_member, read_users, users_path, who_joins
from cli.setup.config import set_key
from cli.setup.steps import Remark, Step, Steps
from schemas.config import Settings
from schemas.errors import StateError
from schemas.program import ADMIN_PROGRAM
from watcher.accounts import Accounts
from watcher.publish.commands import run_well
from watcher.registry_store import RegistryStore

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_NAMES_SHOWN = 5
_LEFT_OUT_SHOWN = 20

_POWERFUL = frozenset(
    {
        *("root", "daemon", "bin", "sys", "adm", "tty", "disk", "lp", "mail", "news", "uucp", "kmem", "shadow", "utmp"),
        *("sudo", "wheel", "admin", "staff", "backup", "operator", "src", "crontab", "www-data", "postfix", "postdrop"),
        *("docker", "lxd", "libvirt", "kvm", "input", "systemd-journal", "ssl-cert", "_ssh", "messagebus", "nogroup"),
    }
)
"""Groups of Debian that can do or read more than a member may (base-passwd's users-and-groups), or that mean nobody."""

_FIRST_FREE = 100
"""Groups below are the same on every Debian, and each is there for something (Debian's policy, section 9.2.2)."""


def refusal(name: str) -> SafeText | None:
    """Why the group *name* cannot be the members' group; `None` where it can."""
    if not _NAME.fullmatch(name):
        return format_message(
            _(
                "{group} cannot be the name of a group: a lower-case letter or `_` and up to 31 of a-z, 0-9, `-` and "
                "`_`."
            ),
            group=name,
        )
    gid = paths.group_id(name)
    if name in _POWERFUL or (gid is not None and gid < _FIRST_FREE):
        return format_message(
            _("{group} has powers of its own, which every member would get. Take a group that is for members only."),
            group=name,
        )
    return None


def plan_group(settings: Settings) -> Steps:
    """Make the group that *settings* name, where there is none."""
    group = settings.config.group
    if paths.group_id(group) is not None:
        return Steps()

    def make() -> SafeText:
        run_well(["groupadd", "--system", group])
        return format_message(_("Made the group {group}."), group=group)

    return Steps([Step(format_message(_("make the group {group}"), group=group), make)])


def plan_config(settings: Settings, configured: str, joining: Collection[str] = ()) -> Steps:
    """Have the config, which says *configured*, name the group of *settings*.

    That is refused where it would cost a member the alias: the watcher at once switches off the aliases of those who
    are not in the group.

    Args:
        settings: with the group from now on.
        configured: the group so far.
        joining: who will be in the new group by then.
    """
    group, path = settings.config.group, settings.path
    behind = [name for name in _left_behind(settings, configured) if name not in joining]
    if behind:
        fields = {
            "group": group,
            "configured": configured,
            "count": len(behind),
            "names": ", ".join(behind[:_NAMES_SHOWN]),
        }
        return Steps(
            remarks=[
                Remark(
                    format_message(
                        _(
                            "Members with an alias are not in the group {group}, and would lose it: {count}, such as "
                            "{names}. Add them with `usermod --append --groups {group} NAME`, then run this command "
                            "again."
                        ),
                        **fields,
                    ),
                    failed=True,
                )
            ]
        )

    def name() -> SafeText:
        set_key(path, "group", group)
        return format_message(_("Set `group` to {group} in {path}."), group=group, path=path)

    return Steps([Step(format_message(_("set `group` to {group} in {path}"), group=group, path=path), name)])


def _left_behind(settings: Settings, configured: str) -> list[str]:
    """Members with an active alias that are in the group *configured* and not in that of *settings*."""
    registry = RegistryStore(settings.registry, settings.lock, settings.domain).usable()
    if registry is None or settings.config.orphans != "deactivate":
        return []
    before, after = Accounts(configured), Accounts(settings.config.group)
    # Without the group so far the watcher cannot tell who is a member, and leaves every alias on.
    unknown = paths.group_id(configured) is None
    found = accounts_of(name for name, entry in registry.entries.items() if entry.active)
    return [
        name
        for name, account in found.items()
        if (unknown or is_member(account, before)) and not is_member(account, after)
    ]


def plan_members(settings: Settings, *, add: bool) -> Steps:
    """Add the accounts of users.json to the group; without *add*, a remark how many of them are missing."""
    path = users_path(settings)
    try:
        users = read_users(path)
    except StateError as error:
        return Steps(remarks=[Remark(safe_text(str(error)), failed=add)])
    if users is None:
        return Steps(
            remarks=[
                Remark(
                    format_message(
                        _("There is no list of accounts {path}, so nobody was added to the group."), path=path
                    )
                )
            ]
            if add
            else []
        )
    joining = who_joins(users.names, settings)
    if add:
        return Steps([_join(name, settings.config.group) for name in joining.missing], _left_out(users, joining))
    count = len(joining.missing)
    if not count:
        return Steps()
    hint = ngettext(
        "1 account of {path} is not in the group {group}. To add it: {program} setup --add-existing-users",
        "{count} accounts of {path} are not in the group {group}. To add them: {program} setup --add-existing-users",
        count,
    )
    text = format_message(hint, count=count, path=path, group=settings.config.group, program=ADMIN_PROGRAM)
    return Steps(remarks=[Remark(text)])


def joining_members(settings: Settings) -> frozenset[str]:
    """Whom `plan_members` adds. Raises StateError where the file cannot be read."""
    users = read_users(users_path(settings))
    return frozenset(who_joins(users.names, settings).missing) if users else frozenset()


def _join(name: str, group: str) -> Step:
    def join() -> SafeText:
        run_well(["usermod", "--append", "--groups", group, name])
        return format_message(
            _("Added {name} to the group {group}; who is logged in has to log in again."), name=name, group=group
        )

    return Step(format_message(_("add {name} to the group {group}"), name=name, group=group), join)


def _left_out(users: UsersFile, joining: Joining) -> list[Remark]:
    remarks = [
        Remark(format_message(_("{name} was not added to the group. {why}"), name=each.name, why=each.why))
        for each in joining.left_out[:_LEFT_OUT_SHOWN]
    ]
    more = len(joining.left_out) - len(remarks)
    if more:
        remarks.append(Remark(format_message(_("{count} more were left out for such reasons."), count=more)))
    if users.unnamed:
        remarks.append(
            Remark(
                format_message(
                    _("{count} items of {path} name nobody and were left out."), count=users.unnamed, path=users.path
                )
            )
        )
    return remarks
