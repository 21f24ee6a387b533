"""One server's files in a throwaway directory, the commands on them, and somebody who plays the watcher."""

import grp
import hashlib
import importlib
import json
import os
import pkgutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

import cli
from cli import identity, polling
from cli.admin.main import main as admin_main
from cli.member.main import main as member_main
from schemas.decision import FailedDecision
from schemas.json_records import to_json
from schemas.request import Folder, RequestRecord, record_name, request_id
from schemas.status import Problem, Published, Status, start_time
from tests.support.layout import Layout, put
from tests.support.programs import Programs
from tests.support.waiting import wait_for
from watcher.publish import commands

ASKED = "2026-05-19T20:55:18Z"
LATER = "2026-06-01T08:00:00Z"
NOBODY = 65534


class Outcome(NamedTuple):
    """What a command came to, as its caller sees it."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Server:
    """The files, and what a test puts there. The member is pablo, under the uid that runs the tests."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.paths = Layout(root)
        self.paths.make(os.getgid())
        self.uid = os.getuid()
        self.group = grp.getgrgid(os.getgid()).gr_name
        self._capsys = capsys
        self.configure()

    def configure(self, **keys: Any) -> None:
        config = {
            "enabled": True,
            "run_postmap": False,
            "virtual_alias_file": str(self.paths.map),
            "state_dir": str(self.paths.state),
            "runtime_dir": str(self.paths.runtime),
            "group": self.group,
        }
        self.paths.config.write_text(json.dumps(config | keys))

    def member(self, *arguments: str) -> Outcome:
        return self._run(member_main, arguments)

    def admin(self, *arguments: str) -> Outcome:
        return self._run(admin_main, arguments)

    def _run(self, main: Callable[[list[str]], int], arguments: tuple[str, ...]) -> Outcome:
        self._capsys.readouterr()
        status = main(list(arguments))
        return Outcome(status, *self._capsys.readouterr())

    def registry(self, **entries: dict[str, Any]) -> str:
        """Write the registry; give its checksum. Whoever is in it is a member."""
        self.accounts(*entries)
        data = json.dumps(entries).encode()
        put(self.paths.registry, data, 0o640)
        return hashlib.sha256(data).hexdigest()

    def accounts(self, *names: str) -> None:
        """Write the account files, with those members."""
        folder = self.paths.root / "accounts"
        folder.mkdir(exist_ok=True)
        gid = os.getgid()
        lines = ["root:x:0:0::/root:/bin/sh", *(f"{name}:x:{self.uid}:{gid}::/:/bin/sh" for name in names)]
        (folder / "passwd").write_text("".join(f"{line}\n" for line in lines))
        (folder / "group").write_text(f"{self.group}:x:{gid}:\n")

    def record(self, folder: Folder, username: str = "pablo", *, at: str = ASKED, **fields: Any) -> RequestRecord:
        """Keep a record, made at *at*."""
        digits = at.translate({ord("-"): None, ord(":"): None, ord("Z"): None})
        values = {
            "request_id": f"{digits}.000000Z-{username}-0123456789",
            "username": username,
            "uid": self.uid,
            "alias": f"{username}@runv.club",
            "destination": "p@example.org",
            "status": folder,
            "file": "x.json",
            "created_at": at,
        }
        record = msgspec.convert(values | fields, RequestRecord)
        put(self.paths.requests / folder / record_name(record.request_id), to_json(record), 0o640)
        return record

    def status(
        self,
        *problems: tuple[str, str],
        published: str | None = None,
        aliases: int = 1,
        running: bool = True,
        **keys: Any,
    ) -> None:
        """Write a status file, by default that of a watcher which runs; *published* is a registry's checksum."""
        ticks = start_time()
        assert ticks is not None
        values: dict[str, Any] = {
            "pid": os.getpid(),
            "start_time": ticks if running else ticks + 1,
            "version": "0.1.0",
            "started_at": ASKED,
            "updated_at": LATER,
            "backend": "postfix-hash",
            "enabled": True,
            "published": Published(published, LATER, aliases) if published else None,
            "pending": 0,
            "refused": 0,
            "left_alone": 0,
            "problems": [Problem(code, what, LATER) for code, what in problems],
        }
        put(self.paths.status, to_json(Status(**values | keys)), 0o644)

    def queue(self) -> list[Path]:
        return sorted(self.paths.queue.iterdir())

    def markers(self) -> list[Any]:
        """What the waiting markers say, by name."""
        found = sorted(self.paths.decisions.glob("[0-9]*.json"))
        return [json.loads(path.read_bytes()) for path in found]

    def everything(self) -> dict[str, bytes]:
        """Every file there is, to show that nothing was changed."""
        return {str(path): path.read_bytes() for path in self.paths.root.rglob("*") if path.is_file()}

    @contextmanager
    def played(self, part: "Callable[[Player], None]") -> Iterator[None]:
        """Let *part* play the watcher in another thread while the command runs."""
        errors: list[BaseException] = []

        def play() -> None:
            try:
                part(Player(self))
            except BaseException as error:  # noqa: BLE001 - told by the main thread
                errors.append(error)

        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield
        finally:
            thread.join(20)
        assert not errors, errors
        assert not thread.is_alive()


class Player:
    """Does by hand what the watcher does, in the watcher's order of writes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.paths = server.paths

    def queue_file(self) -> Path:
        """Wait for a finished file in the queue."""
        return self._visible(self.paths.queue)

    def marker(self) -> Path:
        """Wait for a finished marker."""
        return self._visible(self.paths.decisions)

    def take_in(self, folder: Folder, **fields: Any) -> None:
        """Record the next queue file in *folder*, then remove it."""
        path = self.queue_file()
        asked = json.loads(path.read_bytes())
        asked.pop("scope", None)
        identifier = request_id("pablo", path.name, path.stat())
        self.server.record(folder, **({"request_id": str(identifier), "file": path.name} | asked | fields))
        path.unlink()

    def fail(self, marker: Path, reason: str) -> None:
        """Keep *marker* among the failed ones, then remove it."""
        decision = json.loads(marker.read_bytes())
        failed = msgspec.convert(
            {"decision_id": marker.stem, "reason": reason, "failed_at": LATER, "marker": decision}, FailedDecision
        )
        put(self.paths.decisions / "failed" / marker.name, to_json(failed), 0o600)
        marker.unlink()

    @staticmethod
    def _visible(directory: Path) -> Path:
        def look() -> Path | None:
            found = [path for path in directory.iterdir() if path.is_file() and not path.name.startswith(".")]
            return found[0] if found else None

        found = wait_for(look, directory, what=f"a file in {directory}")
        assert found is not None
        return found


def entry(username: str = "pablo", destination: str = "p@example.org", **fields: Any) -> dict[str, Any]:
    """An entry of the registry."""
    return {
        "username": username,
        "alias": f"{username}@runv.club",
        "destination": destination,
        "status": "active",
        "created_at": ASKED,
        "updated_at": ASKED,
        "approved_by": "maria",
    } | fields


@contextmanager
def as_nobody() -> Iterator[None]:
    """Let the kernel judge by an account that owns nothing and is in no group. Needs root."""
    # The checkout may be closed to others, and the commands import most of themselves only when they are needed.
    for module in pkgutil.walk_packages(cli.__path__, "cli."):
        importlib.import_module(module.name)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(os.getgid())
        os.setgroups(groups)


@pytest.fixture
def server(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server whose watcher has never run."""
    server = Server(tmp_path / "server", capsys)
    monkeypatch.setenv("RUNV_MEMBER_MAIL_CONFIG", str(server.paths.config))
    server.accounts()
    for name in ("passwd", "group"):
        monkeypatch.setenv(f"NSS_WRAPPER_{name.upper()}", str(server.paths.root / "accounts" / name))
    monkeypatch.setattr(identity, "member", lambda: identity.Member("pablo", server.uid))
    monkeypatch.setenv("SUDO_USER", "maria")
    monkeypatch.delenv("COLUMNS", raising=False)
    return server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is awaited for longer than 20 milliseconds."""
    monkeypatch.setattr(polling, "OUTCOME_SECONDS", 0.02)
    monkeypatch.setattr(polling, "MARKER_SECONDS", 0.02)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """The only programs that there are: none, at first."""
    programs = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(programs.directory))
    # The system's own directories come behind PATH always, and no account can take programs out of them.
    monkeypatch.setattr(commands, "_SYSTEM_PATH", str(programs.directory))
    return programs


@pytest.fixture
def open_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The same server where every account can get to it; pytest's own directories are closed to others."""
    with tempfile.TemporaryDirectory(prefix="runv-cli-", dir="/tmp") as directory:
        root = Path(directory, "server")
        server.paths.root.rename(root)
        Path(directory).chmod(0o755)
        server.paths = Layout(root)
        server.configure()
        server.paths.config.chmod(0o644)
        monkeypatch.setenv("RUNV_MEMBER_MAIL_CONFIG", str(server.paths.config))
        yield server
