"""Checks of members: the group, accounts that are not in it, and aliases without their member.

What an orphan is, and when so many are not switched off unasked, is the watcher's rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.doctor.checks import Check, Finding, command_line, examples
from cli.messages import _, ngettext
from cli.output import format_message, safe_text
from cli.server.facts import Facts
from cli.server.paths import group_id
from cli.server.users import read_users, users_path, who_joins
from watcher.accounts import AccountFiles, Accounts
from watcher.orphan_search import Orphan, OrphanSearch

_REVOKE = ["runv-admin-email-alias", "revoke"]


def _group(facts: Facts) -> Iterator[Finding]:
    group = facts.settings.config.group
    gid = group_id(group)
    if gid is None:
        yield Finding(
            "group",
            "problem",
            format_message(_("The group {group} does not exist, so nobody can be told to be a member."), group=group),
            "runv-admin-email-alias setup",
        )
    else:
        yield Finding(
            "group", "ok", format_message(_("The members' group {group} exists (gid {gid})."), group=group, gid=gid)
        )


def _members(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    path = users_path(settings)
    listed = read_users(path)
    if listed is None:
        yield Finding(
            "members",
            "ok",
            format_message(_("There is no list of accounts {path} to hold the members' group against."), path=path),
        )
        return
    if group_id(settings.config.group) is None:
        return  # told by the check of the group
    joining = who_joins(listed.names, settings)
    if joining.missing:
        sentence = ngettext(
            "One account in {path} is not in the group {group} and cannot ask for an alias: {names}.",
            "{count} accounts in {path} are not in the group {group} and cannot ask for an alias: {names}.",
            len(joining.missing),
        )
        message = format_message(
            sentence,
            count=len(joining.missing),
            path=path,
            group=settings.config.group,
            names=examples(joining.missing),
        )
        yield Finding("members", "warning", message, "runv-admin-email-alias setup --add-existing-users")
    else:
        message = format_message(
            ngettext(
                "Every account of the server's list that can be a member is one (1 account).",
                "Every account of the server's list that can be a member is one ({count} accounts).",
                joining.members,
            ),
            count=joining.members,
        )
        yield Finding("members", "ok", message)


MEMBER_CHECKS = (
    Check("group", _("Whether the members' group exists"), _group),
    Check("members", _("Whether every account of the server's list is a member"), _members),
)


_REVOKED_AT_ONCE = 10


def _orphans(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if facts.registry is None or group_id(config.group) is None:
        return  # told by the checks of those
    search = OrphanSearch(config, Accounts(config.group), AccountFiles().read())
    found = search.orphans(facts.registry)
    if not found:
        yield Finding("orphans", "ok", format_message(_("Every active alias still has its member.")))
        return
    sure = [orphan for orphan in found if orphan.sure]
    if sure:
        held = search.judge(facts.registry).held
        reasons = examples([safe_text(orphan.reason.rstrip(".")) for orphan in sure])
        sentence = ngettext(
            "An active alias has no member any more, and whoever is given that name next "
            "would inherit the forwarding: {reasons}.",
            "{count} active aliases have no member any more, and whoever is given such a "
            "name next would inherit the forwarding: {reasons}.",
            len(sure),
        )
        message = format_message(sentence, count=len(sure), reasons=reasons)
        yield Finding(
            "orphans", "problem", message, "runv-admin-email-alias sync --dry-run" if held else _revokes(sure)
        )
    if len(sure) < len(found):
        names = examples([orphan.username for orphan in found if not orphan.sure])
        yield Finding(
            "orphans",
            "warning",
            format_message(
                _(
                    "It is not sure whether these aliases still have their members: {names}. The "
                    "account files do not know them, but another name service may, and not answer "
                    "now."
                ),
                names=names,
            ),
        )


def _revokes(orphans: Sequence[Orphan]) -> str:
    some = orphans[:_REVOKED_AT_ONCE]
    program = _REVOKE
    return command_line(*([*program, orphan.username, "--reason", _("Its member is no more.")] for orphan in some))


ORPHAN_CHECKS = (Check("orphans", _("Whether every active alias still has its member"), _orphans),)
