"""One member's files in another member's hands: nobody speaks with another's voice, now or later."""

import os
import struct
import time
from pathlib import Path

import pytest

from ..e2e.acts import activate, ask, decide, decision, settle
from ..e2e.queue_site import gone, newcomer, refusal
from ..support.accounts import Account
from ..support.layout import put
from ..support.site import Site
from .attackers import attack, attacking, records_of, said

OUTDATED = "The file is older than one of yours that was taken in before. If you still want this, ask again."
TOO_OLD = "The file is more than 7 days old. If you still want this, ask again."
LINKED = "The file has a second name (a hard link), or was swapped for a link; a plain file of one name was expected."
WRITABLE = (
    "The file is writable by its group or by others, so somebody else may have put words in your mouth. Take that "
    "right away (chmod go-w) and send it again."
)
REQUEST = b'{"destination": "me@example.org"}'
FORGED = b'{"destination": "thief@example.net"}'
DAY = 24 * 3600


def hoard(site: Site, thief: Account) -> Path:
    """A directory of the thief's on the same file system."""
    folder = site.root / f"hoard-{thief.name}"
    folder.mkdir()
    os.chown(folder, thief.uid, thief.gid)
    return folder


def as_member(site: Site, account: Account, *command: str) -> None:
    done = site.run(command, account=account)
    assert (done.returncode, done.stderr) == (0, "")


def hidden(site: Site, member: Account, contents: bytes = REQUEST, **options: float) -> Path:
    """A file of that member's that is not taken in yet; it lies in the queue under a name that is left alone."""
    return site.drop(member.name, f".{member.name}.tmp", contents, **options)  # type: ignore[arg-type]


def test_a_file_that_another_replaced_under_the_same_name_is_the_others(lasting: Site) -> None:
    alice, mallory = newcomer(lasting, "alice"), newcomer(lasting, "mallory")
    path = hidden(lasting, alice)
    target = lasting.paths.queue / "request.json"
    program = f"""
import os
os.rename({path.name!r}, ".stolen")
with open(".mine", "wb") as file:
    file.write({FORGED!r})
os.rename(".mine", "request.json")
print("done")
"""
    attack(lasting, mallory, program)

    gone(lasting, target)
    record = lasting.wait_for(lambda: lasting.pending(mallory.name), what="the attacker's own request")
    assert record is not None
    assert (record["uid"], record["destination"]) == (mallory.uid, "thief@example.net")
    assert records_of(lasting, alice.name) == []


def test_a_file_that_another_renamed_is_still_its_owners_and_says_what_the_owner_wrote(lasting: Site) -> None:
    alice, mallory = newcomer(lasting, "alice"), newcomer(lasting, "mallory")
    hidden(lasting, alice)

    as_member(lasting, mallory, "mv", f"{lasting.paths.queue}/.{alice.name}.tmp", f"{lasting.paths.queue}/x.json")

    record = lasting.wait_for(lambda: lasting.pending(alice.name), what="the request")
    assert record is not None
    assert (record["uid"], record["destination"]) == (alice.uid, "me@example.org")
    assert records_of(lasting, mallory.name) == []


@pytest.mark.parametrize("end", ["rejected", "cancelled", "approved", "revoked"])
def test_a_link_to_a_request_that_is_kept_and_brought_back_replays_nothing(lasting: Site, end: str) -> None:
    """By a hard link that the attacker made meanwhile, where the kernel lets him."""
    site = lasting
    alice, mallory = newcomer(site, "alice"), newcomer(site, "mallory")
    folder = hoard(site, mallory)
    path = hidden(site, alice)
    os.link(path, folder / "kept.json")
    path.rename(site.paths.queue / "request.json")
    assert refusal(site, alice.name, site.paths.queue / "request.json")["reason"] == LINKED
    record = ask(site, alice.name, "me@example.org")
    if end == "cancelled":
        gone(site, site.drop(alice.name, "cancel.json", {"action": "cancel"}))
    else:
        reason = {"reason": "No."}
        decide(site, decision(record, "reject" if end == "rejected" else "approve", **reason))
        if end == "revoked":
            decide(site, {"decision": "revoke", "username": alice.name, **reason})
    before = site.registry().get(alice.name)

    as_member(site, mallory, "mv", str(folder / "kept.json"), str(site.paths.queue / "again.json"))

    assert refusal(site, alice.name, site.paths.queue / "again.json")["reason"] == OUTDATED
    settle(site)
    assert site.pending(alice.name) is None
    assert site.registry().get(alice.name) == before


def test_a_file_that_is_taken_away_and_brought_back_days_later_says_nothing_more(lasting: Site) -> None:
    """Not even where its owner has asked for nothing since."""
    alice, mallory = newcomer(lasting, "alice"), newcomer(lasting, "mallory")
    folder = hoard(lasting, mallory)
    hidden(lasting, alice)

    as_member(lasting, mallory, "mv", f"{lasting.paths.queue}/.{alice.name}.tmp", f"{folder}/kept")
    then = time.time() - 8 * DAY
    os.utime(folder / "kept", (then, then))
    touched = lasting.run(["touch", str(folder / "kept")], account=mallory)
    as_member(lasting, mallory, "mv", f"{folder}/kept", f"{lasting.paths.queue}/back.json")

    assert touched.returncode == 1
    assert refusal(lasting, alice.name, lasting.paths.queue / "back.json")["reason"] == TOO_OLD


def test_an_own_file_of_any_time_gives_its_owner_no_power_over_others(lasting: Site) -> None:
    """utime(2) games: from 1902 to 2400, again and again, with the same inode, name and size."""
    mallory, alice = newcomer(lasting, "mallory"), newcomer(lasting, "alice")
    activate(lasting, alice.name, "alice@example.org")
    program = """
import os, sys
for number, moment in enumerate((-2**31, 0, 2**31, 2**33, 13569465600) * 20):
    with open(".own", "wb") as file:
        file.write(b'{"action": "cancel", "scope": "active", "username": "%s"}' % sys.argv[1].encode())
    os.utime(".own", (moment, moment))
    os.rename(".own", "own.json")
print("done")
"""
    attack(lasting, mallory, program, alice.name)

    gone(lasting, lasting.paths.queue / "own.json")
    settle(lasting)
    assert lasting.registry()[alice.name]["status"] == "active"
    assert lasting.map_lookup(f"{alice.name}@runv.club") == "alice@example.org"
    assert {record["status"] for record in records_of(lasting, mallory.name)} == {"refused"}


@pytest.mark.parametrize("mode", [0o660, 0o620, 0o666])
def test_a_file_that_another_member_rewrote_is_refused(lasting: Site, mode: int) -> None:
    alice, mallory = newcomer(lasting, "alice"), newcomer(lasting, "mallory")
    path = lasting.drop(alice.name, f".{alice.name}.tmp", REQUEST, mode=mode)
    os.chown(path, alice.uid, lasting.accounts.gid)
    program = """
import os, sys
descriptor = os.open(sys.argv[1], os.O_WRONLY)  # no O_CREAT, so that fs.protected_regular does not matter
os.write(descriptor, sys.argv[2].encode())
os.rename(sys.argv[1], "words.json")
print("done")
"""
    attack(lasting, mallory, program, path.name, FORGED.decode())

    assert refusal(lasting, alice.name, lasting.paths.queue / "words.json")["reason"] == WRITABLE
    settle(lasting)
    assert lasting.pending(alice.name) is None


def acl(*, user: int) -> bytes:
    """An access control list, acl(5), that lets one more *user* write, as linux/posix_acl_xattr.h has it."""
    nobody = 0xFFFFFFFF
    entries = [(0x01, 6, nobody), (0x02, 6, user), (0x04, 0, nobody), (0x10, 6, nobody), (0x20, 0, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_a_file_that_an_access_control_list_lets_another_write_is_refused(lasting: Site) -> None:
    alice, mallory = newcomer(lasting, "alice"), newcomer(lasting, "mallory")
    path = hidden(lasting, alice)
    give = f"import os; os.setxattr({path.name!r}, 'system.posix_acl_access', {acl(user=mallory.uid)!r}); print('done')"
    take = f"import os; open({path.name!r}, 'r+b').write({FORGED!r}); print(os.rename({path.name!r}, 'acl.json'))"

    attack(lasting, alice, give)
    attack(lasting, mallory, take)

    assert refusal(lasting, alice.name, lasting.paths.queue / "acl.json")["reason"] == WRITABLE
    settle(lasting)
    assert lasting.pending(alice.name) is None


def test_what_is_written_after_a_request_was_taken_in_changes_nothing(lasting: Site) -> None:
    """The file is held open for writing all the time, by its owner."""
    mallory = newcomer(lasting, "mallory")
    program = """
import os, sys
descriptor = os.open(".open", os.O_RDWR | os.O_CREAT, 0o600)
os.write(descriptor, sys.argv[1].encode())
os.rename(".open", "open.json")
print("dropped", flush=True)
os.read(0, 1)
os.pwrite(descriptor, sys.argv[2].encode(), 0)
os.ftruncate(descriptor, len(sys.argv[2]))
os.fsync(descriptor)
print("written", flush=True)
os.read(0, 1)
"""
    with attacking(lasting, mallory, program, REQUEST.decode(), FORGED.decode()) as process:
        assert said(process) == "dropped"
        record = lasting.wait_for(lambda: lasting.pending(mallory.name), what="the request")
        gone(lasting, lasting.paths.queue / "open.json")
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert said(process) == "written"
        settle(lasting)
        assert lasting.pending(mallory.name) == record
        decide(lasting, decision(record or {}))

    assert lasting.map_lookup(f"{mallory.name}@runv.club") == "me@example.org"


def test_files_of_an_outsider_of_root_and_of_a_deleted_account_ask_for_nothing(lasting: Site) -> None:
    """Whose owners are changed while they lie there, too."""
    outsider = lasting.accounts.add("outsider", membership="none")
    deleted = newcomer(lasting, "deleted")
    lasting.accounts.remove(deleted.name)
    alice = newcomer(lasting, "alice")
    paths = []
    for uid in (outsider.uid, deleted.uid, 0):
        path = lasting.paths.queue / f"from{uid}.json"
        put(path, b"{", 0o600, uid=alice.uid)  # not whole, so that it lies there for a while
        settle(lasting)
        os.chown(path, uid, -1)
        put(path.with_name(f"new{uid}.json"), REQUEST, 0o600, uid=uid)
        path.write_bytes(REQUEST)
        paths += [path, path.with_name(f"new{uid}.json")]

    for path in paths:
        gone(lasting, path)

    settle(lasting)
    assert [lasting.pending(name) for name in (alice.name, "outsider", deleted.name, "root")] == [None] * 4
    assert records_of(lasting, alice.name) == []
    reasons = {record["reason"] for name in ("outsider", "root") for record in records_of(lasting, name)}
    assert reasons == {"Its owner is not a member of the group runv-members."}
