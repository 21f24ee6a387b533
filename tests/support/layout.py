"""The files of a server on disk: where they are, whose they are and their modes, as the package installs them."""

import os
from dataclasses import dataclass
from pathlib import Path

_KEEP = -1


@dataclass(frozen=True)
class Layout:
    """The paths of one throwaway server below *root*."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration file of the programs."""
        return self.root / "etc" / "runv-member-mail.json"

    @property
    def postfix(self) -> Path:
        """What /etc/postfix is on a server: main.cf and the map."""
        return self.root / "etc" / "postfix"

    @property
    def map(self) -> Path:
        """The map's text; databases stand beside it."""
        return self.postfix / "runv-member-aliases"

    @property
    def state(self) -> Path:
        """The directory of all state."""
        return self.root / "var" / "lib" / "runv"

    @property
    def registry(self) -> Path:
        """The active aliases."""
        return self.state / "email-aliases.json"

    @property
    def queue(self) -> Path:
        """The inbox, which members write to."""
        return self.state / "email-alias-queue"

    @property
    def requests(self) -> Path:
        """The folders of request records."""
        return self.state / "email-alias-requests"

    @property
    def decisions(self) -> Path:
        """The administrator's markers."""
        return self.state / "email-alias-decisions"

    @property
    def runtime(self) -> Path:
        """The directory of the status file."""
        return self.root / "run" / "runv-email-alias"

    @property
    def status(self) -> Path:
        """What the watcher last did."""
        return self.runtime / "status.json"

    @property
    def directories(self) -> tuple[Path, ...]:
        """Every directory in which the programs change something."""
        folders = (self.requests / name for name in FOLDERS)
        decisions = (self.decisions, self.decisions / "failed")
        return (self.state, self.queue, *folders, *decisions, self.runtime, self.postfix)

    def make(self, members: int) -> None:
        """Make everything, empty, for the members' group *members*."""
        for path in (self.config.parent, self.postfix, self.state, self.runtime):
            for part in reversed(path.relative_to(self.root).parents):
                _directory(self.root / part, 0o755)
            _directory(path, 0o755)
        _directory(self.queue, 0o2770, members)
        _directory(self.requests, 0o2750, members)
        for name in FOLDERS:
            _directory(self.requests / name, 0o2750, members)
        _directory(self.decisions, 0o700)
        _directory(self.decisions / "failed", 0o700)
        put(self.registry, b"{}\n", 0o640, gid=members)


FOLDERS = ("pending", "approved", "rejected", "cancelled", "refused")


def put(
    path: Path, content: bytes, mode: int, *, uid: int = _KEEP, gid: int = _KEEP, mtime: float | None = None
) -> None:
    """Write a file as the programs do: whole, under a dotted name, then renamed; owner and time are set before that.

    Only root gives files away; for an ordinary user they stay the user's own.
    """
    temporary = path.parent / f".{path.name}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if os.geteuid() == 0:
            os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        if mtime is not None:
            os.utime(descriptor, (mtime, mtime))
    os.rename(temporary, path)


def _directory(path: Path, mode: int, gid: int = _KEEP) -> None:
    path.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        os.chown(path, _KEEP, gid)
    # By chmod, after chown: the umask would take bits away, and a change of group may take set-gid.
    path.chmod(mode)
