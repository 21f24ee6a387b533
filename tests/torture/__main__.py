"""`python -m tests.torture`: kill the watcher as long as asked; end with 1 if anything was lost, doubled or left."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.support.install import Installation, install
from tests.support.needs import missing
from tests.support.site import Site
from tests.torture.rounds import Rounds
from tests.torture.sweep import Sweep

KILLS_OF_A_SERVER = 60
"""After so many a new server begins: what lies there grows, and so does the time for looking through it."""
SHOWN = 10


class Broken(Exception):  # noqa: N818
    """Something is not as it must be; the arguments say what."""


class Sums:
    """What was done in all."""

    def __init__(self) -> None:
        self._sums: dict[str, int] = {}
        self._began = time.monotonic()

    def add(self, **numbers: int) -> None:
        """Add to the sums."""
        for name, number in numbers.items():
            self._sums[name] = self._sums.get(name, 0) + number

    def __str__(self) -> str:
        """All of them on one line."""
        message = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in self._sums.items())
        return f"{time.monotonic() - self._began:.0f} s: {message or 'nothing yet'}"


def main() -> int:
    """Torture it."""
    options = _options()
    for need in ("root", "accounts", "postfix", "postfix-hash", *(["strace"] if options.calls != "none" else [])):
        if sentence := missing(need):
            _say(sentence.replace("This test", "The torture"))
            return 1
    _say(f"To see much the same again: TORTURE_SEED={options.seed}")
    path = Path(tempfile.mkdtemp(prefix="runv-torture-", dir="/tmp"))
    path.chmod(0o755)
    sums = Sums()
    try:
        installation = install(path)
        if options.calls != "none":
            _sweep(installation, options, sums)
        _rounds(installation, options, sums)
    except Broken as error:
        _say(f"{sums}, and then:")
        for sentence in error.args:
            _say(f"  {sentence}")
        return 1
    finally:
        shutil.rmtree(path)
    _say(f"{sums}, 0 violations")
    return 0


def _sweep(installation: Installation, options: argparse.Namespace, sums: Sums) -> None:
    chance = random.Random(options.seed)  # noqa: S311
    for whole in (False, True):
        with Site(installation) as site:
            sweep = Sweep(site, whole=whole)
            calls = [call for call in sweep.calls if call.changing or options.calls == "all"]
            _say(f"A pass that {'makes the whole map' if whole else 'amends the map'} is killed at {len(calls)} calls.")
            for number, call in enumerate(calls, 1):
                kills = sweep.kills
                found = sweep.killed_at(call, again=chance if chance.random() < 0.3 else None)
                sums.add(kills_at_calls=sweep.kills - kills)
                if found:
                    raise Broken(*found[:SHOWN])
                if number % 100 == 0:
                    _say(str(sums))


def _rounds(installation: Installation, options: argparse.Namespace, sums: Sums) -> None:
    chance = random.Random(options.seed)  # noqa: S311
    deadline = time.monotonic() + options.seconds if options.seconds else None
    done = 0

    def over() -> bool:
        return time.monotonic() >= deadline if deadline is not None else bool(done >= options.kills)

    while not over():
        seed = chance.randrange(1_000_000)
        with Site(installation) as site, Rounds(site, seed) as rounds:
            ledger = rounds.ledger
            while ledger.kills < KILLS_OF_A_SERVER and not over():
                kills = ledger.kills
                try:
                    found = rounds.play(kills=chance.choice((1, 1, 2, 3)))
                except AssertionError as error:
                    found = [str(error), f"the status: {site.status()}"]
                if found:
                    log = site.watchers[-1].log if site.watchers else ""
                    raise Broken(f"with the server's seed {seed}:", *found[:SHOWN], f"the watcher's log:\n{log}")
                done += ledger.kills - kills
            sums.add(
                random_kills=ledger.kills,
                restarts=ledger.restarts,
                queue_files=len(ledger.handed),
                decisions=len(ledger.marked),
                edits_by_hand=ledger.hand_edits,
            )
        _say(str(sums))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="kills at random moments (300)")
    parser.add_argument("--seconds", type=int, help="how long to go on with those, however many they are")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of all chances")  # noqa: S311
    parser.add_argument(
        "--calls",
        choices=["changing", "all", "none"],
        default="changing",
        help="the system calls of a pass to kill it at: those that change something, all, or none",
    )
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
