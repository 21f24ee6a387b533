"""A mail host: a Postfix that listens on a host's own loopback, and the world outside that it sends to."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from ..support.mailconfig import MailConfig
from ..support.postfix import PrivatePostfix, Reply
from ..support.sink import Envelope, Sink
from .network import Host


class MailHost:
    """Postfix on *config*, running on *host*; for a `with` block."""

    def __init__(self, host: Host, config: MailConfig) -> None:
        self.host = host
        self.config = config
        self.sink = Sink()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self.host.do(self.sink.start)
            started.callback(self.sink.stop)
            self.postfix = PrivatePostfix(self.config, relay_port=self.sink.port)
            self.host.do(self.postfix.start)
            started.callback(self.postfix.stop)
            self._started = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.close()

    def send(self, recipient: str) -> Reply:
        """Offer a message to it, over a connection of its own."""
        return self.host.do(lambda: self.postfix.send(recipient))

    def delivers(self, alias: str, destination: str) -> Envelope:
        """Send a message to *alias*, and give it as it leaves for *destination*."""
        before = len(self.sink.received(destination))
        reply = self.send(alias)
        assert reply.accepted, f"{reply}\n{self.postfix.log()}"
        return self.sink.wait_for(destination, count=before + 1)

    def refuses(self, alias: str) -> bool:
        """Whether it has no such alias; raises AssertionError where it cannot tell."""
        reply = self.send(alias)
        assert reply.code in {250, 550}, f"{reply}\n{self.postfix.log()}"
        return reply.code == 550

    def asked(self, alias: str) -> str | None:
        """What Postfix's postmap(1) is answered there, which has met no trouble with the database before.

        Daemons ask a server that has failed them no more for a minute: RETRY_CONN_INTV of dict_pgsql.c.
        """
        return self.host.do(lambda: self.config.lookup(self.config.settings["virtual_alias_maps"], alias))
