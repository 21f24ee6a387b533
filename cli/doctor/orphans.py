"""Active aliases without their member: the next one to be given that name would inherit the forwarding.

What an orphan is, and when so many are not switched off unasked, is the watcher's rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.verdicts import Check, Finding, command_line, examples
from cli.house import group_id
from cli.output import format_message, safe_text
from watcher.account_files import AccountFiles
from watcher.accounts import Accounts
from watcher.decide.orphans import Orphan, OrphanSearch

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


CHECKS = (Check("orphans", sentences.ABOUT_ORPHANS, _orphans),)
