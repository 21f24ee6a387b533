"""Whether the map that Postfix reads answers for every active alias as the registry has it, and for nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict, examples
from cli.host.postfix import lookups
from cli.output import Prose, counted, fill, prose
from schemas.errors import TroubleError
from watcher.publish.commands import CommandError
from watcher.publish.plan import Plan, make_plan

SAMPLE = 1000
"""Of how many aliases a map in a database is asked at most."""
_LOOKS = 3
"""How often it is looked again when the registry has changed meanwhile."""


def _answers(context: Context) -> Iterator[Verdict]:
    if not context.settings.config.enabled or context.postfix is None or context.registry is None:
        return
    if context.settings.config.in_database and isinstance(context.published, TroubleError):
        return  # told by the check of the database
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
        yield Verdict("answers", "ok", _fine(context, plan.published))


def _fine(context: Context, count: int) -> Prose:
    if context.settings.config.in_database and count > SAMPLE:
        return fill(sentences.ANSWERS_OK_SOME, asked=SAMPLE, count=count)
    return counted(count, sentences.ANSWERS_OK_ONE, sentences.ANSWERS_OK_MORE)


def _wrong(items: list[Prose] | list[str], one: str, more: str) -> Verdict:
    told = fill(one if len(items) == 1 else more, count=len(items), examples=examples(items))
    return Verdict("answers", "problem", told, sentences.SYNC)


def _differences(context: Context) -> Plan:
    for _ in range(_LOOKS):
        registry = context.registry
        plan = _plan(context, registry.rows() if registry else {})
        if plan.empty or registry is None:
            break
        # A decision may have been applied between the two looks: then the registry is another by now.
        now = context.registry_again()
        if now is None or now.sha256 == registry.sha256:
            break
    return plan


def _plan(context: Context, wanted: Mapping[str, str]) -> Plan:
    """What the map answers for the aliases that it should know, and the other rows that it can tell of."""
    published = context.published
    if isinstance(published, TroubleError):
        raise published
    # Those that another's row holds are told of by the check of the database.
    wanted = published.without_conflicts(wanted)
    others = {alias: found for alias, found in published.rows.items() if alias not in wanted}
    if context.settings.config.in_database and len(wanted) > SAMPLE:
        # Each question is one to the database.
        asked = set(random.sample(sorted(wanted), SAMPLE))
        told = {alias: published.rows[alias] for alias in wanted.keys() & published.rows.keys()}
        told = {alias: found for alias, found in told.items() if alias not in asked}
        return make_plan(others | told | lookups(context.map, asked), wanted)
    return make_plan(others | lookups(context.map, wanted), wanted)


CHECKS = (Check("answers", sentences.ABOUT_ANSWERS, _answers),)
