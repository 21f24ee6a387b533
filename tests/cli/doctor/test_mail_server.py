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
    clinic.paste(report.mend("map-named"))
    clinic.paste(report.mend("domain"))
    site.wait_for(lambda: not site.status()["problems"], what="the watcher sees it too")
    assert clinic.examine().worse == set()


def test_how_postfix_takes_mail_for_the_domain(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org", maria="m@example.org")
    mailboxes = clinic.table("mailboxes", "pablo@runv.club pablo/\nother@runv.club other/\n")

    site.mail.write(virtual_alias_domains="", mydestination="runv.club")
    report = clinic.examine()
    told = "Postfix takes mail for runv.club, as a domain of local accounts (mydestination)."
    assert report.one("domain") == ("ok", told, None)
    assert report.one("mailboxes")[:2] == (
        "ok",
        "The domain is one of local accounts: mail to an active alias is forwarded and no longer reaches the account's "
        "own mailbox, as is meant.",
    )
    site.mail.write(mydestination="", virtual_mailbox_domains="runv.club", virtual_mailbox_maps=mailboxes)
    report = clinic.examine()
    told = "Postfix takes mail for runv.club, as a domain of mailboxes (virtual_mailbox_domains)."
    assert report.one("domain") == ("ok", told, None)
    assert report.one("mailboxes") == (
        "warning",
        "An active alias is the address of a mailbox too, which gets no mail any more: pablo@runv.club.",
        "runv-admin-email-alias revoke pablo --reason 'The address has a mailbox.'",
    )
    clinic.paste(report.mend("mailboxes"))
    assert clinic.examine().one("mailboxes")[0] == "ok"

    site.mail.write(virtual_mailbox_domains="", virtual_mailbox_maps="", relay_domains="runv.club")
    assert clinic.examine().one("domain")[:2] == (
        "warning",
        "Postfix takes mail for runv.club only to relay it (relay_domains): an address without an alias is sent on to "
        "another server.",
    )
    site.mail.write(relay_domains="hash:/nonexistent/domains")
    verdict, told, _ = clinic.examine().one("domain")
    assert verdict == "warning"
    assert told.startswith(
        "Whether Postfix takes mail for runv.club could not be found out, since relay_domains names "
        "hash:/nonexistent/domains: "
    )


def test_a_postfix_without_the_type_of_the_map(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    config = clinic.site.paths.config
    real = shutil.which("postconf", path=PATH)
    clinic.programs.make("postconf", f'case "$*" in *-m) printf "texthash\\nstatic\\n";; *) exec {real} "$@";; esac')
    told = (
        "The installed Postfix has no maps of type hash: it was built without Berkeley DB. Set "
        f'`"backend": "postfix-lmdb"` in {config}, and name the map as lmdb in virtual_alias_maps.'
    )
    assert clinic.examine().one("map-type") == ("problem", told, "apt-get install postfix-lmdb")
    clinic.site.configure(backend="postfix-cdb", enabled=False)
    told = f"The installed Postfix has no maps of type cdb. Install it, or set another `backend` in {config}."
    assert clinic.examine().one("map-type") == ("warning", told, "apt-get install postfix-cdb")


def test_without_postfix_the_rest_is_looked_at_all_the_same(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    clinic.programs.make("postconf", "echo 'postconf: fatal: open /etc/postfix/main.cf: No such file' >&2; exit 1")
    report = clinic.examine()
    assert report.worse == {"postfix"}
    verdict, told, mend = report.one("postfix")
    assert (verdict, mend, report.status) == ("problem", "apt-get install postfix", 1)
    assert told.startswith("Postfix could not be asked, so nothing that depends on it was looked at. The command ")
    assert {"map-type", "map-named", "domain", "answers", "shadowed", "loops", "srs"}.isdisjoint(
        each["code"] for each in report.verdicts
    )
