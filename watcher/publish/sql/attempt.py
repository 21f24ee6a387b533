"""A call that may hang where no time-out reaches, and of which nobody waits for longer than they want to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from watcher.publish.sql.threads import in_a_thread

T = TypeVar("T")


class BoundedCall(Generic[T]):
    """*call*, made in a thread of its own.

    The C library looks names up for as long as its resolver is set to, and a server that answers a byte now and then
    outlasts any time-out that begins anew with each of them.

    Args:
        call: what is tried.
        late: takes its result where nobody waits for that any more.

    Attributes:
        began: when, on the monotonic clock.

    Raises:
        RuntimeError: no thread can be started.
    """

    def __init__(self, call: Callable[[], T], late: Callable[[T], None]) -> None:
        self.began = time.monotonic()
        self._call = call
        self._late = late
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._given_up = False
        self._result: list[T] = []
        self._error: BaseException | None = None
        in_a_thread(self._run)

    @property
    def hangs(self) -> bool:
        """Whether it was given up and has not ended yet."""
        return self._given_up and not self._ended.is_set()

    def result(self, seconds: float) -> T:
        """What came of it.

        Raises:
            TimeoutError: nothing did within so many *seconds*.
            Exception: whatever the call raises.
        """
        self._ended.wait(seconds)
        with self._lock:
            if not self._ended.is_set():
                self._given_up = True
                raise TimeoutError("timed out")
        if self._error is not None:
            raise self._error
        return self._result.pop()

    def _run(self) -> None:
        try:
            result = self._call()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            self._error = error
        else:
            self._result.append(result)
        with self._lock:
            self._ended.set()
        if self._given_up and self._result:
            self._late(self._result.pop())
