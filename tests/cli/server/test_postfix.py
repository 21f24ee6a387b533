from pathlib import Path

import pytest

from tests.support.mailconfig import MailConfig
from tests.support.programs import Programs
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix, lookup

pytestmark = pytest.mark.needs("postfix", "postfix-hash")


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MailConfig:
    config = MailConfig(tmp_path / "postfix", maps="")
    monkeypatch.setenv("MAIL_CONFIG", str(config.directory))
    return config


def test_several_parameters_are_told_at_once_as_they_are_written_and_expanded(mail: MailConfig) -> None:
    mail.write(mydestination="$myhostname, a = b", mydomain="runv.club")
    names = ["mydestination", "virtual_mailbox_maps", "transport_maps", "nosuch_parameter"]
    postfix = Postfix()
    expected = {"mydestination": "$myhostname, a = b", "virtual_mailbox_maps": "", "transport_maps": ""}
    assert postfix.values(names) == expected
    assert postfix.values(names, expanded=True) == expected | {"mydestination": "mail.runv.club, a = b"}
    assert postfix.set_in_main_cf(names) == {"mydestination"}
    assert postfix.set_in_main_cf(["virtual_mailbox_maps"]) == frozenset()


def test_it_tells_its_version_without_a_configuration_and_nothing_else(mail: MailConfig) -> None:
    mail.path.unlink()
    postfix = Postfix()
    assert postfix.version()[0].isdigit()
    with pytest.raises(CommandError, match=r"open .*/main\.cf: No such file or directory"):
        postfix.values(["mydestination"])


def test_each_answer_is_asked_for_once(mail: MailConfig, programs: Programs) -> None:
    assert mail.path.exists()
    programs.make("postconf", "echo 'mydomain = runv.club'")
    postfix = Postfix()
    assert postfix.values(["mydomain"]) == postfix.values(["mydomain"]) == {"mydomain": "runv.club"}
    assert programs.asked("postconf") == ["mydomain"]


def test_a_table_answers_has_nothing_or_cannot_be_asked(mail: MailConfig, tmp_path: Path) -> None:
    source = tmp_path / "map"
    source.write_text("pablo@runv.club p@example.org\n")
    assert mail.run("postmap", f"hash:{source}").returncode == 0
    assert lookup(f"hash:{source}", "pablo@runv.club") == "p@example.org"
    assert lookup(f"hash:{source}", "maria@runv.club") is None
    with pytest.raises(CommandError, match=r"open database .*: No such file or directory"):
        lookup(f"hash:{tmp_path}/nosuch", "pablo@runv.club")
