import pytest

from cli.server import systemd
from cli.server.systemd import Unit
from tests.support.programs import Programs
from watcher.publish.commands import CommandError


def test_each_unit_is_told_once_though_it_has_several_names(programs: Programs) -> None:
    programs.make(
        "systemctl",
        r"""printf 'Id=mariadb.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\n'
        printf 'LoadState=not-found\nActiveState=inactive\nId=nginx.service\nUnitFileState=\n\n'
        printf 'Id=mariadb.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n'""",
    )
    assert systemd.units(["mariadb.service", "nginx.service", "mysql.service"]) == [
        Unit("mariadb.service", "loaded", "active", "enabled"),
        Unit("nginx.service", "not-found", "inactive", ""),
    ]
    expected = "show --property=Id,LoadState,ActiveState,UnitFileState -- mariadb.service nginx.service mysql.service"
    assert programs.asked("systemctl") == [expected]


def test_units_that_are_installed_are_found_by_their_files_and_templates_are_no_units(programs: Programs) -> None:
    programs.make("systemctl", r"printf 'php8.4-fpm.service disabled enabled\npostgresql@.service indirect enabled\n'")
    assert systemd.unit_files(["php*-fpm.service", "postgresql@*.service"]) == ["php8.4-fpm.service"]


def test_no_unit_file_that_matches_is_no_failure(programs: Programs) -> None:
    programs.make("systemctl", "exit 1")
    assert systemd.unit_files(["php*-fpm.service"]) == []


def test_a_systemd_that_does_not_answer_is_told(programs: Programs) -> None:
    programs.make("systemctl", "echo 'Failed to connect to bus: Host is down' >&2; exit 1")
    with pytest.raises(CommandError, match="Failed to connect to bus: Host is down"):
        systemd.unit_files(["php*-fpm.service"])
    with pytest.raises(CommandError, match="Failed to connect to bus: Host is down"):
        systemd.units(["postfix.service"])
