"""Whether the map that Postfix reads answers for every active alias as the registry has it, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict, examples
from cli.host.postfix import lookups
from cli.output import Prose, counted, fill, prose
from watcher.publish.commands import CommandError
from watcher.publish.mapfiles import published_rows
from watcher.publish.plan import Plan, make_plan

_LOOKS = 3
"""How often it is looked again when the registry has changed meanwhile."""


def _answers(context: Context) -> Iterator[Verdict]:
    if not context.settings.config.enabled or context.postfix is None or context.registry is None:
        return
    try:
        plan = _differences(context)
    except CommandError as error:
        if not context.privileged:
            raise
        yield Verdict(
            "answers", "problem", fill(sentences.MAP_BROKEN, map=context.map, why=prose(str(error))), sentences.SYNC
        )
        return
    if plan.changed:
        told = [
            fill(sentences.ANSWERED, alias=alias, found=found, wanted=wanted)
            for alias, (found, wanted) in plan.changed.items()
        ]
        yield _wrong(told, sentences.ANSWERS_WRONG_ONE, sentences.ANSWERS_WRONG_MORE)
    if plan.added:
        yield _wrong(list(plan.added), sentences.ANSWERS_NONE_ONE, sentences.ANSWERS_NONE_MORE)
    if plan.removed:
        yield _wrong(list(plan.removed), sentences.ANSWERS_STILL_ONE, sentences.ANSWERS_STILL_MORE)
    if plan.empty:
        told_ok = counted(plan.published, sentences.ANSWERS_OK_ONE, sentences.ANSWERS_OK_MORE)
        yield Verdict("answers", "ok", told_ok)


def _wrong(items: list[Prose] | list[str], one: str, more: str) -> Verdict:
    told = fill(one if len(items) == 1 else more, count=len(items), examples=examples(items))
    return Verdict("answers", "problem", told, sentences.SYNC)


def _differences(context: Context) -> Plan:
    for _ in range(_LOOKS):
        registry = context.registry
        plan = make_plan(_held(context, registry.rows()), registry.rows()) if registry else make_plan({}, {})
        if plan.empty or registry is None:
            break
        # A decision may have been applied between the two looks: then the registry is another by now.
        now = context.registry_again()
        if now is None or now.sha256 == registry.sha256:
            break
    return plan


def _held(context: Context, wanted: Mapping[str, str]) -> dict[str, str]:
    """What the map answers for the aliases that it should know, and the other rows that it can tell of."""
    others = {alias: found for alias, found in published_rows(context.settings.config).items() if alias not in wanted}
    return others | lookups(context.map, wanted)


CHECKS = (Check("answers", sentences.ABOUT_ANSWERS, _answers),)
