"""Moving an earlier installation over: history first, then the requests that wait, then the empty directories."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from contextlib import ExitStack
from typing import Literal

from cli.messages import _
from cli.output import SafeText, format_message, safe_text
from cli.server import paths
from cli.setup import migrate_history, migrate_requests, old_folders
from cli.setup.steps import Remark, Step, Steps
from schemas.config import Settings
from schemas.errors import RegistryError, StateError, error_text
from schemas.fs.directory import Directory
from schemas.fs.mounts import mounted_over
from schemas.json_records import to_json
from schemas.request import FOLDERS, RecordFolders, RequestRecord, record_name
from schemas.status import is_running, read_status
from watcher.intake.queue_directory import foreign
from watcher.records import MODE
from watcher.registry_store import RegistryStore

Result = Literal["moved", "known", "kept"]
"""What became of an entry: a record was made; there was one already; it was kept where only root gets."""


def plan(settings: Settings) -> Steps:
    """Move over what the earlier tool left; nothing where there is no queue yet.

    Raises:
        StateError, OSError: the queue cannot be looked at.
    """
    remarks = _registry_remarks(settings)
    # Before anything else is asked of the queue: who mounted something over it may never answer.
    kind = foreign(settings)
    if kind is not None:
        text = format_message(
            _(
                "A file system of type {kind} is mounted over the queue {path}, so nothing in it was touched. Unmount "
                "it."
            ),
            kind=kind,
            path=settings.queue,
        )
        return Steps(remarks=[*remarks, Remark(text, failed=True)])
    if not os.path.isdir(settings.queue):
        return Steps(remarks=remarks)
    with Directory(settings.queue) as queue:
        remarks += [Remark(text, failed=True) for text in old_folders.mounted(queue)]
        remarks += [Remark(text) for text in old_folders.foreign(queue)]
        found = old_folders.present(queue)
        steps = [_history_step(settings, queue, name) for name in old_folders.HISTORY if name in found]
        waiting = migrate_requests.count(settings, queue)
    if waiting or old_folders.WAITING in found:
        description = format_message(
            _("take in the requests of the earlier tool that wait in {path} ({count})"),
            path=settings.queue,
            count=waiting,
        )
        steps.append(Step(description, lambda: migrate_requests.take(settings)))
    if steps and _watcher_pid(settings) is not None:
        steps.append(
            Step(format_message(_("have the watcher look at the records anew")), lambda: _notify_watcher(settings))
        )
    return Steps(steps, remarks)


def _registry_remarks(settings: Settings) -> list[Remark]:
    if not os.path.lexists(settings.registry):
        return []
    try:
        RegistryStore(settings.registry, settings.lock, settings.domain).current()
    except RegistryError as error:
        return [
            Remark(
                format_message(_("{problem} `setup` leaves it as it is."), problem=safe_text(str(error))), failed=True
            )
        ]
    return []


def _history_step(settings: Settings, queue: Directory, name: str) -> Step:
    path = os.path.join(queue.path, name)
    try:
        with old_folders.entered(queue, name) as folder:
            count = len(folder.names())
    except (OSError, StateError):
        count = 0  # moving it says why it cannot be opened
    return Step(
        format_message(
            _("make request records of what is in {path} ({count}), and remove that directory"), count=count, path=path
        ),
        lambda: _move_history(settings, name),
    )


def _move_history(settings: Settings, name: str) -> SafeText:
    gid = paths.group_id(settings.config.group)
    counts: Counter[Result] = Counter()
    left: list[str] = []
    with ExitStack() as opened:
        queue = opened.enter_context(Directory(settings.queue))
        folder = opened.enter_context(old_folders.entered(queue, name))
        old_folders.close_to_others(folder)
        covered = mounted_over(folder.fd)
        records = RecordFolders(settings.requests)
        opened.callback(records.close)
        for entry in sorted(folder.names()):
            try:
                if entry in covered:
                    raise StateError(
                        format_message(
                            _("something is mounted over {path}; unmount it"), path=folder.display_path(entry)
                        )
                    )
                counts[_move(settings, records, folder, entry, gid)] += 1
            except (OSError, StateError) as error:
                left.append(error_text(error))
        if left:
            raise StateError(
                format_message(
                    _("{path} still holds {count} of them, one because {why}"),
                    count=len(left),
                    path=folder.path,
                    why=safe_text(left[0]),
                )
            )
        old_folders.remove(queue, name)
    sentence = (
        _("Moved {path} over. Request records made: {moved}; there already: {known}; kept in {old}: {kept}.")
        if counts["kept"]
        else _("Moved {path} over. Request records made: {moved}; there already: {known}.")
    )
    old = os.path.join(paths.old_queue(settings), name)
    return format_message(
        sentence,
        path=os.path.join(settings.queue, name),
        moved=counts["moved"],
        known=counts["known"],
        kept=counts["kept"],
        old=old,
    )


def _move(settings: Settings, records: RecordFolders, folder: Directory, entry: str, gid: int | None) -> Result:
    decided = os.path.basename(folder.path)
    record = None
    for each in ("approved", "rejected", "cancelled"):
        if each == decided:
            record = migrate_history.convert(settings, each, folder, entry)
    if record is None:
        old_folders.keep(settings, folder, entry)
        return "kept"
    known = any(records.folder(each).has(record_name(record.request_id)) for each in FOLDERS)
    if not known:
        records.folder(record.status).write(record_name(record.request_id), to_json(record), MODE, gid)
    _set_mtime(records, record)
    # Only now that the record is durable: after a kill in between, the same entry makes the same id.
    folder.remove(entry)
    return "known" if known else "moved"


def _set_mtime(records: RecordFolders, record: RequestRecord) -> None:
    # The watcher writes a line of the audit log for every record that is newer than the last one; this is history.
    # It is set for known records as well, since a kill may have come before it.
    decided = migrate_history.nanoseconds(record.decided_at or record.created_at)
    folder = records.folder(record.status)
    with contextlib.suppress(FileNotFoundError):
        os.utime(record_name(record.request_id), ns=(decided, decided), dir_fd=folder.fd, follow_symlinks=False)


def _watcher_pid(settings: Settings) -> int | None:
    status = read_status(settings.config.runtime_dir)
    return status.pid if status is not None and is_running(status) else None


def _notify_watcher(settings: Settings) -> SafeText | None:
    """Have the watcher read the records again: it knows only of those that it wrote itself since it started."""
    pid = _watcher_pid(settings)
    if pid is None:
        return None
    os.kill(pid, signal.SIGHUP)
    return format_message(_("Told the watcher to look at the records anew."))
