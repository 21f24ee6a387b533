"""From a mail server without aliases to one with them, and back: each step goes on where the one before it ended."""

import json
import os
from pathlib import Path

import pytest

from .conftest import Packages
from .server import DOMAIN, OPERATOR, Server

pytestmark = pytest.mark.step

UNIT = "runv-email-alias-watcher.service"
QUEUE = "/var/lib/runv/email-alias-queue"
MODES = {
    "/etc/runv-member-mail.json": "644 root root",
    "/var/lib/runv": "755 root root",
    "/var/lib/runv/email-aliases.json": "640 root runv-members",
    "/var/lib/runv/email-alias-queue": "2770 root runv-members",
    "/var/lib/runv/email-alias-requests/pending": "2750 root runv-members",
    "/var/lib/runv/email-alias-requests/approved": "2750 root runv-members",
    "/var/lib/runv/email-alias-requests/rejected": "2750 root runv-members",
    "/var/lib/runv/email-alias-requests/cancelled": "2750 root runv-members",
    "/var/lib/runv/email-alias-requests/refused": "2750 root runv-members",
    "/var/lib/runv/email-alias-decisions": "700 root root",
    "/run/runv-email-alias/status.json": "644 root root",
}


def test_the_package_is_installed_and_its_watcher_runs_while_postfix_is_as_it_was(
    server: Server, packages: Packages
) -> None:
    before = server.postfix_side()
    server.install(packages.previous)
    assert server.sh(f"systemctl is-enabled {UNIT}; systemctl is-active {UNIT}") == "enabled\nactive"
    assert {path: server.sh(f"stat -c '%a %U %G' {path}") for path in MODES} == MODES
    assert json.loads(server.read("/etc/runv-member-mail.json"))["enabled"] is False
    assert server.registry() == {}
    assert server.postfix_side() == before
    assert server.asked("status")["running"] is True


def test_a_reload_returns_only_once_the_configuration_was_read_again(server: Server) -> None:
    def readings() -> int:
        server.run("journalctl", "--sync")
        return server.sh(f"journalctl --unit={UNIT} --output=cat").count("The configuration was read again.")

    assert server.sh(f"systemctl show --property=Type --value {UNIT}") == "notify-reload"
    before = readings()
    for number in range(1, 6):
        server.run("systemctl", "reload", UNIT)
        # Once each time: the signal comes from systemd, and ExecReload= sends no second one.
        assert readings() == before + number


def test_the_stock_of_the_mail_server_is_taken(server: Server) -> None:
    found = server.asked("discover")
    assert {"postfix", "postfix-lmdb", "postsrsd"} <= {each["name"] for each in found["packages"] if each["version"]}
    services = {each["name"].removesuffix(".service"): each["active"] for each in found["services"]}
    assert services["postfix"] == services["postsrsd"] == "active"
    assert found["postfix"]["parameters"]["myhostname"]["expanded"] == "mail.runv.example"


def test_what_enabling_will_do_is_shown_first(server: Server) -> None:
    before = server.postfix_side()
    shown = server.admin("setup", "--enable", "--dry-run")
    assert "hash:/etc/postfix/runv-member-aliases" in shown
    assert "virtual_alias_domains" in shown
    assert server.postfix_side() == before
    assert server.admin("setup", "--enable", given="n\n", status=1)
    assert server.postfix_side() == before


def test_enabling_makes_postfix_ask_the_map(server: Server) -> None:
    server.admin("setup", "--enable", given="y\n")
    assert server.sh("postconf -h virtual_alias_maps").endswith("hash:/etc/postfix/runv-member-aliases")
    assert DOMAIN in server.sh("postconf -h virtual_alias_domains")
    assert server.problems() == []
    assert "User unknown" in server.send(f"pablo@{DOMAIN}")


def test_a_member_asks_and_mail_arrives_once_it_is_approved(server: Server) -> None:
    server.join("pablo", "maria")
    # An id that no user namespace of the service may leave out.
    server.join("ines", uid=70001)
    assert "pablo@example.org" in server.member("pablo", "request", "pablo@example.org")
    assert "User unknown" in server.send(f"pablo@{DOMAIN}")
    assert "pablo@example.org" in server.admin("pending")
    server.admin("approve", "pablo")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.org")
    assert server.registry()["pablo"]["approved_by"] == OPERATOR


def test_a_changed_destination_holds_from_its_approval_on(server: Server) -> None:
    server.member("pablo", "request", "pablo@example.net")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.org")
    server.admin("approve", "pablo")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.net")


def test_a_member_withdraws_a_request(server: Server) -> None:
    server.member("maria", "request", "maria@example.org")
    server.member("maria", "cancel")
    assert server.asked("pending") == []


def test_a_rejected_member_reads_why(server: Server) -> None:
    server.member("maria", "request", "maria@example.org")
    server.admin("reject", "maria", "--reason", "Please use your own address.")
    assert "Please use your own address." in server.member("maria", "status")
    assert "User unknown" in server.send(f"maria@{DOMAIN}")


def test_a_revoked_alias_takes_mail_no_more(server: Server) -> None:
    server.member("maria", "request", "maria@example.com")
    server.admin("approve", "maria")
    server.arrives(f"maria@{DOMAIN}", "maria@example.com")
    server.admin("revoke", "maria", "--reason", "It bounces.")
    assert "User unknown" in server.send(f"maria@{DOMAIN}")


def test_a_request_dropped_while_the_machine_is_down_is_taken_in_at_its_start(server: Server) -> None:
    server.power_off()
    server.run_while_off(
        'umask 077; echo \'{"destination": "ines@example.org"}\' > ' + f"{QUEUE}/while-down.json", user="ines"
    )
    server.boot()
    server.wait_for(lambda: server.asked("pending"), "the request")
    server.reboot()
    server.admin("approve", "ines")
    server.arrives(f"ines@{DOMAIN}", "ines@example.org")


def test_a_killed_watcher_comes_back_and_goes_on(server: Server) -> None:
    before = server.main_pid()
    server.member("maria", "request", "maria@example.net")
    server.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    server.wait_for(lambda: server.main_pid() not in {0, before}, "another watcher")
    server.wait_for(lambda: server.asked("status")["running"], "its status")
    server.admin("approve", "maria")
    server.arrives(f"maria@{DOMAIN}", "maria@example.net")


def test_a_running_watcher_takes_its_configuration_anew_and_reloads_postfix(server: Server) -> None:
    config = json.loads(server.read("/etc/runv-member-mail.json"))
    server.put("/etc/runv-member-mail.json", json.dumps({**config, "reload_postfix": True}, indent=2))
    before = server.sh("systemctl show --property=ExecReload postfix.service")
    server.admin("revoke", "maria", "--reason", "Once more.")
    assert "User unknown" in server.send(f"maria@{DOMAIN}")
    assert server.sh("systemctl show --property=ExecReload postfix.service") != before
    assert server.problems() == []
    server.put("/etc/runv-member-mail.json", json.dumps(config, indent=2))


def test_another_type_of_map_takes_the_place_of_the_first(server: Server) -> None:
    config = json.loads(server.read("/etc/runv-member-mail.json"))
    server.put("/etc/runv-member-mail.json", json.dumps({**config, "backend": "postfix-lmdb"}, indent=2))
    server.admin("setup", "--enable", "--yes")
    assert server.sh("postconf -h virtual_alias_maps").endswith("lmdb:/etc/postfix/runv-member-aliases")
    assert "hash:/etc/postfix/runv-member-aliases" not in server.sh("postconf -h virtual_alias_maps")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.net")
    assert server.problems() == []


def test_an_upgrade_keeps_everything_and_starts_the_new_watcher(server: Server, packages: Packages) -> None:
    kept = ("/etc/runv-member-mail.json", "/var/lib/runv/email-aliases.json")
    before = [server.read(path) for path in kept]
    old = server.main_pid()
    server.install(packages.present)
    assert [server.read(path) for path in kept] == before
    assert server.main_pid() not in {0, old}
    server.wait_for(lambda: server.problems() == [], "a watcher without problems")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.net")


def test_the_alias_of_a_deleted_account_is_switched_off_by_itself(server: Server) -> None:
    server.run("userdel", "--remove", "ines", status=None)
    server.wait_for(lambda: server.registry()["ines"]["status"] != "active", "the end of the alias")
    server.wait_for(lambda: "User unknown" in server.send(f"ines@{DOMAIN}"), "the refusal")
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.net")


def test_the_doctor_finds_what_is_wrong_and_its_commands_mend_it(server: Server) -> None:
    server.run("chmod", "0644", "/var/lib/runv/email-aliases.json")
    found = [each for each in server.asked("doctor")["verdicts"] if each["verdict"] != "ok"]
    assert [each["code"] for each in found] == ["paths", "srs"]
    server.admin("doctor", status=1)
    for each in found:
        server.sh(each["mend"])
    assert {each["verdict"] for each in server.asked("doctor")["verdicts"]} == {"ok"}
    assert server.admin("doctor").endswith("All is well.\n")


def test_the_senders_rewriting_that_the_doctor_advises_works_both_ways(server: Server) -> None:
    forwarded = server.arrives(f"pablo@{DOMAIN}", "pablo@example.net")
    assert forwarded["sender"].startswith("SRS0=")
    bounced = server.arrives(forwarded["sender"], "friend@elsewhere.example")
    assert bounced["recipients"] == ["friend@elsewhere.example"]


def test_a_removed_package_leaves_forwarding_as_it_is_and_a_purged_one_only_the_members_data(server: Server) -> None:
    registry = server.read("/var/lib/runv/email-aliases.json")
    server.run("apt-get", "remove", "-qq", "-y", "runv-email-alias")
    assert server.sh(f"systemctl is-active {UNIT}", status=None) in {"inactive", "failed", "unknown"}
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.net")
    server.run("apt-get", "purge", "-qq", "-y", "runv-email-alias")
    assert server.read("/var/lib/runv/email-aliases.json") == registry
    gone = ("etc/runv-member-mail.json", "run/runv-email-alias", "etc/logrotate.d/runv-email-alias")
    assert not [path for path in gone if os.path.lexists(server.disk / path)]
    server.arrives(f"pablo@{DOMAIN}", "pablo@example.net")


def test_the_commands_of_the_guide_remove_it_without_a_trace(server: Server, packages: Packages) -> None:
    server.install(packages.present)
    guide = Path(__file__).parents[2].joinpath("docs/administrator-guide.md").read_text(encoding="utf-8")
    section = guide.partition("**Removing it without a trace.**")[2].partition("After `make uninstall`")[0]
    commands = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    assert len(commands) == 6
    for command in commands:
        server.sh(command.replace("apt-get", "apt-get -qq -y"), timeout=120)
    assert not server.sh("find / /run -xdev '(' -name '*runv*' -o -name 'email-alias*' ')' -not -path '/srv/*'")
    assert "runv-members" not in server.read("/etc/group")
    assert not server.sh("postconf -n virtual_alias_maps virtual_alias_domains 2>/dev/null")
