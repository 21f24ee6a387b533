"""The accounts that the server's other tools know of, added to the members' group."""

from __future__ import annotations

from cli.admin_sentences import PROGRAM
from cli.output import SafeText, format_message, safe_text
from cli.setup import sentences
from cli.setup.steps import Plan, Remark, Step
from cli.users_file import Joining, UsersFile, read_users, users_path, who_joins
from schemas.errors import StateError
from schemas.settings import Settings
from watcher.publish.commands import run_well

_TOLD = 20


def plan(settings: Settings, *, add: bool) -> Plan:
    """Who is to be added, if anybody may be; else how many are missing."""
    path = users_path(settings)
    try:
        users = read_users(path)
    except StateError as error:
        return Plan(remarks=[Remark(safe_text(str(error)), failed=add)])
    if users is None:
        return Plan(remarks=[Remark(format_message(sentences.NO_USERS, path=path))] if add else [])
    joining = who_joins(users.names, settings)
    if add:
        return Plan([_joining(name, settings.config.group) for name in joining.missing], _left_out(users, joining))
    count, fields = len(joining.missing), {"path": path, "group": settings.config.group, "program": PROGRAM}
    if not count:
        return Plan()
    hint = sentences.MISSING_ONE if count == 1 else sentences.MISSING_MORE
    return Plan(remarks=[Remark(format_message(hint, count=count, **fields))])


def joining(settings: Settings) -> frozenset[str]:
    """Whom `plan` adds. Raises StateError where the file cannot be read."""
    users = read_users(users_path(settings))
    return frozenset(who_joins(users.names, settings).missing) if users else frozenset()


def _joining(name: str, group: str) -> Step:
    def join() -> SafeText:
        run_well(["usermod", "--append", "--groups", group, name])
        return format_message(sentences.JOINED, name=name, group=group)

    return Step(format_message(sentences.JOIN, name=name, group=group), join)


def _left_out(users: UsersFile, joining: Joining) -> list[Remark]:
    message = [
        Remark(format_message(sentences.LEFT_OUT, name=each.name, why=each.why)) for each in joining.left_out[:_TOLD]
    ]
    more = len(joining.left_out) - len(message)
    if more:
        message.append(Remark(format_message(sentences.LEFT_OUT_MORE, count=more)))
    if users.unnamed:
        message.append(Remark(format_message(sentences.UNNAMED, count=users.unnamed, path=users.path)))
    return message
