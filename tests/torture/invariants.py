"""What must hold whenever the watcher has settled after a kill, whatever was going on when it came."""

import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.request import REFUSED_KEPT

from ..support.layout import FOLDERS
from ..support.site import Record, Site
from . import audit
from .editor import load
from .ledger import Handed, Ledger, Marked

KNOWN = {
    "username", "alias", "destination", "status", "created_at", "updated_at", "approved_by", "uid", "updated_by",
    "reason",
}  # fmt: skip


def rows_of(site: Site) -> dict[str, str]:
    """What the map must answer for the registry as it is."""
    entries = site.registry().values()
    return {entry["alias"]: entry["destination"] for entry in entries if entry["status"] == "active"}


def answers(site: Site) -> dict[str, str]:
    """Every row of the map, as Postfix's own postmap finds them; what postmap complains of is a row as well."""
    dumped = site.mail.run("postmap", "-s", site.table)
    found = dict(line.split("\t") for line in dumped.stdout.splitlines())
    if dumped.returncode or dumped.stderr:
        found["postmap -s"] = f"{dumped.returncode} {dumped.stderr}"
    return found


class Look:
    """One look at a settled server: `violations` says what is not as it must be, in words.

    *pid* and *started* are of the watcher that has settled it.
    """

    def __init__(self, site: Site, ledger: Ledger, pid: int, started: int | None) -> None:
        self._site = site
        self._ledger = ledger
        self._process = {"pid": pid, "start_time": started}
        self._found: dict[tuple[str, str], list[tuple[str, Record]]] = {}
        self._records: list[Record] = []
        for folder in FOLDERS:
            for record in site.records(folder):
                self._records.append(record)
                self._found.setdefault((record["username"], record["file"]), []).append((folder, record))
        self._failed = {record["decision_id"]: record for record in site.failed()}
        self.entries = load(site.paths.registry.read_bytes())

    def violations(self) -> Iterator[str]:
        """Say what is wrong; nothing, if nothing is."""
        yield from self._requests()
        yield from self._closings()
        yield from self._decisions()
        yield from self._registry()
        yield from self._map()
        yield from self._remains()
        yield from self._modes()
        yield from self._status()

    # Requests

    def _requests(self) -> Iterator[str]:
        kept = Counter(record["username"] for record in self._records if record["status"] == "refused")
        pending = Counter(record["username"] for record in self._records if record["status"] == "pending")
        yield from (f"{name} has {count} pending requests" for name, count in pending.items() if count > 1)
        yield from (f"{name} has {count} refused records" for name, count in kept.items() if count > REFUSED_KEPT)
        yield from (f"a record that nobody handed in: {key}" for key in self._found.keys() - self._ledger.handed.keys())
        for key, handed in self._ledger.handed.items():
            places = self._found.get(key, [])
            past_the_kept = kept[handed.owner] == REFUSED_KEPT
            if len(places) > 1 or (not places and not handed.taken_back and not past_the_kept):
                yield f"{handed} is in {[folder for folder, _ in places]}"
            for folder, record in places:
                yield from self._outcome(handed, folder, record)

    def _outcome(self, handed: Handed, folder: str, record: Record) -> Iterator[str]:
        if record["status"] != folder:
            yield f"the record of {handed} in {folder} says {record['status']}"
        if record["uid"] != self._site.accounts[handed.owner].uid:
            yield f"the record of {handed} has the uid {record['uid']}"
        if folder == "refused":
            # A reason of another kind would tell of a file that was taken in twice, or out of order.
            # One that is waited for is overtaken by its owner's next one, and is older than that then.
            if not record["reason"].startswith(handed.told) and not handed.unfinished:
                yield f"{handed} was refused: {record['reason']}"
        elif handed.kind == "bad":
            yield f"{handed} is {folder}"
        elif handed.kind == "request" and record["destination"] != handed.destination:
            yield f"{handed} asks for {record['destination']}"
        elif handed.kind != "request" and folder != "cancelled":
            yield f"{handed} is {folder}"

    def _closings(self) -> Iterator[str]:
        """Each request was closed by one thing, and each thing closed one request."""
        closed = [
            record
            for record in self._records
            if record["action"] == "request" and record["status"] in {"approved", "rejected", "cancelled"}
        ]
        by = Counter(record["decision_id"] for record in closed)
        yield from (f"{count} requests were closed by {identifier}" for identifier, count in by.items() if count > 1)
        cancels = {
            record["request_id"]: record
            for record in self._records
            if record["action"] == "cancel" and record["status"] == "cancelled"
        }
        for record in closed:
            identifier = record["decision_id"]
            if record["status"] == "cancelled":
                if identifier not in cancels:
                    yield f"{record['request_id']} was withdrawn by {identifier}, of which there is no record"
                continue
            mark = self._ledger.marked.get(identifier)
            if (
                mark is None
                or mark.request_id != record["request_id"]
                or mark.kind != {"approved": "approve", "rejected": "reject"}[record["status"]]
            ):
                yield f"{record['request_id']} was {record['status']} by {mark}"
        for identifier, record in cancels.items():
            handed = self._ledger.handed.get((record["username"], record["file"]))
            if handed is not None and handed.kind == "cancel" and identifier not in by:
                yield f"the cancel {identifier} withdrew nothing"

    # Decisions

    def _decisions(self) -> Iterator[str]:
        applied = {record["decision_id"] for record in self._records if record["status"] in {"approved", "rejected"}}
        count = len(os.listdir(self._site.paths.decisions / "failed"))
        if count != len(self._failed):
            yield f"{count} files of failed decisions tell of {len(self._failed)}"
        yield from (f"failed/ has {name}, which nobody decided" for name in self._failed.keys() - self._ledger.marked)
        for identifier, mark in self._ledger.marked.items():
            failed = identifier in self._failed
            if mark.doomed and not failed:
                yield f"{mark} did not fail"
            if failed and identifier in applied:
                yield f"{mark} was applied and failed as well"
            if mark.kind in {"approve", "reject"} and not failed and identifier not in applied:
                yield f"{mark} neither was applied nor failed"
            if mark.kind == "sync" and failed and not mark.doomed:
                yield f"{mark} failed: {self._failed[identifier]['reason']}"

    # The registry

    def _registry(self) -> Iterator[str]:
        expected = self._ledger.expected()
        changes = self._changes()
        for name in sorted(self.entries.keys() | expected.keys() | changes.keys()):
            found, before = self.entries.get(name, {}), expected.get(name, {})
            ours = changes.get(name, [])
            unknown = [{key: entry[key] for key in entry.keys() - KNOWN} for entry in (found, before)]
            if unknown[0] != unknown[1]:
                yield f"the entry {name} has the unknown fields {unknown[0]}; expected were {unknown[1]}"
            if not ours:
                if found != before:
                    yield f"nobody changed the entry {name}, and it is {found}; it was {before}"
                continue
            # A marker and a member's cancel that meet in one pass come in the order in which the pass found them.
            marks = [change for change in ours if isinstance(change, Marked)]
            last: list[Marked | Handed] = [*marks[-1:]]
            last += [change for change in ours if isinstance(change, Handed)]
            if not any(self._done(found, change) for change in last):
                yield f"the entry {name} is {found}, and was {before}; expected was what one of these does: {last}"

    def _changes(self) -> dict[str, list[Marked | Handed]]:
        """What was applied to each entry since the last look, in order."""
        found: dict[str, list[Marked | Handed]] = {}
        for mark in self._ledger.fresh_marks():
            if mark.kind in {"approve", "revoke"} and mark.username and mark.identifier not in self._failed:
                found.setdefault(mark.username, []).append(mark)
        for handed in self._ledger.fresh_files():
            places = self._found.get((handed.owner, handed.file), [])
            if handed.kind == "cancel-active" and [folder for folder, _ in places] == ["cancelled"]:
                found.setdefault(handed.owner, []).append(handed)
        return found

    def _done(self, entry: dict[str, Any], change: Marked | Handed) -> bool:
        if isinstance(change, Handed):
            _, record = self._found[change.owner, change.file][0]
            return (entry.get("updated_by"), entry.get("status")) == (record["request_id"], "cancelled")
        if entry.get("updated_by") != change.identifier:
            return False
        if change.kind == "revoke":
            return bool(entry["status"] == "revoked")
        account = self._site.accounts[change.username or ""]
        wanted = {
            "username": account.name,
            "alias": f"{account.name}@runv.club",
            "destination": change.destination,
            "status": "active",
            "approved_by": change.operator,
            "uid": f"int {account.uid}",
        }
        return {key: entry.get(key) for key in wanted} == wanted

    # The map

    def _map(self) -> Iterator[str]:
        rows = rows_of(self._site)
        text = self._site.paths.map.read_text()
        if text != "".join(f"{alias}\t{rows[alias]}\n" for alias in sorted(rows)):
            yield "the map's text is not what the registry says"
        if (table := answers(self._site)) != rows:
            yield f"the map answers other than the registry says: {sorted(table.items() ^ rows.items())[:6]}"

    # What must not be left

    def _remains(self) -> Iterator[str]:
        paths = self._site.paths
        allowed: dict[Path, set[str]] = {
            paths.state: {
                "email-aliases.json", "email-aliases.lock", "email-alias-queue", "email-alias-requests",
                "email-alias-decisions", audit.NAME, audit.ROTATED,
            },
            paths.queue: set(),
            paths.requests: set(FOLDERS),
            paths.decisions: {"failed"},
            paths.runtime: {"status.json"},
            paths.postfix: {"main.cf", "master.cf", paths.map.name, f"{paths.map.name}.db"},
        }  # fmt: skip
        for directory in (paths.requests, *paths.directories):
            names = set(os.listdir(directory))
            left = names - allowed[directory] if directory in allowed else {n for n in names if n.startswith(".")}
            if left:
                yield f"left in {directory}: {sorted(left)}"

    def _modes(self) -> Iterator[str]:
        paths, members = self._site.paths, self._site.accounts.gid
        wanted = {paths.registry: (0o640, members), paths.map: (0o644, 0), paths.status: (0o644, 0)}
        wanted[paths.map.with_name(f"{paths.map.name}.db")] = (0o644, 0)
        wanted[paths.state / audit.NAME] = (0o640, audit.gid())
        for folder in FOLDERS:
            wanted |= dict.fromkeys((paths.requests / folder).iterdir(), (416, members))
        for path, (mode, gid) in wanted.items():
            status = path.lstat()
            if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) != (mode, 0, gid):
                yield f"{path}: mode {stat.S_IMODE(status.st_mode):o}, owner {status.st_uid}:{status.st_gid}"

    def _status(self) -> Iterator[str]:
        status = self._site.status()
        digest = hashlib.sha256(self._site.paths.registry.read_bytes()).hexdigest()
        fields = {
            **self._process,
            "enabled": True,
            "pending": sum(record["status"] == "pending" for record in self._records),
            "left_alone": 0,
            "problems": [],
        }
        found = {key: status.get(key) for key in fields}
        if found != fields:
            yield f"the status says {found}; expected was {fields}"
        published = status.get("published") or {}
        active = sum(entry["status"] == "active" for entry in self.entries.values())
        if (published.get("registry_sha256"), published.get("aliases")) != (digest, active):
            yield f"the status says {json.dumps(published)}; the registry is {digest} with {active} aliases"
