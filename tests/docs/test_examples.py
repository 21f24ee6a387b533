"""What the pages tell people to paste works as it stands, but for the paths."""

import json
from pathlib import Path
from typing import Any

import pytest

from ..support.site import Site
from ..support.watcher import RunningWatcher
from .markdown import code, fences, indented, read, section, table

PROTOCOL = read("docs/files-protocol.md")

pytestmark = pytest.mark.needs("root", "accounts", "postfix", "postfix-hash")


@pytest.fixture
def watcher(site: Site) -> RunningWatcher:
    site.accounts.add("pablo")
    return site.start_watcher()


def example(site: Site, language: str) -> Path:
    """The protocol's example in *language*, as a script for this server."""
    (block,) = fences(section(PROTOCOL, "Dropping a file"), language)
    path = site.root / f"example.{language}"
    path.write_text(block.text.replace("/var/lib/runv", str(site.paths.state)), encoding="utf-8")
    path.chmod(0o644)
    return path


def programs(site: Site) -> dict[str, list[str]]:
    return {
        "sh": ["/bin/sh", str(example(site, "sh"))],
        "python": [str(site.installation.python), "-I", str(example(site, "python"))],
    }


@pytest.mark.parametrize("language", ["sh", "python"])
def test_the_example_drops_a_request_and_shows_its_record(site: Site, watcher: RunningWatcher, language: str) -> None:
    assert watcher.running
    done = site.run([*programs(site)[language], "me@example.org"], account=site.accounts["pablo"])
    assert (done.returncode, done.stderr) == (0, "")
    assert "pending" in done.stdout
    pending = site.pending("pablo")
    assert pending is not None
    assert pending["destination"] == "me@example.org"
    site.wait_for(lambda: not list(site.paths.queue.iterdir()), what="the file to go, which follows its record")


@pytest.mark.parametrize("language", ["sh", "python"])
def test_the_example_shows_a_refusal_too(site: Site, watcher: RunningWatcher, language: str) -> None:
    assert watcher.running
    done = site.run([*programs(site)[language], "me@runv.club"], account=site.accounts["pablo"])
    assert (done.returncode, done.stderr) == (0, "")
    (record,) = site.records("refused")
    assert record["reason"] in done.stdout


@pytest.mark.parametrize("language", ["sh", "python"])
def test_without_a_watcher_the_example_leaves_the_file_and_ends_with_75(site: Site, language: str) -> None:
    site.accounts.add("pablo")
    done = site.run([*programs(site)[language], "me@example.org"], account=site.accounts["pablo"])
    assert (done.returncode, done.stdout) == (75, "")
    (left,) = site.paths.queue.iterdir()
    assert left.stat().st_mode & 0o777 == 0o600
    assert json.loads(left.read_bytes())["destination"] == "me@example.org"


def test_the_short_form_in_the_members_guide_works(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    (script,) = indented(section(read("docs/member-guide.md"), "Doing it without the command"))
    script = script.replace("/var/lib/runv", str(site.paths.state))
    done = site.run(["/bin/sh", "-euc", script], account=site.accounts["pablo"], env={"USER": "pablo"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert site.wait_for(lambda: site.pending("pablo"), what="the pending record")


def told_keys(rows: list[list[str]]) -> list[str]:
    return sorted(name for row in rows for name in code(row[0]))


def test_the_json_of_the_commands_has_the_keys_that_are_written_down(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running

    def printed(text: str) -> Any:
        return json.loads(text)

    site.member("pablo", "request", "first@example.org")
    site.admin("approve", "pablo")
    site.member("pablo", "request", "second@example.org")
    text = section(PROTOCOL, "What the commands print as JSON")
    paragraphs = {part.split("`")[1]: set(code(part)) for part in text.split("\n\n") if part.startswith("`runv-admin")}

    status = printed(site.member("pablo", "status", "--json").stdout)
    assert sorted(status) == told_keys(table(text))
    for key in ("active", "pending", "last"):
        (cell,) = (row[1] for row in table(text) if row[0] == f"`{key}`")
        assert sorted(status[key]) == sorted(code(cell))

    for name in ("pending --json", "list --json", "sync --dry-run --json", "status --json"):
        value = printed(site.admin(*name.split()).stdout)
        found = set(value[0] if isinstance(value, list) else value)
        message = paragraphs[f"runv-admin-email-alias {name}"]
        assert found <= message, name
        # What is told besides are other values, and the keys inside.
        inside = {"null", "true", "false", "alias", "destination", "present", "removed", "changed", "limit"}
        inside |= {"active", "reason"}
        assert message - found <= inside | {f"runv-admin-email-alias {name}"}, name
