"""What a server is given besides the programs fits the programs."""

import grp
import os
import re
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from cli.server.paths import path_specs
from schemas.config import Config, Settings, load_settings
from schemas.json_records import parse_record
from schemas.program import ExitStatus
from watcher.audit import GROUP as LOG_GROUP

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "units"
CONFIG = Config()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a server without a configuration."""
    return load_settings(str(tmp_path / "absent.json"), {}, may_be_absent=True)


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """The root of a server that has what systemd-sysusers(8) and systemd-tmpfiles(8) read, and nothing else."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for kind in ("sysusers", "tmpfiles"):
        directory = root / f"usr/lib/{kind}.d"
        directory.mkdir(parents=True)
        (directory / "runv-email-alias.conf").write_bytes((UNITS / f"runv-email-alias.{kind}.conf").read_bytes())
    ask(root, "systemd-sysusers")
    return root


def ask(root: Path, program: str, *options: str) -> None:
    command = [program, f"--root={root}", *options, "runv-email-alias.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Failed" not in done.stderr, done.stderr


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (UNITS / "runv-email-alias-watcher.service").read_text(encoding="utf-8").splitlines():
        if re.match(r"[A-Z]\w*=", line):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def modes(root: Path, settings: Settings) -> dict[str, str]:
    """The mode, owner and group of each place that has to be there, as they are below *root*."""
    lines = (root / "etc/group").read_text(encoding="utf-8").splitlines()
    groups = {int(line.split(":")[2]): line.split(":")[0] for line in lines}
    found = {}
    for display_path in path_specs(settings):
        if display_path.needed:
            status = os.lstat(f"{root}{display_path.path}")
            group = groups.get(status.st_gid) or grp.getgrgid(status.st_gid).gr_name
            found[display_path.path] = f"{stat.S_IMODE(status.st_mode):04o} {status.st_uid}:{group}"
    return found


@pytest.mark.needs("root", "systemd-tmpfiles")
def test_every_place_is_made_as_the_programs_want_it(server: Path, settings: Settings) -> None:
    ask(server, "systemd-tmpfiles", "--create")
    wanted = {
        display_path.path: display_path.wanted.replace("root:", "0:", 1)
        for display_path in path_specs(settings)
        if display_path.needed
    }
    made = {f"/{path.relative_to(server)}" for part in ("var/lib/runv", "run") for path in (server / part).rglob("*")}
    # A registry that was lost must not come back empty when the machine is started.
    assert made | {CONFIG.state_dir, settings.registry} == set(wanted)
    assert settings.registry not in made
    (server / "var/lib/runv/email-aliases.json").touch(0o600)
    ask(server, "systemd-tmpfiles", "--create")
    assert modes(server, settings) == wanted


@pytest.mark.needs("root", "systemd-tmpfiles")
def test_what_is_there_already_is_mended_but_keeps_the_queues_mode_and_all_contents(
    server: Path, settings: Settings
) -> None:
    registry, queue = server / "var/lib/runv/email-aliases.json", server / "var/lib/runv/email-alias-queue"
    registry.parent.mkdir(parents=True)
    registry.touch()
    ask(server, "systemd-tmpfiles", "--create")
    before = modes(server, settings)
    registry.write_text('{"pablo": {}}', encoding="utf-8")
    registry.chmod(0o666)
    (server / "var/lib/runv/email-alias-decisions").chmod(0o755)
    queue.chmod(0o3770)
    (queue / "request.json").touch()
    ask(server, "systemd-tmpfiles", "--create")
    assert modes(server, settings) == before | {settings.queue: before[settings.queue].replace("2770", "3770")}
    assert registry.read_text(encoding="utf-8") == '{"pablo": {}}'
    assert (queue / "request.json").exists()


def test_the_unit_names_the_places_groups_and_status_of_the_programs(settings: Settings) -> None:
    unit = directives()
    # The dash: without Postfix there is no such directory, and the watcher takes requests in all the same.
    assert unit["ReadWritePaths"] == [f"{CONFIG.state_dir} -{os.path.dirname(CONFIG.virtual_alias_file)}"]
    assert unit["ConditionPathExists"] == [CONFIG.state_dir]
    assert unit["SupplementaryGroups"] == [f"{CONFIG.group} {LOG_GROUP}"]
    assert unit["RuntimeDirectory"] == [os.path.basename(CONFIG.runtime_dir)]
    assert unit["RestartPreventExitStatus"] == [str(int(ExitStatus.CONFIGURATION))]
    assert unit["ExecStart"] == ["/usr/local/bin/runv-email-alias-watcher"]
    assert settings.queue.startswith(f"{CONFIG.state_dir}/")


def test_the_watcher_is_never_given_up() -> None:
    unit = directives()
    assert unit["Type"] == ["notify", "notify-reload"]
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert float(unit["WatchdogSec"][0]) >= 2 * 30  # twice the time between two checks of the watches


@pytest.mark.needs("systemd-analyze")
def test_systemd_knows_all_of_the_unit_or_goes_without(tmp_path: Path) -> None:
    text = (UNITS / "runv-email-alias-watcher.service").read_text(encoding="utf-8")
    unit = tmp_path / "runv-email-alias-watcher.service"
    unit.write_text(text.replace("/usr/local/bin/runv-email-alias-watcher", "/bin/true"), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    # Of Debian 12: it keeps the type before, and restarts at once.
    older = ("ignoring: notify-reload", "Unknown key 'RestartSteps'", "Unknown key 'RestartMaxDelaySec'")
    assert [line for line in done.stderr.splitlines() if not any(each in line for each in older)] == []


def test_where_systemd_sends_the_signal_none_is_sent_besides(tmp_path: Path) -> None:
    """Before version 253 it sends none, and the type is plain notify."""
    (command,) = directives()["ExecReload"]
    (script,) = re.findall("^/bin/sh -c '(.*)'$", command)
    for kind, ended in (("notify", -signal.SIGHUP), ("notify-reload", 0)):
        (tmp_path / "systemctl").write_text(f"#!/bin/sh\necho Type={kind}\n", encoding="utf-8")
        (tmp_path / "systemctl").chmod(0o755)
        # The signal ends it; without one it ends when there is nothing left to read.
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as main:
            environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "MAINPID": str(main.pid)}
            subprocess.run(["/bin/sh", "-c", script], env=environment, check=True)
        assert main.returncode == ended


def test_the_units_manual_pages_are_there() -> None:
    (named,) = directives()["Documentation"]
    for page, part in re.findall(r"man:(\S+)\((\d)\)", named):
        assert (ROOT / f"docs/man/{page}.{part}").is_file()


def test_the_group_is_that_of_the_configuration() -> None:
    text = (UNITS / "runv-email-alias.sysusers.conf").read_text(encoding="utf-8")
    assert re.findall("^g (.*)$", text, re.MULTILINE) == [f"{CONFIG.group} - -"]


def test_the_configuration_that_is_installed_publishes_nothing_and_says_only_the_defaults() -> None:
    shipped = parse_record((UNITS / "runv-member-mail.json").read_bytes(), Config)
    assert shipped.enabled is False
    assert shipped == Config(postmap_command=["postmap", CONFIG.virtual_alias_file])
