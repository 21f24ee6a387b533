"""`doctor`: every check in turn, and what came of them.

`--json` prints one object: `healthy` (whether there is no problem) and `verdicts`, a list of objects with these keys,
always all of them:

    code      a stable word for programs
    verdict   ok, warning or problem
    what      what was found, in whole sentences
    mend      the command that mends it, or null
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli import exits
from cli.doctor import (
    answers,
    configuration,
    database,
    kernel,
    leftovers,
    loops,
    mail_server,
    members,
    orphans,
    paths,
    registry,
    rewriting,
    sentences,
    shadows,
    walls,
    watching,
)
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Grade, Verdict, examine
from cli.output import Prose, counted, fill, hanging, paint, tell_json, tell_lines
from schemas.settings import Settings

CHECKS: Sequence[Check] = (
    *registry.CHECKS,
    *paths.CHECKS,
    *members.CHECKS,
    *orphans.CHECKS,
    *watching.CHECKS,
    *configuration.CHECKS,
    *mail_server.CHECKS,
    *database.CHECKS,
    *walls.CHECKS,
    *answers.CHECKS,
    *shadows.CHECKS,
    *loops.CHECKS,
    *rewriting.CHECKS,
    *kernel.CHECKS,
    *leftovers.CHECKS,
)

_COLOURS: dict[Grade, str] = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(settings: Settings, *, as_json: bool) -> int:
    """Look at everything; 1 where there is a problem."""
    context = Context(settings)
    found: list[Verdict] = []
    for check in CHECKS:
        verdicts = list(examine(check, context))
        found += verdicts
        if not as_json:
            tell_lines(line for verdict in verdicts for line in _lines(verdict))
    problems = sum(verdict.verdict == "problem" for verdict in found)
    if as_json:
        tell_json({"healthy": not problems, "verdicts": [verdict._asdict() for verdict in found]})
    else:
        tell_lines([_summary(problems, sum(verdict.verdict == "warning" for verdict in found))])
    return exits.FAILED if problems else exits.DONE


def _lines(verdict: Verdict) -> Iterator[str]:
    word = sentences.GRADES[verdict.verdict]
    first, *rest = hanging(_head(word), verdict.what)
    yield paint(word, _COLOURS[verdict.verdict]) + first[len(word) :]
    yield from rest
    if verdict.mend is not None:
        # On one line, however long: it is there to be pasted.
        yield _head(sentences.ADVICE if verdict.verdict == "ok" else sentences.MEND) + verdict.mend


def _head(word: str) -> str:
    return word.ljust(max(map(len, (*sentences.GRADES.values(), sentences.MEND, sentences.ADVICE))) + 2)


def _summary(problems: int, warnings: int) -> Prose:
    if not problems and not warnings:
        return fill(sentences.ALL_WELL)
    return fill(
        sentences.SUMMARY,
        problems=counted(problems, sentences.PROBLEMS_ONE, sentences.PROBLEMS_MORE),
        warnings=counted(warnings, sentences.WARNINGS_ONE, sentences.WARNINGS_MORE),
    )
