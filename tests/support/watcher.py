"""The watcher as a running process, as its service manager sees it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .notify import NotifySocket
from .waiting import wait_exit


class RunningWatcher:
    """One watcher process, started by `Site.start_watcher`.

    `process` is there for signals, `notify` has what it told the service manager, `log` what it wrote.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, number: int) -> None:
        """Start *command*; its socket and its log are made in *directory*, numbered with *number*."""
        self.notify = NotifySocket(directory / f"notify-{number}")
        self._log = directory / f"watcher-{number}.log"
        try:
            with self._log.open("wb") as log:
                self.process = subprocess.Popen(
                    command,
                    env={**environment, **self.notify.environment()},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        except BaseException:
            self.notify.close()
            raise
        self.notify.follow(self.process, "the watcher")

    @property
    def log(self) -> str:
        """All that it wrote to stdout and stderr; empty once its site is closed."""
        try:
            return self._log.read_text(encoding="utf-8", errors="backslashreplace")
        except FileNotFoundError:
            return ""

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def wait_ready(self, timeout: float = 20.0) -> None:
        """Return when it said READY=1; otherwise end it and raise AssertionError with its log."""
        try:
            self.notify.wait_for("READY=1", timeout=timeout)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}; exit status {self.process.returncode}; its log:\n{self.log}") from None

    def wait_exit(self, timeout: float = 20.0) -> int:
        """Return its exit status once it ends by itself; raises AssertionError with its log if it does not."""
        try:
            status = wait_exit(self.process, what="the watcher", timeout=timeout)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}; its log:\n{self.log}") from None
        self.notify.close()
        return status

    def stop(self, timeout: float = 20.0) -> int:
        """End it as the service manager does, by SIGTERM, and return its exit status."""
        self.process.terminate()
        return self.wait_exit(timeout)

    def kill(self) -> None:
        """End it at once, by SIGKILL, at whatever it is doing; also one that was stopped or has already ended."""
        self.process.kill()
        self.process.wait()
        self.notify.close()

    def wait_quiet(self, seconds: float = 0.5, *, timeout: float = 20.0) -> None:
        """Return when it has slept for so many *seconds*: nothing is on its way to it any more.

        What it writes itself wakes it once more, a quarter of a second later.
        """
        deadline = time.monotonic() + timeout
        before, now = -1, self._woken()
        while before != now:
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout:g} s in vain for the watcher to sleep; its log:\n{self.log}")
            time.sleep(seconds)
            before, now = now, self._woken()

    def _woken(self) -> int:
        """How often its main thread has gone to sleep."""
        lines = Path("/proc", str(self.process.pid), "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Let the process stand still, as on a machine that is much too busy."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def peak_memory(self) -> float:
        """The most memory that it ever had, in MiB."""
        lines = Path("/proc", str(self.process.pid), "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def cpu_seconds(self) -> float:
        """Processor time it has used so far, in user and system mode."""
        fields = Path("/proc", str(self.process.pid), "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def reload(self) -> None:
        """Ask it to read its configuration again, by SIGHUP."""
        self.process.send_signal(signal.SIGHUP)
