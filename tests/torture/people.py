"""What members and the administrator do, at random; an act is in the ledger before it can have an effect."""

import json
import os
from contextlib import ExitStack
from random import Random
from types import TracebackType
from typing import Any, Self

from schemas.decision import Decision, marker_name

from ..support.site import Record, Site
from .hands import Hands
from .ledger import Handed, Kind, Ledger, Marked

OPERATORS = ("pmurad-admin", "root", "second-admin")
DOMAINS = ("example.org", "example.net", "mail.example.com")

PENDING_ALREADY = "A request for "
NOTHING_PENDING = "There is no pending request to cancel."
NOTHING_ACTIVE = "There is no active alias to switch off."
ALREADY = {"request": PENDING_ALREADY, "cancel": NOTHING_PENDING, "cancel-active": NOTHING_ACTIVE}

BAD: tuple[tuple[str, dict[str, object] | bytes, int], ...] = (
    ("The file was understood as JSON but not", {"destination": "a@example.org", "colour": 1}, 0o600),
    ("The file was understood as JSON but not", b"[]", 0o600),
    ("The file belongs to", {"destination": "a@example.org", "username": "root"}, 0o600),
    ("The file is writable by its group", {"destination": "a@example.org"}, 0o666),
    ("", {"destination": "a@example.org, b@example.org"}, 0o600),
    ("The file is larger", b" " * 20_000, 0o600),
    ("It is a link", b"link", 0),
    ("It is a link", b"fifo", 0),
)


class Members:
    """Some members, each a process of its own, and what they hand in; for a `with` block."""

    def __init__(self, site: Site, ledger: Ledger, chance: Random, names: list[str]) -> None:
        self._ledger = ledger
        self._chance = chance
        self._names = names
        self._numbers = 0
        accounts = site.accounts.add_many(names)
        self._processes = ExitStack()
        queue = str(site.paths.queue)
        self._hands = {
            account.name: self._processes.enter_context(Hands(site.installation, account, queue))
            for account in accounts
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.close()

    def act(self) -> None:
        """Let one of them do something."""
        name = self._chance.choice(self._names)
        chosen = self._chance.random()
        if chosen < 0.55:
            self._request(name)
        elif chosen < 0.68:
            self._put(name, "cancel", {"action": "cancel"})
        elif chosen < 0.8:
            self._put(name, "cancel-active", {"action": "cancel", "scope": "active"})
        elif chosen < 0.95:
            message, data, mode = self._chance.choice(BAD)
            self._put(name, "bad", data, message=message, mode=mode)
        elif chosen < 0.96:
            message = "The file was expected to hold one JSON object."
            self._put(name, "bad", b'{"destination": "a@exam', message=message, unfinished=True)
        else:
            self._take_back()

    def _request(self, name: str) -> None:
        destination = f"{name}{self._numbers}@{self._chance.choice(DOMAINS)}"
        self._put(name, "request", {"destination": destination}, destination=destination)

    def _put(
        self,
        owner: str,
        kind: Kind,
        contents: dict[str, object] | bytes,
        *,
        mode: int = 0o600,
        message: str | None = None,
        destination: str | None = None,
        unfinished: bool = False,
    ) -> None:
        self._numbers += 1
        name = f"{owner}-{self._numbers:06d}.json"
        message = ALREADY[kind] if message is None else message
        self._ledger.handed[owner, name] = Handed(
            owner, name, kind, self._ledger.next(), message, destination, unfinished=unfinished
        )
        hands = self._hands[owner]
        if contents == b"link":
            hands.link(name)
        elif contents == b"fifo":
            hands.fifo(name)
        else:
            hands.put(name, contents if isinstance(contents, bytes) else json.dumps(contents).encode(), mode)

    def _take_back(self) -> None:
        recent = [each for each in self._ledger.fresh_files() if not each.taken_back]
        if recent:
            handed = self._chance.choice(recent)
            handed.taken_back = True
            self._hands[handed.owner].take_back(handed.file)


class Administrator:
    """Decides on what lies there, mostly sensibly."""

    def __init__(self, site: Site, ledger: Ledger, chance: Random) -> None:
        self._site = site
        self._ledger = ledger
        self._chance = chance
        self._numbers = 0

    def act(self) -> None:
        """Drop one marker."""
        chosen = self._chance.random()
        pending = self._site.records("pending")
        if pending and chosen < 0.6:
            self._decide_on(self._chance.choice(pending))
        elif chosen < 0.75:
            self._revoke()
        elif chosen < 0.85:
            self._mark({"decision": "sync"}, doomed=False)
        elif chosen < 0.9:
            self._mark({"decision": "sync", "force": True, "registry_sha256": "0" * 64}, doomed=True)
        elif chosen < 0.95:
            self._drop(f"no decision {self._ledger.order}.json", b'{"decision": "sync"}', doomed=True)
        else:
            self._drop(f"nonsense-{self._ledger.order}.json", b'{"decision": "approve"}', doomed=True)

    def _decide_on(self, record: Record) -> None:
        seen = {key: record[key] for key in ("username", "request_id", "destination")}
        chosen = self._chance.random()
        if chosen < 0.7:
            self._mark({"decision": "approve", **seen})
        elif chosen < 0.8:
            self._mark({"decision": "approve", **seen, "destination": "other@example.org"}, doomed=True)
        else:
            self._mark({"decision": "reject", **seen, "reason": "No. Não."})

    def _revoke(self) -> None:
        known = {mark.username for mark in self._ledger.marked.values() if mark.username} | {"nobody-here"}
        self._mark({"decision": "revoke", "username": self._chance.choice(sorted(known)), "reason": "Enough."})

    def _mark(self, fields: dict[str, Any], *, doomed: bool = False) -> None:
        operator = self._chance.choice(OPERATORS)
        name = marker_name(Decision(**{**fields, "operator": operator}))
        data = json.dumps({**fields, "operator": operator}).encode()
        self._drop(name, data, doomed=doomed, kind=fields["decision"], operator=operator, fields=fields)

    def _drop(
        self,
        name: str,
        data: bytes,
        *,
        doomed: bool,
        kind: str = "none",
        operator: str | None = None,
        fields: dict[str, Any] | None = None,
    ) -> None:
        identifier = name.removesuffix(".json")
        about = {key: (fields or {}).get(key) for key in ("username", "request_id", "destination")}
        self._ledger.marked[identifier] = Marked(
            identifier, kind, self._ledger.next(), operator=operator, doomed=doomed, **about
        )
        temporary = self._site.paths.decisions / f".{self._ledger.order}.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, data)
        os.close(descriptor)
        os.rename(temporary, self._site.paths.decisions / name)
