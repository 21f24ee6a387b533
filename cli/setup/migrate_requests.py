"""Requests of the earlier tool that still wait: judged as the watcher judges what is in the queue, whatever their age.

A server may have waited long for being moved over. Everything else holds: who asks is the owner of the file, which
nobody else may have been able to write; it is one plain file; it is newer than what its owner asked before; one waits
for each member.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Literal

import msgspec

from cli.messages import _
from cli.output import SafeText, format_message, safe_text
from cli.server import paths
from cli.setup import old_folders
from schemas.config import Settings
from schemas.errors import ExpectedError, StateError, error_text
from schemas.fs.directory import Directory
from schemas.fs.mounts import mounted_over
from schemas.json_records import NotJsonError, ShapeError
from schemas.queue_file import FILE_NAME, SIZE_LIMIT, parse_queue_file
from watcher.accounts import Accounts
from watcher.incomplete import IncompleteFiles
from watcher.intake.backlog import Item
from watcher.intake.judge import Judge, Judgement
from watcher.intake.queue_directory import EntryRemover
from watcher.records import RecordStore

Result = Literal["pending", "refused", "known", "kept", "left"]
"""What became of an entry: a record, one that there was already, kept where only root gets, or left to the watcher."""

_ANY_AGE = 365 * 1000


def count(settings: Settings, queue: Directory) -> int:
    """How many entries seem to be waiting requests of the earlier tool."""
    found = 0
    if old_folders.WAITING in old_folders.present(queue):
        with contextlib.suppress(OSError, StateError), old_folders.entered(queue, old_folders.WAITING) as folder:
            found = len(folder.names())
    with _without_watcher(settings) as alone:
        return found + (len(_of_earlier_tool(queue)) if alone else 0)


def take(settings: Settings) -> SafeText | None:
    """Make records of them, remove them, and remove their directory; give `None` where there was nothing to do.

    Raises:
        ExpectedError, OSError: some could not be dealt with and stay where they are.
    """
    counts: Counter[Result] = Counter()
    left: list[str] = []
    with ExitStack() as opened:
        queue = opened.enter_context(Directory(settings.queue))
        # A watcher that runs takes what is in the queue by itself.
        alone = opened.enter_context(_without_watcher(settings))
        folder = None
        if old_folders.WAITING in old_folders.present(queue):
            folder = opened.enter_context(old_folders.entered(queue, old_folders.WAITING))
            old_folders.close_to_others(folder)
        taker = _RequestTaker(settings)
        opened.callback(taker.records.close)
        entries, covered = _uncovered_entries(folder) if folder else ([], [])
        left += [
            format_message(_("something is mounted over {path}; unmount it"), path=display_path)
            for display_path in covered
        ]
        entries += [(queue, name) for name in _of_earlier_tool(queue)] if alone else []
        for directory, name in _newest_first(entries):
            try:
                counts[taker.take(directory, name, keep=directory is folder)] += 1
            except (OSError, ExpectedError) as error:
                left.append(error_text(error))
        if left:
            raise StateError(
                format_message(
                    _("{path} still holds {count} of them, one because {why}"),
                    count=len(left),
                    path=settings.queue,
                    why=safe_text(left[0]),
                )
            )
        if folder is not None:
            old_folders.remove(queue, old_folders.WAITING)
    if folder is None and not counts.keys() - {"left"}:
        return None
    sentence = (
        _(
            "Dealt with the requests that waited in {path}. Taken in: {pending}; refused: {refused}; kept in {old}: "
            "{kept}."
        )
        if counts["kept"]
        else _("Dealt with the requests that waited in {path}. Taken in: {pending}; refused: {refused}.")
    )
    old = os.path.join(paths.old_queue(settings), old_folders.WAITING)
    return format_message(
        sentence,
        path=settings.queue,
        pending=counts["pending"],
        refused=counts["refused"],
        kept=counts["kept"],
        old=old,
    )


@contextlib.contextmanager
def _without_watcher(settings: Settings) -> Iterator[bool]:
    """Whether no watcher runs; and then none can start until the block ends. The lock is the one that it takes."""
    try:
        directory = Directory(settings.decisions)
    except StateError:
        yield True
        return
    with directory:
        try:
            fcntl.flock(directory.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _of_earlier_tool(queue: Directory) -> list[str]:
    """The files right in the queue that the earlier tool wrote: its commands gave every request an id and a status.

    Others are left to the watcher, which refuses what is too old.
    """
    found = []
    for name in queue.names():
        if not FILE_NAME.fullmatch(name):
            continue
        try:
            with queue.pin(name) as pinned:
                if pinned.mount != queue.mount:
                    continue
                request = parse_queue_file(pinned.read(SIZE_LIMIT).data)
        except (OSError, ExpectedError, NotJsonError, ShapeError):
            continue
        if request.status == "pending" and request.request_id and request.action == "request":
            found.append(name)
    return found


def _uncovered_entries(folder: Directory) -> tuple[list[tuple[Directory, str]], list[str]]:
    """The entries of *folder*; and the paths of those over which something is mounted, which may never answer."""
    covered = mounted_over(folder.fd)
    names = folder.names()
    return [(folder, name) for name in names if name not in covered], [
        folder.display_path(name) for name in sorted(covered)
    ]


def _newest_first(entries: list[tuple[Directory, str]]) -> list[tuple[Directory, str]]:
    def mtime(entry: tuple[Directory, str]) -> int:
        status = entry[0].status(entry[1])
        return status.st_mtime_ns if status else 0

    return sorted(entries, key=mtime, reverse=True)


class _RequestTaker:
    """Judges waiting requests one by one and records what becomes of them.

    Attributes:
        records: the record folders. They are only added to: what is half done in them is the watcher's to finish.
    """

    def __init__(self, settings: Settings) -> None:
        self._kept_in = settings
        config = msgspec.structs.replace(settings.config, max_request_age_days=_ANY_AGE)
        self._settings = msgspec.structs.replace(settings, config=config)
        self._accounts = Accounts(settings.config.group)
        self.records = RecordStore(settings.requests)
        for identifier in self.records.folders.ids("pending"):
            record = self.records.folders.load("pending", identifier)
            if record is not None and record.status == "pending":
                self.records.pending[record.username] = record

    def take(self, directory: Directory, name: str, *, keep: bool) -> Result:
        """Deal with the entry *name*; what comes to no record is kept, where *keep*, else left to the watcher."""
        judgement = self._judge(directory, name)
        record = judgement.record if judgement else None
        if judgement is not None and judgement.before is not None:
            self._remove(directory, judgement)
            return "known"
        former = self.records.pending.get(record.username) if record else None
        if (
            judgement is None
            or record is None
            or record.status not in {"pending", "refused"}
            or (record.status == "pending" and former is not None)
        ):
            if keep:
                old_folders.keep(self._kept_in, directory, name)
                return "kept"
            return "left"
        self.records.add(record, self._accounts.gid)
        self.records.prune_refused(record.username)
        self.records.sync()
        # Only now that the record is durable: after a kill in between, the same file makes the same id.
        self._remove(directory, judgement)
        return "pending" if record.status == "pending" else "refused"

    def _judge(self, directory: Directory, name: str) -> Judgement | None:
        judge = Judge(self._settings, directory, self.records, self._accounts, IncompleteFiles())
        # The name alone counts: the rest is asked of what stands there when it is judged.
        return judge.judge(Item(0, name, 0, 0, 0))

    @staticmethod
    def _remove(directory: Directory, judgement: Judgement) -> None:
        remover = EntryRemover(directory)
        remover.remove(judgement.item.name, judgement.inode)
        if remover.troubles:
            raise StateError(remover.troubles[0])
