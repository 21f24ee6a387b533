"""The queue directory itself: its owner, mode and mounts, and removing entries from it.

An unprivileged member can mount a FUSE file system over each file or directory that they may write to (fusermount3(1)),
and whoever serves one names the owners of its files, or never answers. So the kernel is asked first what is mounted
where, and nothing is taken from there.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Collection
from contextlib import ExitStack

from schemas.config import Settings
from schemas.errors import StateError, error_text
from schemas.fs.directory import Directory, Signature, signature_of
from schemas.fs.mounts import MountChanges, all_mounts, mount_of, mounted_over
from schemas.text import N_, printable
from watcher.accounts import Accounts, GroupMissingError

_SAFE_MODES = (0o2770, 0o3770)
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_MEMBERS_MAY_MOUNT = frozenset({"fuse", "fuseblk", "unknown"})


def cannot_be_dealt_with(name: str, error: str) -> str:
    """The message on the entry *name*, which could not be looked at, read or removed."""
    return N_("The queue entry {name} cannot be dealt with: {error}. It is left there and tried again.").format(
        name=printable(name), error=error
    )


class QueueDirectory:
    """The directory that *queue* is, as it was when it was opened, and what has become of it.

    Attributes:
        mounted: the names of the entries over which something is mounted.
        problems: messages, by problem code.

    Raises:
        StateError, OSError: what is mounted is not known. `look` and `replaced` raise them too; until one of them
            succeeds, nothing in the queue is touched (`closed`).
    """

    def __init__(self, settings: Settings, accounts: Accounts, queue: Directory) -> None:
        self._settings = settings
        self._accounts = accounts
        self._queue = queue
        # What is known of the directory:
        #   _safe            its mode, owner and group, and the members' group, when they were last found right
        #   _opened_closed   a member's file system lay over it already when it was opened
        #   _known           what is mounted was asked since the last change
        #   _kind            the type of the member's file system over it, if there is one
        self._safe: tuple[int, ...] | None = None
        self._opened_closed = _foreign(settings, queue.mount) is not None
        self._known = False
        self._kind: str | None = None
        self.mounted: frozenset[str] = frozenset()
        self.problems: dict[str, str] = {}
        self._changes = MountChanges()
        try:
            self._ask()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop following the mounts."""
        self._changes.close()

    @property
    def closed(self) -> bool:
        """Whether nothing in the queue may be believed, nor even asked for."""
        return self._opened_closed or not self._known or self._kind is not None

    def replaced(self) -> bool:
        """Whether a file system that may not be believed was mounted over the queue since it was opened, or is gone."""
        # The kernel reports a change once, so it is remembered until it could be looked into.
        if self._changes.any():
            self._known = False
        if not self._known:
            self._ask()
        return self._opened_closed != (self._kind is not None)

    def look(self) -> bool:
        """Look at the directory; say whether something else is wrong than before."""
        before = self.problems
        self.replaced()
        self.problems = self._mount_problems() | self._mode_problems()
        return self.problems != before

    def _ask(self) -> None:
        self._kind = foreign(self._settings)
        self.mounted = mounted_over(self._queue.fd)
        self._known = True

    def _mount_problems(self) -> dict[str, str]:
        path = self._settings.queue
        if self._kind is not None:
            return {
                "queue-mounted": N_(
                    "A file system of type {kind} is mounted over the queue {path}, and whoever serves it can claim "
                    "any owner for a file. Requests wait until it is gone. Look with `findmnt {path}`, then run "
                    "`umount {path}` and `chmod 3770 {path}`."
                ).format(path=path, kind=printable(self._kind))
            }
        if not self.mounted:
            return {}
        name = printable(min(self.mounted))
        message = N_(
            "Something is mounted over {count} of the entries of the queue {path}, one of them {name}. They are left "
            "alone. Look with `findmnt --list`, then run `umount` for each."
        ).format(path=path, count=len(self.mounted), name=name)
        return {"queue-mounted": message}

    def _mode_problems(self) -> dict[str, str]:
        if self.closed:
            return {}
        status = os.fstat(self._queue.fd)
        try:
            found = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, self._accounts.gid)
        except GroupMissingError:
            return {}  # a problem of its own
        # The names of the owners are not looked up in each pass.
        if found == self._safe:
            return {}
        if _is_safe(*found):
            self._safe = found
            return {}
        message = N_(
            "The queue {path} is {found}, where 2770 or 3770 root:{group} was expected. Requests are still taken in, "
            "by who owns each file. Run `chown root:{group} {path}`, then `chmod 3770 {path}`."
        ).format(
            path=self._settings.queue,
            found=f"{found[0]:o} {_user(status.st_uid)}:{_group(status.st_gid)}",
            group=self._settings.config.group,
        )
        return {"queue-unsafe": message}


def _is_safe(mode: int, uid: int, gid: int, members: int) -> bool:
    return mode in _SAFE_MODES and uid in {0, os.geteuid()} and gid == members


def foreign(settings: Settings) -> str | None:
    """The type of the file system at the path of the queue, if it is one that a member may have mounted.

    Raises:
        StateError, OSError: that is not known.
    """
    with ExitStack() as opened:
        try:
            return _foreign(settings, _mount_at(settings.queue, opened))
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            return None  # the watch on it finds it missing


def _foreign(settings: Settings, mount: int) -> str | None:
    with ExitStack() as opened:
        # Whoever keeps all state on such a file system trusts it.
        if mount == _mount_at(settings.config.state_dir, opened):
            return None
    kind = next((each.kind for each in all_mounts() if each.identifier == mount), "unknown")
    return kind if members_may_mount(kind) else None


def members_may_mount(kind: str) -> bool:
    """Whether a file system of the type *kind* may be a member's, who names any owner in it, or never answers."""
    return kind in _MEMBERS_MAY_MOUNT or kind.startswith("fuse.")


def _mount_at(path: str, opened: ExitStack) -> int:
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    opened.callback(os.close, fd)
    return mount_of(fd)


def _user(uid: int) -> str:
    try:
        return printable(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return printable(grp.getgrgid(gid).gr_name)
    except KeyError:
        return str(gid)


class EntryRemover:
    """Removes entries of *queue*. One that cannot be removed is not dealt with again, and keeps no other waiting."""

    def __init__(self, queue: Directory) -> None:
        self._queue = queue
        self._kept: dict[str, tuple[Signature, str]] = {}

    @property
    def troubles(self) -> list[str]:
        """A message for each entry that could not be removed."""
        return [cannot_be_dealt_with(name, error) for name, (_signature, error) in self._kept.items()]

    def keeps(self, name: str) -> bool:
        """Whether the file *name* was dealt with but is still there."""
        return name in self._kept

    def remove(self, name: str, inode: int) -> None:
        """Remove *name* if it still is that inode, and no other file that has taken its name since."""
        try:
            with self._queue.pin(name) as pinned:
                if pinned.mount != self._queue.mount or pinned.status.st_ino != inode:
                    return
                self._unlink(name, signature_of(pinned.status))
        except FileNotFoundError:
            return

    def again(self, mounted: Collection[str]) -> None:
        """Try those again that could not be removed, except where something is *mounted* over them."""
        kept, self._kept = self._kept, {}
        for name, (signature, error) in kept.items():
            if name in mounted:
                self._kept[name] = (signature, error)
                continue
            try:
                if self._queue.signature(name) == signature:
                    self._unlink(name, signature)
            except (OSError, StateError) as new_error:
                self._kept[name] = (signature, error_text(new_error))

    def _unlink(self, name: str, signature: Signature) -> None:
        try:
            self._queue.remove(name)
        except IsADirectoryError:
            return  # swapped in just now; it is left alone, as every directory is
        except OSError as error:
            self._kept[name] = (signature, error_text(error))
