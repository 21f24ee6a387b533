"""A database server of the tests' own on loopback, as a process that can be ended, frozen and started again."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from .mailconfig import PATH
from .sink import free_port
from .waiting import ended, wait_exit, wait_for

Row = tuple[Any, ...]
Kind = Literal["mysql", "pgsql", "sqlite"]


class DatabaseServer(ABC):
    """One server with a data directory of its own, on a free port of 127.0.0.1 and a socket; for a `with` block.

    Where *addresses* are none it can only be found by its socket, and *port*, 0 for a free one, is part of its name.

    It runs as the server's own account where the caller is root, since both servers refuse to be root, and as the
    caller otherwise. Its files can be lost with the machine, unless it is *durable*: what was committed survives a
    kill of the server either way.

    Attributes:
        kind: of Postfix's maps that ask it.
        port: the same from its first start on.
        root: its directory, which everybody may enter: Postfix's daemons find the socket there.
    """

    kind: Kind
    account: str

    def __init__(
        self,
        *,
        durable: bool = False,
        addresses: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        parent: str = "/tmp",
    ) -> None:
        self.durable = durable
        self.addresses = tuple(addresses)
        self.port = port
        self.password = secrets.token_hex(12)
        # Short: the path of a socket may have 107 characters.
        self.root = Path(tempfile.mkdtemp(prefix="runv-db-", dir=parent))
        self.root.chmod(0o755)
        self.data = self.root / "data"
        self._log = self.root / "log"
        self._told = 0
        self._process: subprocess.Popen[bytes] | None = None
        try:
            for path in (self.data, self.sockets, self._temporary):
                path.mkdir()
                self._give_away(path)
            self.sockets.chmod(0o755)
            self._initialise()
        except BaseException:
            shutil.rmtree(self.root)
            raise

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def sockets(self) -> Path:
        """The directory of its unix socket."""
        return self.root / "run"

    @property
    def _temporary(self) -> Path:
        # MariaDB removes other servers' files from there when it starts.
        return self.root / "tmp"

    @property
    def running(self) -> bool:
        """Whether its main process has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of its main process."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> str:
        """What it wrote since it was made."""
        return self._log.read_text(errors="backslashreplace") if self._log.exists() else ""

    def start(self, *options: str) -> None:
        """Start it, with further *options* of its own, and return when it answers.

        Raises AssertionError with its log if it does not.
        """
        chosen = self.port
        for attempt in range(5):
            self.port = chosen or free_port()
            self._told = len(self.log)
            with self._log.open("ab") as log:
                self._process = self._spawn([*self._command(), *options], log)
            try:
                places = (self.root, self.data, self.sockets)
                # The journal of one that was killed is read before it answers, on a disk that others may be busy with.
                wait_for(self._answers, *places, what="the server", timeout=60.0, process=self._process)
            except AssertionError as error:
                self.kill()
                if chosen or attempt == 4 or "in use" not in self.log[self._told :]:
                    raise AssertionError(f"{error}; its log:\n{self.log[self._told :]}") from None
            else:
                return

    def stop(self) -> None:
        """End it in order, at once for whoever is connected."""
        if self._process is not None:
            self._process.send_signal(self._quick_stop)
            try:
                wait_exit(self._process, what=f"the end of {self.kind}'s server", timeout=20.0)
            finally:
                self.kill()

    def kill(self) -> None:
        """End all its processes at once, by SIGKILL, also while they are frozen; what was committed is kept."""
        if self._process is None:
            return
        with self._pinned() as descriptors:
            self._process.kill()
            self._process.wait()
            for descriptor in descriptors:
                _signal(descriptor, signal.SIGKILL)
            for descriptor in descriptors:
                assert ended(descriptor, 10.0), "a process of the server does not end"
        self._process = None

    def freeze(self) -> None:
        """Let all its processes stand still: the kernel takes connections, and nobody ever answers."""
        assert self._process is not None, "the server is not running"
        # The main one first, so that it starts no further ones.
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)
        with self._pinned() as descriptors:
            for descriptor in descriptors:
                _signal(descriptor, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on, if they stand still."""
        if self._process is not None:
            with self._pinned() as descriptors:
                for descriptor in descriptors:
                    _signal(descriptor, signal.SIGCONT)
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it for a `with` block."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def close(self) -> None:
        """End it and remove all its files."""
        self.kill()
        shutil.rmtree(self.root)

    @abstractmethod
    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run *statements* as the administrator of the server, each by itself and at once durable."""

    @abstractmethod
    def rows(self, query: str, *, database: str | None = None) -> list[Row]:
        """What *query* finds, as the administrator of the server sees it."""

    @abstractmethod
    def make_user(self, name: str, password: str) -> None:
        """Make an account that may log in, and nothing else yet."""

    @abstractmethod
    def sessions(self, database: str) -> int:
        """How many connections others than this call have to *database*."""

    @property
    @abstractmethod
    def _quick_stop(self) -> signal.Signals: ...

    @abstractmethod
    def _initialise(self) -> None: ...

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    def _give_away(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, self.account, pwd.getpwnam(self.account).pw_gid)

    def _spawn(self, command: Sequence[str], log: Any) -> subprocess.Popen[bytes]:
        # It ends with the tests, even if those are killed.
        end = self._quick_stop.name.removeprefix("SIG")
        command = ["/usr/bin/setpriv", f"--pdeathsig={end}", *command]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **self._as_its_account())

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **self._as_its_account()
        )
        if done.returncode:
            said = done.stdout.decode(errors="backslashreplace")
            raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{said}")

    def _as_its_account(self) -> dict[str, Any]:
        become: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(self.account)
            become = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": str(self.root), "TMPDIR": str(self._temporary)}
        return {"env": environment, "cwd": "/", "stdin": subprocess.DEVNULL, **become}

    @contextmanager
    def _pinned(self) -> Iterator[list[int]]:
        """Descriptors of the processes that the main process has started: their numbers may become another's."""
        assert self._process is not None
        pid = self._process.pid
        descriptors: list[int] = []
        try:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended, and they were never ours to await
                for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    with suppress(ProcessLookupError):
                        descriptors.append(os.pidfd_open(int(child)))
            yield descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def _signal(descriptor: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, number)
