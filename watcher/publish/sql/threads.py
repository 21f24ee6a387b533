"""Threads that stand by: to start one takes as long as to ask a database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Calls = SimpleQueue[Callable[[], None]]

_standing_by: list[Calls] = []


def in_a_thread(call: Callable[[], None]) -> None:
    """Have *call* made in another thread, which ends with nobody: one that hangs keeps no process from ending.

    Args:
        call: what is to be done; it raises nothing.

    Raises:
        RuntimeError: no thread can be started.
    """
    try:
        calls = _standing_by.pop()
    except IndexError:
        calls = Calls()
        threading.Thread(target=_serve, args=(calls,), name="database", daemon=True).start()
    calls.put(call)


def _serve(calls: Calls) -> None:
    while True:
        calls.get()()
        _standing_by.append(calls)
