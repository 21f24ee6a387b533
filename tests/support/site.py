"""One whole throwaway server under one directory: accounts, configuration, state, programs, and Postfix if wanted."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from .accounts import Account, Accounts
from .install import Installation
from .layout import Layout, put
from .mailconfig import PATH, MailConfig
from .postfix import PrivatePostfix
from .sink import Sink
from .waiting import wait_for
from .watcher import RunningWatcher

T = TypeVar("T")
Record = dict[str, Any]


class Site:
    """A server of its own below *root* (made under /tmp if None), with *installation*'s programs; for a `with` block.

    It is enabled, for maps of type *backend*; *config* are further keys of the configuration file. Nothing runs
    until it is started. All that was started is ended, and *root* removed, by `close`.
    """

    def __init__(
        self, installation: Installation, *, root: Path | None = None, backend: str = "postfix-hash", **config: Any
    ) -> None:
        self.installation = installation
        self.root = root or Path(tempfile.mkdtemp(prefix="runv-site-", dir="/tmp"))
        self.root.chmod(0o755)
        self.accounts = Accounts(self.root / "accounts")
        self.paths = Layout(self.root)
        self.paths.make(self.accounts.gid)
        self.backend = backend
        self.mail = MailConfig(self.paths.postfix, maps=self.table)
        self.watchers: list[RunningWatcher] = []
        self.sink: Sink | None = None
        self.postfix: PrivatePostfix | None = None
        self.config: Record = {
            "enabled": True,
            "backend": backend,
            "virtual_alias_file": str(self.paths.map),
            "state_dir": str(self.paths.state),
            "runtime_dir": str(self.paths.runtime),
            # The default would reload the host's Postfix.
            "reload_command": ["/bin/true"],
        }
        self.configure(**config)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was started and remove the server from the disk."""
        with ExitStack() as last_to_first:  # each is done even if another fails
            last_to_first.callback(shutil.rmtree, self.root)
            if self.sink is not None:
                last_to_first.callback(self.sink.stop)
            if self.postfix is not None:
                last_to_first.callback(self.postfix.stop)
            for watcher in self.watchers:
                last_to_first.callback(watcher.kill)

    # The configuration

    @property
    def table(self) -> str:
        """The map as Postfix names it, such as `hash:/etc/postfix/runv-member-aliases`."""
        return f"{self.backend.removeprefix('postfix-')}:{self.paths.map}"

    def configure(self, **keys: Any) -> None:
        """Change some keys of the configuration file and replace it by rename; a key that is None is taken out."""
        self.config |= keys
        self.config = {key: value for key, value in self.config.items() if value is not None}
        put(self.paths.config, json.dumps(self.config, indent=2).encode(), 0o644)

    def environment(self) -> dict[str, str]:
        """What every program of this server is started with; nothing is inherited from the caller."""
        return {
            "PATH": f"{self.installation.bin}:{PATH}",
            "LC_ALL": "C.UTF-8",
            "RUNV_MEMBER_MAIL_CONFIG": str(self.paths.config),
            **self.accounts.environment(),
            **self.mail.environment(),
        }

    # Programs

    def start_watcher(self, *arguments: str, env: Mapping[str, str] | None = None) -> RunningWatcher:
        """Start the watcher and return when it has said READY=1; *env* adds to its environment."""
        watcher = self.spawn_watcher(*arguments, env=env)
        watcher.wait_ready()
        return watcher

    def spawn_watcher(
        self, *arguments: str, env: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> RunningWatcher:
        """Start the watcher and return at once, for one that is not expected to become ready.

        *before* is a command that becomes it.
        """
        command = [*before, str(self.installation.bin / "runv-email-alias-watcher"), *arguments]
        watcher = RunningWatcher(command, {**self.environment(), **(env or {})}, self.root, len(self.watchers))
        self.watchers.append(watcher)
        return watcher

    def start_postfix(self, *, make_map: bool = True) -> PrivatePostfix:
        """Start a Postfix that reads this server's map, and the outside world (`sink`) that it relays to.

        With *make_map* an empty map is made first if there is none: see `PrivatePostfix.start`.
        """
        if make_map and not self.paths.map.exists():
            put(self.paths.map, b"", 0o644)
            if (done := self.mail.run("postmap", self.table)).returncode:
                raise AssertionError(f"no empty map could be made: {done.stderr}")
        self.sink = Sink()
        self.sink.start()
        self.postfix = PrivatePostfix(self.mail, relay_port=self.sink.port)
        self.postfix.start()
        return self.postfix

    def member(self, name: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `runv-email-alias` as that account; *options* are those of `run`."""
        return self.run(["runv-email-alias", *arguments], account=self.accounts[name], **options)

    def admin(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `runv-admin-email-alias` as root (or the caller); *options* are those of `run`."""
        return self.run(["runv-admin-email-alias", *arguments], **options)

    def run(
        self,
        command: Sequence[str],
        *,
        account: Account | None = None,
        input: str | None = None,  # noqa: A002
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        umask: int = 0o022,
    ) -> subprocess.CompletedProcess[str]:
        """Run any command on this server, as *account* with its real uid and groups, and return its text.

        The exit status is the caller's to judge. Raises subprocess.TimeoutExpired after *timeout* seconds.
        """
        become = account is not None and os.geteuid() == 0
        return subprocess.run(
            command,
            env={**self.environment(), **(env or {})},
            cwd="/",
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=timeout,
            umask=umask,
            user=account.uid if account and become else None,
            group=account.gid if account and become else None,
            extra_groups=account.groups if account and become else None,
            check=False,
        )

    # What members and administrators put on disk

    def drop(
        self, name: str, filename: str, content: bytes | Record, *, mode: int = 0o600, mtime: float | None = None
    ) -> Path:
        """Put a queue file as the member *name* does, and return its path; a dict is written as JSON.

        *mtime* dates it, in seconds since 1970.
        """
        path = self.paths.queue / filename
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        put(path, data, mode, uid=self.accounts[name].uid, mtime=mtime)
        return path

    def drop_marker(self, decision: Record, *, filename: str | None = None, mtime: float | None = None) -> Path:
        """Put a decision as the administrator's command does, and return its path."""
        if filename is None:
            now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            filename = f"{now}-{decision.get('username', 'sync')}-{secrets.token_hex(3)}.json"
        path = self.paths.decisions / filename
        put(path, json.dumps(decision).encode(), 0o600, mtime=mtime)
        return path

    # What the programs put on disk

    def registry(self) -> dict[str, Record]:
        """The active JSON."""
        return dict(json.loads(self.paths.registry.read_bytes()))

    def status(self) -> Record:
        """The status file, empty if there is none."""
        try:
            return dict(json.loads(self.paths.status.read_bytes()))
        except FileNotFoundError:
            return {}

    def records(self, folder: str) -> list[Record]:
        """The request records in pending, approved, rejected, cancelled or refused, by file name."""
        return _records(self.paths.requests / folder)

    def pending(self, name: str) -> Record | None:
        """The pending request of one member."""
        return next((each for each in self.records("pending") if each["username"] == name), None)

    def failed(self) -> list[Record]:
        """The decisions that could not be applied, by file name."""
        return _records(self.paths.decisions / "failed")

    def map_lookup(self, alias: str) -> str | None:
        """What Postfix's own postmap finds for *alias* in the map; None also while there is no map."""
        if not any(self.paths.map.parent.glob(f"{self.paths.map.name}*")):
            return None
        return self.mail.lookup(self.table, alias)

    def wait_for(self, predicate: Callable[[], T], *, what: str, timeout: float = 10.0) -> T:
        """Return what *predicate* returns once that is true; asked after every change to this server's state."""
        return wait_for(predicate, *self.paths.directories, what=what, timeout=timeout)


def _records(directory: Path) -> list[Record]:
    found = []
    for path in sorted(directory.glob("[!.]*.json")):
        try:
            found.append(dict(json.loads(path.read_bytes())))
        except FileNotFoundError:  # moved to another folder since it was listed
            continue
    return found
