"""The outside world's mail server, as a service of the machine: keeps each message as a file under its recipient.

It runs on the machine, with Debian's python3-aiosmtpd: what Postfix sends on its port 2525 is mail that has left.
"""

import asyncio
import json
import os
import socket
from pathlib import Path

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, Envelope, Session

PLACE = Path("/var/lib/outside")
PORT = 2525


class Keeper:
    """Takes everything."""

    def __init__(self) -> None:
        self._count = len(list(PLACE.glob("*.json")))

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message; aiosmtpd calls this by its name."""
        del server, session
        self._count += 1
        content = envelope.content or b""
        text = content.decode(errors="backslashreplace") if isinstance(content, bytes) else content
        message = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos, "text": text}
        unfinished = PLACE / f".{self._count}"
        unfinished.write_text(json.dumps(message))
        unfinished.rename(PLACE / f"{self._count:06}.json")
        return "250 2.0.0 Kept"


def main() -> None:
    """Listen until told to stop."""
    PLACE.mkdir(exist_ok=True)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    controller = UnthreadedController(
        Keeper(), hostname="127.0.0.1", port=PORT, server_hostname="outside.test", loop=loop
    )
    controller.begin()  # type: ignore[no-untyped-call]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    loop.run_forever()


if __name__ == "__main__":
    main()
