import os
import signal
import time
from pathlib import Path

from cli.doctor.watcher import _overdue
from cli.server.facts import Facts
from schemas.config import load_settings
from tests.cli.doctor.conftest import UNIT, Clinic
from tests.support.layout import put

START = "systemctl start runv-email-alias-watcher"


def test_a_watcher_that_never_ran_and_one_that_has_stopped(clinic: Clinic) -> None:
    report = clinic.examine()
    assert report.status == 1
    message = "The watcher is not running, and has left no status since the machine started."
    assert report.one("watcher-running") == ("problem", message, START)
    assert not report.of("converged")

    clinic.start(pablo="p@example.org")
    assert clinic.watcher is not None
    clinic.watcher.stop()
    clinic.registry(pablo="p@example.net")
    report = clinic.examine()
    assert report.worse == {"watcher-running", "converged", "answers"}
    severity, message, fix = report.one("watcher-running")
    assert (severity, fix) == ("problem", START)
    assert message.startswith("The watcher is not running; it last reported on ")
    message = "The map does not follow the registry, which has changed since the watcher ran."
    assert report.one("converged") == ("problem", message, START)

    # The fake systemctl starts nothing; starting it is what mends.
    clinic.site.start_watcher()
    clinic.site.wait_for(lambda: clinic.site.map_lookup("pablo@runv.club") == "p@example.net", what="the new map")
    assert clinic.examine().worse == set()


def test_what_systemd_says_of_the_unit(clinic: Clinic) -> None:
    clinic.start()
    enable = "systemctl enable --now runv-email-alias-watcher"
    not_enabled = (
        "The unit runv-email-alias-watcher is {}: the watcher will not run after the next start of the machine."
    )
    cases = [
        ({"enabled": "disabled"}, not_enabled.format("disabled"), enable),
        (
            {"load": "masked", "enabled": "masked"},
            not_enabled.format("masked"),
            f"systemctl unmask runv-email-alias-watcher && {enable}",
        ),
        (
            {"active": "failed"},
            "The unit runv-email-alias-watcher is failed; look into `journalctl -u runv-email-alias-watcher` for the "
            "reason.",
            START,
        ),
        (
            {"load": "not-found", "active": "inactive", "enabled": ""},
            "systemd knows no unit runv-email-alias-watcher.",
            "apt-get install --reinstall runv-email-alias",
        ),
    ]
    for said, message, fix in cases:
        clinic.unit(UNIT, **said)
        report = clinic.examine()
        assert (report.one("watcher-unit"), report.status) == (("problem", message, fix), 1)
    clinic.unit(UNIT, load="masked", enabled="masked-runtime")
    assert clinic.examine().one("watcher-unit")[2] == (
        f"systemctl unmask --runtime runv-email-alias-watcher && {enable}"
    )
    clinic.programs.make("systemctl", "echo 'System has not been booted with systemd.' >&2; exit 1")
    report = clinic.examine()
    severity, why, nothing = report.one("watcher-unit")
    assert (severity, nothing, report.status) == ("warning", None, 0)
    assert why.startswith("Whether systemd starts the watcher could not be found out: The command `systemctl show ")
    assert why.endswith(" failed with exit status 1: System has not been booted with systemd.")
    clinic.programs.make("systemctl", "exit 0")
    assert clinic.examine().one("watcher-unit") == (
        "warning",
        "Whether systemd starts the watcher could not be found out: systemctl says nothing of the unit "
        "runv-email-alias-watcher.service, as in a chroot.",
        None,
    )


def test_what_the_watcher_tells_of_is_told_and_a_held_publish_is_behind(clinic: Clinic) -> None:
    every = {f"member{number}": f"m{number}@example.org" for number in range(12)}
    clinic.start(**every)
    clinic.registry(**dict(list(every.items())[:6]))
    site = clinic.site
    site.wait_for(lambda: site.status()["problems"], what="the guard's problem")
    report = clinic.examine()
    assert report.worse == {"publish-held", "converged", "answers"}
    severity, found, fix = report.one("publish-held")
    assert (severity, fix) == ("problem", "runv-admin-email-alias sync --dry-run")
    assert found.startswith("The watcher says: This would take away 6 and point elsewhere 0 of 12 published aliases")
    behind = "The map does not follow the registry: what was published last was another state of it."
    assert report.one("converged") == ("problem", behind, "runv-admin-email-alias sync")
    assert report.one("answers") == (
        "problem",
        "The map still answers for 6 aliases that are not active: member10@runv.club, member11@runv.club, "
        "member6@runv.club and 3 more.",
        "runv-admin-email-alias sync",
    )
    clinic.paste("runv-admin-email-alias sync --force")
    assert clinic.examine().worse == set()


def test_a_watcher_of_another_version_and_one_that_has_not_taken_the_config_up(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    # As after an upgrade without a restart, and as where no event told of the change.
    status = site.paths.status.read_bytes().replace(b'"version": "0.1.0"', b'"version": "0.0.9"')
    assert b'"0.0.9"' in status
    put(site.paths.status, status.replace(b'"enabled": true', b'"enabled": false'), 0o644)
    report = clinic.examine()
    assert report.worse == {"watcher-version", "converged"}
    assert report.one("watcher-version") == (
        "warning",
        "The watcher that is running has version 0.0.9, and version 0.1.0 is installed.",
        "systemctl restart runv-email-alias-watcher",
    )
    assert report.one("converged") == (
        "problem",
        f"The watcher publishes nothing though `enabled` is true in {site.paths.config}: it has not taken that up.",
        "systemctl reload runv-email-alias-watcher",
    )


def test_a_status_that_cannot_be_read_is_a_warning(clinic: Clinic) -> None:
    clinic.start()
    clinic.site.paths.status.write_text("{")
    severity, message, fix = clinic.examine().one("watcher-running")
    assert (severity, fix) == ("warning", None)
    expected = f"Whether the watcher is running could not be found out: The status file {clinic.site.paths.status} "
    assert message.startswith(expected)


def test_a_watcher_that_systemd_starts_again_and_again_is_not_at_work(clinic: Clinic) -> None:
    clinic.unit(UNIT, active="activating")
    assert clinic.examine().one("watcher-unit") == (
        "problem",
        "The unit runv-email-alias-watcher is activating; look into `journalctl -u runv-email-alias-watcher` for the "
        "reason.",
        "journalctl --no-pager --lines=20 --unit=runv-email-alias-watcher",
    )
    # One that has only just been started by hand may be at work before systemd is told.
    clinic.start()
    assert clinic.examine().one("watcher-unit")[0] == "ok"


def test_a_watcher_that_is_there_and_does_nothing(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    pid = site.status()["pid"]
    restart = "systemctl restart runv-email-alias-watcher"
    os.kill(pid, signal.SIGSTOP)
    try:
        site.wait_for(lambda: b") T " in Path(f"/proc/{pid}/stat").read_bytes(), what="it to stop")
        assert clinic.examine().one("watcher-running") == (
            "problem",
            f"The watcher's process {pid} has been stopped by a signal: it is there and does nothing. systemd ends it "
            "after a while, or you do now.",
            restart,
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    # A marker that is older than the watcher's own check of its ears is one that it does not get to.
    facts = Facts(load_settings(str(site.paths.config)))
    marker = site.paths.decisions / "20261122T000000.000000Z-pablo-abcdef.json"
    assert _overdue(facts.settings) == []
    assert clinic.watcher is not None
    clinic.watcher.stop()
    put(marker, b"{}", 0o600)
    assert _overdue(facts.settings) == []
    past = time.time() - 60
    os.utime(marker, (past, past))
    assert _overdue(facts.settings) == [marker.stat().st_mtime_ns]
