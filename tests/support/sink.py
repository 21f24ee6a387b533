"""The outside world's mail server: takes everything and remembers it."""

import errno
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Session
from aiosmtpd.smtp import Envelope as Received


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment; somebody may, a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Envelope:
    """One message as it arrived."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    at: float
    """time.monotonic() when the last line was in."""


class Sink:
    """An SMTP server on a free port of 127.0.0.1, from `start` (or `with`) to `stop`."""

    def __init__(self) -> None:
        self.port = 0
        self._controller: Controller | None = None
        self._arrival = threading.Condition()
        self._envelopes: list[Envelope] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; `port` says where."""
        for attempt in range(10):
            self.port = free_port()
            # Without a name of its own it would ask the resolver for one, for seconds where there is no DNS.
            controller = Controller(self, hostname="127.0.0.1", port=self.port, server_hostname="sink.elsewhere.test")
            try:
                controller.start()
            except OSError as error:
                controller.loop.close()
                if error.errno != errno.EADDRINUSE or attempt == 9:
                    raise
            else:
                self._controller = controller
                return

    def stop(self) -> None:
        """Stop listening; what was received stays."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Received) -> str:  # noqa: N802
        """Keep the message; aiosmtpd calls this by its name."""
        del server, session
        content = envelope.content or b""
        with self._arrival:
            self._envelopes.append(
                Envelope(
                    sender=envelope.mail_from or "",
                    recipients=tuple(envelope.rcpt_tos),
                    content=content if isinstance(content, bytes) else content.encode(),
                    at=time.monotonic(),
                )
            )
            self._arrival.notify_all()
        return "250 2.0.0 Kept"

    @property
    def envelopes(self) -> list[Envelope]:
        """All that was received so far, in order."""
        with self._arrival:
            return list(self._envelopes)

    def received(self, recipient: str) -> list[Envelope]:
        """What was received for exactly this address, in order."""
        return [envelope for envelope in self.envelopes if recipient in envelope.recipients]

    def wait_for(self, recipient: str, *, count: int = 1, timeout: float = 10.0) -> Envelope:
        """Return the message number *count* for *recipient*, once it is there.

        Raises AssertionError, with the recipients that did get something, after *timeout* seconds.
        """
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self.received(recipient)) >= count, timeout):
                others = sorted({address for each in self._envelopes for address in each.recipients})
                raise AssertionError(
                    f"waited {timeout:g} s in vain for message {count} to {recipient}; there is mail for {others}"
                )
            return self.received(recipient)[count - 1]

    def clear(self) -> None:
        """Forget what was received."""
        with self._arrival:
            self._envelopes.clear()
