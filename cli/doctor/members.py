"""Checks of members: the group, accounts that are not in it, and aliases without their member.

What an orphan is, and when so many are not switched off unasked, is the watcher's rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.doctor import sentences
from cli.doctor.checks import Check, Finding, command_line, examples
from cli.output import counted, format_message, safe_text
from cli.server.facts import Facts
from cli.server.paths import group_id
from cli.server.users import read_users, users_path, who_joins
from watcher.accounts import AccountFiles, Accounts
from watcher.orphan_search import Orphan, OrphanSearch


def _group(facts: Facts) -> Iterator[Finding]:
    group = facts.settings.config.group
    gid = group_id(group)
    if gid is None:
        yield Finding("group", "problem", format_message(sentences.NO_GROUP, group=group), sentences.SETUP)
    else:
        yield Finding("group", "ok", format_message(sentences.GROUP_OK, group=group, gid=gid))


def _members(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    path = users_path(settings)
    listed = read_users(path)
    if listed is None:
        yield Finding("members", "ok", format_message(sentences.NO_USERS_FILE, path=path))
        return
    if group_id(settings.config.group) is None:
        return  # told by the check of the group
    joining = who_joins(listed.names, settings)
    if joining.missing:
        sentence = sentences.MISSING_ONE if len(joining.missing) == 1 else sentences.MISSING_MORE
        message = format_message(
            sentence,
            count=len(joining.missing),
            path=path,
            group=settings.config.group,
            names=examples(joining.missing),
        )
        yield Finding("members", "warning", message, sentences.SETUP_ADD_USERS)
    else:
        message = counted(joining.members, sentences.MEMBERS_ONE, sentences.MEMBERS_MORE)
        yield Finding("members", "ok", message)


MEMBER_CHECKS = (
    Check("group", sentences.ABOUT_GROUP, _group),
    Check("members", sentences.ABOUT_MEMBERS, _members),
)


_REVOKED_AT_ONCE = 10


def _orphans(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if facts.registry is None or group_id(config.group) is None:
        return  # told by the checks of those
    search = OrphanSearch(config, Accounts(config.group), AccountFiles().read())
    found = search.orphans(facts.registry)
    if not found:
        yield Finding("orphans", "ok", format_message(sentences.NO_ORPHANS))
        return
    sure = [orphan for orphan in found if orphan.sure]
    if sure:
        held = search.judge(facts.registry).held
        reasons = examples([safe_text(orphan.reason.rstrip(".")) for orphan in sure])
        sentence = sentences.ORPHANS_ONE if len(sure) == 1 else sentences.ORPHANS_MORE
        message = format_message(sentence, count=len(sure), reasons=reasons)
        yield Finding("orphans", "problem", message, sentences.SYNC_DRY_RUN if held else _revokes(sure))
    if len(sure) < len(found):
        names = examples([orphan.username for orphan in found if not orphan.sure])
        yield Finding("orphans", "warning", format_message(sentences.ORPHANS_UNSURE, names=names))


def _revokes(orphans: Sequence[Orphan]) -> str:
    some = orphans[:_REVOKED_AT_ONCE]
    program = sentences.REVOKE
    return command_line(*([*program, orphan.username, "--reason", sentences.ORPHAN_REASON] for orphan in some))


ORPHAN_CHECKS = (Check("orphans", sentences.ABOUT_ORPHANS, _orphans),)
