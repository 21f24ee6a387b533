"""Mounts over places of a throwaway server: what root, or a member by way of fusermount3(1), may put there.

A FUSE file system is answered by a thread of ours, in the protocol of linux/fuse.h; whoever serves one says of its
files what he likes, the owner included. mount(2) is called as fusermount3 calls it for the account behind *user*.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MNT_DETACH = 2, 4, 4096, 2

_HEADER = struct.Struct("=IIQQIIII")
_REPLY = struct.Struct("=IiQ")
_ATTRIBUTES = struct.Struct("=6Q10I")
_INIT = struct.Struct("=IIIIHHIIHHI28x")
_FORGET, _BATCH_FORGET = 2, 42


@dataclass(frozen=True)
class Lie:
    """What a FUSE file system says: a file of *contents* that is *uid*'s; in a directory where *name* is given."""

    uid: int
    contents: bytes
    name: str | None = None


@contextlib.contextmanager
def fuse(target: Path, lie: Lie | None, *, user: int, allow_other: bool = False) -> Iterator[None]:
    """Mount a FUSE file system over *target* as the account *user* would; without a *lie* it never answers."""
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        _missing(f"open /dev/fuse: {error.strerror}")
    mode = stat.S_IFMT(target.stat().st_mode)
    options = f"fd={device},rootmode={mode:o},user_id={user},group_id={user}{',allow_other' if allow_other else ''}"
    try:
        with mounted("fuse.attack", "fuse.attack", target, _MS_NOSUID | _MS_NODEV, options):
            if lie is not None:
                threading.Thread(target=_serve, args=(device, lie), daemon=True).start()
            yield
    finally:
        os.close(device)


@contextlib.contextmanager
def tmpfs(target: Path) -> Iterator[None]:
    """Mount an empty tmpfs over the directory *target*."""
    with mounted("tmpfs", "tmpfs", target, 0, "size=1m,mode=0755"):
        yield


@contextlib.contextmanager
def bound(source: Path, target: Path) -> Iterator[None]:
    """Mount *source* over *target*, both files or both directories."""
    with mounted(str(source), "none", target, _MS_BIND, ""):
        yield


@contextlib.contextmanager
def mounted(source: str, kind: str, target: Path, flags: int, options: str) -> Iterator[None]:
    """Mount by mount(2), and take it away again at once, whoever still uses it."""
    if _libc.mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()):
        _missing(f"mount a {kind} file system: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        if _libc.umount2(os.fsencode(target), _MNT_DETACH):
            raise OSError(ctypes.get_errno(), f"umount: {os.strerror(ctypes.get_errno())}", str(target))


def _missing(what: str) -> NoReturn:
    # As tests/support/needs.py has it: a run that is meant to be complete must not skip its work.
    sentence = f"This test must be allowed to {what}."
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def _serve(device: int, lie: Lie) -> None:
    # Ends with ENODEV when the file system is unmounted.
    with contextlib.suppress(OSError):
        while True:
            request = os.read(device, 1 << 17)
            _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
            if opcode in {_FORGET, _BATCH_FORGET}:
                continue
            answer = _answer(lie, opcode, node, request[_HEADER.size :])
            error, data = (answer, b"") if isinstance(answer, int) else (0, answer)
            os.write(device, _REPLY.pack(_REPLY.size + len(data), -error, unique) + data)


def _answer(lie: Lie, opcode: int, node: int, body: bytes) -> bytes | int:
    folder = lie.name is not None and node == 1
    if opcode == 26:  # INIT
        return _INIT.pack(7, 31, 0, 0, 1, 1, 4096, 1, 1, 0, 0)
    if opcode == 1:  # LOOKUP
        if lie.name is None or body.rstrip(b"\0") != os.fsencode(lie.name):
            return errno.ENOENT
        return struct.pack("=QQQQII", 2, 0, 0, 0, 0, 0) + _attributes(lie, 2, folder=False)
    if opcode == 3:  # GETATTR
        return struct.pack("=QII", 0, 0, 0) + _attributes(lie, node, folder=folder)
    if opcode in {14, 27}:  # OPEN, OPENDIR
        return struct.pack("=QII", 0, 0, 0)
    if opcode in {15, 28}:  # READ, READDIR
        offset = int(struct.unpack_from("=Q", body, 8)[0])
        return (lie.contents if not folder else _listing(lie)) if offset == 0 else b""
    return 0 if opcode in {18, 25, 29} else errno.ENOSYS  # RELEASE, FLUSH, RELEASEDIR


def _attributes(lie: Lie, node: int, *, folder: bool) -> bytes:
    mode = stat.S_IFDIR | 0o2770 if folder else stat.S_IFREG | 0o600
    now, links, uid = int(os.stat("/proc/self").st_ctime), 2 if folder else 1, 0 if folder else lie.uid
    return _ATTRIBUTES.pack(node, len(lie.contents), 1, now, now, now, 0, 0, 0, mode, links, uid, 0, 0, 4096, 0)


def _listing(lie: Lie) -> bytes:
    name = os.fsencode(lie.name or "")
    return struct.pack("=QQII", 2, 1, len(name), stat.S_IFREG >> 12) + name + bytes(-len(name) % 8)
