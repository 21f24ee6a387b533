"""Whether the map that Postfix reads answers for every active alias as the registry has it, and for nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.verdicts import Check, Finding, examples
from cli.host.postfix import lookups
from cli.output import SafeText, counted, format_message, safe_text
from schemas.errors import ExpectedError
from watcher.publish.commands import CommandError
from watcher.publish.plan import Plan, make_plan

SAMPLE = 1000
"""Of how many aliases a map in a database is asked at most."""
_LOOKS = 3
"""How often it is looked again when the registry has changed meanwhile."""


def _answers(facts: Facts) -> Iterator[Finding]:
    if not facts.settings.config.enabled or facts.postfix is None or facts.registry is None:
        return
    if facts.settings.config.in_database and isinstance(facts.published, ExpectedError):
        return  # told by the check of the database
    try:
        plan = _differences(facts)
    except CommandError as error:
        if not facts.privileged:
            raise
        yield Finding(
            "answers",
            "problem",
            format_message(sentences.MAP_BROKEN, map=facts.map, why=safe_text(str(error))),
            sentences.SYNC,
        )
        return
    if plan.changed:
        message = [
            format_message(sentences.ANSWERED, alias=alias, found=found, wanted=wanted)
            for alias, (found, wanted) in plan.changed.items()
        ]
        yield _wrong(message, sentences.ANSWERS_WRONG_ONE, sentences.ANSWERS_WRONG_MORE)
    if plan.added:
        yield _wrong(list(plan.added), sentences.ANSWERS_NONE_ONE, sentences.ANSWERS_NONE_MORE)
    if plan.removed:
        yield _wrong(list(plan.removed), sentences.ANSWERS_STILL_ONE, sentences.ANSWERS_STILL_MORE)
    if plan.empty:
        yield Finding("answers", "ok", _fine(facts, plan.published))


def _fine(facts: Facts, count: int) -> SafeText:
    if facts.settings.config.in_database and count > SAMPLE:
        return format_message(sentences.ANSWERS_OK_SOME, asked=SAMPLE, count=count)
    return counted(count, sentences.ANSWERS_OK_ONE, sentences.ANSWERS_OK_MORE)


def _wrong(items: list[SafeText] | list[str], one: str, more: str) -> Finding:
    message = format_message(one if len(items) == 1 else more, count=len(items), examples=examples(items))
    return Finding("answers", "problem", message, sentences.SYNC)


def _differences(facts: Facts) -> Plan:
    for _ in range(_LOOKS):
        registry = facts.registry
        plan = _plan(facts, registry.rows() if registry else {})
        if plan.empty or registry is None:
            break
        # A decision may have been applied between the two looks: then the registry is another by now.
        now = facts.registry_again()
        if now is None or now.sha256 == registry.sha256:
            break
    return plan


def _plan(facts: Facts, wanted: Mapping[str, str]) -> Plan:
    """What the map answers for the aliases that it should know, and the other rows that it can tell of."""
    published = facts.published
    if isinstance(published, ExpectedError):
        raise published
    # Those that another's row holds are told of by the check of the database.
    wanted = published.without_conflicts(wanted)
    others = {alias: found for alias, found in published.rows.items() if alias not in wanted}
    if facts.settings.config.in_database and len(wanted) > SAMPLE:
        # Each question is one to the database.
        asked = set(random.sample(sorted(wanted), SAMPLE))
        fields = {alias: published.rows[alias] for alias in wanted.keys() & published.rows.keys()}
        fields = {alias: found for alias, found in fields.items() if alias not in asked}
        return make_plan(others | fields | lookups(facts.map, asked), wanted)
    return make_plan(others | lookups(facts.map, wanted), wanted)


CHECKS = (Check("answers", sentences.ABOUT_ANSWERS, _answers),)
