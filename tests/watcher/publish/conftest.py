"""A map of one test's own, in a Postfix configuration of its own, with a real postmap."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.config import Config
from schemas.registry import Registry, parse_registry
from watcher.publish.file_publisher import FilePublisher

from ...support.mailconfig import PATH, MailConfig

TYPES = [pytest.param(name, marks=pytest.mark.needs(f"postfix-{name}")) for name in ("hash", "btree", "lmdb", "cdb")]
"""The types that have a table beside the text."""


class MapDirectory:
    """The directory /etc/postfix of the test, and the map in it."""

    def __init__(self, root: Path, map_type: str) -> None:
        self.root = root
        self.map_type = map_type
        self.mail = MailConfig(root / "postfix", maps="")
        self.path = self.mail.directory / "runv-member-aliases"
        suffix = {"lmdb": ".lmdb", "cdb": ".cdb", "texthash": ""}.get(map_type, ".db")
        self.table = self.path.with_name(self.path.name + suffix)

    def config(self, **keys: Any) -> Config:
        """The configuration that names the map; *keys* add to it."""
        return msgspec.convert(
            {
                "enabled": True,
                "backend": f"postfix-{self.map_type}",
                "virtual_alias_file": str(self.path),
                "reload_command": ["/bin/false"],
                **keys,
            },
            Config,
        )

    def lookup(self, alias: str) -> str | None:
        """What Postfix's own postmap finds for *alias*."""
        return self.mail.lookup(f"{self.map_type}:{self.path}", alias)

    def answers(self, *aliases: str) -> list[str | None]:
        """What it finds for each of *aliases*, the domain left out."""
        return [self.lookup(f"{alias}@runv.club") for alias in aliases]

    def files(self) -> set[str]:
        """Everything in the directory that is not Postfix's."""
        return set(os.listdir(self.mail.directory)) - {"main.cf", "master.cf"}

    def program(self, name: str, script: str) -> str:
        """An executable shell script; `$real` in it is the real postmap."""
        folder = self.root / "bin"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\nreal={shutil.which('postmap', path=PATH)}\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def build_by_hand(self, text: str) -> None:
        """What an administrator does."""
        self.path.write_text(text)
        assert self.mail.run("postmap", f"{self.map_type}:{self.path}").returncode == 0


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def aliases(**rows: str) -> dict[str, str]:
    """Rows of a map, written as `name="destination without its domain"`."""
    return {f"{name}@runv.club": f"{destination}@example.org" for name, destination in rows.items()}


def many(number: int, destination: str = "x") -> dict[str, str]:
    """That many rows."""
    return {f"member{index:04}@runv.club": f"{destination}{index}@example.org" for index in range(number)}


@contextmanager
def map_directory_at(root: Path, map_type: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MapDirectory]:
    map_directory = MapDirectory(root, map_type)
    with monkeypatch.context() as context:
        context.setenv("MAIL_CONFIG", str(map_directory.mail.directory))
        yield map_directory


@pytest.fixture
def map_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[MapDirectory]:
    """A hash map, or one of the type that the test is parametrised with, indirectly."""
    with map_directory_at(tmp_path, getattr(request, "param", "hash"), monkeypatch) as map_directory:
        yield map_directory


def registry_of(**destinations: str) -> Registry:
    """A registry of active aliases, written as `name="destination without its domain"`."""
    entries = {
        name: {"alias": f"{name}@runv.club", "destination": f"{destination}@example.org", "status": "active"}
        for name, destination in destinations.items()
    }
    return parse_registry(msgspec.json.encode(entries), "runv.club", "registry")


def members(number: int, destination: str = "x") -> Registry:
    return registry_of(**{f"member{index:03}": destination for index in range(number)})


def publisher_of(map_directory: MapDirectory, approvals: Any = None, **keys: Any) -> FilePublisher:
    return FilePublisher(map_directory.config(reload_postfix=False, **keys), approvals or (lambda username: []))


def signature(map_directory: MapDirectory) -> list[tuple[int, int, int]]:
    found = [path.stat() for path in sorted({map_directory.path, map_directory.table}) if path.exists()]
    return [(status.st_ino, status.st_mtime_ns, status.st_ctime_ns) for status in found]


def answers(map_directory: MapDirectory, *names: str) -> list[str | None]:
    """What the map answers, without the domain; of texthash Postfix waits for the text to be two seconds old."""
    if map_directory.map_type == "texthash":
        rows = dict(line.split("\t") for line in map_directory.path.read_text().splitlines())
        found = [rows.get(f"{name}@runv.club") for name in names]
    else:
        found = map_directory.answers(*names)
    return [each and each.removesuffix("@example.org") for each in found]
