"""The map's files: the text that people read, the table that Postfix reads, and the directory where the next is built.

A table that is in use is never written to: killed half way, or on a full disk, that leaves a broken map. The next one
is built in a directory beside it, asked, synced and renamed over. The old table's inode must go away with that, since
Postfix knows a replaced table by its link count, so nothing here keeps a second name for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from schemas.addresses import DESTINATION_ROW
from schemas.config import Config
from schemas.errors import ExpectedError, StateError, error_text
from schemas.fs.directory import Directory, Signature, make_durable, read_plain, signature_of
from schemas.text import N_
from watcher.publish.postmap import DUMPABLE, SUFFIXES, Asker, Postmap, is_plain_postmap

SIZE_LIMIT = 1024 * 1024 * 1024

_BUILD_MODE = 0o700
_REMOVAL_TRIES = 3
_ROWS = re.compile(rf"(?:[a-z0-9][a-z0-9._-]{{0,63}}@[a-z0-9.-]+\t{DESTINATION_ROW}\n)*")


class BuildDirectory:
    """Where this process builds the map *name* of the directory *folder*; it is there only while that is done.

    A postmap outlives a watcher that is killed, and goes on reading and writing by path. So each process has a
    directory of a name of its own: what the postmap of an earlier one still does is done to files that nobody renames
    into place, and once they and their directory are removed it cannot make another.

    Attributes:
        path: the file's path while it is built.
    """

    def __init__(self, folder: str, name: str) -> None:
        prefix = f".{name}.next-"
        self._own = f"{prefix}{secrets.token_hex(4)}"
        self._any_process = re.compile(re.escape(prefix) + "[0-9a-f]{8}")
        self.path = os.path.join(folder, self._own, name)

    @contextlib.contextmanager
    def opened(self, beside: Directory) -> Iterator[Directory]:
        """Make it in *beside*, and remove it with all that is in it when the block ends.

        Raises:
            OSError: it cannot be made, or cannot be removed, and then is removed first the next time.
        """
        if beside.has(self._own):
            # A disk that failed kept it. Over a table that is there postmap complains of every row.
            _remove(beside, self._own)
        try:
            beside.make(self._own, _BUILD_MODE)
            with Directory(os.path.dirname(self.path)) as directory:
                yield directory
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(beside, self._own)
            raise
        _remove(beside, self._own)

    def tidy(self, beside: Directory) -> None:
        """Remove from *beside* what processes that were killed have left there; only one at a time builds this map."""
        for name in beside.names():
            if self._any_process.fullmatch(name):
                # What cannot be removed now is removed by the next process.
                with contextlib.suppress(OSError):
                    _remove(beside, name)


def _remove(beside: Directory, name: str) -> None:
    # More than one try, since a postmap that is still at work there may put a file into what was just emptied.
    for left in reversed(range(_REMOVAL_TRIES)):
        try:
            shutil.rmtree(name, dir_fd=beside.fd)
        except OSError:
            if beside.has(name) and not left:
                raise
        if not beside.has(name):
            return


class MapError(ExpectedError):
    """A map could not be made or read; the message says what to do."""


class MapSignature(NamedTuple):
    """What tells that both files of a map are the ones that were put there."""

    text: Signature | None
    table: Signature | None


class MapFiles:
    """The files of one map.

    Attributes:
        path: of the source text; the table's name adds the suffix of its type.
        folder, names: the directory of the two, and their names there.
        map_type: of the lookup table.
        has_table: whether there is a table beside the text, and it is ours to build.
    """

    def __init__(self, config: Config) -> None:
        self.path = config.virtual_alias_file
        self.map_type = config.map_type
        self._mode = config.mode
        self._folder, self._name = os.path.split(self.path)
        self._suffix = SUFFIXES[self.map_type]
        # A table that somebody else builds is theirs to change, and changes of it are no drift.
        self.has_table = bool(self._suffix) and config.run_postmap
        self._build_directory = BuildDirectory(self._folder, self._name)
        # The rows that `render` found good last.
        self._checked: Mapping[str, str] = {}
        plain = is_plain_postmap(config.postmap_command, self.map_type, self.path)
        self.postmap = Postmap(config.postmap_command[0] if plain else "postmap", self.map_type)

    @property
    def folder(self) -> str:
        return self._folder

    @property
    def names(self) -> set[str]:
        return {self._name, self._name + self._suffix}

    def signature(self) -> MapSignature:
        """The map as it lies there. Raises `MapError` where the directory cannot be opened."""
        with self._directory() as directory:
            table = directory.signature(self._name + self._suffix) if self.has_table else None
            return MapSignature(directory.signature(self._name), table)

    def text_rows(self) -> dict[str, str] | None:
        """The rows of the source text, `None` where there is none. Lines that are no rows of ours are passed over."""
        try:
            data = read_plain(self.path, SIZE_LIMIT).data
        except FileNotFoundError:
            return None
        except (OSError, ExpectedError) as error:
            raise MapError(
                N_("The map {path} cannot be read: {error}.").format(path=self.path, error=error_text(error))
            ) from error
        rows: dict[str, str] = {}
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            alias, _, destination = line.partition("\t")
            if alias and destination and not line.startswith("#"):
                rows[alias] = destination
        return rows

    def write_text(self, rows: Mapping[str, str]) -> MapSignature:
        """Put the source text in place, and nothing else; what a type without a table, or somebody else's, needs."""
        text = self._text(rows)
        with self._building() as (aside, directory):
            written = aside.write_aside(self._name, text, self._mode)
            if aside.read(self._name, SIZE_LIMIT).data != text:
                raise MapError(
                    N_(
                        "The file {path} was written and read back, and came back different. Look for a broken disk."
                    ).format(path=self._build_directory.path)
                )
            aside.rename(self._name, self._name, directory)
            directory.sync()
            return MapSignature(written, None)

    def build(self, rows: Mapping[str, str]) -> MapSignature:
        """Make the whole map from *rows*, ask it for every row, and rename it into place."""
        text = self._text(rows)
        path = self._build_directory.path
        with self._building() as (aside, directory):
            # The text comes first: of a table older than its source every Postfix process warns.
            aside.write_aside(self._name, text, self._mode)
            with Asker(self.postmap, path) as asker:
                self.postmap.build(path, first=asker.start)
                self._check(asker, rows)
            return self._put_in_place(aside, directory)

    def amend(
        self, rows: Mapping[str, str], changed: Mapping[str, str], removed: Iterable[str], known: MapSignature
    ) -> MapSignature | None:
        """Make the map hold *rows* by changing a copy of its table, which is *known*, by a few keys.

        Returns:
            The signature of the new map, or `None` where the table is not the one that is known.
        """
        gone = list(removed)
        path = self._build_directory.path
        with self._building() as (aside, directory):
            with Asker(self.postmap, path) as asker:
                # Before the copying: of two programs started in one breath the second one often has to wait.
                asker.start()
                if self._copy_table(directory, aside) != known.table:
                    return None
                # The text is written while postmap starts, but still before it changes the table.
                first: Callable[[], None] | None = partial(self._write_text_aside, aside, rows)
                if changed:
                    self.postmap.update(path, changed, first)
                    first = None
                if gone:
                    self.postmap.delete(path, gone, first)
                self._check(asker, changed, gone)
            return self._put_in_place(aside, directory)

    def check_live(self, changed: Mapping[str, str], removed: Iterable[str] = ()) -> None:
        """Ask the map that Postfix reads. Raises `MapError` where it answers something else."""
        # Postfix waits up to two seconds for a text that was changed just now; that one was read back already.
        if self.has_table:
            with Asker(self.postmap, self.path) as asker:
                self._check(asker, changed, removed)

    def tidy(self) -> None:
        """Remove what a kill left half built."""
        with self._directory() as directory:
            self._build_directory.tidy(directory)

    def _check(self, asker: Asker, expected: Mapping[str, str], absent: Iterable[str] = ()) -> None:
        keys = [*expected, *absent]
        found = asker.ask(keys) if keys else {}
        if found == expected:
            return
        for alias in keys:
            if found.get(alias) != expected.get(alias):
                raise MapError(
                    N_("The new map was asked and answered {found} for {alias}, where {expected} was expected.").format(
                        alias=alias,
                        found=found.get(alias, N_("nothing")),
                        expected=expected.get(alias, N_("nothing")),
                    )
                )

    def _put_in_place(self, aside: Directory, directory: Directory) -> MapSignature:
        table = self._name + self._suffix
        source = aside.signature(self._name)
        fd = os.open(table, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=aside.fd)
        try:
            make_durable(fd, self._mode)
            built = signature_of(os.fstat(fd))
        finally:
            os.close(fd)
        aside.rename(table, table, directory)
        aside.rename(self._name, self._name, directory)
        directory.sync()
        return MapSignature(source, built)

    def _copy_table(self, directory: Directory, aside: Directory) -> Signature:
        table = self._name + self._suffix
        source = os.open(table, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory.fd)
        try:
            status = os.fstat(source)
            target = os.open(table, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=aside.fd)
            try:
                # Now, and not after the change: then nothing is left to be synced but what postmap has synced.
                os.fchmod(target, self._mode)
                left = status.st_size
                while left > 0 and (copied := os.sendfile(target, source, None, left)):
                    left -= copied
            finally:
                os.close(target)
            # After the copying, or half of somebody's change by hand might go along unseen.
            return signature_of(os.fstat(source))
        finally:
            os.close(source)

    def _write_text_aside(self, aside: Directory, rows: Mapping[str, str]) -> None:
        aside.write_aside(self._name, self._text(rows), self._mode)

    def _text(self, rows: Mapping[str, str]) -> bytes:
        text = render(rows, self.path, self._checked)
        self._checked = rows
        return text

    @contextlib.contextmanager
    def _building(self) -> Iterator[tuple[Directory, Directory]]:
        with self._directory() as directory:
            try:
                with self._build_directory.opened(directory) as aside:
                    yield aside, directory
            except OSError as error:
                raise self._unwritable(error) from error

    def _directory(self) -> Directory:
        try:
            return Directory(self._folder)
        except StateError as error:
            raise MapError(str(error)) from error

    def _unwritable(self, error: OSError) -> MapError:
        return MapError(
            N_(
                "The directory {path} of the map cannot be written: {error}. Look for a full disk or a read-only file "
                "system."
            ).format(path=self._folder, error=error.strerror or error)
        )


def render(rows: Mapping[str, str], path: str, checked: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """The source text of *rows*, sorted: the same rows give the same bytes. See virtual(5) for the format.

    Args:
        rows: alias -> destination.
        path: how messages call the map.
        checked: rows that were found good before, and are not examined again.

    Raises:
        MapError: a row is not one alias and one plain address.
    """
    lines = {alias: f"{alias}\t{rows[alias]}\n" for alias in sorted(rows)}
    fresh = [line for alias, line in lines.items() if checked.get(alias) != rows[alias]]
    text = "".join(fresh)
    # Counted as well: one row with a line end in it may look like two good ones.
    if not _ROWS.fullmatch(text) or text.count("\n") != len(fresh):
        raise MapError(
            N_(
                "The rows for the map {path} are not all of one alias and one plain address; nothing was published."
            ).format(path=path)
        )
    return "".join(lines.values()).encode("ascii")


def published_rows(config: Config) -> dict[str, str]:
    """What the map holds, for reading only: of its table where that can be told, else of its source text.

    Raises:
        ExpectedError: it cannot be read.
    """
    files = MapFiles(config)
    if not files.has_table:
        return files.text_rows() or {}
    if files.signature().table is None:
        return {}
    return files.postmap.dump(files.path) if files.map_type in DUMPABLE else files.text_rows() or {}
