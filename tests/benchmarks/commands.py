"""The member's command line, beside an interpreter that does nothing.

Both are started in the same way, by the same account, in the same environment, with byte code in place.
"""

import time
from collections.abc import Iterator

from tests.benchmarks.bench import Bench, Ground, bench, member, take_turns
from tests.benchmarks.figures import Figure, ratio

MANY = 10_000
ROUNDS = 41


def commands(ground: Ground) -> Iterator[Figure]:
    """`runv-email-alias --help` and `status`, each against `python3 -c pass`."""
    with bench(ground, 10) as both:
        yield _compared(both, "runv-email-alias --help", "--help")
        yield _compared(both, "runv-email-alias status", "status")
    with bench(ground, MANY) as both:
        yield _compared(both, f"runv-email-alias status, {MANY:,} aliases", "status")


def _compared(both: Bench, name: str, argument: str) -> Figure:
    program, python = str(both.site.installation.bin / "runv-email-alias"), str(both.site.installation.python)
    turns = take_turns(ROUNDS, lambda _: _timed(both, program, argument), lambda _: _timed(both, python, "-c", "pass"))
    return ratio(name, turns, 8.0)


def _timed(both: Bench, *command: str) -> float:
    begun = time.perf_counter()
    done = both.site.run(command, account=both.site.accounts[member(0)])
    seconds = time.perf_counter() - begun
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return seconds
