import ctypes
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.discover import columns, inventory, mail_files
from schemas.program import installed_version
from schemas.text import printable
from tests.cli.conftest import Server, as_nobody, entry
from tests.support.mailconfig import MailConfig
from tests.support.programs import Programs

HEADINGS = ["PACKAGE", "SERVICE", "POSTFIX", "FILE", "MEMBERS' ALIASES", "COULD NOT BE ASKED"]
IN_OPEN = 0x20

DPKG = r"""
printf 'ii \tpostfix\t3.10.13-0+deb13u1\nii \tpostfix-lmdb\t3.10.13-0+deb13u1\nii \tpostfix-policyd-spf-python\t3.1.0\n'
exit 1
"""
SYSTEMCTL = r"""
unit() { printf 'Id=%s\nLoadState=%s\nActiveState=%s\nUnitFileState=%s\n\n' "$1" "$2" "$3" "$4"; }
case "$*" in
list-unit-files*) echo 'php8.4-fpm.service disabled enabled' ;;
*dovecot.service*)
    for name in dovecot rspamd apache2 postsrsd; do unit $name.service not-found inactive ''; done
    unit postfix.service loaded active enabled
    unit nginx.service loaded failed enabled
    unit runv-email-alias-watcher.service loaded active enabled
    ;;
*)
    unit mariadb.service loaded active enabled
    unit mariadb.service loaded active enabled
    unit spamd.service not-found inactive ''
    case "$*" in *' php8.4-fpm.service'*) unit php8.4-fpm.service loaded inactive disabled ;; esac
    ;;
esac
"""


@pytest.fixture
def mail(server: Server, monkeypatch: pytest.MonkeyPatch) -> MailConfig:
    """The server's main.cf, which real programs of Postfix read."""
    config = MailConfig(server.paths.postfix, maps="hash:/srv/members")
    config.write(mydestination="$myhostname, localhost", mydomain="runv.club", transport_maps="inline:{a=b}")
    monkeypatch.setenv("MAIL_CONFIG", str(config.directory))
    return config


def blocks(text: str) -> dict[str, list[str]]:
    """The lines below each heading, by the heading's first words."""
    found = [block.split("\n") for block in text.strip("\n").split("\n\n")]
    return {next(each for each in HEADINGS if lines[0].startswith(each)): lines[1:] for lines in found}


def files(fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["path"]: each for each in fields["files"]}


@pytest.mark.needs("postfix", "postfix-hash")
def test_a_mail_server_is_told_of_for_programs(
    server: Server, mail: MailConfig, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs.directory}:/usr/sbin:/usr/bin")
    programs.make("dpkg-query", DPKG)
    programs.make("systemctl", SYSTEMCTL)
    server.registry(pablo=entry(), maria=entry("maria", status="revoked"))
    server.status()
    before = server.everything()
    outcome = server.admin("discover", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    found = outcome.json
    assert list(found) == ["packages", "services", "postfix", "files", "ours", "not_asked"]

    versions = {each["name"]: each["version"] for each in found["packages"]}
    assert list(versions) == [*inventory.PACKAGES, "postfix-policyd-spf-python"]
    assert versions["postfix-lmdb"] == "3.10.13-0+deb13u1"
    assert versions["postsrsd"] is None

    units = {each["name"]: each for each in found["services"]}
    assert units["postfix.service"] == {
        "name": "postfix.service",
        "load": "loaded",
        "active": "active",
        "enabled": "enabled",
    }
    assert {each.removesuffix(".service") for each in units} == {*inventory.SERVICES, "mariadb", "php8.4-fpm"}
    assert len(units) == len(found["services"])

    postfix = found["postfix"]
    assert postfix["config_directory"] == str(mail.directory)
    assert postfix["version"][0].isdigit()
    assert "hash" in postfix["table_types"]
    assert list(postfix["parameters"]) == list(inventory.PARAMETERS)
    destination = {"value": "$myhostname, localhost", "expanded": "mail.runv.club, localhost", "set": True}
    assert postfix["parameters"]["mydestination"] == destination
    assert postfix["parameters"]["virtual_mailbox_maps"] == {"value": "", "expanded": "", "set": False}

    main_cf = files(found)[str(mail.path)]
    assert (main_cf["state"], main_cf["kind"], main_cf["mode"], main_cf["part"]) == (
        "present",
        "file",
        "0644",
        "postfix",
    )
    assert main_cf["size"] == mail.path.stat().st_size
    absent = files(found)[str(mail.directory / "virtual.db")]
    assert {key: value for key, value in absent.items() if value is not None} == {
        "path": str(mail.directory / "virtual.db"),
        "part": "postfix",
        "state": "absent",
    }
    ours = [each["path"] for each in found["files"] if each["part"] == "ours"]
    assert ours == [str(path) for path in (server.paths.config, server.paths.registry, server.paths.map)] + [
        f"{server.paths.map}.db"
    ]
    assert found["ours"] == {
        "version": installed_version(),
        "config": str(server.paths.config),
        "enabled": True,
        "backend": "postfix-hash",
        "map": f"hash:{server.paths.map}",
        "domain": "runv.club",
        "registry": str(server.paths.registry),
        "active_aliases": 1,
        "watcher_running": True,
    }
    assert found["not_asked"] == []
    assert server.everything() == before


@pytest.mark.needs("postfix", "postfix-hash")
def test_a_mail_server_is_told_of_for_people(
    server: Server, mail: MailConfig, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs.directory}:/usr/sbin:/usr/bin")
    programs.make("dpkg-query", DPKG)
    programs.make("systemctl", SYSTEMCTL)
    (mail.directory / "virtual").symlink_to("/srv/virtual\x1b[31m")
    outcome = server.admin("discover")
    assert (outcome.status, outcome.err) == (0, "")
    message = blocks(outcome.out)
    assert list(message) == HEADINGS[:-1]
    assert message["PACKAGE"][0].split() == ["postfix", "3.10.13-0+deb13u1"]
    assert "postsrsd                    not installed" in message["PACKAGE"]
    assert message["SERVICE"] == [
        "dovecot                   not installed  -",
        "rspamd                    not installed  -",
        "apache2                   not installed  -",
        "postsrsd                  not installed  -",
        "postfix                   active         enabled",
        "nginx                     failed         enabled",
        "runv-email-alias-watcher  active         enabled",
        "mariadb                   active         enabled",
        "php8.4-fpm                inactive       disabled",
    ]
    assert "mydestination            mail.runv.club, localhost" in message["POSTFIX"]
    assert "virtual_mailbox_maps     (empty)" in message["POSTFIX"]
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in message["FILE"]}
    assert rows[str(mail.directory / "virtual")].startswith("link to /srv/virtual\\x1b[31m  0777  ")
    assert rows[str(mail.directory / "virtual.db")].split() == ["absent", "-", "-", "-"]
    assert message["MEMBERS' ALIASES"][2:] == [
        "publishing      on",
        f"map             hash:{server.paths.map}",
        "domain          runv.club",
        f"registry        {server.paths.registry}",
        "active aliases  0",
        "watcher         not running",
    ]


def test_where_nothing_is_installed_or_set_up_it_is_said_what_could_not_be_asked(
    server: Server, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert programs.asked("postconf") == []
    monkeypatch.setenv("MAIL_CONFIG", str(server.paths.root / "nosuch"))
    server.paths.config.write_text('{"enabeld": true}')
    outcome = server.admin("discover")
    assert (outcome.status, outcome.err) == (0, "")
    assert list(blocks(outcome.out)) == HEADINGS[3:]
    assert set(blocks(outcome.out)["FILE"][0].split()[1:]) == {"absent", "-"}
    message = server.admin("discover", "--json").json
    assert message["packages"] == message["services"] == []
    assert message["postfix"] == {
        "version": None,
        "config_directory": str(server.paths.root / "nosuch"),
        "parameters": {},
        "table_types": [],
    }
    assert {key: value for key, value in message["ours"].items() if value is not None} == {
        "version": installed_version(),
        "config": str(server.paths.config),
    }
    assert [each["path"] for each in message["files"] if each["part"] == "ours"] == [
        str(server.paths.config),
        "/var/lib/runv/email-aliases.json",
    ]
    missing = "The program {} was not found or cannot be executed. Install it, or mend the config."
    assert message["not_asked"][0] == {"what": "Debian's packages", "why": missing.format("dpkg-query")}
    assert message["not_asked"][1]["what"] == "The services"
    assert message["not_asked"][2] == {"what": "Postfix", "why": missing.format("postconf")}
    assert message["not_asked"][3]["what"] == "The configuration"
    assert "`enabeld` is not known" in message["not_asked"][3]["why"]
    assert len(message["not_asked"]) == 4


@pytest.mark.needs("postfix")
def test_a_postfix_without_a_configuration_still_tells_its_version(server: Server, mail: MailConfig) -> None:
    mail.path.unlink()
    found = server.admin("discover", "--json").json
    assert found["postfix"]["version"][0].isdigit()
    assert (found["postfix"]["parameters"], found["postfix"]["table_types"]) == ({}, [])
    why = f"Postfix has no configuration: {mail.path} is not there."
    assert {"what": "Postfix's parameters and map types", "why": why} in found["not_asked"]


def test_a_registry_and_a_status_that_cannot_be_used_are_told_and_the_rest_stands(server: Server) -> None:
    server.paths.registry.write_text("[]")
    server.paths.status.write_text("{")
    found = server.admin("discover", "--json").json
    assert (found["ours"]["active_aliases"], found["ours"]["watcher_running"]) == (None, None)
    assert found["ours"]["domain"] == "runv.club"
    reasons = {each["what"]: each["why"] for each in found["not_asked"]}
    assert str(server.paths.registry) in reasons["The registry"]
    assert str(server.paths.status) in reasons["The watcher"]


@contextmanager
def never_opened(*paths: Path) -> Iterator[None]:
    """Fail if one of *paths* is opened meanwhile, by whichever process, see inotify(7)."""
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    try:
        for path in paths:
            assert libc.inotify_add_watch(descriptor, os.fsencode(path), IN_OPEN) > 0
        yield
        with pytest.raises(BlockingIOError):
            os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


@pytest.mark.needs("postfix")
def test_what_may_hold_a_password_is_never_opened(server: Server, mail: MailConfig, tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    mailgun = [etc / "runv-email.json", etc / "Mailgun.env", mail.directory / "sasl-mailgun\x1b"]
    others = [mail.directory / "mysql-virtual-alias-maps.cf", mail.directory / "pgsql-virtual-alias-maps.cf"]
    for path in (*mailgun, *others):
        path.write_text("password = secret")
        path.chmod(0o600)
    with never_opened(*mailgun, *others):
        fields = {each.path: each for each in mail_files.mail_files(str(mail.directory), [], [], str(etc))}
        out = server.admin("discover").out + server.admin("discover", "--json").out
    assert [fields[str(path)].part for path in (*mailgun, *others)] == ["mailgun"] * 3 + ["postfix"] * 2
    assert {fields[str(path)].mode for path in (*mailgun, *others)} == {"0600"}
    assert "sasl-mailgun" in out
    assert "secret" not in out


def test_every_kind_of_thing_is_named(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("nowhere")
    os.link(_made(tmp_path / "file"), tmp_path / "other")
    # Whoever opens it to read waits for somebody who writes.
    os.mkfifo(tmp_path / "fifo")
    for name in ("directory", "link", "file", "fifo"):
        assert mail_files.look("ours", str(tmp_path / name), []).kind == name
    assert mail_files.look("ours", "/dev/null", []).kind == "device"
    assert mail_files.look("ours", str(tmp_path / "link"), []).target == "nowhere"
    assert mail_files.look("ours", str(tmp_path / "file" / "below"), []).state == "absent"


def _made(path: Path) -> Path:
    path.write_text("")
    os.chown(path, 54321, 54322)
    found = mail_files.look("ours", str(path), [])
    # No account has these numbers.
    assert (found.owner, found.group, found.size) == ("54321", "54322", 0)
    return path


@pytest.mark.needs("root")
def test_an_account_that_may_not_look_is_told_so(open_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = open_server.paths.root / "secret"
    secret.mkdir(mode=0o700)
    (secret / "main.cf").write_text("")
    monkeypatch.setenv("MAIL_CONFIG", str(secret))
    assert columns  # imported before it is too late: the checkout may be closed to others
    with as_nobody():
        outcome = open_server.admin("discover", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    found = files(outcome.json)
    assert {each["state"] for path, each in found.items() if path.startswith(f"{secret}/")} == {"hidden"}
    assert found[str(secret / "main.cf")]["kind"] is None
    denied = "This account may not look there; run it with sudo."
    assert {"what": str(secret / "main.cf"), "why": denied} in outcome.json["not_asked"]
    assert {"what": f"Files named after Mailgun in {secret}", "why": denied} in outcome.json["not_asked"]
    assert any(each["what"] == "The registry" for each in outcome.json["not_asked"])


def test_what_is_told_is_escaped(server: Server, programs: Programs) -> None:
    server.configure(virtual_alias_file="/srv/\x1b[31m")
    server.paths.registry.write_text('{"\x1b[31m": []}')
    programs.make("dpkg-query", r"printf 'ii \tpostfix\t3\033[31m\n'")
    for arguments in (["discover"], ["discover", "--json"]):
        out = server.admin(*arguments).out
        assert out.replace("\n", "").isprintable()
    assert "map             hash:/srv/\\x1b[31m" in server.admin("discover").out.splitlines()
    assert printable("3\x1b[31m") in server.admin("discover").out
    assert json.loads(out)["packages"][0]["version"] == "3\x1b[31m"
