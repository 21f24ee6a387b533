import os
from pathlib import Path

import pytest

from cli.doctor.checks import Finding, run_check
from cli.doctor.files import unit_file
from cli.output import safe_text
from cli.server.facts import Facts
from schemas.config import load_settings
from tests.cli.doctor.conftest import Clinic

SETUP = "runv-admin-email-alias setup"


def test_each_path_that_is_not_as_it_has_to_be_is_told_with_what_mends_it(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    assert clinic.watcher is not None
    clinic.watcher.stop()  # or it makes some of it anew
    paths = clinic.site.paths
    pending, rejected, lock = (
        paths.requests / "pending",
        paths.requests / "rejected",
        paths.state / "email-aliases.lock",
    )
    table = paths.map.with_name(f"{paths.map.name}.db")
    paths.queue.chmod(0o2777)
    os.chown(pending, -1, 0)
    paths.registry.chmod(0o644)
    lock.touch(mode=0o600)
    os.chown(lock, 1, -1)
    rejected.rmdir()
    table.chmod(0o600)
    report = clinic.examine()
    assert report.status == 1
    group = "runv-members"
    message = report.of("paths")
    expected = [
        ("problem", f"The queue {paths.queue} has the mode 2777; 2770 root:{group} was expected.", SETUP),
        (
            "problem",
            f"The requests/pending {pending} belongs to the group root; 2750 root:{group} was expected.",
            SETUP,
        ),
        (
            "problem",
            f"The requests/rejected {rejected} is not there; 2750 root:{group} was expected.",
            SETUP,
        ),
        ("problem", f"The lock {lock} belongs to daemon; 0600 root:root was expected.", SETUP),
        ("problem", f"The registry {paths.registry} has the mode 0644; 0640 root:{group} was expected.", SETUP),
        ("problem", f"The map table {table} has the mode 0600; 0644 root:root was expected.", SETUP),
    ]
    assert [each for each in expected if each not in message] == []
    clinic.paste(SETUP)
    assert clinic.examine().one("paths")[0] == "ok"


def test_a_link_in_place_of_a_directory_is_for_a_person_to_look_at(clinic: Clinic) -> None:
    refused = clinic.site.paths.requests / "refused"
    refused.rmdir()
    refused.symlink_to("/etc")
    message = (
        f"The requests/refused {refused} is a symbolic link. Find out who made it, and put the real thing in its place."
    )
    assert ("problem", message, f"ls -ld {refused}") in clinic.examine().of("paths")
    # Many at once are counted.
    for path in clinic.site.paths.requests.iterdir():
        path.unlink() if path.is_symlink() else path.rmdir()
    clinic.site.paths.queue.chmod(0o700)
    clinic.site.paths.registry.chmod(0o666)
    clinic.site.paths.decisions.chmod(0o755)
    (clinic.site.paths.decisions / "failed").rmdir()
    findings = clinic.examine().of("paths")
    assert len(findings) == 9
    assert findings[-1] == (
        "problem",
        "Further faults of paths: 1. `setup --dry-run` shows them all.",
        "runv-admin-email-alias setup",
    )


def test_the_stronger_mode_of_the_queue_is_advice(clinic: Clinic) -> None:
    queue = clinic.site.paths.queue
    severity, found, fix = clinic.examine().one("queue-mode")
    assert severity == "ok"
    assert found.startswith("The queue may have the mode 3770, which keeps members from re")
    assert fix == f"chmod 3770 {queue}"
    clinic.paste(fix)
    sticky = "The queue has the mode 3770: no member can rename or remove another's file."
    assert clinic.examine().one("queue-mode") == ("ok", sticky, None)


def test_a_unit_that_others_may_write_to_is_a_problem(clinic: Clinic, tmp_path: Path) -> None:
    settings = load_settings(str(clinic.site.paths.config))
    directories = (str(tmp_path / "absent"), str(tmp_path))
    facts = Facts(settings, unit_directories=directories)
    assert list(run_check(unit_file, facts)) == []
    unit = tmp_path / "runv-email-alias-watcher.service"
    unit.write_text("[Service]\n")
    unit.chmod(0o664)
    message = (
        f"The unit {unit} has the mode 0664 or an owner other than root: whoever may write there becomes root at the "
        "watcher's next start. See that nothing was changed in it."
    )
    fix = f"chown root:root {unit} && chmod 0644 {unit}"
    assert list(run_check(unit_file, facts)) == [Finding("unit-file", "problem", safe_text(message), fix)]
    clinic.paste(fix)
    fine = safe_text(f"The unit {unit} can be changed by root alone.")
    assert list(run_check(unit_file, facts)) == [Finding("unit-file", "ok", fine)]


def test_a_drop_in_that_others_may_write_to_is_as_bad(clinic: Clinic, tmp_path: Path) -> None:
    (tmp_path / "runv-email-alias-watcher.service").write_text("[Service]\n")
    directory = tmp_path / "runv-email-alias-watcher.service.d"
    directory.mkdir(mode=0o755)
    drop_in = directory / "override.conf"
    drop_in.write_text("[Service]\nNice=5\n")
    (directory / "off.conf").symlink_to("/dev/null")
    facts = Facts(load_settings(str(clinic.site.paths.config)), unit_directories=(str(tmp_path),))
    assert [each.severity for each in run_check(unit_file, facts)] == ["ok"]
    drop_in.chmod(0o666)
    directory.chmod(0o775)
    found = list(run_check(unit_file, facts))
    assert [(each.severity, each.fix) for each in found] == [
        ("problem", f"chown root:root {directory} && chmod 0755 {directory}"),
        ("problem", f"chown root:root {drop_in} && chmod 0644 {drop_in}"),
    ]
    for each in found:
        assert each.fix is not None
        clinic.paste(each.fix)
    assert [each.severity for each in run_check(unit_file, facts)] == ["ok"]


def test_a_directory_in_which_others_could_put_another_map_is_a_problem(clinic: Clinic) -> None:
    postfix = clinic.site.paths.postfix
    postfix.chmod(0o777)
    fix = f"chown root {postfix} && chmod go-w {postfix}"
    message = (
        f"The directory {postfix} has the mode 0777 and the owner root: others than root could put another map in "
        "place."
    )
    assert clinic.examine().of("paths") == [("problem", message, fix)]
    clinic.paste(fix)
    assert clinic.examine().one("paths")[0] == "ok"


def test_of_a_masked_unit_no_mode_is_mended_since_that_would_be_the_mode_of_dev_null(
    clinic: Clinic, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "first/runv-email-alias-watcher.service").symlink_to("/dev/null")
    (tmp_path / "second/runv-email-alias-watcher.service").write_text("[Service]\n")
    settings = load_settings(str(clinic.site.paths.config))
    facts = Facts(settings, unit_directories=(str(tmp_path / "first"), str(tmp_path / "second")))
    assert list(run_check(unit_file, facts)) == []


@pytest.mark.needs("root")
def test_a_member_is_told_what_could_not_be_looked_at(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    done = clinic.site.run(
        ["runv-admin-email-alias", "doctor"], account=clinic.site.accounts["pablo"], env=clinic.path()
    )
    failed = clinic.site.paths.decisions / "failed"
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if not line.startswith(("ok", "advice"))] == [
        f"warning  One path could not be looked at, {failed}: Permission denied.",
        "mend     sudo runv-admin-email-alias doctor",
        "warning  How many inotify instances and watches are left can only be seen by root.",
        "mend     sudo runv-admin-email-alias doctor",
        f"warning  Whether decisions have failed could not be found out: The directory {failed} cannot be opened "
        "(Permission denied). Make it, or mend its mode and owner.",
        "0 problems, 3 warnings.",
    ]
