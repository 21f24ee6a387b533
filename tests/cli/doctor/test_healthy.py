import json

from cli.output import timestamp
from tests.cli.doctor.conftest import Clinic


def test_on_a_healthy_server_everything_is_fine_and_nothing_is_changed(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@gmail.com", maria="m@example.org")
    site.paths.queue.chmod(0o3770)
    (site.paths.state / "users.json").write_text(json.dumps({"users": ["pablo", {"username": "maria"}, "root"]}))
    others = clinic.table("virtual", "postmaster@runv.club root@example.org\n")
    site.mail.write(virtual_alias_maps=f"{others}, {site.table}")
    before = {str(path): path.stat().st_mtime_ns for path in site.root.rglob("*")}
    status = site.status()
    done = clinic.doctor()
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    kernel = next(line for line in lines if "inotify" in line)
    unit_file = [line for line in lines if "can be changed by root alone" in line]
    assert [line for line in lines if line not in unit_file] == [
        "ok       The registry can be used; active aliases: 2, others kept as history: 0.",
        "ok       Every path of the service that is there has the mode and owner that it has to have (19 looked at).",
        "ok       The queue has the mode 3770: no member can rename or remove another's file.",
        f"ok       The members' group runv-members exists (gid {site.accounts.gid}).",
        "ok       Every account of the server's list that can be a member is one (2 accounts).",
        "ok       Every active alias still has its member.",
        f"ok       The watcher is running since {timestamp(status['started_at'])}, process {status['pid']}.",
        "ok       systemd starts the watcher with the machine, and again when it ends (runv-email-alias-watcher).",
        "ok       The watcher has the version that is installed, 0.1.0.",
        "ok       The watcher tells of no problem.",
        "ok       The map follows the registry as it is now; aliases published: 2.",
        "ok       Publishing is switched on.",
        "ok       A new map is built aside, asked, and renamed into place.",
        f"ok       Postfix {site.mail.run('postconf', '-h', 'mail_version').stdout.strip()} answers.",
        "ok       Postfix has maps of type hash.",
        f"ok       virtual_alias_maps of Postfix names {site.table}.",
        "ok       Postfix takes mail for runv.club (virtual_alias_domains).",
        "ok       The map answers for all 2 active aliases as the registry has it.",
        "ok       Every other table of virtual_alias_maps can be asked (1).",
        "ok       No table before the map answers for an active alias with something else.",
        "ok       No active alias is the address of a mailbox in virtual_mailbox_maps too.",
        "ok       Every active alias leads out of this server.",
        "ok       Senders' addresses are rewritten on forwarding (SRS, socketmap:unix:srs:forward).",
        kernel,
        "ok       The file systems of the state, the map and the status have room.",
        "ok       No decision that could not be applied is kept.",
        "ok       Requests that wait for a decision: 0; queue entries refused since the watcher started: 0; left alone "
        "there: 0.",
        "All is well.",
    ]
    assert kernel.startswith("ok       Root's programs use ")
    assert done.returncode == 0
    assert {str(path): path.stat().st_mtime_ns for path in site.root.rglob("*")} == before
    report = clinic.examine()
    assert report.status == 0
    assert report.worse == set()
    assert all(list(each) == ["code", "verdict", "what", "mend"] for each in report.findings)
    # How much of inotify is in use may change from one moment to the next.
    found = [each["what"] for each in report.findings if each["code"] != "inotify"]
    assert found == [line[9:] for line in lines[:-1] if line != kernel]


def test_a_server_that_was_only_just_installed_has_warnings_and_no_problem(clinic: Clinic) -> None:
    clinic.site.configure(enabled=False)
    clinic.site.mail.write(virtual_alias_maps="", virtual_alias_domains="", sender_canonical_maps="")
    clinic.site.start_watcher()
    report = clinic.examine()
    enable = "runv-admin-email-alias setup --enable"
    assert report.status == 0
    assert report.worse == {"publishing", "map-named", "domain"}
    assert report.one("publishing") == (
        "warning",
        f"Publishing is switched off (`enabled` is false in {clinic.site.paths.config}): approvals are recorded only.",
        enable,
    )
    assert report.one("map-named") == (
        "warning",
        f"virtual_alias_maps of Postfix does not name {clinic.site.table}, so no alias is live.",
        enable,
    )
    assert report.one("domain") == ("warning", "Postfix takes no mail for runv.club.", enable)
    assert report.one("srs")[1] == "Nothing is forwarded yet, so no sender's address has to be rewritten (SRS)."
    clinic.paste(f"{enable} --yes")
    assert clinic.examine().worse == set()


def test_a_config_that_cannot_be_used_ends_with_78(clinic: Clinic) -> None:
    clinic.site.configure(backend="postfix-mbox")
    done = clinic.doctor()
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"{clinic.site.paths.config}: `backend` is 'postfix-mbox'; one of postfix-hash")
