"""A server of one test's own, without a running watcher: its parts are opened one by one in the test's process.

Members are real uids; whose accounts they are is a table here, since the name services of this process are the
machine's. Time is a clock that the test moves.
"""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from schemas.config import Settings, load_settings
from watcher.accounts import Account, Accounts, GroupMissingError
from watcher.audit import Audit
from watcher.decide.decide import Decide
from watcher.decide.markers import Markers
from watcher.intake.intake import Intake
from watcher.records import RecordStore
from watcher.registry_store import RegistryStore

from ..support.layout import Layout, put

Record = dict[str, Any]

_FIRST_UID = 30001


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class People(Accounts):
    """Accounts by a table. For an ordinary user there is one: the user itself."""

    def __init__(self) -> None:
        super().__init__("runv-members")
        self.by_name: dict[str, Account] = {}
        self.group_exists = True

    def add(self, name: str, *, member: bool = True, uid: int | None = None) -> Account:
        """Make an account, or change the one of that name."""
        own = os.getuid() if os.geteuid() != 0 else None
        known = self.by_name.get(name)
        number = uid or own or (known.uid if known else _FIRST_UID + len(self.by_name))
        self.by_name[name] = Account(name, number, member)
        return self.by_name[name]

    @property
    def gid(self) -> int:
        self._look()
        return os.getegid() if os.geteuid() != 0 else _FIRST_UID - 1

    def of_uid(self, uid: int) -> Account | None:
        self._look()
        return next((account for account in self.by_name.values() if account.uid == uid), None)

    def of_name(self, name: str) -> Account | None:
        self._look()
        return self.by_name.get(name)

    def _look(self) -> None:
        if not self.group_exists:
            raise GroupMissingError("no such group")


class Server:
    """The state below *root*; pablo is a member, and so is maria where the tests are run as root."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.people = People()
        self.pablo = self.people.add("pablo")
        if os.geteuid() == 0:
            self.maria = self.people.add("maria")
        self.paths = Layout(root)
        self.paths.make(self.people.gid)
        self.clock = Clock()
        self.config: Record = {
            "enabled": True,
            "state_dir": str(self.paths.state),
            "runtime_dir": str(self.paths.runtime),
            "virtual_alias_file": str(self.paths.map),
            "reload_command": ["/bin/true"],
            **config,
        }
        put(self.paths.config, json.dumps(self.config).encode(), 0o644)

    def restart(self) -> None:
        """Forget everything that is not on disk, as a process that was killed and started again."""
        for name in ("records", "intake", "markers", "registry", "decide", "audit"):
            part = self.__dict__.pop(name, None)
            # One that is killed has no time to tell what it counted.
            if name != "audit" and hasattr(part, "close"):
                part.close()

    @cached_property
    def settings(self) -> Settings:
        return load_settings(str(self.paths.config), {})

    @cached_property
    def records(self) -> RecordStore:
        store = RecordStore(self.settings.requests)
        store.refresh()
        return store

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.settings, self.records, self.people, self.audit, self.clock)

    @cached_property
    def markers(self) -> Markers:
        return Markers(self.settings.decisions, self.audit, self.clock)

    @cached_property
    def registry(self) -> RegistryStore:
        return RegistryStore(self.settings.registry, self.settings.lock, self.settings.domain)

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.settings.audit, self.registry.usable, self.clock)

    @cached_property
    def decide(self) -> Decide:
        return Decide(self.settings, self.registry, self.records, self.people, self.markers, self.intake, self.audit)

    # What is put on disk

    def drop(
        self,
        name: str,
        content: bytes | Record,
        filename: str = "ask.json",
        *,
        mode: int = 0o600,
        mtime: float | None = None,
    ) -> Path:
        """Put a queue file as the member *name* does."""
        path = self.paths.queue / filename
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        put(path, data, mode, uid=self.people.by_name[name].uid, mtime=mtime)
        return path

    def request(self, name: str = "pablo", destination: str = "p@example.org", **options: Any) -> Path:
        """Put a request in the queue."""
        return self.drop(name, {"destination": destination}, **options)

    def mark(self, decision: Record, name: str = "20260520T081500.000000Z-pablo-a1b2c3", **options: Any) -> Path:
        """Put a marker as the administrator's command does."""
        path = self.paths.decisions / f"{name}.json"
        put(path, json.dumps(decision).encode(), 0o600, **options)
        return path

    def write_registry(self, **entries: Record) -> None:
        """Write the registry as an administrator does by hand, long enough ago to be no write in progress."""
        put(self.paths.registry, json.dumps(entries).encode(), 0o640, mtime=self.paths.registry.stat().st_mtime - 60)

    # What is found there

    def queue(self) -> list[str]:
        return sorted(os.listdir(self.paths.queue))

    def found(self, folder: str) -> list[Record]:
        """The request records in *folder*, by file name."""
        paths = sorted((self.paths.requests / folder).iterdir())
        assert not [path for path in paths if path.name.startswith(".")]
        return [json.loads(path.read_bytes()) for path in paths]

    def active(self) -> Record:
        """The registry."""
        return dict(json.loads(self.paths.registry.read_bytes()))

    def failed(self) -> list[Record]:
        """The decisions in failed/."""
        return [json.loads(path.read_bytes()) for path in sorted((self.paths.decisions / "failed").iterdir())]


def entry(name: str = "pablo", destination: str = "p@example.org", **fields: Any) -> Record:
    """An active entry of the registry."""
    return {"alias": f"{name}@runv.club", "destination": destination, "status": "active", **fields}
