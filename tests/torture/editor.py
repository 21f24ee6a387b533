"""What an administrator, or another tool of the server, does to the registry and to the map by hand."""

import fcntl
import json
import os
from random import Random
from typing import Any

from ..e2e.acts import entry
from ..support.layout import put
from ..support.site import Site
from .ledger import Ledger

OTHERS = 30
"""Entries that nobody asks about, so that the guard against mass changes is on its guard."""
ACCOUNTS = 2000
"""How many of them there can be in the end."""

ODD = '{"\\u00fc\\t": [1.5, 1e3, null, {"deep": [[]]}], "note": "tr\\u00eas \\"quotes\\"", "big": 12345678901234567890}'
"""What no reader of ours knows."""


def load(data: bytes) -> dict[str, dict[str, Any]]:
    """The registry with every number as the text that stands there."""
    return dict(json.loads(data, parse_float=lambda text: f"float {text}", parse_int=lambda text: f"int {text}"))


class Editor:
    """Edits by hand; at most two entries are taken out or redirected between two looks, or the guard would step in."""

    def __init__(self, site: Site, ledger: Ledger, chance: Random) -> None:
        self._site = site
        self._ledger = ledger
        self._chance = chance
        self._others = 0
        self.risks = 2

    def begin(self) -> None:
        """Make the first registry."""
        # Of somebody without an account the alias would be switched off.
        self._site.accounts.name(f"other{number:04d}" for number in range(ACCOUNTS))
        entries = {}
        for _ in range(OTHERS):
            name = self._name()
            entries[name] = entry(name, "old@example.org", x_odd=json.loads(ODD))
        put(self._site.paths.registry, json.dumps(entries, indent=2).encode(), 0o640, gid=self._site.accounts.gid)
        self._ledger.entries = load(self._site.paths.registry.read_bytes())

    def _name(self) -> str:
        self._others += 1
        return f"other{self._others - 1:04d}"

    def act(self) -> None:
        """Do one thing to the registry, or to the map."""
        self._ledger.hand_edits += 1
        if self._chance.random() < 0.7:
            self._edit_registry()
        else:
            self._spoil_map()

    def _edit_registry(self) -> None:
        with (self._site.paths.state / "email-aliases.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = json.loads(self._site.paths.registry.read_bytes())
            name, fields = self._edit(entries)
            self._ledger.edits.append((name, fields and load(json.dumps({name: fields}).encode())[name]))
            self._ledger.next()
            data = json.dumps(entries, indent=self._chance.choice((None, 1, 2))).encode()
            path = self._site.paths.registry
            aside = path.with_name(f"{path.name}.by-hand")
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            os.write(descriptor, data)
            os.fchown(descriptor, -1, self._site.accounts.gid)
            os.fchmod(descriptor, 0o640)
            os.close(descriptor)
            os.rename(aside, path)

    def _edit(self, entries: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        others = [name for name in entries if name.startswith("other")]
        members = [name for name in entries if not name.startswith("other")]
        chosen = self._chance.random()
        number = self._ledger.order
        if self.risks and chosen < 0.4:
            self.risks -= 1
            name = self._chance.choice(others)
            if chosen < 0.1 and len(others) > OTHERS:
                del entries[name]
                return name, None
            fields: dict[str, Any] = {"destination": f"new{number}@example.org"}
        elif chosen < 0.7 and members:
            name, fields = self._chance.choice(members), {f"x_note{number % 5}": json.loads(ODD)}
        else:
            name = self._name()
            fields = entry(name, f"hand{number}@example.org", **{"x-odd": json.loads(ODD)})
        entries[name] = {**entries.get(name, {}), **fields}
        return name, fields

    def _spoil_map(self) -> None:
        text = self._site.paths.map
        table = text.with_name(f"{text.name}.db")
        chosen = self._chance.randrange(6)
        if chosen == 0:
            text.unlink(missing_ok=True)
        elif chosen == 1:
            table.unlink(missing_ok=True)
        elif chosen == 2 and text.exists():
            text.write_text(text.read_text() + "eve@runv.club\teve@example.org\n")
        elif chosen == 3 and table.exists():
            table.write_bytes(table.read_bytes()[:1000])
        elif chosen == 4 and table.exists():
            self._site.mail.run("postmap", "-i", "-r", self._site.table, input="other0001@runv.club\teve@example.org\n")
        else:
            self._site.mail.run("postmap", "-i", "-r", self._site.table, input="eve@runv.club\teve@example.org\n")
