"""`make install` and `make uninstall`, for systems that the Debian package is not for."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from .machine import Machine
from .server import DOMAIN, Server

pytestmark = pytest.mark.step

_ROOT = Path(__file__).parents[2]
_WANTED = ("click", "email-validator", "msgspec", "setuptools", "watchdog", "wheel")
# The machine has no network: pip finds there what was fetched before.
_PIP = "PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels"
_UNIT = "runv-email-alias-watcher.service"


def _copy_checkout(machine: Machine) -> None:
    command = ["/usr/bin/git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for path in (Path(os.fsdecode(name)) for name in listed if name):
        if (_ROOT / path).is_file():
            machine.put(f"/srv/source/{path}", (_ROOT / path).read_bytes())


def _fetch_wheels(machine: Machine) -> None:
    version = (machine.disk / "usr/bin/python3").readlink().name.removeprefix("python")
    kinds = [
        f"--platform={kind}_{platform.machine()}" for kind in ("manylinux2014", "manylinux_2_28", "manylinux_2_17")
    ]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", f"--python-version={version}"]
    subprocess.run([*command, *kinds, f"--dest={machine.disk}/srv/wheels", *_WANTED], check=True)


def test_make_install_starts_the_watcher(server: Server) -> None:
    # An earlier tool has decided nothing yet: a request waits right in the queue, for longer than it may today.
    waiting = {"request_id": "1", "username": "ines", "destination": "ines@example.org", "status": "pending"}
    server.sh("groupadd --system runv-members; install -d -m 2770 -g runv-members /var/lib/runv/email-alias-queue")
    server.join("ines")
    old = f"umask 077; echo '{json.dumps(waiting)}' > i.json; touch -d '40 days ago' i.json"
    server.sh(f"cd /var/lib/runv/email-alias-queue; {old}", user="ines")
    _copy_checkout(server)
    _fetch_wheels(server)
    before = server.postfix_side()
    server.sh(f"cd /srv/source && {_PIP} make install", timeout=180)
    assert server.sh(f"systemctl is-enabled {_UNIT}; systemctl is-active {_UNIT}") == "enabled\nactive"
    assert server.postfix_side() == before
    assert [each["username"] for each in server.asked("pending")] == ["ines"]
    assert server.registry() == {}
    server.run("systemd-analyze", "security", "--threshold=20", _UNIT)


def test_mail_is_forwarded(server: Server) -> None:
    server.join("pablo")
    server.admin("setup", "--enable", "--yes")
    server.member("pablo", "request", "pablo@example.org")
    server.admin("approve", "pablo")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.org")


def test_make_install_again_is_an_upgrade(server: Server) -> None:
    old = server.main_pid()
    config = server.read("/etc/runv-member-mail.json")
    server.sh(f"cd /srv/source && {_PIP} make install", timeout=180)
    assert server.main_pid() not in {0, old}
    assert server.read("/etc/runv-member-mail.json") == config
    assert server.problems() == []


def test_make_uninstall_leaves_the_members_data_and_forwarding(server: Server) -> None:
    registry = server.registry()
    server.sh("cd /srv/source && make uninstall")
    assert server.registry() == registry
    assert not (server.disk / "opt/runv-email-alias").exists()
    assert server.sh(f"systemctl show --property=LoadState --value {_UNIT}") == "not-found"
    assert server.sh("command -v runv-email-alias", status=127) == ""
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.org")
