from pathlib import Path

import pytest

from cli.server.virtual_aliases import VirtualAliases, own_domains
from tests.support.mailconfig import MailConfig
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix

pytestmark = pytest.mark.needs("postfix", "postfix-hash")


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MailConfig:
    config = MailConfig(tmp_path / "postfix", maps="")
    monkeypatch.setenv("MAIL_CONFIG", str(config.directory))
    return config


def table(mail: MailConfig, name: str, *rows: str) -> str:
    (mail.directory / name).write_text("".join(f"{row}\n" for row in rows))
    assert mail.run("postmap", f"hash:{mail.directory / name}").returncode == 0
    return f"hash:{mail.directory / name}"


def test_addresses_are_looked_up_in_the_order_of_cleanup(mail: MailConfig) -> None:
    first = table(
        mail, "first", "@example.org all@first.example", "root admin@first.example, two", "both@a.example 1@x.y"
    )
    second = table(
        mail, "second", "pablo@example.org p@second.example", "both@a.example 2@x.y", "@round.example @b.example"
    )
    patterns = mail.directory / "patterns"
    patterns.write_text("/^@/ never@example.net\n/^root$/ never@example.net\n/^only@/ Pattern@Example.NET\n")
    tables = f"{first} hash:/nonexistent/table, regexp:{patterns}, proxy:{second}"
    mail.write(virtual_alias_maps=tables, mydestination="mail.example", myorigin="origin.example")
    aliases = VirtualAliases(Postfix())
    asked = ("pablo@example.org", "other@example.org", "root@mail.example", "root@far.example", "both@a.example")
    assert aliases.find([*asked, "maria@round.example", "only@here.example"]) == {
        # The whole address in the second table goes before the catch-all in the first.
        "pablo@example.org": ["p@second.example"],
        "other@example.org": ["all@first.example"],
        # A name alone counts for the machine's own domains.
        "root@mail.example": ["admin@first.example", "two@origin.example"],
        "both@a.example": ["1@x.y"],
        "maria@round.example": ["maria@b.example"],
        "only@here.example": ["pattern@example.net"],
    }
    assert list(aliases.troubles) == ["hash:/nonexistent/table"]


def test_an_extension_is_left_out_and_the_origin_may_be_in_a_file(mail: MailConfig, tmp_path: Path) -> None:
    names = table(
        mail, "names", "pablo@example.org root", "maria+news@example.org m@news.example", "maria@example.org m"
    )
    (tmp_path / "mailname").write_text("origin.example\n")
    mail.write(virtual_alias_maps=names, recipient_delimiter="+-", myorigin=str(tmp_path / "mailname"))
    assert VirtualAliases(Postfix()).find(["pablo+a-b@example.org", "maria+news@example.org", "+x@example.org"]) == {
        "pablo+a-b@example.org": ["root@origin.example"],
        "maria+news@example.org": ["m@news.example"],
    }


def test_a_table_that_is_known_not_to_answer_is_not_asked_again(mail: MailConfig) -> None:
    known = CommandError("It is down.")
    broken = "hash:/nonexistent/table"
    mail.write(virtual_alias_maps=broken, virtual_alias_domains=broken)
    aliases = VirtualAliases(Postfix(), {broken: known})
    assert aliases.find(["pablo@example.org"]) == {}
    assert aliases.troubles == {broken: known}
    assert own_domains(Postfix(), ["example.org"], aliases.troubles) == {}


def test_domains_of_ones_own_are_found_by_name_and_in_tables(mail: MailConfig) -> None:
    domains = table(mail, "domains", "b.example anything")
    mail.write(mydestination="a.example, localhost", virtual_alias_domains="", virtual_mailbox_domains=domains)
    assert own_domains(Postfix(), ["a.example", "b.example", "c.example"]) == {
        "a.example": "mydestination",
        "b.example": "virtual_mailbox_domains",
    }
