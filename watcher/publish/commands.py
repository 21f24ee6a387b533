"""Running other programs: one environment, a time limit for each pass, and what they complained of."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from schemas.errors import ExpectedError
from schemas.text import printable

TIMEOUT = 20.0
"""Seconds that all programs of one pass may take together: twice what a map of a million rows takes.

The last sign of life may be half a minute old when a pass begins, and systemd's watchdog waits for a minute.
"""
LEAST = 1.0
"""Seconds that each of them has in any case: one that hangs must not fail the others."""

_QUOTED = re.compile(rb'(, line \d+: [^"]*: )".*')
"""How Postfix repeats a line of a file that it cannot read: of a map in a database, it may be the password's."""

_PASSED_ON = ("MAIL_CONFIG", "TZ")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandError(ExpectedError):
    """A program could not be run, failed, or complained; the message shows what it said."""


class Patience:
    """How long programs may take together, counted from the last `renew`."""

    def __init__(self, seconds: float = TIMEOUT, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._since: float | None = None

    def renew(self) -> None:
        """Begin to count anew, as at the beginning of a pass."""
        self._since = self._clock()

    @property
    def left(self) -> float:
        """Seconds that the next program may take."""
        waited = 0.0 if self._since is None else self._clock() - self._since
        return max(min(LEAST, self.seconds), self.seconds - waited)


patience = Patience()
"""Renewed by the one thread that makes passes. In a command, which makes none, each program has all of the time."""


class Answer(NamedTuple):
    """What a program answered; *complaints* are the lines of its standard error, escaped."""

    status: int
    output: bytes
    complaints: tuple[str, ...]


class Running:
    """*command*, started in the C locale and an environment of few named variables, and waiting for its input.

    MAIL_CONFIG is passed on, since every Postfix program looks there for its configuration (see postconf(1)). For a
    `with` block: at its end the program has ended, or it and its children are killed.

    Raises:
        CommandError: it is not there, or cannot be executed.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        environment = {"PATH": _search_path(), "LC_ALL": "C"}
        environment.update({name: os.environ[name] for name in _PASSED_ON if name in os.environ})
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None:
            raise CommandError(
                f"The program {printable(command[0])} was not found or cannot be executed. Install it, or mend the "
                "config."
            )
        try:
            self._process = subprocess.Popen(
                [program, *command[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise CommandError(f"The program {printable(program)} could not be started: {error.strerror}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.__exit__(kind, error, trace)

    def finish(self, given: bytes = b"", timeout: float | None = None) -> Answer:
        """Give it *given* on its standard input, wait for its end, and give its answer.

        Raises:
            CommandError: it took longer than *timeout* seconds, or than there is patience left; it and its children
                are killed.
        """
        timeout = patience.left if timeout is None else timeout
        try:
            output, complaint = self._process.communicate(given, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise CommandError(
                f"The command `{shown(self.command)}` did not end within {timeout:.3g} seconds and was killed. "
                "Run it by hand to see what it waits for."
            ) from None
        # Of a table that does not answer Postfix complains ten times, once for each try.
        lines = dict.fromkeys(_QUOTED.sub(rb"\1...", line) for line in complaint.splitlines()[:20] if line.strip())
        complaints = tuple(printable(line, 500) for line in lines)
        return Answer(self._process.returncode, output, complaints)


def run(command: Sequence[str], given: bytes = b"", timeout: float | None = None) -> Answer:
    """Run *command* from its start to its end; see `Running`."""
    with Running(command) as running:
        return running.finish(given, timeout)


def run_well(command: Sequence[str], given: bytes = b"", timeout: float | None = None) -> bytes:
    """Run *command* and give its output; raise `CommandError` unless it ends with 0."""
    answer = run(command, given, timeout)
    if answer.status != 0:
        raise CommandError(failure(command, answer))
    return answer.output


def failure(command: Sequence[str], answer: Answer) -> str:
    """The sentence for a command that failed."""
    complaints = " / ".join(answer.complaints) or "it said nothing."
    return f"The command `{shown(command)}` failed with exit status {answer.status}: {complaints}"


def shown(command: Sequence[str]) -> str:
    """*command* on one line, for a message."""
    return printable(" ".join(command), 400)


def _search_path() -> str:
    # cron, su and some logins leave the sbin directories out, and Postfix's programs live there.
    own = os.environ.get("PATH")
    return f"{own}:{_SYSTEM_PATH}" if own else _SYSTEM_PATH
