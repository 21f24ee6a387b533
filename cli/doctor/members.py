"""The members' group, and the accounts of the server's other tools that are not in it."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict, examples
from cli.house import group_id
from cli.output import counted, fill
from cli.users_file import read_users, users_path, who_joins


def _group(context: Context) -> Iterator[Verdict]:
    group = context.settings.config.group
    gid = group_id(group)
    if gid is None:
        yield Verdict("group", "problem", fill(sentences.NO_GROUP, group=group), sentences.SETUP)
    else:
        yield Verdict("group", "ok", fill(sentences.GROUP_OK, group=group, gid=gid))


def _members(context: Context) -> Iterator[Verdict]:
    settings = context.settings
    path = users_path(settings)
    listed = read_users(path)
    if listed is None:
        yield Verdict("members", "ok", fill(sentences.NO_USERS_FILE, path=path))
        return
    if group_id(settings.config.group) is None:
        return  # told by the check of the group
    joining = who_joins(listed.names, settings)
    if joining.missing:
        sentence = sentences.MISSING_ONE if len(joining.missing) == 1 else sentences.MISSING_MORE
        told = fill(
            sentence,
            count=len(joining.missing),
            path=path,
            group=settings.config.group,
            names=examples(joining.missing),
        )
        yield Verdict("members", "warning", told, sentences.SETUP_ADD_USERS)
    else:
        told = counted(joining.members, sentences.MEMBERS_ONE, sentences.MEMBERS_MORE)
        yield Verdict("members", "ok", told)


CHECKS = (
    Check("group", sentences.ABOUT_GROUP, _group),
    Check("members", sentences.ABOUT_MEMBERS, _members),
)
