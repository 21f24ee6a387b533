"""What the tests of the queue share: members that nobody has met, and what a refusal must look like."""

import itertools
import os
import stat
from pathlib import Path

from ..support import reasons
from ..support.accounts import Account
from ..support.site import Record, Site
from ..support.waiting import wait_for
from .acts import ask, settle

_numbers = itertools.count()


def newcomer(site: Site, prefix: str = "member") -> Account:
    """Add a member whom the watcher has not met."""
    return site.accounts.add(f"{prefix}{next(_numbers)}")


def refusal(site: Site, owner: str, file: Path, *, shown: str | None = None) -> Record:
    """Wait for the record of a refused queue file, hold it against what every such record is, and return it.

    *shown* is how the record writes the file's name, where that is not the name itself.
    """
    name = shown or file.name
    folder = site.paths.requests / "refused"

    def look() -> Record | None:
        found = (each for each in site.records("refused") if (each["username"], each["file"]) == (owner, name))
        return next(found, None)

    record = wait_for(look, folder, what=f"the refusal of {name}") or {}
    gone(site, file)
    uid = 0 if owner == "root" else site.accounts[owner].uid
    assert (record["uid"], record["alias"]) == (uid, f"{owner}@runv.club")
    assert (record["status"], record["decided_by"]) == ("refused", "watcher")
    path = folder / f"{record['request_id']}.json"
    found = path.lstat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, 0, site.accounts.gid)
    for other in ("pending", "approved", "rejected", "cancelled"):
        assert not (site.paths.requests / other / path.name).exists()
    reasons.check(record)
    return record


def gone(site: Site, path: Path) -> None:
    """Wait until the queue has no such entry any more."""
    wait_for(lambda: not os.path.lexists(path), site.paths.queue, what=f"{path.name} to be removed")


def counted(site: Site) -> int:
    """How many entries have been refused so far, as the status tells."""
    settle(site)
    return int(site.status()["refused"])


def others_go_on(site: Site) -> None:
    """Have somebody else ask for something, and see it taken in."""
    somebody = newcomer(site, "other")
    assert ask(site, somebody.name, "somebody@example.org")["uid"] == somebody.uid
