"""Directories, modes, owners, registry and lock."""

import fcntl
import json
import os
import shutil
import stat

from cli.server.paths import path_specs
from schemas.config import load_settings

from .conftest import Ground

FOLDERS = ("pending", "approved", "rejected", "cancelled", "refused")


def test_a_server_without_anything_gets_everything_and_a_second_run_changes_nothing(ground: Ground) -> None:
    shutil.rmtree(ground.paths.state)
    shutil.rmtree(ground.paths.runtime)
    before = ground.manifest()
    shown = ground.run("--dry-run")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert ground.manifest() == before
    done = ground.run()
    assert (done.returncode, done.stderr) == (0, "")
    # What was shown is what was done.
    for would, did in zip(shown.stdout.splitlines(), done.stdout.splitlines(), strict=False):
        assert would.replace("Would make", "Made") == did
    assert shown.stdout.splitlines()[-1] == "Nothing was changed."
    paths = ground.paths
    assert f"Made the directory {paths.queue} (2770 root:runv-members).\n" in done.stdout
    assert f"Made the registry {paths.registry}, without aliases (0640 root:runv-members).\n" in done.stdout
    assert {path: ground.at(path) for path in (paths.state, paths.queue, paths.requests, paths.registry)} == {
        paths.state: "0755 0:0",
        paths.queue: "2770 0:runv-members",
        paths.requests: "2750 0:runv-members",
        paths.registry: "0640 0:runv-members",
    }
    assert {ground.at(paths.requests / name) for name in FOLDERS} == {"2750 0:runv-members"}
    assert {ground.at(paths.decisions), ground.at(paths.decisions / "failed")} == {"0700 0:0"}
    assert ground.at(paths.runtime) == "0755 0:0"
    assert paths.registry.read_bytes() == b"{}\n"
    ground.twice_changes_nothing()


def test_a_registry_that_was_lost_does_not_come_back_empty(ground: Ground) -> None:
    registry, published = ground.paths.registry, ground.paths.map
    registry.unlink()
    message = (
        f"Warning: The registry {registry} is not there, and {published} has aliases, which an empty registry would "
        f"switch off. Put the registry back from a backup; if the aliases are to go, empty {published} and run this "
        "command again.\n"
    )
    published.write_text("# ours\npablo@runv.club\tpablo@example.org\n")
    published.chmod(0o644)
    before = ground.manifest()
    done = ground.run()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)
    assert ground.manifest() == before
    published.write_text("# ours\n")
    assert ground.run().returncode == 0
    assert registry.read_bytes() == b"{}\n"


def test_modes_and_owners_are_mended_and_contents_stay(ground: Ground) -> None:
    paths, pablo = ground.paths, ground.site.accounts.add("pablo")
    paths.registry.write_text(json.dumps({"pablo": {"alias": "pablo@runv.club", "status": "cancelled", "x": 1}}))
    contents, inode = paths.registry.read_bytes(), paths.registry.stat().st_ino
    paths.registry.chmod(0o600)
    paths.queue.chmod(0o3777)
    os.chown(paths.requests / "pending", pablo.uid, pablo.gid)
    (paths.requests / "pending").chmod(0o770)
    paths.decisions.chmod(0o755)
    done = ground.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"Gave {paths.queue} the mode and owner 2770 root:runv-members; it had 3777 root:runv-members.",
        f"Gave {paths.requests / 'pending'} the mode and owner 2750 root:runv-members; it had 0770 pablo:runv-members.",
        f"Gave {paths.decisions} the mode and owner 0700 root:root; it had 0755 root:root.",
        f"Gave {paths.registry} the mode and owner 0640 root:runv-members; it had 0600 root:runv-members.",
    ]
    # Sticky is stronger than what is asked for, and stays.
    assert ground.at(paths.queue) == "3770 0:runv-members"
    assert (paths.registry.read_bytes(), paths.registry.stat().st_ino) == (contents, inode)
    ground.twice_changes_nothing()


def test_who_holds_the_lock_or_the_registry_open_has_neither_afterwards(ground: Ground) -> None:
    paths = ground.paths
    lock = paths.state / "email-aliases.lock"
    lock.write_bytes(b"")
    lock.chmod(0o664)
    paths.registry.chmod(0o660)
    with lock.open("rb") as held, paths.registry.open("r+b") as writing:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = ground.run()
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            f"Put a new file in place of the lock {lock}, which others than root could hold; it had 0664 root:root.",
            f"Put a new file with the same contents in place of {paths.registry}, which others could have open; it had "
            "0660 root:runv-members.",
        ]
        writing.write(b"forged")
        writing.flush()
        with lock.open("rb") as ours:
            fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert (ground.at(lock), ground.at(paths.registry)) == ("0600 0:0", "0640 0:runv-members")
    assert paths.registry.read_bytes() == b"{}\n"
    ground.twice_changes_nothing()


def test_what_is_no_plain_file_or_directory_is_left_alone_and_the_rest_is_done(ground: Ground) -> None:
    paths = ground.paths
    elsewhere = ground.site.root / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    shutil.rmtree(paths.requests)
    paths.requests.symlink_to(elsewhere)
    paths.registry.unlink()
    os.mkfifo(paths.registry, 0o600)
    paths.queue.chmod(0o700)
    done = ground.run()
    assert done.returncode == 1
    assert ground.at(paths.queue) == "2770 0:runv-members"
    left = "It was left alone; look at it, and remove it."
    lines = done.stderr.splitlines()
    assert lines[0] == f"Warning: {paths.requests} is a symbolic link, and a directory was expected. {left}"
    assert f"Warning: {paths.registry} is a FIFO, and a file was expected. {left}" in lines
    assert stat.S_ISFIFO(paths.registry.lstat().st_mode)
    assert (stat.S_IMODE(elsewhere.stat().st_mode), elsewhere.stat().st_gid) == (0o700, 0)


def test_a_registry_that_breaks_its_schema_is_told_and_stays(ground: Ground) -> None:
    broken = json.dumps({"pablo": {"alias": "other@runv.club", "status": "active", "destination": "a@b.example"}})
    ground.paths.registry.write_text(broken)
    before = ground.manifest()
    done = ground.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Warning: The registry {ground.paths.registry} cannot be used. The entry `pablo` has the alias "
        "`other@runv.club`; `pablo@runv.club` was expected. Mend the file; until then the published map stays as it is "
        "and decisions wait. `setup` leaves it as it is.\n"
    )
    assert ground.manifest() == before


def test_only_root_sets_up_and_anybody_may_look(ground: Ground) -> None:
    pablo = ground.site.accounts.add("pablo")
    before = ground.manifest()
    command = ["runv-admin-email-alias", "setup"]
    done = ground.site.run(command, account=pablo)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Only root can set the service up. Run it with sudo, or look with --dry-run at what it would do.\n"
    )
    looked = ground.site.run([*command, "--dry-run"], account=pablo)
    assert looked.returncode == 0
    assert "Traceback" not in looked.stderr
    assert ground.manifest() == before


def test_the_house_has_every_path_of_the_protocol() -> None:
    settings = load_settings(environment={})
    wanted = {display_path.path: display_path.wanted for display_path in path_specs(settings)}
    protocol = os.path.join(os.path.dirname(__file__), "../../../docs/files-protocol.md")
    with open(protocol, encoding="utf-8") as file:
        rows = [line.split("|") for line in file if line.startswith("| `/")]
    assert rows
    for _, path, mode, owner, *_ in rows:
        found = wanted[path.strip(" `").rstrip("/")]
        assert found.split()[0] == mode.split()[0].rjust(4, "0")
        assert found.split()[1].split(":")[0] == owner.strip().split(":")[0]
