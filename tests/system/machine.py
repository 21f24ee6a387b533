"""One booted machine: a container with systemd as its process 1, real accounts, and a network of its own."""

import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
Done = subprocess.CompletedProcess[str]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BETWEEN_LOOKS = 0.05
_WAY_DOWN = 60
_MANAGER = """\
[Manager]
DefaultTimeoutStopSec=10s
"""
"""Where the host has cgroups of version 1, systemd is not told within a container that the last process of a service
has ended. Now and then it waits for what is gone, for 90 seconds by itself."""
_REBOOT = 133


class Machine:
    """A machine of its own, with a copy of *tree* as its disk; for a `with` block, at whose end nothing is left of it.

    It is off until `boot`.
    """

    def __init__(self, tree: Path) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="runv-machine-", dir="/var/tmp"))
        self.disk = self._home / "disk"
        self._console = self._home / "console.log"
        self._container: subprocess.Popen[bytes] | None = None
        self._first = 0
        subprocess.run(["/bin/cp", "-a", "--reflink=auto", str(tree), str(self.disk)], check=True)
        self.put("/etc/systemd/system.conf.d/patience.conf", _MANAGER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._container is not None:
                self.power_off()
        except (AssertionError, subprocess.TimeoutExpired) as trouble:
            if error is None:
                raise
            # What went wrong first is what has to be read.
            error.add_note(str(trouble))
        finally:
            shutil.rmtree(self._home)

    # Power

    def boot(self) -> None:
        """Switch it on, and return when all its services have been started."""
        with self._console.open("ab") as console:
            # The network is one loopback interface of its own: whatever it sends, stays in it.
            self._container = subprocess.Popen(
                [
                    *(
                        "systemd-nspawn",
                        "--quiet",
                        f"--directory={self.disk}",
                        f"--machine=runv-{secrets.token_hex(4)}",
                    ),
                    *("--register=no", "--keep-unit", "--private-network", "--resolv-conf=off", "--boot"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_boot()

    def reboot(self) -> None:
        """Let it start anew, as `systemctl reboot` does."""
        container = self._container
        assert container is not None, "a machine that is off cannot start anew"
        self._enter("systemctl", "reboot")
        # With --keep-unit, systemd-nspawn asks whoever started it to start it again.
        assert container.wait(_WAY_DOWN) == _REBOOT, self.console
        self._container, self._first = None, 0
        self.boot()

    def power_off(self) -> None:
        """Switch it off in good order, and return when it is off."""
        container = self._container
        if container is None:
            return
        try:
            if self._first:
                self._enter("systemctl", "poweroff")
            container.wait(_WAY_DOWN)
        except subprocess.TimeoutExpired:
            container.kill()
            container.wait()
            raise AssertionError(f"the machine did not switch itself off:\n{self.console}") from None
        finally:
            self._container, self._first = None, 0

    @property
    def console(self) -> str:
        """The last of what it wrote on its console."""
        return self._console.read_text(errors="backslashreplace")[-4000:]

    def _await_boot(self) -> None:
        self.wait_for(self._finds_bus, "its bus")
        self.run("systemctl", "is-system-running", "--wait", status=None)

    def _finds_bus(self) -> bool:
        # Anew each time: the first child of systemd-nspawn is one that only makes the machine's first process.
        self._first = self._find_first()
        return self._first > 0 and self._enter("test", "-S", "/run/dbus/system_bus_socket").returncode == 0

    def _find_first(self) -> int:
        container = self._container
        if container is None or container.poll() is not None:
            raise AssertionError(f"the machine could not be switched on:\n{self.console}")
        children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    # What is done on it

    def run(
        self,
        *command: str,
        user: str | None = None,
        given: str | None = None,
        status: int | None = 0,
        timeout: float = 60,
    ) -> Done:
        """Run a command on it, as root or as *user* with all their groups, and give what it wrote.

        Raises AssertionError with all of that unless it ends with *status*; `None` takes any.
        """
        become = ["runuser", "-u", user, "--"] if user else []
        done = self._enter(*become, *command, given=given, timeout=timeout)
        if status is not None and done.returncode != status:
            raise AssertionError(
                f"`{' '.join(command)}` ended with {done.returncode}, not {status}:\n{done.stdout}{done.stderr}"
            )
        return done

    def sh(self, script: str, *, user: str | None = None, status: int | None = 0, timeout: float = 60) -> str:
        """Run a shell *script* on it; give what that wrote on its standard output, stripped."""
        return self.run("sh", "-c", script, user=user, status=status, timeout=timeout).stdout.strip()

    def run_while_off(self, script: str, *, user: str) -> None:
        """Run a shell *script* on its disk as *user*, with all their groups, though nothing runs there."""
        subprocess.run(
            ["/usr/sbin/chroot", str(self.disk), "runuser", "-u", user, "--", "sh", "-c", script],
            env={"PATH": _PATH},
            check=True,
        )

    def wait_for(self, look: Callable[[], T], what: str, timeout: float = 20.0) -> T:
        """Give what *look* gives, as soon as that is true; say *what* was awaited where it does not become so.

        What happens inside a machine sends no event to the outside, so this looks again and again.
        """
        deadline = time.monotonic() + timeout
        while not (found := look()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout:g} s in vain for {what}\n{self.console}")
            time.sleep(_BETWEEN_LOOKS)
        return found

    def put(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Put a file of root's on its disk, whether it is on or off."""
        display_path = self.disk / path.lstrip("/")
        display_path.parent.mkdir(parents=True, exist_ok=True)
        display_path.write_bytes(content if isinstance(content, bytes) else content.encode())
        display_path.chmod(mode)

    def read(self, path: str) -> str:
        """Give a file of its disk."""
        return (self.disk / path.lstrip("/")).read_text()

    def _enter(self, *command: str, given: str | None = None, timeout: float = 60) -> Done:
        environment = ["env", "-i", f"PATH={_PATH}", "LC_ALL=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
        return subprocess.run(
            ["/usr/bin/nsenter", f"--target={self._first}", "--all", "--", *environment, *command],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=timeout,
            cwd="/",
            check=False,
        )
