"""The directories that the earlier tool made in the queue, where its requests and its history are.

The queue is every member's to write: a name in it may be anything by the time that it is used. So such a directory is
reached through the queue's descriptor and never by a link, nothing that is mounted there is asked, and it is closed to
everybody but root before anything in it is read.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from cli.messages import _
from cli.output import SafeText, format_message
from cli.server import paths
from schemas.config import Settings
from schemas.errors import StateError
from schemas.fs.directory import Directory
from schemas.fs.mounts import mounted_over
from schemas.json_records import sha256

HISTORY = ("approved", "rejected", "cancelled")
WAITING = "pending"

_KEPT_MODE = 0o700


def present(queue: Directory) -> list[str]:
    """Which of the directories are there and are root's, as the earlier tool made them."""
    return [name for name in _uncovered(queue) if _is_root_directory(queue.status(name))]


def mounted(queue: Directory) -> list[SafeText]:
    """Sentences for those over which something is mounted. Nothing else is asked of them: they may never answer."""
    covered = mounted_over(queue.fd)
    return [
        format_message(
            _("Something is mounted over the directory {path}, so it was not touched. Unmount it."),
            path=os.path.join(queue.path, name),
        )
        for name in (*HISTORY, WAITING)
        if name in covered
    ]


def _uncovered(queue: Directory) -> list[str]:
    covered = mounted_over(queue.fd)
    return [name for name in (*HISTORY, WAITING) if name not in covered]


def foreign(queue: Directory) -> list[SafeText]:
    """Sentences for those that are a member's: anybody may make a directory in the queue."""
    sentences = []
    for name in _uncovered(queue):
        status = queue.status(name)
        if status is not None and stat.S_ISDIR(status.st_mode) and status.st_uid != paths.ROOT:
            sentences.append(_foreign_sentence(os.path.join(queue.path, name), status))
    return sentences


def _foreign_sentence(path: str, status: os.stat_result) -> SafeText:
    return format_message(
        _("The directory {path} belongs to {owner}, so it is not the earlier tool's and was left alone."),
        path=path,
        owner=paths.user_name(status.st_uid),
    )


def _is_root_directory(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISDIR(status.st_mode) and status.st_uid == paths.ROOT


@contextlib.contextmanager
def entered(queue: Directory, name: str) -> Iterator[Directory]:
    """Open the old directory *name*.

    Raises:
        StateError: it is not root's, or something is mounted over it.
        OSError: it is gone, or was replaced.
    """
    with queue.pin(name) as pinned:
        path = os.path.join(queue.path, name)
        if pinned.mount != queue.mount:
            raise StateError(format_message(_("something is mounted over {path}; unmount it"), path=path))
        if not _is_root_directory(pinned.status):
            raise StateError(_foreign_sentence(path, pinned.status))
        with queue.enter(name) as folder:
            if os.path.samestat(os.fstat(folder.fd), pinned.status) and folder.mount == queue.mount:
                yield folder
                return
    raise StateError(_("it was changed in that moment"))


def close_to_others(folder: Directory) -> None:
    """Let nobody but root into *folder* from now on; who had it open can still not change what is in it."""
    os.fchown(folder.fd, paths.ROOT, 0)
    os.fchmod(folder.fd, 0o700)


def keep(settings: Settings, folder: Directory, name: str) -> None:
    """Move the entry *name* of *folder* to where only root gets, whatever it is; nothing there is overwritten.

    Raises:
        StateError, OSError: it could not be moved; it is where it was.
    """
    base = paths.old_queue(settings)
    above, last = os.path.split(base)
    inside = os.path.basename(folder.path)
    with Directory(above) as directory:
        directory.make(last, _KEPT_MODE)
        with directory.enter(last) as kept:
            kept.make(inside, _KEPT_MODE)
            with kept.enter(inside) as into:
                folder.rename(name, _free_name(into, name), into)
                into.sync()


def _free_name(into: Directory, name: str) -> str:
    if not into.has(name):
        return name
    # The longest name that there can be has no room for more.
    stem = sha256(os.fsencode(name))[:16]
    return next(free for number in range(1, 1 << 30) if not into.has(free := f"{stem}.{number}"))


def remove(queue: Directory, name: str) -> None:
    """Remove the old directory *name*, which is empty. Raises OSError where it is not."""
    os.rmdir(name, dir_fd=queue.fd)
    queue.sync()
