"""The members' group, and the accounts of the server's other tools that are not in it."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.verdicts import Check, Finding, examples
from cli.house import group_id
from cli.output import counted, format_message
from cli.users_file import read_users, users_path, who_joins


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


CHECKS = (
    Check("group", sentences.ABOUT_GROUP, _group),
    Check("members", sentences.ABOUT_MEMBERS, _members),
)
