"""A Postfix of our own on a loopback port, beside whatever the host runs.

Its configuration is a `MailConfig`; queue, data directory and log are made below that and removed again. It runs as
on a real server: started by root, its daemons as the host's account postfix, without the test accounts.
"""

import os
import shutil
import signal
import smtplib
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from .mailconfig import PATH, MailConfig
from .sink import free_port
from .waiting import ended, wait_exit, wait_for

_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# Directory, owner, group, mode, as Postfix's own list (postfix-files) has them.
_QUEUE = [
    *((name, "postfix", "root", 0o700) for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush")),
    *((name, "postfix", "root", 0o700) for name in ("hold", "incoming", "private", "saved", "trace")),
    ("maildrop", "postfix", "postdrop", 0o730),
    ("public", "postfix", "postdrop", 0o710),
    ("pid", "root", "root", 0o755),
]


class Reply(NamedTuple):
    """What the server said to RCPT TO."""

    code: int
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the recipient was taken."""
        return self.code == 250


class PrivatePostfix:
    """Postfix on *config*, relaying what is not for an alias to 127.0.0.1:*relay_port*; from `start` to `stop`."""

    def __init__(self, config: MailConfig, *, relay_port: int) -> None:
        self.config = config
        self.port = 0
        self._relay_port = relay_port
        self._master: subprocess.Popen[bytes] | None = None
        self._last_log = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def reload_command(self) -> list[str]:
        """The command that makes this instance, and no other, read its configuration again."""
        return ["/usr/sbin/postfix", "-c", str(self.config.directory), "reload"]

    def start(self) -> None:
        """Start, and return when the port answers with a banner; raises AssertionError with the log if it does not.

        The map should be there: a daemon that finds none when it starts answers 451 to everybody until it ends,
        even after the map has come (a hundred sessions, or as many seconds without any).
        """
        relay = f"[127.0.0.1]:{self._relay_port}"
        self.config.write(relayhost=relay)
        master = Path(self.config.run("postconf", "-h", "daemon_directory").stdout.strip(), "master")
        for _attempt in range(5):
            self._make_directories()
            self.port = free_port()
            self.config.write_services(_SERVICES.format(port=self.port))
            self._master = subprocess.Popen(
                [master, "-c", str(self.config.directory)],
                env={"PATH": PATH, "LC_ALL": "C"} | self.config.environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # A process group of its own, which all its daemons inherit: so they are known at the end.
                start_new_session=True,
            )
            try:
                wait_for(self._greets, self._log.parent, what="Postfix's banner", timeout=60.0, process=self._master)
            except AssertionError as error:
                self.stop()
                # Why it could not start master tells only to syslog: so a taken port is known by who is there, and
                # what is wrong with main.cf is asked of another command, which says it on stderr.
                if not _listening(self.port):
                    hint = self.config.run("postmap", "-q", "anything", "static:anything").stderr
                    raise AssertionError(f"{error}\n{hint}{self._last_log}") from None
            except BaseException:
                self.stop()
                raise
            else:
                return
        raise AssertionError(f"Postfix found no free port:\n{self._last_log}")

    def stop(self) -> None:
        """End this instance and every process of it, and remove all its files but the configuration."""
        if self._master is None:
            return
        self._last_log = self.log()
        group = self._master.pid
        # master passes the signal on to its whole group, then dies of it.
        self._master.terminate()
        try:
            wait_exit(self._master, what="Postfix's master")
        finally:
            self._master.kill()
            self._master.wait()
            self._master = None
            _end_group(group)
            for name in ("queue", "data", "log"):
                shutil.rmtree(self.config.directory / name, ignore_errors=True)
            self.config.write_services("")

    def log(self) -> str:
        """All that this instance logged; after its end, what it had logged until then."""
        if self._master is None:
            return self._last_log
        try:
            return self._log.read_text(encoding="utf-8", errors="backslashreplace")
        except FileNotFoundError:
            return ""

    def send(self, recipient: str, *, sender: str = "friend@elsewhere.test", text: str = "Hello.\n") -> Reply:
        """Offer one message over a connection of its own, and return the reply to its recipient.

        A fresh connection matters: an SMTP session that is already open may go on with the map it began with.
        """
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.elsewhere.test", timeout=20) as client:
            client.ehlo_or_helo_if_needed()
            client.mail(sender)
            code, answer = client.rcpt(recipient)
            if code == 250:
                client.data(f"From: {sender}\r\nTo: {recipient}\r\nSubject: test\r\n\r\n{text}")
        return Reply(code, answer.decode("utf-8", "backslashreplace"))

    @property
    def _log(self) -> Path:
        return Path(self.config.settings["maillog_file"])

    def _make_directories(self) -> None:
        root = self.config.directory
        for path, owner, group, mode in (
            (root / "log", "root", "root", 0o755),
            (root / "data", "postfix", "root", 0o700),
            (root / "queue", "root", "root", 0o755),
            *((root / "queue" / name, owner, group, mode) for name, owner, group, mode in _QUEUE),
        ):
            path.mkdir(exist_ok=True)
            shutil.chown(path, owner, group)
            path.chmod(mode)

    def _greets(self) -> bool:
        # Not before the port is known to be ours, or somebody else's mail server there could be taken for us.
        if "daemon started" not in self.log():
            return False
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
                return connection.recv(4) == b"220 "
        except ConnectionError:
            return False


def _listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def _end_group(group: int) -> None:
    """Await the end of all processes of *group*, killing those that do not go by themselves.

    They are not our children, so their descriptors are asked, and again until the group is empty.
    """
    patience = 10.0
    while members := _members(group):
        for pid in members:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                # Asked once more now that the descriptor pins the process: its number may have become another's.
                if pid in _members(group) and not ended(descriptor, patience):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    ended(descriptor, 10.0)
            finally:
                os.close(descriptor)
            patience = 1.0


def _members(group: int) -> list[int]:
    """The processes of a process group that have not ended (a zombie has: only its parent has yet to hear of it)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                state, _parent, its_group = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(its_group) == group and state != "Z":
                found.append(int(entry))
    return found
