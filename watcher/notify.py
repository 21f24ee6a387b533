"""Talking to systemd: sd_notify(3), in its own words."""

from __future__ import annotations

import os
import socket
import time


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
