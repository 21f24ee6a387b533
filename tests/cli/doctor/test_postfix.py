import shutil

from tests.cli.doctor.conftest import Clinic
from tests.support.mailconfig import PATH


def test_a_map_that_is_not_named_and_a_domain_that_is_not_accepted_are_mended_by_the_lines(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    others = clinic.table("virtual", "postmaster@runv.club root@example.org\n")
    site.mail.write(virtual_alias_maps=others, virtual_alias_domains="example.net")
    report = clinic.examine()
    assert report.status == 1
    assert report.worse >= {"map-named", "domain"}
    named, accepted = report.one("map-named"), report.one("domain")
    assert named == (
        "problem",
        f"virtual_alias_maps of Postfix does not name {site.table}, so no alias is live.",
        f"postconf -e 'virtual_alias_maps = {others}, {site.table}' && /bin/true",
    )
    assert accepted == (
        "problem",
        "Postfix takes no mail for runv.club.",
        "postconf -e 'virtual_alias_domains = example.net, runv.club' && /bin/true",
    )
    clinic.paste(report.fix("map-named"))
    clinic.paste(report.fix("domain"))
    site.wait_for(lambda: not site.status()["problems"], what="the watcher sees it too")
    assert clinic.examine().worse == set()


def test_how_postfix_takes_mail_for_the_domain(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org", maria="m@example.org")
    mailboxes = clinic.table("mailboxes", "pablo@runv.club pablo/\nother@runv.club other/\n")

    site.mail.write(virtual_alias_domains="", mydestination="runv.club")
    report = clinic.examine()
    message = "Postfix takes mail for runv.club, as a domain of local accounts (mydestination)."
    assert report.one("domain") == ("ok", message, None)
    assert report.one("mailboxes")[:2] == (
        "ok",
        "The domain is one of local accounts: mail to an active alias is forwarded and no longer reaches the account's "
        "own mailbox, as is meant.",
    )
    site.mail.write(mydestination="", virtual_mailbox_domains="runv.club", virtual_mailbox_maps=mailboxes)
    report = clinic.examine()
    message = "Postfix takes mail for runv.club, as a domain of mailboxes (virtual_mailbox_domains)."
    assert report.one("domain") == ("ok", message, None)
    assert report.one("mailboxes") == (
        "warning",
        "An active alias is the address of a mailbox too, which gets no mail any more: pablo@runv.club.",
        "runv-admin-email-alias revoke pablo --reason 'The address has a mailbox.'",
    )
    clinic.paste(report.fix("mailboxes"))
    assert clinic.examine().one("mailboxes")[0] == "ok"

    site.mail.write(virtual_mailbox_domains="", virtual_mailbox_maps="", relay_domains="runv.club")
    assert clinic.examine().one("domain")[:2] == (
        "warning",
        "Postfix takes mail for runv.club only to relay it (relay_domains): an address without an alias is sent on to "
        "another server.",
    )
    site.mail.write(relay_domains="hash:/nonexistent/domains")
    severity, message, fix = clinic.examine().one("domain")
    assert (severity, fix) == ("problem", None)
    broken = "{} of Postfix names {}, which cannot be asked, so Postfix puts all mail off. The command "
    assert message.startswith(broken.format("relay_domains", "hash:/nonexistent/domains"))
    # Though another class has the domain, since Postfix asks all of them.
    unmade = site.paths.postfix / "unmade"
    unmade.write_text("runv.example x\n")
    site.mail.write(relay_domains="", virtual_alias_domains="runv.club", mydestination=f"hash:{unmade}")
    first, second = clinic.examine().of("domain")
    assert (first[0], first[2], second[0]) == ("problem", f"postmap hash:{unmade}", "ok")
    assert first[1].startswith(broken.format("mydestination", f"hash:{unmade}"))
    clinic.paste(f"postmap hash:{unmade}")
    assert clinic.examine().one("domain")[0] == "ok"


def test_a_domain_that_stands_in_two_classes_is_taken_out_of_the_second(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    site.mail.write(mydestination="localhost, runv.club", relay_domains="$mydestination")
    assert clinic.examine().of("domain") == [
        ("ok", "Postfix takes mail for runv.club, as a domain of local accounts (mydestination).", None),
        (
            "warning",
            "Postfix takes mail for runv.club by mydestination and by virtual_alias_domains too. A domain may stand in "
            "one of them only: Postfix warns at each message, and goes by the first for addresses without an alias.",
            "postconf -e 'virtual_alias_domains = ' && /bin/true",
        ),
    ]
    clinic.paste("postconf -e 'virtual_alias_domains = ' && /bin/true")
    assert clinic.examine().one("domain")[0] == "ok"
    # Where a table has it, there is no line to paste.
    site.mail.write(virtual_alias_domains="", virtual_mailbox_domains=clinic.table("domains", "runv.club x\n"))
    severity, _, fix = clinic.examine().of("domain")[1]
    assert (severity, fix) == ("warning", None)


def test_a_postfix_that_does_not_run_is_a_problem(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    clinic.unit("postfix.service", active="inactive")
    message = "Postfix is inactive, so no mail is taken in or forwarded, and what its programs hold waits."
    assert clinic.examine().one("postfix") == ("problem", message, "systemctl start postfix")
    clinic.unit("postfix.service")
    assert clinic.examine().one("postfix")[0] == "ok"


def test_a_broken_main_cf_is_not_mended_by_installing_postfix(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    good = site.mail.path.read_text()
    site.mail.path.write_text(f"{good}this is no setting\n")
    site.wait_for(lambda: site.status()["problems"], what="the watcher sees it too")
    report = clinic.examine()
    assert report.worse == {"map-not-used", "postfix"}
    assert report.one("postfix")[0::2] == ("problem", "postfix check")
    assert "missing '=' after attribute name" in report.one("postfix")[1]
    assert report.one("map-not-used")[2] == "postfix check"
    site.mail.path.write_text(good)
    site.wait_for(lambda: not site.status()["problems"], what="the mended main.cf")
    assert clinic.examine().worse == set()


def test_a_postfix_without_the_type_of_the_map(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    config = clinic.site.paths.config
    real = shutil.which("postconf", path=PATH)
    clinic.programs.make("postconf", f'case "$*" in *-m) printf "texthash\\nstatic\\n";; *) exec {real} "$@";; esac')
    message = (
        "The installed Postfix has no maps of type hash: it was built without Berkeley DB. Set "
        f'`"backend": "postfix-lmdb"` in {config}, and name the map as lmdb in virtual_alias_maps.'
    )
    assert clinic.examine().one("map-type") == ("problem", message, "apt-get install postfix-lmdb")
    clinic.site.configure(backend="postfix-cdb", enabled=False)
    message = f"The installed Postfix has no maps of type cdb. Install it, or set another `backend` in {config}."
    assert clinic.examine().one("map-type") == ("warning", message, "apt-get install postfix-cdb")


def test_without_postfix_the_rest_is_looked_at_all_the_same(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    clinic.programs.make("postconf", "echo 'postconf: fatal: open /etc/postfix/main.cf: No such file' >&2; exit 1")
    report = clinic.examine()
    assert report.worse == {"postfix"}
    severity, found, fix = report.one("postfix")
    assert (severity, fix, report.status) == ("problem", "apt-get install postfix", 1)
    assert found.startswith("Postfix could not be asked, so nothing that depends on it was looked at. The command ")
    assert {"map-type", "map-named", "domain", "answers", "shadowed", "loops", "srs"}.isdisjoint(
        each["code"] for each in report.findings
    )
