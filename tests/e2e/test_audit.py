"""The audit log: who did what and when, kept through kills, rotation and a log that cannot be written."""

import grp
import hashlib
import json
import re
import stat
import subprocess
from pathlib import Path

import pytest

from ..support.needs import require
from ..support.site import Record, Site
from ..support.watcher import RunningWatcher
from .acts import activate, ask, decide, decision, entry, publish, settle

ROOT = Path(__file__).parents[2]
REQUEST = {"destination": "p@example.org"}


@pytest.fixture(autouse=True)
def _accounts(site: Site) -> None:
    site.accounts.add("pablo")
    site.accounts.add("maria")


def log_of(site: Site) -> Path:
    return site.paths.state / "email-alias-audit.jsonl"


def lines(site: Site) -> list[Record]:
    """The present log, once all that was there before has been looked at."""
    settle(site)
    return [json.loads(line) for line in log_of(site).read_bytes().splitlines()]


def told(found: list[Record]) -> list[tuple[object, ...]]:
    return [(line["what"], line["username"], line["decided_by"], line.get("destination")) for line in found]


def sha256(site: Site) -> str:
    return hashlib.sha256(site.paths.registry.read_bytes()).hexdigest()


def test_everything_that_happens_is_in_it_with_who_decided(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    start = sha256(site)
    first = ask(site, "pablo", "p@example.org")
    site.drop("pablo", "second.json", {"destination": "other@example.org"})
    settle(site)
    approval = decide(site, decision(first))
    approved = sha256(site)
    ask(site, "maria", "m@example.net")
    site.drop("maria", "cancel.json", {"action": "cancel"})
    settle(site)
    again = ask(site, "maria", "m2@example.net")
    decide(site, decision(again, "reject", reason="Please another."))
    decide(site, decision(again, "reject", reason="Once more."))
    decide(site, {"decision": "revoke", "username": "pablo", "operator": "root", "reason": "Closed."})
    revoked = sha256(site)

    found = lines(site)
    assert told(found) == [
        ("published", None, "watcher", None),
        ("accepted", "pablo", "watcher", "p@example.org"),
        ("refused", "pablo", "watcher", "other@example.org"),
        ("approved", "pablo", "pmurad-admin", "p@example.org"),
        ("published", None, "watcher", None),
        ("accepted", "maria", "watcher", "m@example.net"),
        ("cancelled", "maria", "maria", "m@example.net"),
        ("accepted", "maria", "watcher", "m2@example.net"),
        ("rejected", "maria", "pmurad-admin", "m2@example.net"),
        ("failed", "maria", "pmurad-admin", "m2@example.net"),
        ("revoked", "pablo", "root", "p@example.org"),
        ("published", None, "watcher", None),
    ]
    hashes = [(line["registry_sha256_before"], line["registry_sha256_after"]) for line in found]
    assert hashes == [
        (None, start),
        (start, start),
        (start, start),
        (start, approved),
        (start, approved),
        *[(approved, approved)] * 5,
        (approved, revoked),
        (approved, revoked),
    ]
    uids = {name: site.accounts[name].uid for name in ("pablo", "maria")}
    # Of a decision that could not be applied nobody can say which account it would have been about.
    assert [line["uid"] for line in found] == [
        None if line["what"] == "failed" else uids.get(line["username"]) for line in found
    ]
    by_what = {line["what"]: line for line in found}
    assert by_what["approved"]["request_id"] == first["request_id"]
    assert by_what["approved"]["decision_id"] == approval
    assert by_what["refused"]["file"] == "second.json"
    assert by_what["refused"]["reason"].startswith("A request for p@example.org is pending")
    assert by_what["revoked"]["reason"] == "Closed."
    assert by_what["cancelled"]["request_id"] != by_what["cancelled"]["decision_id"]
    assert {key: found[4][key] for key in ("aliases", "added", "changed", "removed")} == {
        "aliases": 1, "added": 1, "changed": 0, "removed": 0,
    }  # fmt: skip
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["time"]) for line in found)


def test_a_member_switches_the_alias_off_and_it_tells_what_the_registry_was(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    activate(site, "pablo", "p@example.org")
    before = sha256(site)
    site.drop("pablo", "off.json", {"action": "cancel", "scope": "active"})
    cancelled, published = lines(site)[-2:]
    assert told([cancelled]) == [("cancelled", "pablo", "pablo", "p@example.org")]
    assert cancelled["decision_id"] == site.registry()["pablo"]["updated_by"]
    assert (cancelled["registry_sha256_before"], cancelled["registry_sha256_after"]) == (before, sha256(site))
    assert (published["removed"], published["registry_sha256_after"]) == (1, sha256(site))


def test_an_edit_by_hand_shows_as_a_published_registry_that_no_decision_made(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    start = sha256(site)
    publish(site, {"pablo": entry("pablo", "by-hand@example.org")})
    (found,) = [line for line in lines(site) if line.get("added")]
    assert (found["what"], found["registry_sha256_before"], found["registry_sha256_after"]) == (
        "published", start, sha256(site),
    )  # fmt: skip


def test_it_is_readable_for_the_group_adm_and_nobody_else(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    status = log_of(site).stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o640, 0)
    assert status.st_gid == grp.getgrnam("adm").gr_gid


def test_a_restart_with_nothing_new_adds_nothing(site: Site, watcher: RunningWatcher) -> None:
    activate(site, "pablo", "p@example.org")
    before = lines(site)
    watcher.stop()
    site.start_watcher()
    assert lines(site) == before


def test_after_a_rotation_a_restart_adds_nothing_and_without_any_log_only_what_waits(
    site: Site, watcher: RunningWatcher
) -> None:
    activate(site, "pablo", "p@example.org")
    ask(site, "maria", "m@example.org")
    settle(site)
    watcher.stop()
    aside = log_of(site).rename(f"{log_of(site)}.1")
    again = site.start_watcher()
    settle(site)
    assert not log_of(site).exists()
    again.stop()

    aside.unlink()
    site.start_watcher()
    assert sorted((line["what"], line["username"]) for line in lines(site) if line["username"]) == [
        ("accepted", "maria")
    ]


def test_a_flood_of_refusals_is_told_of_in_few_lines_that_count_them_all(site: Site, watcher: RunningWatcher) -> None:
    watcher.stop()
    for number in range(200):
        site.drop("pablo", f"bad{number}.json", {"destination": "nothing"})
    site.drop("maria", "bad.json", {"destination": "nothing"})
    again = site.start_watcher()
    # On a busy machine they take more passes than `settle` waits for.
    site.wait_for(lambda: not list(site.paths.queue.glob("*.json")), what="an empty queue", timeout=60)
    # What was counted is told when a minute is over, and when the watcher ends.
    again.stop()
    found = [json.loads(line) for line in log_of(site).read_bytes().splitlines()]
    refused = [line for line in found if line["what"] == "refused"]
    pablos = [line for line in refused if line["username"] == "pablo"]
    assert sum(line.get("count", 1) for line in pablos) == 200
    assert sum("count" not in line for line in pablos) == 32
    assert len(pablos) == 33
    assert len(refused) - len(pablos) == 1


def test_an_entry_that_belongs_to_nobody_is_told_of_by_its_uid(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    (site.paths.queue / "stray.json").symlink_to("/etc/shadow")
    settle(site)
    watcher.stop()
    found = [json.loads(line) for line in log_of(site).read_bytes().splitlines()]
    (refused,) = [line for line in found if line["what"] == "refused"]
    assert (refused["uid"], refused["username"]) in {(0, "root"), (0, None)}
    assert refused["file"] == "stray.json"


def test_it_is_rotated_by_logrotate_and_read_as_one(site: Site, watcher: RunningWatcher, tmp_path: Path) -> None:
    require("logrotate")
    assert watcher.running
    snippet = (ROOT / "units/runv-email-alias.logrotate").read_text()
    config = tmp_path / "logrotate.conf"
    config.write_text(snippet.replace("/var/lib/runv/email-alias-audit.jsonl", str(log_of(site))))
    # Its own directory belongs to the test and not to root's /var/lib.
    config.chmod(0o644)
    for number in range(3):
        ask(site, "pablo", f"p{number}@example.org")
        site.drop("pablo", f"cancel{number}.json", {"action": "cancel"})
        settle(site)
        done = subprocess.run(
            ["/usr/sbin/logrotate", "--force", "--state", str(tmp_path / "state"), str(config)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
    ask(site, "pablo", "last@example.org")
    settle(site)

    names = sorted(path.name for path in site.paths.state.glob("email-alias-audit.jsonl*"))
    assert names == [f"email-alias-audit.jsonl{end}" for end in ("", ".1", ".2.gz", ".3.gz")]
    status = log_of(site).stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, grp.getgrnam("adm").gr_gid)
    shown = site.admin("log", "--user", "pablo", "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [(line["what"], line["destination"]) for line in json.loads(shown.stdout)] == [
        *[(what, f"p{number}@example.org") for number in range(3) for what in ("accepted", "cancelled")],
        ("accepted", "last@example.org"),
    ]


def test_a_log_that_cannot_be_written_is_a_problem_and_nothing_counts_as_done_until_it_can(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    activate(site, "maria", "m@example.org")
    log_of(site).unlink()
    log_of(site).mkdir()
    site.drop("maria", "off.json", {"action": "cancel", "scope": "active"})
    site.wait_for(lambda: site.map_lookup("maria@runv.club") is None, what="the cancel to be live")
    site.wait_for(lambda: site.status()["problems"], what="the first problem")
    assert (site.paths.queue / "off.json").exists()

    # Requests and decisions are acted on all the same.
    record = ask(site, "pablo", "p@example.org")
    marker = site.drop_marker(decision(record))
    site.wait_for(lambda: site.map_lookup("pablo@runv.club") == "p@example.org", what="the alias to be live")
    problem = site.wait_for(
        lambda: next((each for each in site.status()["problems"] if each["code"] == "state-unwritable"), None),
        what="the problem",
    )
    assert problem is not None
    assert f"{log_of(site)} is not a plain file" in problem["what"]
    assert len(list(site.paths.queue.glob("*.json"))) == 2
    assert marker.exists()

    log_of(site).rmdir()
    site.wait_for(lambda: not marker.exists(), what="the marker to go", timeout=60)
    site.wait_for(lambda: site.status()["problems"] == [], what="the problem to go", timeout=60)
    assert list(site.paths.queue.glob("*.json")) == []
    found = lines(site)
    assert sorted(line["what"] for line in found) == ["accepted", "approved", "cancelled", "published", "published"]


def test_a_line_that_a_power_cut_left_half_is_ended_and_passed_over(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    ask(site, "pablo", "p@example.org")
    settle(site)
    with log_of(site).open("ab") as file:
        file.write(b'{"time": "2026-05-')
    ask(site, "maria", "m@example.org")
    settle(site)
    shown = site.admin("log", "--json")
    assert shown.returncode == 0
    assert shown.stderr == "One line of the audit log could not be understood and was left out.\n"
    assert [line["username"] for line in json.loads(shown.stdout)] == [None, "pablo", "maria"]
