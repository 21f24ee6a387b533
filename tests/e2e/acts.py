"""What members, administrators and programs do on a server; each act returns when its effect can be seen."""

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..support import reasons
from ..support.layout import put
from ..support.site import Record, Site
from ..support.waiting import wait_for

T = TypeVar("T")


class FileState(NamedTuple):
    """What tells whether a file was touched."""

    inode: int
    mtime_ns: int
    size: int
    mode: int


def states(directory: Path) -> dict[str, FileState]:
    """Every file of *directory*, hidden ones too."""
    found = {}
    for name in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):  # gone since it was listed
            status = (directory / name).lstat()
            if not stat.S_ISDIR(status.st_mode):
                mode = stat.S_IMODE(status.st_mode)
                found[name] = FileState(status.st_ino, status.st_mtime_ns, status.st_size, mode)
    return found


def settle(site: Site) -> None:
    """Return when all that lay there before this call has been looked at by the watcher, and told of."""
    # The first marker may be read late in a pass that began earlier; the second one is then another pass's.
    for _ in range(2):
        marker = site.drop_marker({"decision": "sync"})
        _await_gone(marker)


def _await_gone(marker: Path) -> None:
    wait_for(lambda: not marker.exists(), marker.parent, what=f"the marker {marker.name} to be dealt with")


def ask(site: Site, name: str, destination: str, **fields: str) -> Record:
    """Have the member ask for *destination*, and return the pending record."""
    site.drop(name, f"{name}-{secrets.token_hex(4)}.json", {"destination": destination, **fields})
    what = f"the pending request of {name}"
    return wait_for(lambda: _pending_for(site, name, destination), site.paths.requests / "pending", what=what) or {}


def _pending_for(site: Site, name: str, destination: str) -> Record | None:
    record = site.pending(name)
    return record if record and record["destination"] == destination else None


def decision(record: Record, kind: str = "approve", **fields: object) -> Record:
    """The contents of a marker for what *record* asks."""
    shown = {key: record[key] for key in ("username", "request_id", "destination")}
    return {"decision": kind, **shown, "operator": "pmurad-admin", **fields}


def decide(site: Site, contents: Record, **options: object) -> str:
    """Drop a marker, wait until it is gone, and return the decision's id."""
    marker = site.drop_marker(contents, **options)  # type: ignore[arg-type]
    _await_gone(marker)
    return marker.name.removesuffix(".json")


def activate(site: Site, name: str, destination: str) -> str:
    """Have the member ask and the administrator approve; return the decision's id."""
    return decide(site, decision(ask(site, name, destination)))


def failure(site: Site, decision_id: str) -> Record:
    """The record of the one decision that could not be applied, which is the one of that id."""
    (found,) = site.failed()
    assert found["decision_id"] == decision_id
    status = (site.paths.decisions / "failed" / f"{decision_id}.json").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o600, 0)
    reasons.check(found)
    return found


def entry(name: str, destination: str, **fields: object) -> Record:
    """An active entry of the registry, as the server had them before this program."""
    return {
        "username": name,
        "alias": f"{name}@runv.club",
        "destination": destination,
        "status": "active",
        "created_at": "2026-05-19T20:55:18Z",
        "updated_at": "2026-05-19T20:55:18Z",
        "approved_by": "pmurad-admin",
        **fields,
    }


def entries(count: int, *, destination: str = "{name}@example.org") -> dict[str, Record]:
    """As many active entries, called member00 and so on."""
    names = [f"member{number:02d}" for number in range(count)]
    return {name: entry(name, destination.format(name=name)) for name in names}


def write_registry(site: Site, contents: dict[str, Record] | bytes) -> str:
    """Replace the registry by hand, by rename as an editor does, and return its SHA-256.

    Whoever has an alias in it has an account too.
    """
    if not isinstance(contents, bytes):
        site.accounts.name(name for name, entry in contents.items() if entry["status"] == "active")
    data = contents if isinstance(contents, bytes) else json.dumps(contents, indent=2).encode()
    put(site.paths.registry, data, 0o640, gid=site.accounts.gid)
    return hashlib.sha256(data).hexdigest()


def publish(site: Site, contents: dict[str, Record]) -> None:
    """Replace the registry by hand, and wait until the map answers for it."""
    digest = write_registry(site, contents)
    await_status(site, lambda: published(site) == digest, what="the edited registry to be published")


def published(site: Site) -> str | None:
    """The SHA-256 of the registry that the map answers for, as the status tells."""
    found = site.status().get("published")
    return str(found["registry_sha256"]) if found else None


def problems(site: Site) -> dict[str, str]:
    """What the status says is wrong, by code."""
    return {problem["code"]: problem["what"] for problem in site.status().get("problems", [])}


def await_problem(site: Site, code: str) -> str:
    """Wait until the status tells of a problem, and return its words."""
    return await_status(site, lambda: problems(site).get(code), what=f"the problem {code} in the status") or ""


def await_well(site: Site, timeout: float = 10.0) -> None:
    """Wait until the status tells of no problem, and that the map answers for the registry as it is."""

    def well() -> bool:
        digest = hashlib.sha256(site.paths.registry.read_bytes()).hexdigest()
        return site.status().get("problems") == [] and published(site) == digest

    await_status(site, well, what="a status without problems", timeout=timeout)


def await_status(site: Site, predicate: Callable[[], T], *, what: str, timeout: float = 10.0) -> T:
    """Return what *predicate* returns once that is true, asked whenever the status has changed."""
    return wait_for(predicate, site.paths.runtime, what=what, timeout=timeout)


def script(path: Path, text: str) -> Path:
    """Put an executable shell script there, at once: whoever starts it gets the old one or the new one."""
    path.parent.mkdir(exist_ok=True)
    put(path, f"#!/bin/sh\n{text}\n".encode(), 0o755)
    return path
