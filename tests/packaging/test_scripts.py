"""What dpkg runs when the package comes and goes, on a server below a directory (DPKG_ROOT)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, run

MAP = "etc/postfix/runv-member-aliases"
CONFIG = "etc/runv-member-mail.json"
DROP_INS = "etc/systemd/system/runv-email-alias-watcher.service.d"
TMPFILES = "etc/tmpfiles.d/runv-email-alias.conf"
ENABLE = "To let Postfix forward to the members' addresses, run `runv-admin-email-alias setup --enable`.\n"
STAYS = "The registry and its history stay in /var/lib/runv/email-alias*, and the group of the members stays too.\n"
MAP_STAYS = (
    "/etc/postfix/runv-member-aliases stays, since Postfix is told to use it. "
    "Take it out of virtual_alias_maps, then remove it:\n"
    "    rm /etc/postfix/runv-member-aliases*\n"
)


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A server with Postfix, our state and the shared files of the package."""
    put(tmp_path, "etc/postfix/main.cf", "virtual_alias_maps = hash:/etc/postfix/virtual\n")
    put(tmp_path, "etc/postfix/virtual", "a@runv.club b@example.org\n")
    put(tmp_path, "var/lib/runv/email-aliases.json", "{}")
    put(tmp_path, "var/lib/runv/email-alias-queue/request.json", "{}")
    shipped = (ROOT / "units/runv-member-mail.json").read_text(encoding="utf-8")
    put(tmp_path, "usr/share/runv-email-alias/runv-member-mail.json", shipped)
    return tmp_path


def put(server: Path, name: str, text: str = "") -> None:
    path = server / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def script(server: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = ROOT / f"debian/runv-email-alias.{name}"
    return run("/bin/sh", str(path), *arguments, environment={"DPKG_ROOT": str(server)})


def said(server: Path, name: str, *arguments: str) -> str:
    done = script(server, name, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def files(server: Path) -> dict[str, bytes]:
    return {str(path.relative_to(server)): path.read_bytes() for path in server.rglob("*") if path.is_file()}


def test_the_first_installation_makes_a_configuration_that_publishes_nothing(server: Path) -> None:
    before = files(server)
    assert said(server, "postinst", "configure", "") == ENABLE
    assert files(server) == before | {CONFIG: (ROOT / "units/runv-member-mail.json").read_bytes()}
    assert (server / CONFIG).stat().st_mode & 0o777 == 0o644


def test_only_the_first_installation_makes_a_registry_and_none_where_aliases_are_published(server: Path) -> None:
    registry = server / "var/lib/runv/email-aliases.json"
    registry.unlink()
    put(server, MAP, "pablo@runv.club\tpablo@example.org\n")
    put(server, "var/lib/runv/email-alias-requests/pending/r.json")
    for _ in range(2):
        for version in ("", "0.1.0-1"):
            assert script(server, "postinst", "configure", version).returncode == 0
            assert not registry.exists()
        # Neither the records alone nor the map alone belong to a server where nothing was before.
        shutil.rmtree(server / "var/lib/runv/email-alias-requests", ignore_errors=True)
    (server / MAP).unlink()
    assert script(server, "postinst", "configure", "").returncode == 0
    assert registry.read_text(encoding="utf-8") == "{}\n"
    assert registry.stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_queue_is_no_directory_of_an_earlier_tool(server: Path) -> None:
    put(server, "elsewhere/old.json")
    (server / "var/lib/runv/email-alias-queue/pending").symlink_to(server / "elsewhere")
    assert said(server, "postinst", "configure", "0.1.0-1") == ""


def test_a_configuration_that_is_there_is_kept(server: Path) -> None:
    put(server, CONFIG, '{"enabled": true}')
    before = files(server)
    assert said(server, "postinst", "configure", "") == ENABLE
    assert files(server) == before


def test_a_link_in_the_configurations_place_is_not_followed(server: Path) -> None:
    (server / CONFIG).symlink_to("elsewhere.json")
    before = files(server)
    assert said(server, "postinst", "configure", "") == ENABLE
    assert (server / CONFIG).is_symlink()
    assert files(server) == before


def test_an_upgrade_does_not_bring_a_configuration_back(server: Path) -> None:
    before = files(server)
    assert said(server, "postinst", "configure", "0.1.0-1") == ""
    assert files(server) == before


def test_the_queue_of_an_earlier_tool_is_told_of_and_left_alone(server: Path) -> None:
    put(server, "var/lib/runv/email-alias-queue/pending/old.json", "{}")
    before = files(server)
    assert said(server, "postinst", "configure", "0.1.0-1") == (
        "/var/lib/runv/email-alias-queue has the files of an earlier tool: "
        "`runv-admin-email-alias setup` moves them over.\n"
    )
    assert files(server) == before


def test_a_unit_that_goes_before_the_packages_is_told_of(server: Path) -> None:
    put(server, "etc/systemd/system/runv-email-alias-watcher.service", "[Service]\n")
    assert said(server, "postinst", "configure", "0.1.0-1") == (
        "/etc/systemd/system/runv-email-alias-watcher.service goes before the package's and starts another program: "
        "remove it, then run\n"
        "`systemctl daemon-reload` and `systemctl restart runv-email-alias-watcher.service`.\n"
    )


def test_removing_says_that_postfix_goes_on_and_removes_nothing(server: Path) -> None:
    put(server, CONFIG)
    put(server, MAP)
    before = files(server)
    assert said(server, "prerm", "remove") == (
        "Nothing takes requests in any more. Postfix goes on forwarding with the map as it is now.\n"
    )
    assert said(server, "prerm", "upgrade", "0.1.0-1") == ""
    for action in ("remove", "upgrade", "abort-install"):
        assert said(server, "postrm", action) == ""
    assert files(server) == before


def everything_of_ours(server: Path) -> None:
    for name in (
        CONFIG,
        TMPFILES,
        f"{DROP_INS}/group.conf",
        f"{DROP_INS}/database.conf",
        "run/runv-email-alias/status.json",
    ):
        put(server, name)
    for suffix in ("", ".db", ".lmdb", ".cdb"):
        put(server, MAP + suffix)
    put(server, "etc/postfix/.runv-member-aliases.next-0123abcd/runv-member-aliases")


def test_purging_removes_what_is_ours_and_keeps_the_registry(server: Path) -> None:
    before = files(server)
    everything_of_ours(server)
    assert said(server, "postrm", "purge") == STAYS
    assert files(server) == before
    assert not (server / DROP_INS).exists()
    assert not (server / "run/runv-email-alias").exists()


def test_purging_keeps_a_drop_in_of_the_administrators(server: Path) -> None:
    put(server, f"{DROP_INS}/mine.conf")
    before = files(server)
    everything_of_ours(server)
    assert said(server, "postrm", "purge") == STAYS
    assert files(server) == before


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("etc/postfix/main.cf", "virtual_alias_maps = hash:/etc/postfix/runv-member-aliases"),
        ("etc/postfix/main.cf", "virtual_alias_maps =\n    lmdb:${config_directory}/runv-member-aliases"),
        ("etc/postfix/master.cf", "  -o virtual_alias_maps=hash:/etc/postfix/runv-member-aliases"),
        ("etc/postfix-out/main.cf", "virtual_alias_maps = hash:/etc/postfix/runv-member-aliases"),
    ],
)
def test_purging_keeps_a_map_that_postfix_is_told_to_use(server: Path, path: str, line: str) -> None:
    everything_of_ours(server)
    put(server, path, f"{line}\n")
    maps = {name: data for name, data in files(server).items() if MAP in name}
    assert len(maps) == 4
    assert said(server, "postrm", "purge") == MAP_STAYS + STAYS
    left = files(server)
    assert maps.items() <= left.items()
    assert CONFIG not in left
    assert TMPFILES not in left


def test_a_map_that_only_a_comment_names_goes(server: Path) -> None:
    everything_of_ours(server)
    put(server, "etc/postfix/main.cf", "# virtual_alias_maps = hash:/etc/postfix/runv-member-aliases\n")
    assert said(server, "postrm", "purge") == STAYS
    assert not [name for name in files(server) if "runv-member-aliases" in name]


def test_purging_works_where_nothing_is_left(tmp_path: Path) -> None:
    assert said(tmp_path, "postrm", "purge") == ""
    assert list(tmp_path.iterdir()) == []
