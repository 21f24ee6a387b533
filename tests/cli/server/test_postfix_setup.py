"""Whether Postfix asks the map and takes mail for the domain, asked of a real Postfix's configuration."""

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from cli.server.postfix_setup import PostfixState, edit_line, find_postfix_state
from schemas.config import Settings, load_settings, parse_config
from tests.support.mailconfig import MailConfig
from tests.support.needs import require
from watcher.publish.postfix import Postfix

TABLE = "hash:/etc/postfix/runv-member-aliases"


class Ground:
    """A configuration of Postfix, and one of ours for the domain runv.club."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mail = MailConfig(directory / "postfix", maps=TABLE)
        self.settings: Settings = load_settings(environment={})

    def find_postfix_state(self, *, backend: str = "postfix-hash", **main_cf: str) -> PostfixState:
        self.mail.write(**main_cf)
        config = parse_config(f'{{"backend": "{backend}"}}'.encode(), "x")
        return find_postfix_state(Postfix(), replace(self.settings, config=config))

    def file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        # Postfix waits before it reads a table that has changed within the second.
        os.utime(path, (1e9, 1e9))
        return str(path)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    require("postfix")
    ground = Ground(tmp_path)
    monkeypatch.setenv("MAIL_CONFIG", str(ground.mail.directory))
    return ground


def test_where_all_is_set_nothing_is_missing(ground: Ground) -> None:
    state = ground.find_postfix_state()
    assert state == PostfixState(TABLE, True, True, "virtual_alias_domains", (), ())


@pytest.mark.parametrize(
    ("maps", "line"),
    [
        ("", f"postconf -e 'virtual_alias_maps = {TABLE}'"),
        ("$virtual_maps", f"postconf -e 'virtual_alias_maps = $virtual_maps, {TABLE}'"),
        ("hash:/a regexp:{ {/it's/ x, y} }", None),
        ("lmdb:/etc/postfix/runv-member-aliases", f"postconf -e 'virtual_alias_maps = {TABLE}'"),
    ],
)
def test_what_stands_in_virtual_alias_maps_is_kept(ground: Ground, maps: str, line: str | None) -> None:
    state = ground.find_postfix_state(virtual_alias_maps=maps)
    assert not state.named
    assert [setting.name for setting in state.missing] == ["virtual_alias_maps"]
    if line is not None:
        assert state.missing[0].line == line
    # What the line says is what Postfix then has, to the character.
    done = ground.mail.run("sh", "-c", state.missing[0].line)
    assert (done.returncode, done.stderr) == (0, "")
    assert ground.mail.run("postconf", "-h", "virtual_alias_maps").stdout == f"{state.missing[0].value}\n"
    assert find_postfix_state(Postfix(), ground.settings).named


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        ("mydestination", "localhost, RUNV.club", True),
        ("mydestination", "$mydomain, localhost", True),
        ("mydestination", "club, .runv.club, mail.runv.club", False),
        ("mydestination", "!runv.club, runv.club", False),
        ("mydestination", "!other.club runv.club", True),
        ("virtual_mailbox_domains", "{list}", True),
        ("virtual_mailbox_domains", "{commented}", False),
        ("virtual_mailbox_domains", "texthash:{table}", True),
        ("virtual_mailbox_domains", "inline:{{a.b=1}}", False),
        ("virtual_mailbox_domains", "inline:{{ runv.club=1, a.b=2 }}", True),
        ("virtual_alias_domains", "a.b runv.club", True),
        ("virtual_alias_domains", "$virtual_alias_maps", False),
        ("relay_domains", "club", True),
        ("relay_domains", "v.club", False),
    ],
)
def test_each_way_of_naming_the_domain_is_known(ground: Ground, parameter: str, value: str, accepted: bool) -> None:
    files = {
        "list": ground.file("list", "# runv.club is ours\na.b, x.y\nrunv.club\n"),
        "commented": ground.file("commented", "#runv.club\n"),
        "table": ground.file("table", "runv.club anything\n"),
    }
    settings = {"virtual_alias_domains": "", "mydomain": "runv.club", parameter: value.format(**files)}
    state = ground.find_postfix_state(**settings)
    assert state.accepted_by == (parameter if accepted else None)
    assert state.unavailable == ()
    assert [setting.name for setting in state.missing] == ([] if accepted else ["virtual_alias_domains"])


def test_the_default_of_virtual_alias_domains_is_kept_beside_the_domain(ground: Ground) -> None:
    del ground.mail.settings["virtual_alias_domains"]
    state = ground.find_postfix_state(virtual_alias_maps="")
    assert edit_line(state.missing) == (
        f"postconf -e 'virtual_alias_maps = {TABLE}' 'virtual_alias_domains = $virtual_alias_maps, runv.club'"
    )


@pytest.mark.parametrize("pattern", ["hash:/nowhere/table", "/nowhere/list", "socketmap:unix:/nowhere:x"])
def test_while_something_cannot_be_asked_no_second_class_is_proposed(ground: Ground, pattern: str) -> None:
    state = ground.find_postfix_state(
        virtual_alias_domains="", mydestination=f"localhost {pattern}", virtual_alias_maps=""
    )
    assert state.accepted_by is None
    assert [(each.parameter, each.pattern) for each in state.unavailable] == [("mydestination", pattern)]
    assert [setting.name for setting in state.missing] == ["virtual_alias_maps"]
    # Where something else takes the domain in, it does not matter.
    assert ground.find_postfix_state(virtual_alias_domains="runv.club").accepted_by == "virtual_alias_domains"


def test_files_that_name_each_other_come_to_an_end(ground: Ground) -> None:
    path = ground.file("round", "")
    ground.file("round", f"{path}\n")
    state = ground.find_postfix_state(virtual_alias_domains=path)
    assert [each.why for each in state.unavailable] == ["The files name each other without end."]


def test_a_type_that_this_postfix_has_not_is_told(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ground.find_postfix_state(backend="postfix-hash").type_known
    monkeypatch.setattr(Postfix, "table_types", lambda _: frozenset({"lmdb"}))
    assert not ground.find_postfix_state(backend="postfix-hash").type_known


def in_database(ground: Ground, kind: str, text: str) -> tuple[Settings, str]:
    path = ground.file("aliases.cf", text)
    config = parse_config(json.dumps({"backend": f"postfix-{kind}", "sql": {"map_file": path}}).encode(), "x")
    return replace(ground.settings, config=config), f"{kind}:{path}"


@pytest.mark.parametrize(
    ("kind", "text", "chroot", "by_proxy"),
    [
        ("mysql", "hosts = 127.0.0.1\ndbname = d\n", "y", False),
        ("mysql", "hosts = localhost\ndbname = d\n", "y", True),
        ("mysql", "hosts = localhost\ndbname = d\n", "n", False),
        ("mysql", "hosts = localhost\ndbname = d\n", "-", False),
        ("pgsql", "hosts = /run/postgresql\ndbname = d\n", "y", True),
        ("pgsql", "hosts = localhost\ndbname = d\n", "y", False),
        ("sqlite", "dbpath = /srv/x.sqlite\n", "y", True),
    ],
)
def test_postfix_is_told_to_ask_by_way_of_proxymap_where_its_chroot_is_in_the_way(
    ground: Ground, kind: str, text: str, chroot: str, by_proxy: bool
) -> None:
    settings, table = in_database(ground, kind, text)
    ground.mail.write(virtual_alias_maps="hash:/a")
    services = f"smtp inet n - n - - smtpd\n  -o syslog_name=x\ncleanup unix n - {chroot} - 0 cleanup\n"
    ground.mail.write_services(f"pickup unix n - y 60 1 pickup\n{services}")
    state = find_postfix_state(Postfix(), settings)
    assert state.table == table
    assert state.missing == (("virtual_alias_maps", f"hash:/a, {'proxy:' if by_proxy else ''}{table}"),)
    ground.mail.write(virtual_alias_maps=f"hash:/a, proxy:{table}")
    assert find_postfix_state(Postfix(), settings).missing == ()


def test_the_map_of_files_from_before_is_taken_out(ground: Ground) -> None:
    settings, table = in_database(ground, "mysql", "hosts = 127.0.0.1\ndbname = d\n")
    ground.mail.write(virtual_alias_maps=f"hash:/a, {TABLE}, $virtual_maps")
    state = find_postfix_state(Postfix(), settings)
    assert (state.named, state.outdated) == (False, (TABLE,))
    assert edit_line(state.missing) == f"postconf -e 'virtual_alias_maps = hash:/a, $virtual_maps, {table}'"
    ground.mail.write(virtual_alias_maps=f"{TABLE}, {table}")
    state = find_postfix_state(Postfix(), settings)
    assert (state.named, state.outdated) == (True, (TABLE,))
    assert edit_line(state.missing) == f"postconf -e 'virtual_alias_maps = {table}'"
    assert ground.find_postfix_state().outdated == ()
