"""systemd and its journal: sd_notify(3), and log lines with their priorities."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time

from schemas.text import sentence


class Notifier:
    """Sends state changes to the service manager; does nothing where there is none.

    The variables are taken out of the environment, so that programs started later do not speak in our name.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        watchdog_pid = os.environ.pop("WATCHDOG_PID", str(os.getpid()))
        interval = os.environ.pop("WATCHDOG_USEC", "0")
        mine = watchdog_pid == str(os.getpid()) and interval.isdigit()
        self.watchdog_seconds = int(interval) / 1_000_000 if mine else 0.0
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]

    def ready(self) -> None:
        """The service is up, or has finished reloading."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends that."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The service is going down."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + text.replace("\n", " "))

    def alive(self) -> None:
        """The watchdog may be put off: everything was looked at and is well."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
                connection.sendto(message.encode(), self._address)
        except OSError:
            # Whether anybody listens is systemd's affair; forwarding goes on.
            return


_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _OneLine(logging.Formatter):
    """Writes each event on one line: what stands behind a line end would pass for an event of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return sentence(super().format(record))


class _Journal(_OneLine):
    """Prefixes each line with its priority, sd-daemon(3)."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelno, 5)}>{super().format(record)}"


def set_up() -> None:
    """Send the log to standard error, in the form that the journal wants if that is where it goes."""
    handler = logging.StreamHandler(sys.stderr)
    journal = "JOURNAL_STREAM" in os.environ
    handler.setFormatter(_Journal("%(message)s") if journal else _OneLine("%(levelname)s: %(message)s"))
    root = logging.getLogger("runv")
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    root.propagate = False
    # watchdog complains now and then when a watch is taken away while it reads; `DirectoryWatcher.broken` checks what
    # matters of that.
    logging.getLogger("watchdog").addHandler(logging.NullHandler())
