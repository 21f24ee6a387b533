"""The service's sandbox: what the watcher needs goes through, and what it has no business with does not."""

import json
import re
from pathlib import Path

from .conftest import Packages
from .server import Server

_UNIT = "/usr/lib/systemd/system/runv-email-alias-watcher.service"
_OTHER_WAY = re.compile(r"(Type|NotifyAccess|ExecStart|ExecReload|WatchdogSec|Restart\w*|KillMode)=")


def _probing(unit: str) -> str:
    """The service with another program in it, from which everything is taken that is taken from the watcher."""
    service = unit.partition("[Service]")[2].partition("[Install]")[0]
    kept = [line for line in service.splitlines() if not _OTHER_WAY.match(line)]
    return "\n".join(["[Service]", "Type=oneshot", "ExecStart=/usr/bin/python3 /srv/probe.py", *kept, ""])


def test_the_sandbox_lets_through_what_is_needed_and_nothing_else(server: Server, packages: Packages) -> None:
    server.install(packages.present)
    server.join("pablo")
    server.sh("umask 077; echo private > /var/lib/runv/email-alias-queue/.private", user="pablo")
    server.put("/srv/probe.py", Path(__file__).with_name("probe.py").read_bytes())
    server.put("/etc/systemd/system/probe.service", _probing(server.read(_UNIT)))
    server.run("systemctl", "start", "probe.service")
    assert json.loads(server.read("/var/lib/runv/probe.json")) == []


def test_the_service_is_exposed_to_little(server: Server) -> None:
    server.run("systemd-analyze", "security", "--threshold=20", "runv-email-alias-watcher.service")
