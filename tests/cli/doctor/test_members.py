import json

from tests.cli.doctor.conftest import Clinic
from tests.support.layout import put


def test_accounts_of_the_list_that_are_no_members(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    for name in ("ana", "bia"):
        site.accounts.add(name, membership="none")
    path = site.paths.state / "users.json"
    path.write_text(json.dumps({"pablo": {}, "ana": {}, "nobody": {}, "daemon": {}, "gone": {}}))
    add = "runv-admin-email-alias setup --add-existing-users"
    message = f"One account in {path} is not in the group runv-members and cannot ask for an alias: ana."
    report = clinic.examine()
    assert (report.status, report.one("members")) == (0, ("warning", message, add))
    path.write_text(json.dumps(["ana", {"name": "bia"}]))
    message = f"2 accounts in {path} are not in the group runv-members and cannot ask for an alias: ana, bia."
    assert clinic.examine().one("members") == ("warning", message, add)
    path.write_text("[")
    severity, message, fix = clinic.examine().one("members")
    assert (severity, fix) == ("warning", None)
    assert message.startswith(
        "Whether every account of the server's list is a member could not be found out: The list of accounts "
    )


def test_a_group_that_does_not_exist(clinic: Clinic) -> None:
    clinic.start()
    clinic.site.configure(group="no-such-group")
    report = clinic.examine()
    message = "The group no-such-group does not exist, so nobody can be told to be a member."
    assert report.one("group") == ("problem", message, "runv-admin-email-alias setup")
    assert not report.of("orphans")


def test_orphans_are_problems_and_revoking_them_mends(clinic: Clinic) -> None:
    site = clinic.site
    # Where the watcher switches them off itself there is nothing to see a second later.
    site.configure(orphans="report")
    clinic.start(pablo="p@example.org", maria="m@example.org", joana="j@example.org", ana="a@example.org")
    site.accounts.remove("pablo")
    site.accounts.remove("maria")
    site.accounts.add("maria")
    site.accounts.remove("joana")
    site.accounts.add("joana", membership="none", uid=site.registry()["joana"]["uid"])
    site.wait_for(lambda: site.status()["problems"], what="the watcher's own problem")
    reasons = (
        "There is no account pablo.",
        f"The account maria has the uid {site.accounts['maria'].uid} now; the alias was approved for the one with uid "
        f"{site.registry()['maria']['uid']}.",
        "The account joana is not a member of the group runv-members.",
    )
    report = clinic.examine()
    assert report.status == 1
    mine, watchers = report.of("orphans")
    assert mine == (
        "problem",
        "3 active aliases have no member any more, and whoever is given such a name next would inherit the forwarding: "
        f"{', '.join(each.rstrip('.') for each in reasons)}.",
        "runv-admin-email-alias revoke pablo --reason 'Its member is no more.' && "
        "runv-admin-email-alias revoke maria --reason 'Its member is no more.' && "
        "runv-admin-email-alias revoke joana --reason 'Its member is no more.'",
    )
    assert watchers[1].startswith("The watcher says: ")
    assert mine[2] is not None
    clinic.paste(mine[2])
    report = clinic.examine()
    assert report.of("orphans") == [("ok", "Every active alias still has its member.", None)]
    assert {name: entry["status"] for name, entry in site.registry().items()} == {
        "pablo": "revoked",
        "maria": "revoked",
        "joana": "revoked",
        "ana": "active",
    }


def test_many_orphans_at_once_wait_for_an_administrator(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(**{f"member{number}": f"m{number}@example.org" for number in range(12)})
    for number in range(6):
        site.accounts.remove(f"member{number}")
    site.wait_for(lambda: site.status()["problems"], what="the watcher's own problem")
    report = clinic.examine()
    assert report.worse == {"orphans", "orphans-held"}
    severity, found, fix = report.one("orphans")
    assert (severity, fix) == ("problem", "runv-admin-email-alias sync --dry-run")
    assert found.startswith("6 active aliases have no member any more, and whoever is given such a name next would ")
    assert found.endswith(" and 3 more.")
    assert report.one("orphans-held")[2] == "runv-admin-email-alias sync --dry-run"
    # What takes so many aliases away is shown before it is done, not pasted unseen.
    clinic.paste("runv-admin-email-alias sync --force")
    assert clinic.examine().worse == set()


def test_what_another_name_service_may_know_is_only_a_warning(clinic: Clinic) -> None:
    site = clinic.site
    site.configure(orphans="report")
    clinic.registry(pablo="p@example.org")
    site.accounts.remove("pablo")
    (site.accounts.directory / "nsswitch.conf").write_text("passwd: files sss\ngroup: files\n")
    message = (
        "It is not sure whether these aliases still have their members: pablo. The account files do not know them, but "
        "another name service may, and not answer now."
    )
    assert clinic.examine().one("orphans") == ("warning", message, None)


def test_a_registry_that_cannot_be_used(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    site = clinic.site
    put(site.paths.registry, b"{", 0o640, gid=site.accounts.gid)
    site.wait_for(lambda: site.status()["problems"], what="the watcher's own problem")
    report = clinic.examine()
    assert report.status == 1
    assert report.worse == {"registry", "registry-broken"}
    assert report.one("registry")[1].startswith(f"The registry {site.paths.registry} cannot be used. ")


def test_a_lost_registry_is_made_anew_only_where_nothing_is_published(clinic: Clinic) -> None:
    site = clinic.site
    setup = "runv-admin-email-alias setup"
    site.paths.registry.unlink()
    report = clinic.examine()
    assert report.one("registry")[2] == setup
    assert [fix for _, _, fix in report.of("paths")] == [setup]
    clinic.start(pablo="p@example.org")
    site.paths.registry.unlink()
    report = clinic.examine()
    severity, found, fix = report.one("registry")
    assert (severity, fix) == ("problem", None)
    assert found.endswith(
        f" But {site.table} still holds aliases, and a new, empty registry would switch them off: bring the registry "
        "back from a backup."
    )
    assert [fix for _, _, fix in report.of("paths")] == [None]


def test_a_registry_that_only_others_may_read_is_no_problem_of_theirs(clinic: Clinic) -> None:
    site = clinic.site
    clinic.registry(pablo="p@example.org")
    site.paths.registry.chmod(0o600)
    done = site.run(["runv-admin-email-alias", "doctor"], account=site.accounts["pablo"], env=clinic.path())
    message = f"You may not read the registry {site.paths.registry}: only root and the members' group may."
    lines = done.stdout.splitlines()
    assert lines[:2] == [f"warning  {message}", "mend     sudo runv-admin-email-alias doctor"]
