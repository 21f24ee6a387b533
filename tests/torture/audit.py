"""What the audit log must tell of all that happened."""

import grp
import hashlib
import json
from collections.abc import Iterator

from ..support.layout import FOLDERS
from ..support.site import Record, Site
from .ledger import Ledger

NAME = "email-alias-audit.jsonl"
ROTATED = f"{NAME}.1"
DONE = {"approve": "approved", "reject": "rejected", "revoke": "revoked"}


def gid() -> int:
    """Whose group the log is."""
    try:
        return grp.getgrnam("adm").gr_gid
    except KeyError:
        return 0


def told(site: Site) -> tuple[list[Record], int]:
    """The lines of the log, and how many fragments of lines that a kill has cut are between them."""
    lines: list[Record] = []
    torn = 0
    logs = [path for name in (ROTATED, NAME) if (path := site.paths.state / name).exists()]
    for data in b"".join(path.read_bytes() for path in logs).splitlines():
        try:
            lines.append(dict(json.loads(data)))
        except ValueError:
            torn += 1
    return lines, torn


def untold(site: Site, ledger: Ledger) -> Iterator[str]:
    """Say what has no line."""
    decisions = {mark.identifier: mark.kind for mark in ledger.marked.values()}
    lines, _ = told(site)
    keys = {(line["what"], line.get("decision_id") or line.get("request_id")) for line in lines}
    failed = {record["decision_id"] for record in site.failed()}
    for identifier in failed:
        if ("failed", identifier) not in keys:
            yield f"no line tells that {identifier} failed"
        if (DONE.get(decisions.get(identifier, "")), identifier) in keys:
            yield f"a line tells that {identifier} was applied, and it failed"
    for identifier, kind in decisions.items():
        if kind in DONE and identifier not in failed and (DONE[kind], identifier) not in keys:
            yield f"no line tells that {identifier} was applied"
    counted = {line.get("username") for line in lines if line["what"] == "refused" and line.get("count")}
    for folder in FOLDERS:
        for record in site.records(folder):
            identifier, owner = record["request_id"], record["username"]
            if folder == "refused":
                wanted = ("refused", identifier)
            elif record["action"] == "cancel":
                wanted = ("cancelled", identifier)
            else:
                wanted = ("accepted", identifier)
            # Past some a minute, refusals of one member are counted in one line.
            if wanted not in keys and not (folder == "refused" and owner in counted):
                handed = ledger.handed.get((owner, record["file"]))
                yield f"no line tells that {identifier} was {wanted[0]}; handed in was {handed}"
    last = next((line for line in reversed(lines) if line["what"] == "published"), None)
    digest = hashlib.sha256(site.paths.registry.read_bytes()).hexdigest()
    if last is None or last["registry_sha256_after"] != digest:
        yield f"the last published line tells of {last and last['registry_sha256_after']}; the registry is {digest}"
