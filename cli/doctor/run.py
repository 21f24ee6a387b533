"""`doctor`: every check in turn, and what came of them.

`--json` prints one object: `healthy` (whether there is no problem) and `verdicts`, a list of objects with these keys,
always all of them (programs rely on these names, which are older than those in the code):

    code      a stable word for programs
    verdict   ok, warning or problem
    what      what was found, in whole sentences
    mend      the command that fixes it, or null
"""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import aliases, database, files, forwarding, machine, members, postfix, undecided, watcher
from cli.doctor.checks import Check, Finding, Severity, run_check
from cli.messages import _, ngettext
from cli.output import SafeText, echo_json, echo_lines, format_message, hanging_indent, paint
from cli.server.facts import Facts
from schemas.config import Settings
from schemas.program import ExitStatus

# What is printed comes in this order, and within a module in the order of its checks.
_MODULES = (files, members, watcher, postfix, database, aliases, forwarding, machine, undecided)
CHECKS = [each for module in _MODULES for each in vars(module).values() if isinstance(each, Check)]

_WORDS: dict[Severity, str] = {"ok": _("ok"), "warning": _("warning"), "problem": _("problem")}
_COLOURS: dict[Severity, str] = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(settings: Settings, *, as_json: bool) -> int:
    """Look at everything; 1 where there is a problem."""
    facts = Facts(settings)
    found: list[Finding] = []
    for each in CHECKS:
        findings = list(run_check(each, facts))
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
    return {"code": finding.code, "verdict": finding.severity, "what": finding.message, "mend": finding.fix}


def _lines(finding: Finding) -> Iterator[str]:
    word = _WORDS[finding.severity]
    first, *rest = hanging_indent(_head(word), finding.message)
    yield paint(word, _COLOURS[finding.severity]) + first[len(word) :]
    yield from rest
    if finding.fix is not None:
        # On one line, however long: it is there to be pasted.
        yield _head(_("advice") if finding.severity == "ok" else _("mend")) + finding.fix


def _head(word: str) -> str:
    return word.ljust(max(map(len, (*_WORDS.values(), _("mend"), _("advice")))) + 2)


def _summary(problems: int, warnings: int) -> SafeText:
    if not problems and not warnings:
        return format_message(_("All is well."))
    return format_message(
        _("{problems}, {warnings}."),
        problems=format_message(ngettext("1 problem", "{count} problems", problems), count=problems),
        warnings=format_message(ngettext("1 warning", "{count} warnings", warnings), count=warnings),
    )
