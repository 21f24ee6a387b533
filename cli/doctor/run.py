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

from cli.doctor import aliases, database, files, forwarding, machine, members, postfix, sentences, watcher
from cli.doctor.checks import Check, Finding, Severity, run_check
from cli.output import SafeText, counted, echo_json, echo_lines, format_message, hanging_indent, paint
from cli.server.facts import Facts
from schemas.config import Settings
from schemas.program import ExitStatus

CHECKS: Sequence[Check] = (
    *files.REGISTRY_CHECKS,
    *files.PATH_CHECKS,
    *members.MEMBER_CHECKS,
    *members.ORPHAN_CHECKS,
    *watcher.WATCHER_CHECKS,
    *watcher.CONFIGURATION_CHECKS,
    *postfix.CHECKS,
    *database.DATABASE_CHECKS,
    *database.SANDBOX_CHECKS,
    *aliases.ANSWER_CHECKS,
    *aliases.SHADOW_CHECKS,
    *forwarding.LOOP_CHECKS,
    *forwarding.REWRITING_CHECKS,
    *machine.CHECKS,
    *files.LEFTOVER_CHECKS,
)

_COLOURS: dict[Severity, str] = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(settings: Settings, *, as_json: bool) -> int:
    """Look at everything; 1 where there is a problem."""
    facts = Facts(settings)
    found: list[Finding] = []
    for check in CHECKS:
        findings = list(run_check(check, facts))
        found += findings
        if not as_json:
            echo_lines(line for finding in findings for line in _lines(finding))
    problems = sum(finding.severity == "problem" for finding in found)
    if as_json:
        echo_json({"healthy": not problems, "verdicts": [_as_object(finding) for finding in found]})
    else:
        echo_lines([_summary(problems, sum(finding.severity == "warning" for finding in found))])
    return ExitStatus.FAILED if problems else ExitStatus.DONE


def _as_object(finding: Finding) -> dict[str, str | None]:
    return {"code": finding.code, "verdict": finding.severity, "what": finding.what, "mend": finding.fix}


def _lines(finding: Finding) -> Iterator[str]:
    word = sentences.GRADES[finding.severity]
    first, *rest = hanging_indent(_head(word), finding.what)
    yield paint(word, _COLOURS[finding.severity]) + first[len(word) :]
    yield from rest
    if finding.fix is not None:
        # On one line, however long: it is there to be pasted.
        yield _head(sentences.ADVICE if finding.severity == "ok" else sentences.MEND) + finding.fix


def _head(word: str) -> str:
    return word.ljust(max(map(len, (*sentences.GRADES.values(), sentences.MEND, sentences.ADVICE))) + 2)


def _summary(problems: int, warnings: int) -> SafeText:
    if not problems and not warnings:
        return format_message(sentences.ALL_WELL)
    return format_message(
        sentences.SUMMARY,
        problems=counted(problems, sentences.PROBLEMS_ONE, sentences.PROBLEMS_MORE),
        warnings=counted(warnings, sentences.WARNINGS_ONE, sentences.WARNINGS_MORE),
    )
