"""A server whose members have aliases already, by the tools that were there before: the package takes it over."""

import json
from typing import Any

import pytest

from .conftest import Packages
from .server import DOMAIN, Server

pytestmark = pytest.mark.step

STATE = "/var/lib/runv"
QUEUE = f"{STATE}/email-alias-queue"
MAP = "/etc/postfix/runv-member-aliases"
CONFIG = {
    "enabled": True,
    "backend": "postfix-hash",
    "virtual_alias_file": MAP,
    "file_mode": "0o644",
    "check_maps": True,
    "run_postmap": True,
    "postmap_command": ["postmap", MAP],
    "reload_postfix": True,
    "reload_command": ["systemctl", "reload", "postfix"],
    "auto_sync_on_approve": True,
}
REGISTRY = {
    "pablo": {
        "username": "pablo",
        "alias": f"pablo@{DOMAIN}",
        "destination": "pablo@example.org",
        "status": "active",
        "created_at": "2026-05-19T20:55:18Z",
        "updated_at": "2026-05-19T20:55:18Z",
        "approved_by": "pmurad-admin",
    },
    "old": {"username": "old", "alias": f"old@{DOMAIN}", "destination": "old@example.org", "status": "revoked"},
}


def request(name: str, status: str = "pending", **more: Any) -> dict[str, Any]:
    return {
        "request_id": f"20260601T101112Z-{name}",
        "username": name,
        "alias": f"{name}@{DOMAIN}",
        "destination": f"{name}@example.org",
        "status": status,
        "created_at": "2026-06-01T10:11:12Z",
        **more,
    }


def test_the_server_is_as_the_earlier_tools_left_it(server: Server) -> None:
    server.run("groupadd", "--system", "runv-members")
    server.join("pablo", "maria", "ines")
    server.run("useradd", "--create-home", "novo")
    server.put("/etc/runv-member-mail.json", json.dumps(CONFIG))
    server.put(f"{STATE}/email-aliases.json", json.dumps(REGISTRY), 0o644)
    server.put(f"{STATE}/users.json", json.dumps({"users": [{"username": "pablo"}, {"username": "novo"}]}))
    server.sh(
        f"""
        install -d -m 2770 -g runv-members {QUEUE} {QUEUE}/approved {QUEUE}/rejected {QUEUE}/cancelled
        install -m 0660 -g runv-members /dev/null {STATE}/email-aliases.lock
        echo 'pablo@{DOMAIN} pablo@example.org' > {MAP} && postmap {MAP}
        postconf -e 'virtual_alias_domains = {DOMAIN}' 'virtual_alias_maps = hash:{MAP}'
        systemctl reload postfix
        """
    )
    server.put(f"{QUEUE}/approved/p.json", json.dumps(request("pablo", "approved")), 0o640)
    server.put(f"{QUEUE}/rejected/m.json", json.dumps(request("maria", "rejected", reason="Not yet.")), 0o640)
    waiting = json.dumps(request("ines"))
    # It has waited for longer than a request may in the queue of today.
    server.sh(f"umask 077; echo '{waiting}' > {QUEUE}/i.json; touch -d '40 days ago' {QUEUE}/i.json", user="ines")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.org")


def test_the_package_moves_the_requests_over_and_mail_goes_on(server: Server, packages: Packages) -> None:
    server.install(packages.present)
    assert json.loads(server.read("/etc/runv-member-mail.json")) == CONFIG
    assert server.registry() == REGISTRY
    folders = f"{STATE}/email-alias-requests"
    assert server.sh(f"ls {folders}/approved {folders}/rejected | grep -c json") == "2"
    assert not server.sh(f"find {QUEUE} -mindepth 1")
    assert server.sh(f"stat -c '%a %U %G' {STATE}/email-aliases.lock") == "600 root root"
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.org")


def test_setup_adds_the_members_that_are_missing_and_finds_nothing_else_to_do(server: Server) -> None:
    assert "runv-members" not in server.sh("id -nG novo")
    server.admin("setup", "--add-existing-users")
    assert "runv-members" in server.sh("id -nG novo")
    before = server.sh(f"find {STATE} -printf '%p %m %u %g %i %T@\n' | sort")
    found = server.admin("setup", "--add-existing-users")
    assert server.sh(f"find {STATE} -printf '%p %m %u %g %i %T@\n' | sort") == before, found


def test_what_waited_before_is_decided_now(server: Server) -> None:
    assert [each["username"] for each in server.asked("pending")] == ["ines"]
    assert "Not yet." in server.member("maria", "status")
    server.admin("approve", "ines")
    server.arrives(f"ines@{DOMAIN}", "ines@example.org")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.org")
    assert server.problems() == []
