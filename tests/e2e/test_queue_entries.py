"""What lies in the queue besides plain requests: links, pipes, directories, odd names, unfinished writes."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.accounts import Account
from ..support.install import Installation
from ..support.layout import put
from ..support.needs import require
from ..support.site import Site
from ..support.waiting import wait_for
from .acts import problems, settle
from .queue_site import counted, gone, newcomer, others_go_on, refusal

NO_FILE = "It is a link, FIFO, socket or device; a plain file was expected."
LINKED = "The file has a second name (a hard link), or was swapped for a link; a plain file of one name was expected."
BAD_NAME = (
    "The file's name was not accepted: a letter or digit, then at most 127 letters, digits, dots, '_' or '-', and "
    "'.json' at the end was expected."
)
WRITABLE = (
    "The file is writable by its group or by others, so somebody else may have put words in your mouth. Take that "
    "right away (chmod go-w) and send it again."
)
REQUEST = b'{"destination": "me@example.org"}'


@pytest.fixture(scope="module")
def site(installation: Installation) -> Iterator[Site]:
    """One server for all of these, each with members of its own."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation) as site:
        site.start_watcher()
        yield site


def run(site: Site, member: Account, *command: str) -> None:
    done = site.run(command, account=member)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o660])
def test_a_file_that_others_may_write_is_refused(site: Site, mode: int) -> None:
    member = newcomer(site)

    path = site.drop(member.name, "writable.json", REQUEST, mode=mode)

    assert refusal(site, member.name, path)["reason"] == WRITABLE
    assert site.pending(member.name) is None
    others_go_on(site)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644, 0o000])
def test_a_file_that_others_may_read_or_its_owner_may_not_is_taken(site: Site, mode: int) -> None:
    member = newcomer(site)

    site.drop(member.name, "readable.json", REQUEST, mode=mode)

    wait_for(lambda: site.pending(member.name), site.paths.requests / "pending", what="the request")


def test_a_hard_link_is_refused_and_the_file_behind_it_left_alone(site: Site) -> None:
    member = newcomer(site)
    original = site.root / "original.json"
    put(original, REQUEST, 0o600, uid=member.uid)
    path = site.paths.queue / "linked.json"

    os.link(original, path)

    assert refusal(site, member.name, path)["reason"] == LINKED
    assert (original.read_bytes(), original.stat().st_nlink) == (REQUEST, 1)
    others_go_on(site)


def test_a_symbolic_link_is_refused_and_the_file_behind_it_left_alone(site: Site) -> None:
    member = newcomer(site)
    secret = site.root / "secret.json"
    put(secret, REQUEST, 0o600)
    read_at = secret.stat().st_atime_ns
    path = site.paths.queue / "link.json"

    run(site, member, "ln", "-s", str(secret), str(path))

    assert refusal(site, member.name, path)["reason"] == NO_FILE
    assert (secret.stat().st_atime_ns, secret.read_bytes()) == (read_at, REQUEST)
    assert site.pending(member.name) is None
    others_go_on(site)


def test_a_fifo_is_refused_and_nobody_waits_for_its_other_end(site: Site) -> None:
    member = newcomer(site)
    path = site.paths.queue / "fifo.json"

    run(site, member, "mkfifo", str(path))

    assert refusal(site, member.name, path)["reason"] == NO_FILE
    others_go_on(site)


def test_a_socket_is_refused(site: Site) -> None:
    member = newcomer(site)
    path = site.paths.queue / "socket.json"
    program = f"import socket; socket.socket(socket.AF_UNIX).bind({str(path)!r})"

    run(site, member, str(site.installation.python), "-c", program)

    assert refusal(site, member.name, path)["reason"] == NO_FILE
    others_go_on(site)


def test_a_device_is_refused(site: Site) -> None:
    member = newcomer(site)
    made = site.root / "device"
    os.mknod(made, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.chown(made, member.uid, site.accounts.gid)

    path = made.rename(site.paths.queue / "device.json")

    assert refusal(site, member.name, path)["reason"] == NO_FILE
    others_go_on(site)


@pytest.mark.parametrize("name", ["directory", "directory.json", ".directory"])
def test_a_directory_is_left_alone_and_reported(site: Site, name: str) -> None:
    member = newcomer(site)
    path = site.paths.queue / name
    refused = counted(site)

    run(site, member, "mkdir", str(path))
    run(site, member, "touch", str(path / "request.json"))

    settle(site)
    assert site.status()["left_alone"] == 1
    assert problems(site) == {
        "queue-directories": f"Directories in the queue {site.paths.queue}, where only files belong: 1. They are left "
        "alone; remove them."
    }
    assert (path / "request.json").exists()
    others_go_on(site)

    run(site, member, "rm", "-r", str(path))
    settle(site)
    assert (site.status()["left_alone"], problems(site), counted(site)) == (0, {}, refused)


BAD_NAMES = {
    b"request": "request",
    b"request.txt": "request.txt",
    b"request.json.bak": "request.json.bak",
    b"-request.json": "-request.json",
    b"_request.json": "_request.json",
    b"my request.json": "my request.json",
    b"request;reboot.json": "request;reboot.json",
    b"request\n.json": "request\\n.json",
    b"\x1b[2Jrequest.json": "\\x1b[2Jrequest.json",
    b"\xffrequest.json": "\\xffrequest.json",
    "pedido-é.json".encode(): "pedido-é.json",
    "\u202erequest.json".encode(): "\\u202erequest.json",
    b"%s.json" % (b"x" * 129): f"{'x' * 129}.json",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_and_shown_escaped(site: Site, name: bytes) -> None:
    member = newcomer(site)
    path = site.paths.queue / os.fsdecode(name)

    put(path, REQUEST, 0o600, uid=member.uid)

    record = refusal(site, member.name, path, shown=BAD_NAMES[name])
    assert (record["reason"], record["file"], record["action"]) == (BAD_NAME, BAD_NAMES[name], "unknown")
    assert site.pending(member.name) is None
    log = site.watchers[0].log
    assert all(line.isprintable() for line in log.splitlines())
    assert log.splitlines()[-1].endswith(f"the last of them was {BAD_NAMES[name]}: {BAD_NAME}")


def test_the_longest_good_name_is_taken(site: Site) -> None:
    member = newcomer(site)

    site.drop(member.name, f"{'x' * 128}.json", REQUEST)

    wait_for(lambda: site.pending(member.name), site.paths.requests / "pending", what="the request")


def test_a_hidden_file_is_left_until_it_is_a_day_old_and_then_removed_and_counted(site: Site) -> None:
    member = newcomer(site).name
    refused = counted(site)
    day_ago = time.time() - 24 * 3600

    path = site.drop(member, ".younger.json.tmp", b"{", mtime=day_ago + 60)
    assert counted(site) == refused
    assert path.exists()

    path = site.drop(member, ".request.json.tmp", b"{", mtime=day_ago - 60)
    assert counted(site) == refused + 1
    assert not path.exists()
    assert site.watchers[0].log.splitlines()[-1] == (
        f"WARNING: Removed 1 unfinished files of {member} from the queue, more than a day old; the last of them was "
        ".request.json.tmp."
    )


def test_an_entry_without_an_owner_to_tell_is_removed_and_counted(site: Site) -> None:
    refused = counted(site)
    records = len(site.records("refused"))

    path = site.paths.queue / "stray.json"
    put(path, REQUEST, 0o600, uid=54321)

    gone(site, path)
    assert counted(site) == refused + 1
    assert len(site.records("refused")) == records
    assert site.watchers[0].log.splitlines()[-1] == (
        "WARNING: Refused 1 queue entries of ?; the last of them was stray.json: Its owner has no account on this "
        "server."
    )


def test_the_queue_is_left_to_the_members_as_it_was(site: Site) -> None:
    found = Path(site.paths.queue).stat()

    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o2770, 0, site.accounts.gid)
