"""Several runs of the tests side by side on one machine: a test that needs it to itself has it to itself.

`make test` runs the tests with two sets of libraries at once, each in two parts. Most of a run is waiting, so they
hardly meet; but some tests lower a limit of the whole kernel for a moment, or ask how long others wait while a flood
keeps it busy. Others would meet themselves alone, where all runs have the same place or port.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

PLACE = "/tmp/runv-email-alias-tests"
"""The directory of the locks: a run within a container is given the one outside."""

_HOW = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until no test of another run is at work *alone*; with *alone*, until no other is at work at all.

    A run that may not open the place, since it is another account's, takes no turns.
    """
    try:
        gate, path = map(_opened, ("gate", "place"))
    except PermissionError:
        yield
        return
    how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    try:
        # Whoever waits for a turn alone waits in the gate, so that the others cannot go on passing in between.
        fcntl.flock(gate, how)
        fcntl.flock(path, how)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
    finally:
        os.close(path)
        os.close(gate)


@contextmanager
def only(what: str) -> Iterator[None]:
    """Wait until no test of another run is at work with the same *what*."""
    try:
        path = _opened(what)
    except PermissionError:
        yield
        return
    try:
        fcntl.flock(path, fcntl.LOCK_EX)
        yield
    finally:
        os.close(path)


def _opened(name: str) -> int:
    os.makedirs(PLACE, mode=0o700, exist_ok=True)
    return os.open(f"{PLACE}/{name}", _HOW)
