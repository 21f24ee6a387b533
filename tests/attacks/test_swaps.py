"""Entries that become something else between two looks of the watcher, as often as a process can do it."""

import os
from pathlib import Path

import pytest

from ..e2e.acts import ask, problems, settle
from ..e2e.queue_site import newcomer, others_go_on
from ..support.accounts import Account
from ..support.layout import put
from ..support.site import Site
from .attackers import EXCHANGE, attack, attacking, holds, records_of, said, unharmed, untouched

SECRET = b"thief@secret.example.net"

SWAP = """
import os, sys
from itertools import cycle
targets, swaps = sys.argv[2:], int(sys.argv[1])
for number, target in zip(range(swaps), cycle(targets)):
    name = f"swap{number % 3}.json"
    with open(".mine", "wb") as file:
        file.write(b'{"action": "cancel"}')
    os.rename(".mine", name)
    if os.path.basename(target).startswith("fifo"):
        os.link(target, ".other")
    else:
        os.symlink(target, ".other")
    os.rename(".other", name)
print(swaps)
"""

EXCHANGE_WITH_LINK = (
    EXCHANGE
    + """
import contextlib, sys
swaps, targets = int(sys.argv[1]), sys.argv[2:]
done = tries = 0
while done < swaps:
    name, other, target = f"mine{tries % 7}.json", f"other{tries % 5}.json", targets[tries % len(targets)]
    tries += 1
    with contextlib.suppress(FileExistsError):
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.suppress(FileExistsError):
        os.link(target, other) if os.path.basename(target).startswith("fifo") else os.symlink(target, other)
    for _ in range(20):
        done += exchange(name, other) == 0
print(done)
"""
)

EXCHANGE_WITH_OTHERS = (
    EXCHANGE
    + """
import contextlib, sys
done = 0
print("at it", flush=True)
os.set_blocking(0, False)
while True:
    with contextlib.suppress(BlockingIOError):
        if not os.read(0, 1):
            break
    for name in os.listdir("."):
        if name.startswith("."):
            continue
        mine = f"mine{done % 11}.json"
        with contextlib.suppress(FileExistsError):
            os.mkdir(mine) if done % 3 else os.close(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        done += exchange(name, mine) == 0
print(done)
"""
)


@pytest.fixture
def hoard(lasting: Site) -> Path:
    """Files that mallory may not read, and a FIFO of his own."""
    folder = lasting.root / "hoard"
    if not folder.exists():
        folder.mkdir(mode=0o755)
        lasting.accounts.add("alice")
        put(folder / "alice.json", b'{"destination": "%s"}' % SECRET, 0o600, uid=lasting.accounts["alice"].uid)
        put(folder / "root.json", b'{"destination": "%s"}' % SECRET, 0o600)
        os.mkfifo(folder / "fifo", 0o666)
        (folder / "fifo").chmod(0o666)
    return folder


@pytest.mark.parametrize(
    ("program", "swaps"), [(SWAP, 5_000), (EXCHANGE_WITH_LINK, 100_000)], ids=["renamed over", "exchanged"]
)
def test_an_entry_that_is_swapped_for_ever_opens_nothing_but_its_owners_files(
    lasting: Site, hoard: Path, program: str, swaps: int
) -> None:
    mallory = newcomer(lasting, "mallory")
    # A hard link to the FIFO needs its ownership where the kernel protects hard links, see proc_sys_fs(5).
    os.chown(hoard / "fifo", mallory.uid, -1)
    targets = [hoard / "alice.json", hoard / "root.json", hoard / "fifo", Path("/etc/shadow"), hoard]

    with untouched(hoard / "alice.json", hoard / "root.json", hoard / "fifo"):
        done = int(attack(lasting, mallory, program, swaps, *targets))
        settle(lasting)

    assert done >= swaps
    unharmed(lasting, "alice")
    assert lasting.pending(mallory.name) is None
    assert records_of(lasting, "root") == []
    assert holds(lasting, SECRET, besides=hoard) == []
    assert {record["username"][:7] for record in lasting.records("refused")} == {"mallory"}
    others_go_on(lasting)


def test_names_that_are_exchanged_with_other_peoples_change_whose_request_is_whose_for_nobody(lasting: Site) -> None:
    """Mallory gives his names to other members' files, and theirs to his files and directories, all the time."""
    mallory = newcomer(lasting, "mallory")
    members = [newcomer(lasting, "victim") for _ in range(10)]

    with attacking(lasting, mallory, EXCHANGE_WITH_OTHERS) as process:
        assert said(process) == "at it"
        for member in members:
            lasting.drop(member.name, f"{member.name}.json", {"destination": f"{member.name}@example.org"})
            settle(lasting)
        assert process.stdin is not None
        process.stdin.close()
        assert int(said(process)) > 100

    settle(lasting)
    # Whoever may rename another's file may make it disappear: its name can change between the look and the unlink.
    lost = [member for member in members if not records_of(lasting, member.name)]
    assert len(lost) <= 1
    for member in lost:
        ask(lasting, member.name, f"{member.name}@example.org")
    for member in members:
        records = records_of(lasting, member.name)
        assert {(each["uid"], each["destination"]) for each in records if each["status"] == "pending"} == {
            (member.uid, f"{member.name}@example.org")
        }
        # Its file may have come back under another name, and is then nobody's second request.
        assert {each["status"] for each in records} <= {"pending", "refused"}
    assert lasting.pending(mallory.name) is None
    assert set(problems(lasting)) <= {"queue-directories"}
    sweep(lasting, mallory)


def sweep(site: Site, account: Account) -> None:
    """Take away the directories that the attack has left."""
    found = ["find", str(site.paths.queue), "-mindepth", "1", "-type", "d", "-empty", "-delete"]
    assert site.run(found, account=account).returncode == 0
    settle(site)
    assert problems(site) == {}
