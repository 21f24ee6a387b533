"""Another group for the members."""

import json
from pathlib import Path

import pytest

from cli.setup import overrides
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
    assert f"f {ground.paths.registry} 0640 root club - {{}}\n" in tmpfiles.read_text()
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
    before = "import cli.setup.tree as tree, cli.setup.moving as moving, cli.setup.members as members\n"
    before += "from cli.setup.steps import Plan\n"
    before += "tree.plan = moving.plan = members.plan = lambda *a, **k: Plan()"
    done = ground.run_below(wanted_group="club", before=before)
    assert (done.returncode, done.stderr) == (0, "")
    shipped = json.loads((UNITS / "runv-member-mail.json").read_bytes())
    made = json.loads(ground.paths.config.read_text())
    # A plain command and one that names the map mean the same.
    assert made == shipped | {"group": "club", "postmap_command": ["postmap"]}
    assert list(made) == list(shipped)
    assert ground.at(ground.paths.config) == "0644 0:0"


@pytest.mark.parametrize("name", ["sudo", "root", "adm", "docker", "Club", "a b", "", "-x", "x\n"])
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


def test_without_groupadd_the_rest_says_what_it_lacks(ground: Ground) -> None:
    ground.program("groupadd", "echo no room >&2; exit 10")
    done = ground.run_below(wanted_group="club")
    assert done.returncode == 1
    first = "Could not make the group club: The command `groupadd --system club` failed with exit status 10: no room."
    assert done.stderr.splitlines()[0] == first
    assert ground.at(ground.paths.queue) == "2770 0:runv-members"
    assert "Traceback" not in done.stderr


def test_yes_goes_with_enable_only(ground: Ground) -> None:
    done = ground.run("--yes")
    assert done.returncode == 2
    assert "--yes goes with --enable only." in done.stderr


def test_where_systemd_runs_it_is_told_and_the_watcher_started_anew(ground: Ground) -> None:
    ground.site.start_watcher()
    ground.program("systemctl", f'echo "$*" >> {ground.notes}\nif [ "$1" = show ]; then echo no; fi\n')
    before = "import cli.host.systemd as systemd\nsystemd.booted = lambda: True"
    done = ground.run_below(wanted_group="club", before=before)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == [
        "systemd has read its units again.",
        "Restarted the watcher: it has the group club now.",
    ]
    assert ground.asked[-2:] == ["daemon-reload", "try-restart runv-email-alias-watcher"]


def test_what_is_written_for_another_group_is_what_is_shipped_but_for_the_group() -> None:
    service, tmpfiles = overrides.contents(load_settings(environment={}))
    shipped = (UNITS / "runv-email-alias.tmpfiles.conf").read_text(encoding="utf-8")
    assert rows(tmpfiles) == rows(shipped)
    unit = (UNITS / "runv-email-alias-watcher.service").read_text(encoding="utf-8")
    (groups,) = (line for line in unit.splitlines() if line.startswith("SupplementaryGroups="))
    assert service.splitlines()[-1] == groups


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]
