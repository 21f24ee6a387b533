"""Checks of members: the group, accounts that are not in it, and aliases without their member.

What an orphan is, and when so many are not switched off unasked, is the watcher's rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.doctor.checks import SETUP, SYNC_DRY_RUN, Finding, check, command_line, examples
from cli.messages import _, ngettext
from cli.output import format_message, safe_text
from cli.server.facts import Facts
from cli.server.users import read_users, users_path, who_joins
from watcher.accounts import AccountFiles, Accounts
from watcher.orphan_search import Orphan, OrphanSearch

_REVOKED_AT_ONCE = 10


@check("group", _("Whether the members' group exists"))
def group(facts: Facts) -> Iterator[Finding]:
    """That there is a members' group."""
    name = facts.settings.config.group
    if facts.group is None:
        message = format_message(
            _("The group {group} does not exist, so nobody can be told to be a member."), group=name
        )
        yield Finding("group", "problem", message, SETUP)
    else:
        message = format_message(_("The members' group {group} exists (gid {gid})."), group=name, gid=facts.group)
        yield Finding("group", "ok", message)


@check("members", _("Whether every account of the server's list is a member"))
def members(facts: Facts) -> Iterator[Finding]:
    """That every person in the list of the server's other tools is in the members' group."""
    settings = facts.settings
    path = users_path(settings)
    listed = read_users(path)
    if listed is None:
        message = format_message(
            _("There is no list of accounts {path} to hold the members' group against."), path=path
        )
        yield Finding("members", "ok", message)
        return
    if facts.group is None:
        return  # said by the check of the group
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
        sentence = ngettext(
            "Every account of the server's list that can be a member is one (1 account).",
            "Every account of the server's list that can be a member is one ({count} accounts).",
            joining.members,
        )
        yield Finding("members", "ok", format_message(sentence, count=joining.members))


@check("orphans", _("Whether every active alias still has its member"), needs=("registry", "group"))
def orphans(facts: Facts) -> Iterator[Finding]:
    """That every active alias still has its member."""
    config = facts.settings.config
    search = OrphanSearch(config, Accounts(config.group), AccountFiles().read())
    found = search.orphans(facts.registry)
    if not found:
        yield Finding("orphans", "ok", format_message(_("Every active alias still has its member.")))
        return
    sure = [orphan for orphan in found if orphan.sure]
    if sure:
        sentence = ngettext(
            "An active alias has no member any more, and whoever is given that name next would inherit the forwarding: "
            "{reasons}.",
            "{count} active aliases have no member any more, and whoever is given such a name next would inherit the "
            "forwarding: {reasons}.",
            len(sure),
        )
        reasons = examples([safe_text(orphan.reason.rstrip(".")) for orphan in sure])
        held = search.judge(facts.registry).held
        message = format_message(sentence, count=len(sure), reasons=reasons)
        yield Finding("orphans", "problem", message, SYNC_DRY_RUN if held else _revokes(sure))
    if len(sure) < len(found):
        message = format_message(
            _(
                "It is not sure whether these aliases still have their members: {names}. The account files do not know "
                "them, but another name service may, and not answer now."
            ),
            names=examples([orphan.username for orphan in found if not orphan.sure]),
        )
        yield Finding("orphans", "warning", message)


def _revokes(orphans: Sequence[Orphan]) -> str:
    revoke = ["runv-admin-email-alias", "revoke"]
    reason = ["--reason", _("Its member is no more.")]
    return command_line(*([*revoke, orphan.username, *reason] for orphan in orphans[:_REVOKED_AT_ONCE]))
