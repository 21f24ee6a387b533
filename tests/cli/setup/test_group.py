"""Another group for the members."""

import json
import os
from pathlib import Path

import pytest

from cli.setup import sandbox
from cli.setup.sandbox import USUAL
from schemas.config import load_settings

from .conftest import Ground

UNITS = Path(__file__).parents[3] / "units"
DROP_IN = """\
# Made by `runv-admin-email-alias setup`, which keeps it in line with `group` in the config.
[Service]
# An empty one takes back those of the unit itself.
SupplementaryGroups=
SupplementaryGroups=club adm
"""
STAYS = "The members' group is still runv-members, and nothing else was done."


def test_another_group_is_made_and_everything_follows_it(ground: Ground) -> None:
    before = ground.manifest()
    shown = ground.run_below(wanted_group="club", dry_run=True)
    assert shown.returncode == 0, shown.stderr
    assert {key: each for key, each in ground.manifest().items() if key in before and before[key][5]} == {
        key: each for key, each in before.items() if each[5]
    }
    text = ground.paths.config.read_text()
    done = ground.run_below(wanted_group="club")
    assert (done.returncode, done.stderr) == (0, "")
    assert ground.asked == ["--system club"]
    service = ground.etc / "systemd" / "system" / "runv-email-alias-watcher.service.d" / "group.conf"
    tmpfiles = ground.etc / "tmpfiles.d" / "runv-email-alias.conf"
    queue = ground.paths.queue
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "Made the group club.",
        f"Set `group` to club in {ground.paths.config}.",
        f"Gave {queue} the mode and owner 2770 root:club; it had 2770 root:runv-members.",
    ]
    assert lines[-2:] == [f"Wrote {path}: the service works for the group club." for path in (service, tmpfiles)]
    assert service.read_text() == DROP_IN
    assert f"d {queue} :2770 root club -\n" in tmpfiles.read_text()
    assert f"z {ground.paths.registry} 0640 root club -\n" in tmpfiles.read_text()
    assert ground.at(queue) == "2770 0:45678"
    # Nothing in the config but that one key is another.
    assert ground.paths.config.read_text() == text[: text.rindex("\n")] + ',\n  "group": "club"\n}'
    again = ground.manifest()
    for options in ({}, {"wanted_group": "club"}):
        repeated = ground.run_below(**options)
        assert (repeated.returncode, repeated.stdout) == (0, "Nothing to do: everything is set up.\n")
    assert ground.manifest() == again
    back = ground.run_below(wanted_group="runv-members")
    assert (back.returncode, back.stderr) == (0, "")
    assert back.stdout.splitlines()[-2:] == [
        f"Removed {path}, which named another group." for path in (service, tmpfiles)
    ]
    assert (service.exists(), tmpfiles.exists()) == (False, False)
    assert ground.at(queue) == "2770 0:runv-members"


def test_a_config_that_is_missing_is_made_from_the_defaults(ground: Ground) -> None:
    # Its paths are the host's, so only the group is looked at here, which comes first.
    ground.paths.config.unlink()
    before = "from cli.setup import group, migrate, paths\n"
    before += "from cli.setup.steps import Steps\n"
    before += "paths.plan = migrate.plan = group.plan_members = lambda *a, **k: Steps()"
    done = ground.run_below(wanted_group="club", before=before)
    assert (done.returncode, done.stderr) == (0, "")
    shipped = json.loads((UNITS / "runv-member-mail.json").read_bytes())
    made = json.loads(ground.paths.config.read_text())
    # A plain command and one that names the map mean the same.
    assert made == shipped | {"group": "club", "postmap_command": ["postmap"]}
    assert list(made) == list(shipped)
    assert ground.at(ground.paths.config) == "0644 0:0"


@pytest.mark.parametrize("name", ["sudo", "root", "adm", "docker", "dialout", "Club", "a b", "", "-x", "x\n"])
def test_a_group_that_has_powers_or_no_name_is_refused_before_anything_is_done(ground: Ground, name: str) -> None:
    before = ground.manifest()
    done = ground.run("--group", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Take a group that is for members only." in done.stderr or "cannot be the name of a group" in done.stderr
    assert ground.manifest() == before


def test_files_of_the_administrators_own_are_left_alone(ground: Ground) -> None:
    path = ground.etc / "tmpfiles.d" / "runv-email-alias.conf"
    path.parent.mkdir()
    path.write_text("# mine\n")
    done = ground.run_below(wanted_group="club")
    assert done.returncode == 0
    assert done.stderr == (
        f"Warning: {path} is not of this program's making and was left alone. It has to name the group club.\n"
    )
    assert path.read_text() == "# mine\n"


def test_without_groupadd_the_group_stays_and_nothing_is_done(ground: Ground) -> None:
    ground.program("groupadd", "echo no room >&2; exit 10")
    (ground.etc / "systemd" / "system").mkdir(parents=True)
    (ground.etc / "tmpfiles.d").mkdir()
    before = ground.manifest()
    done = ground.run_below(wanted_group="club")
    assert done.returncode == 1
    first = "Could not make the group club: The command `groupadd --system club` failed with exit status 10: no room."
    assert done.stderr.splitlines()[0] == first
    assert done.stderr.splitlines()[1:] == [STAYS]
    assert ground.manifest() == before


def test_yes_goes_with_enable_only(ground: Ground) -> None:
    done = ground.run("--yes")
    assert done.returncode == 2
    assert "--yes goes with --enable only." in done.stderr


def test_no_member_loses_the_alias_to_another_group(ground: Ground) -> None:
    site = ground.site
    entries = {}
    for name in ("ana", "rui"):
        uid = site.accounts.add(name, membership="listed").uid
        entry = {"username": name, "alias": f"{name}@runv.club", "destination": f"{name}@example.org"}
        entries[name] = entry | {"status": "active", "uid": uid}
    ground.paths.registry.write_text(json.dumps(entries))
    site.start_watcher()
    before = ground.paths.config.read_bytes()
    behind = (
        "Warning: Members with an alias are not in the group club, and would lose it: {}. "
        "Add them with `usermod --append --groups club NAME`, then run this command again."
    )
    for dry_run in (True, False):
        done = ground.run_below(wanted_group="club", dry_run=dry_run)
        assert done.returncode == (0 if dry_run else 1)
        assert done.stderr.splitlines() == [behind.format("2, such as ana, rui"), STAYS]
    # Those of users.json are added before anything else.
    (ground.paths.state / "users.json").write_text('["ana"]')
    shown = ground.run_below(wanted_group="club", add_existing_users=True, dry_run=True)
    assert shown.stdout.splitlines()[0] == "Would add ana to the group club."
    done = ground.run_below(wanted_group="club", add_existing_users=True)
    assert (done.returncode, shown.stderr) == (1, done.stderr)
    assert done.stderr.splitlines() == [behind.format("1, such as rui"), STAYS]
    assert ground.paths.config.read_bytes() == before
    assert ground.at(ground.paths.queue) == "2770 0:runv-members"
    (ground.paths.state / "users.json").write_text('["ana", "rui"]')
    done = ground.run_below(wanted_group="club", add_existing_users=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ground.asked == ["--system club", "--append --groups club ana", "--append --groups club rui"]
    # By the time that it has switched off whose account is gone, the watcher has looked at the other too.
    passwd = site.accounts.directory / "passwd"
    passwd.write_text("".join(line for line in passwd.read_text().splitlines(True) if not line.startswith("rui:")))
    os.utime(passwd, (passwd.stat().st_mtime + 2,) * 2)
    site.wait_for(lambda: site.registry()["rui"]["status"] == "orphaned", what="the alias of who is gone")
    assert site.registry()["ana"]["status"] == "active"


def test_members_can_read_their_records_as_another_group_too(ground: Ground) -> None:
    site = ground.site
    site.accounts.add("ana")
    watcher = site.start_watcher()
    site.drop("ana", "a.json", {"destination": "ana@example.org"})
    site.wait_for(lambda: site.pending("ana"), what="the request")
    watcher.stop()
    (record,) = (ground.paths.requests / "pending").iterdir()
    # No records, whatever they are called.
    secret = site.root / "secret"
    secret.write_text("x")
    os.link(secret, record.parent / "names.json")
    (record.parent / "link.json").symlink_to(secret)
    (record.parent / "own.json").touch()
    os.chown(record.parent / "own.json", site.accounts["ana"].uid, 0)
    found = f"the request records in {record.parent} the group club (1)."
    shown = ground.run_below(wanted_group="club", dry_run=True)
    assert f"Would give {found}" in shown.stdout.splitlines()
    assert ground.at(record) == "0640 0:runv-members"
    done = ground.run_below(wanted_group="club")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Gave {found}" in done.stdout.splitlines()
    assert ground.at(record) == "0640 0:45678"
    others = [secret, *(record.parent / f"{name}.json" for name in ("names", "link", "own"))]
    assert 45678 not in {path.lstat().st_gid for path in others}
    assert ground.run_below().stdout == "Nothing to do: everything is set up.\n"


def test_where_systemd_runs_it_is_told_and_the_watcher_started_anew(ground: Ground) -> None:
    watcher = ground.site.start_watcher()
    shows = f'echo "$*" >> {ground.notes}\nif [ "$1" = show ]; then echo {{}}; fi\n'
    ground.program("systemctl", shows.format(watcher.process.pid))
    before = "import cli.server.systemd as systemd\nsystemd.booted = lambda: True"
    # This watcher runs without any group besides root's, so each time it has to be started anew.
    for group, more in (("club", {"wanted_group": "club"}), ("club", {}), ("runv-members", {"wanted_group": USUAL})):
        done = ground.run_below(before=before, **more)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == f"Restarted the watcher: it has the group {group} now."
        assert ("systemd has read its units again." in done.stdout.splitlines()) == bool(more)
        assert ground.asked[-1] == "try-restart runv-email-alias-watcher"
    # One that systemd has not started is nothing that it could start anew.
    ground.program("systemctl", shows.format(0))
    assert ground.run_below(before=before).stdout == "Nothing to do: everything is set up.\n"


def test_a_file_that_the_administrator_has_switched_off_is_left_alone(ground: Ground) -> None:
    path = ground.etc / "tmpfiles.d" / "runv-email-alias.conf"
    path.parent.mkdir()
    path.symlink_to("/dev/null")
    done = ground.run_below()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Nothing to do: everything is set up.\n"
    assert os.readlink(path) == "/dev/null"


def test_what_is_written_for_another_group_is_what_is_shipped_but_for_the_group() -> None:
    service, tmpfiles = sandbox.contents(load_settings(environment={}))
    shipped = (UNITS / "runv-email-alias.tmpfiles.conf").read_text(encoding="utf-8")
    assert rows(tmpfiles) == rows(shipped)
    unit = (UNITS / "runv-email-alias-watcher.service").read_text(encoding="utf-8")
    (groups,) = (line for line in unit.splitlines() if line.startswith("SupplementaryGroups="))
    assert service.splitlines()[-1] == groups


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]
