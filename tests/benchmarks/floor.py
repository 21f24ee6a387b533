"""The floor: what is to be done at the very least, by a bare script whose process is already running.

It knows everything beforehand and checks nothing: no lock, no reading, no validation, no proof, nothing made durable
that the figure does not name. Whoever publishes a map in a way that Postfix survives does at least this.

    approve DESTINATION   registry written and renamed; map text written; postmap on a temporary name; both renamed
    edit DESTINATION      the same without the registry
    record NAME           a record: write, fsync, rename, fsync of the directory; unlink of the request file NAME
    loop COUNT            COUNT records: write, fsync, rename

The registry is kept as the bytes of its entries, so that writing it costs a join and no JSON encoder: Python's own
would take longer over ten thousand entries than everything else together, and would make a kind floor.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class Script:
    """The work itself, in *directory*."""

    def __init__(self, directory: str, environment: dict[str, str]) -> None:
        self._map = os.path.join(directory, "map", "aliases")
        self._next = os.path.join(directory, "map", ".aliases.next")
        self._build = ["postmap", f"hash:{self._next}"]
        self._registry = os.path.join(directory, "registry.json")
        self._records = os.path.join(directory, "records")
        self._requests = os.path.join(directory, "requests")
        self._environment = environment
        self._folder = os.open(self._records, os.O_RDONLY | os.O_DIRECTORY)
        with open(self._registry, "rb") as file:
            entries = json.load(file)
        self._entries = {key: entry_bytes(key, entry) for key, entry in entries.items()}
        self._rows = {entry["alias"]: entry["destination"] for entry in entries.values()}
        self._first: dict[str, str] = next(iter(entries.values()), {})

    def approve(self, destination: str) -> None:
        """Give the first entry another destination, in the registry and in the map."""
        entry = {**self._first, "destination": destination}
        self._entries[entry["username"]] = entry_bytes(entry["username"], entry)
        temporary = self._registry + ".tmp"
        with open(temporary, "wb") as file:
            file.write(b"{\n" + b",\n".join(self._entries.values()) + b"\n}\n")
        os.rename(temporary, self._registry)
        self.edit(destination)

    def edit(self, destination: str) -> None:
        """Give the first entry another destination, in the map."""
        self._rows[self._first["alias"]] = destination
        with open(self._next, "w", encoding="ascii") as file:
            file.writelines(f"{alias}\t{address}\n" for alias, address in self._rows.items())
        subprocess.run(self._build, env=self._environment, check=True)
        os.rename(self._next + ".db", self._map + ".db")
        os.rename(self._next, self._map)

    def record(self, name: str) -> None:
        """Write the record of one request file, durably, and remove the file."""
        self._write_record(name)
        os.fsync(self._folder)
        os.unlink(os.path.join(self._requests, name))

    def loop(self, count: str) -> None:
        """Write many records."""
        for number in range(int(count)):
            self._write_record(f"{number}.json")

    def _write_record(self, name: str) -> None:
        temporary = os.path.join(self._records, ".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        os.write(fd, RECORD)
        os.fsync(fd)
        os.close(fd)
        os.rename(temporary, os.path.join(self._records, name))


RECORD = b"{\n" + b",\n".join(b'  "field_%d": "%s"' % (n, b"x" * 30) for n in range(10)) + b"\n}\n"
"""About as much as a pending record holds."""


class Floor:
    """The script in a process of its own, run by *python*; its files are those that `lay_out` made in *directory*."""

    def __init__(self, python: Path, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        self._process = subprocess.Popen(
            [python, "-I", __file__, directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd="/",
        )
        self._done()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    def begin(self, order: str) -> None:
        """Have it do *order*; do not wait."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{order}\n".encode())
            self._process.stdin.flush()

    def end(self) -> None:
        """Wait until it has done the last order."""
        self._done()

    def _done(self) -> None:
        if self._process.stdout is not None and not self._process.stdout.readline():
            raise AssertionError("the floor's process has ended; see its message above")


def lay_out(directory: Path, registry: dict[str, dict[str, object]]) -> None:
    """Make the files of a floor."""
    for name in ("map", "records", "requests"):
        directory.joinpath(name).mkdir(parents=True)
    directory.joinpath("registry.json").write_bytes(registry_bytes(registry))


def registry_bytes(registry: dict[str, dict[str, object]]) -> bytes:
    """The registry as it stands on disk."""
    return b"{\n" + b",\n".join(entry_bytes(key, entry) for key, entry in registry.items()) + b"\n}\n"


def entry_bytes(key: str, entry: Mapping[str, object]) -> bytes:
    """One entry of it."""
    return b"  %b: %b" % (json.dumps(key).encode(), json.dumps(entry, indent=4).encode())


def main(directory: str, orders: Iterable[str]) -> None:
    """Obey the orders that come on standard input."""
    script = Script(directory, dict(os.environ))
    os.write(1, b"\n")
    for line in orders:
        order, _, argument = line.rstrip("\n").partition(" ")
        getattr(script, order)(argument)
        os.write(1, b"\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin)
