"""A server on which one pass has everything to do, and which can be had again and again."""

import subprocess
from pathlib import Path

from ..e2e.acts import decision, entry, write_registry
from ..support.site import Record, Site
from . import audit
from .editor import load
from .ledger import Handed, Kind, Ledger, Marked
from .people import ALREADY, BAD, NOTHING_ACTIVE

MANY = 70
"""More rows than are changed in a copy of the table."""


class Template:
    """What lies on *site* before the pass, and what its outcome is held against.

    With *whole* so much has changed that the map is made anew.
    """

    def __init__(self, site: Site, *, whole: bool) -> None:
        self._site = site
        self._copy = site.root / "template"
        self.ledger = Ledger()
        site.accounts.add_many(["ask", "wait", "turned", "leave", "back", "bad", "gone", "none"])
        registry = {name: entry(name, f"{name}@example.org", x_own=[1.5, None]) for name in ("leave", "gone", "stays")}
        write_registry(site, registry)
        for name in ("wait", "turned", "back"):
            self._request(name)
        self._pass()
        if whole:
            registry |= {f"new{number}": entry(f"new{number}", "new@example.org") for number in range(MANY)}
            write_registry(site, registry)
        self._everything_at_once({record["username"]: record for record in site.records("pending")})
        # Rotated away, so that the pass has to make a new log.
        (site.paths.state / audit.NAME).rename(site.paths.state / audit.ROTATED)
        self.ledger.entries = load(site.paths.registry.read_bytes())
        self._copy.mkdir()
        for path in self._parts():
            subprocess.run(["/bin/cp", "-a", str(path), str(self._copy)], check=True)

    def restore(self) -> None:
        """Put everything back."""
        for path in self._parts():
            subprocess.run(["/bin/rm", "-rf", str(path)], check=True)
            subprocess.run(["/bin/cp", "-a", str(self._copy / path.name), str(path.parent)], check=True)

    def _parts(self) -> list[Path]:
        return [self._site.paths.state, self._site.paths.postfix, self._site.paths.runtime]

    def _pass(self) -> None:
        watcher = self._site.spawn_watcher("--once")
        assert watcher.wait_exit() == 0, watcher.log

    def _everything_at_once(self, pending: dict[str, Record]) -> None:
        self._request("ask")
        self._hand_in("leave", "cancel-active", {"action": "cancel", "scope": "active"})
        self._hand_in("none", "cancel-active", {"action": "cancel", "scope": "active"}, message=NOTHING_ACTIVE)
        self._hand_in("back", "cancel", {"action": "cancel"})
        found, contents, _ = BAD[0]
        self._hand_in("bad", "bad", contents, message=found)
        # Of one member: all but the last come to nothing, and the registry names the last alone.
        self._hand_in("wait", "cancel-active", {"action": "cancel", "scope": "active"}, message=NOTHING_ACTIVE)
        self._mark({"decision": "revoke", "username": "wait"}, doomed=True)
        self._mark(decision(pending["wait"]) | {"destination": "other@example.org"}, doomed=True)
        self._mark(decision(pending["wait"]))
        self._mark(decision(pending["turned"], "reject", reason="No."))
        self._mark({"decision": "revoke", "username": "gone", "reason": "Enough."})
        self._mark({"decision": "revoke", "username": "nobody"}, doomed=True)
        self._mark({"decision": "sync"})
        self._mark({"decision": "sync", "force": True, "registry_sha256": "0" * 64}, doomed=True)
        self._mark({"decision": "approve"}, doomed=True, filename="nonsense.json")
        self._mark({"decision": "sync"}, doomed=True, filename="bad name.json")

    def _request(self, name: str) -> None:
        destination = f"{name}@example.org"
        self._hand_in(name, "request", {"destination": destination}, destination=destination)

    def _hand_in(
        self, owner: str, kind: Kind, contents: Record | bytes, *, message: str = "", destination: str | None = None
    ) -> None:
        order = self.ledger.next()
        file = f"{owner}-{order}.json"
        self.ledger.handed[owner, file] = Handed(owner, file, kind, order, message or ALREADY[kind], destination)
        self._site.drop(owner, file, contents)

    def _mark(self, contents: Record, *, doomed: bool = False, filename: str | None = None) -> None:
        path = self._site.drop_marker(contents, filename=filename)
        about = {key: contents.get(key) for key in ("username", "request_id", "destination", "operator")}
        kind = "none" if filename else contents["decision"]
        identifier = path.name.removesuffix(".json")
        self.ledger.marked[identifier] = Marked(identifier, kind, self.ledger.next(), doomed=doomed, **about)
