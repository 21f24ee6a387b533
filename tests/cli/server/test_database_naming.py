"""Which map a file is of."""

from pathlib import Path

import pytest

from cli.server.database import NamedMap, UnknownMapError, named_map
from tests.support.mailconfig import MailConfig
from tests.support.needs import require


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MailConfig:
    require("postfix")
    mail = MailConfig(tmp_path / "postfix", maps="")
    monkeypatch.setenv("MAIL_CONFIG", str(mail.directory))
    return mail


@pytest.mark.parametrize("given", ["pgsql:/etc/x.cf", "proxy:pgsql:/etc/x.cf"])
def test_a_type_that_is_given_is_taken(given: str) -> None:
    assert named_map(given) == NamedMap("pgsql", "/etc/x.cf")


@pytest.mark.parametrize("parameter", ["virtual_alias_maps", "virtual_mailbox_maps"])
@pytest.mark.parametrize("name", ["mysql:{}", "proxy:mysql:{}", "hash:/a, proxy:mysql:{} regexp:/b"])
def test_what_postfix_calls_it_counts_before_what_it_is_named_after(
    mail: MailConfig, tmp_path: Path, parameter: str, name: str
) -> None:
    path = tmp_path / "pgsql-aliases.cf"
    mail.write(**{parameter: name.format(path)})
    assert named_map(str(path)) == NamedMap("mysql", str(path))


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("aliases.cf", "dbpath = /srv/x.sqlite\n", "sqlite"),
        ("mysql.cf", "dbpath = /srv/x.sqlite\n", "sqlite"),
        ("aliases.cf", "user = x\nhosts = postgresql://u@h/d\n", "pgsql"),
        ("mysql-virtual-alias-maps.cf", "hosts = 127.0.0.1\n", "mysql"),
        ("MariaDB.cf", "", "mysql"),
        ("postgres-aliases.cf", "", "pgsql"),
        ("sqlite_aliases.cf", "", "sqlite"),
    ],
)
def test_else_its_contents_or_its_name_tell(
    mail: MailConfig, tmp_path: Path, name: str, text: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert named_map(str(path)) == (kind, str(path))
    monkeypatch.chdir(tmp_path)
    assert named_map(name) == (kind, str(path))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("/srv/aliases.cf", "Whether /srv/aliases.cf is a map of type mysql, pgsql or sqlite cannot be told: "),
        ("/srv/mysql-to-pgsql.cf", "Whether /srv/mysql-to-pgsql.cf is a map"),
        ("hash:/srv/aliases", "hash:/srv/aliases is no map in a database. Give the type and the file, the type being "),
        ("mysql:aliases.cf", "mysql:aliases.cf names no file by its path from /."),
    ],
)
def test_what_cannot_be_told_is_asked_for(mail: MailConfig, given: str, found: str) -> None:
    with pytest.raises(UnknownMapError) as caught:
        named_map(given)
    assert str(caught.value).startswith(found)
