"""Entries that are no plain request: what stands still there, and must not be followed, opened or waited for."""

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from ..e2e.acts import await_problem, await_well, problems, settle
from ..e2e.queue_site import counted, gone, newcomer, others_go_on, refusal
from ..support.layout import put
from ..support.site import Site
from .attackers import attack, attacking, records_of, said, unharmed, untouched
from .mounts import tmpfs

REQUEST = b'{"destination": "thief@example.net"}'
LINKED = "The file has a second name (a hard link), or was swapped for a link; a plain file of one name was expected."
BAD_NAME = (
    "The file's name was not accepted: a letter or digit, then at most 127 letters, digits, dots, '_' or '-', and "
    "'.json' at the end was expected."
)
NO_FILE = "It is a link, FIFO, socket or device; a plain file was expected."
HELD = (
    "The file could not be read in peace: a program of yours holds a lease on it, or kept changing it. Let go of it "
    "and send it again."
)

_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS, _IMMUTABLE = 0x80086601, 0x40086602, 0x10


def test_links_to_what_others_alone_may_read_are_not_followed(lasting: Site) -> None:
    mallory, alice = newcomer(lasting, "mallory"), newcomer(lasting, "alice")
    theirs = lasting.root / f"{alice.name}.json"
    put(theirs, REQUEST, 0o600, uid=alice.uid)
    targets = [theirs, Path("/etc/shadow"), lasting.paths.registry, lasting.root, Path("/dev/zero"), Path("/nowhere")]
    refused = counted(lasting)
    program = "import os, sys\nfor n, t in enumerate(sys.argv[1:]): os.symlink(t, f'link{n}.json')\nprint('done')"

    with untouched(theirs):
        attack(lasting, mallory, program, *targets)
        for number in range(len(targets)):
            gone(lasting, lasting.paths.queue / f"link{number}.json")

    assert counted(lasting) == refused + len(targets)
    assert {record["reason"] for record in records_of(lasting, mallory.name)} == {NO_FILE}
    unharmed(lasting, alice.name)
    assert theirs.read_bytes() == REQUEST


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_device_nodes_as_a_restored_backup_has_them_are_not_opened(lasting: Site, kind: int) -> None:
    mallory = newcomer(lasting, "mallory")
    path = lasting.paths.queue / "device.json"
    aside = lasting.root / "device"
    os.mknod(aside, kind | 0o600, os.makedev(1, 5))  # /dev/zero has no end; no block device is there by this number
    os.chown(aside, mallory.uid, -1)

    with untouched(aside):
        aside.rename(path)
        assert refusal(lasting, mallory.name, path)["reason"] == NO_FILE
    others_go_on(lasting)


def test_a_file_of_root_or_of_a_deleted_account_is_refused_by_whatever_name_it_comes(lasting: Site) -> None:
    """Hard links, made by root in mallory's place, for kernels that let him (fs.protected_hardlinks=0)."""
    deleted = newcomer(lasting, "deleted")
    lasting.accounts.remove(deleted.name)
    refused = counted(lasting)
    originals = []
    for number, uid in enumerate((0, deleted.uid)):
        original = lasting.root / f"original{number}"
        put(original, REQUEST, 0o600, uid=uid)
        os.link(original, lasting.paths.queue / f"linked{number}.json")
        originals.append(original)

    for number in range(len(originals)):
        gone(lasting, lasting.paths.queue / f"linked{number}.json")

    assert counted(lasting) == refused + len(originals)
    assert [(path.read_bytes(), path.stat().st_nlink) for path in originals] == [(REQUEST, 1)] * 2
    unharmed(lasting, deleted.name)


def test_ten_thousand_directories_and_a_deep_one_are_left_and_others_go_on(site: Site) -> None:
    site.accounts.add("mallory")
    program = """
import os
for number in range(10_000):
    os.mkdir(f"directory{number}.json")
for _ in range(1_000):
    os.mkdir("deep")
    os.chdir("deep")
print("done")
"""
    # In memory, since they take longer to remove from a disk than all else here; and Python does not reach that deep.
    with tmpfs(site.paths.queue):
        os.chown(site.paths.queue, 0, site.accounts.gid)
        site.paths.queue.chmod(0o2770)
        watcher = site.start_watcher()
        attack(site, site.accounts["mallory"], program)

        settle(site)
        assert site.status()["left_alone"] == 10_001
        assert set(problems(site)) == {"queue-directories"}
        others_go_on(site)
        assert watcher.running
        assert "Traceback" not in watcher.log
        assert len(watcher.log.splitlines()) < 20
        watcher.stop()


@pytest.mark.parametrize("mode", [0o4600, 0o2600, 0o1600, 0o7700])
def test_odd_modes_say_nothing_against_a_file_that_its_owner_alone_may_write(lasting: Site, mode: int) -> None:
    member = newcomer(lasting)

    lasting.drop(member.name, "odd.json", REQUEST, mode=mode)

    lasting.wait_for(lambda: lasting.pending(member.name), what="the request")


def test_a_file_of_a_tebibyte_costs_nothing(lasting: Site) -> None:
    mallory = newcomer(lasting, "mallory")
    program = """
import os
with open(".huge", "wb") as file:
    file.truncate(2**40)
os.rename(".huge", "huge.json")
print("done")
"""
    attack(lasting, mallory, program)

    path = lasting.paths.queue / "huge.json"
    found = "The file is larger than the 16384 octets that a request may have."
    assert refusal(lasting, mallory.name, path)["reason"] == found
    others_go_on(lasting)


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """The file cannot be removed, not even by root (ioctl_iflags(2))."""

    def flag(value: int) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        flags = struct.unpack("I", fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, bytes(4)))[0]
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, struct.pack("I", (flags & ~_IMMUTABLE) | value))
        os.close(descriptor)

    flag(_IMMUTABLE)
    try:
        yield
    finally:
        flag(0)


@pytest.mark.parametrize("name", ["request.json", "bad name", ".old"])
def test_an_entry_that_cannot_be_removed_is_dealt_with_once_and_holds_nobody_up(site: Site, name: str) -> None:
    site.accounts.add_many(["alice", "mallory"])
    path = site.drop("mallory", name, REQUEST, mtime=1.0 if name == ".old" else None)
    with immutable(path):
        watcher = site.start_watcher()
        found = await_problem(site, "queue-entry")
        assert found.startswith(f"The queue entry {name} cannot be dealt with: Operation not permitted")
        others_go_on(site)
        refused, lines = counted(site), len(watcher.log.splitlines())
        for number in range(5):
            site.drop("alice", f"{number}.json", b"[]")
            gone(site, site.paths.queue / f"{number}.json")
            settle(site)

        assert counted(site) == refused + 5
        assert len(watcher.log.splitlines()) <= lines + 5
        assert len(records_of(site, "mallory")) == (0 if name == ".old" else 1)

    gone(site, path)
    await_well(site)
    assert len(records_of(site, "mallory")) == (0 if name == ".old" else 1)


LEASE = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
with open(".leased", "wb") as file:
    file.write(sys.argv[1].encode())
descriptor = os.open(".leased", os.O_RDWR)
fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.rename(".leased", "leased.json")
print("held", flush=True)
os.read(0, 1)
fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
print("let go", flush=True)
os.read(0, 1)
"""


def test_a_lease_on_a_file_keeps_nobody_waiting_and_ends_in_a_refusal(lasting: Site) -> None:
    """F_SETLEASE of fcntl(2) makes whoever opens the file wait for as long as 45 seconds."""
    mallory = newcomer(lasting, "mallory")
    lines = len(lasting.watchers[0].log.splitlines())

    with attacking(lasting, mallory, LEASE, REQUEST.decode()) as process:
        assert said(process) == "held"
        settle(lasting)
        others_go_on(lasting)
        assert (lasting.paths.queue / "leased.json").exists()
        assert problems(lasting) == {}

        assert refusal(lasting, mallory.name, lasting.paths.queue / "leased.json")["reason"] == HELD

    assert lasting.pending(mallory.name) is None
    assert len(lasting.watchers[0].log.splitlines()) <= lines + 2


def test_a_file_is_taken_once_its_lease_is_let_go(lasting: Site) -> None:
    member = newcomer(lasting)

    with attacking(lasting, member, LEASE, REQUEST.decode()) as process:
        assert said(process) == "held"
        settle(lasting)
        assert lasting.pending(member.name) is None
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert said(process) == "let go"

        lasting.wait_for(lambda: lasting.pending(member.name), what="the request")


def test_locks_on_a_file_keep_nobody_out(lasting: Site) -> None:
    member = newcomer(lasting)
    program = """
import fcntl, os, sys
file = open(".locked", "wb", buffering=0)
file.write(sys.argv[1].encode())
fcntl.flock(file, fcntl.LOCK_EX)
fcntl.lockf(file, fcntl.LOCK_EX)
os.chmod(".locked", 0o2600)  # set-gid without group execution: what once made locks mandatory
os.rename(".locked", "locked.json")
print("locked", flush=True)
os.read(0, 1)
"""
    with attacking(lasting, member, program, REQUEST.decode()) as process:
        assert said(process) == "locked"
        lasting.wait_for(lambda: lasting.pending(member.name), what="the request")


def test_a_file_that_grows_for_ever_is_read_to_its_limit_alone(lasting: Site) -> None:
    mallory = newcomer(lasting, "mallory")
    program = """
file = open("growing.json", "ab", buffering=0)
print("at it", flush=True)
while True:
    file.write(b" " * 100)
"""
    with attacking(lasting, mallory, program) as process:
        assert said(process) == "at it"
        others_go_on(lasting)
        refused = lasting.wait_for(partial(records_of, lasting, mallory.name), what="the refusal")
        process.kill()
        process.wait()
    assert refused[0]["reason"].startswith("The file is larger than the 16384 octets")
    gone(lasting, lasting.paths.queue / "growing.json")


def test_a_file_that_is_rewritten_all_the_time_is_taken_once_and_as_its_owner_wrote_it(lasting: Site) -> None:
    """Cut, grown and written over in place while it is read."""
    program = """
import os, sys
texts = [b'{"destination": "%s"}' % (letter * 40 + b"@example.org") for letter in (b"a", b"b")]
texts.append(texts[0][:20])
for number in range(int(sys.argv[1])):
    descriptor = os.open("rewritten.json", os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if number % 2 else 0), 0o600)
    os.write(descriptor, texts[number % 3])
    os.ftruncate(descriptor, len(texts[number % 3]))
    os.close(descriptor)
print("done")
"""
    for _ in range(2):
        member = newcomer(lasting)
        attack(lasting, member, program, 2000)
        lasting.wait_for(lambda: not (lasting.paths.queue / "rewritten.json").exists(), what="the last of it")
        settle(lasting)
        taken = [record for record in records_of(lasting, member.name) if record["status"] == "pending"]
        assert {record["destination"] for record in taken} <= {"a" * 40 + "@example.org", "b" * 40 + "@example.org"}
        assert len(taken) == 1


NAMES = [
    b"-rf.json",
    b"--help",
    b"a\nERROR: forged.json",
    b"\x1b]0;title\x07.json",
    b"\xff\xfe.json",
    b"x" * 255,
    b"x" * 250 + b".json",
    "\u202egnp.json".encode(),
    b"a b;$(reboot)`id`.json",
    b"..json",
]


def test_names_that_would_be_read_as_something_else_are_shown_escaped_and_harm_nobody(lasting: Site) -> None:
    """Made by a process with the attacker's uid; as the names of links, FIFOs and files."""
    mallory = newcomer(lasting, "mallory")
    program = """
import os, sys
for number, text in enumerate(sys.argv[1:]):
    name = bytes.fromhex(text)
    if number % 3 == 0:
        os.symlink("/etc/shadow", name)
    elif number % 3 == 1:
        os.mkfifo(name)
    else:
        with open(name, "wb") as file:
            file.write(b'{"destination": "thief@example.net"}')
print("done")
"""
    attack(lasting, mallory, program, *(name.hex() for name in NAMES))

    def left() -> set[bytes]:
        return {name for name in os.listdir(os.fsencode(lasting.paths.queue)) if not name.startswith(b".")}

    lasting.wait_for(lambda: not left(), what="the entries to be gone")
    settle(lasting)
    assert all(line.isprintable() for line in lasting.watchers[0].log.splitlines())
    records = records_of(lasting, mallory.name)
    assert len(records) == len(NAMES) - 1
    assert all(record["file"].isprintable() for record in records)
    assert {record["reason"] for record in records} == {BAD_NAME}
    os.unlink(os.path.join(os.fsencode(lasting.paths.queue), b"..json"))
    others_go_on(lasting)
