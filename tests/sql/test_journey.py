"""From a member's request to a message that arrives outside, through a table of a database."""

import re

from ..e2e.acts import activate, entry, publish
from ..support.site import Record
from .kinds import on
from .stage import Stage


def told_moment(record: Record) -> str:
    """When a request was made, as the commands write it."""
    return f"{record['created_at'][:10]} {record['created_at'][11:16]} UTC"


def test_mail_follows_a_request_a_change_and_a_revocation(stage: Stage) -> None:
    stage.accounts.add("pablo")
    stage.start_watcher()
    postfix = stage.start_postfix()
    assert stage.sink is not None
    assert stage.member("pablo", "request", "p@example.org").returncode == 0
    assert postfix.send("pablo@runv.club").code == 550

    approved = stage.admin("approve", "pablo")

    assert (approved.returncode, approved.stderr) == (0, "")
    assert approved.stdout.endswith("Approved: mail to pablo@runv.club now goes to p@example.org.\n")
    assert stage.rows == [("pablo@runv.club", "p@example.org", "runv", "as new")]
    assert postfix.send("pablo@runv.club", text="Dear Pablo.\n").accepted
    assert b"Dear Pablo." in stage.sink.wait_for("p@example.org").content

    stage.database.execute("UPDATE aliases SET note = 'kept'")
    assert stage.member("pablo", "request", "new@example.net").returncode == 0
    assert stage.admin("approve", "pablo").returncode == 0

    assert stage.rows == [("pablo@runv.club", "new@example.net", "runv", "kept")]
    assert postfix.send("pablo@runv.club").accepted
    stage.sink.wait_for("new@example.net")

    revoked = stage.admin("revoke", "pablo", "--reason", "The account was closed.")

    assert revoked.stdout == "Revoked: mail to pablo@runv.club no longer goes to new@example.net.\n"
    assert stage.rows == []
    refused = postfix.send("pablo@runv.club")
    assert refused.code == 550
    assert "User unknown in virtual alias table" in refused.text
    assert len(stage.sink.received("p@example.org")) == 1


@on("mysql")
def test_the_table_follows_a_hand_edit_of_the_registry(stage: Stage) -> None:
    stage.accounts.add("pablo")
    stage.start_watcher()
    activate(stage, "pablo", "p@example.org")

    publish(
        stage,
        {
            "pablo": entry("pablo", "edited@Example.NET"),
            "maria": entry("maria", "m@example.org", alias="Maria@runv.club"),
        },
    )

    assert stage.published == {"maria@runv.club": "m@example.org", "pablo@runv.club": "edited@example.net"}
    assert stage.map_lookup("Pablo@runv.club") == "edited@example.net"


@on("sqlite")
def test_an_alias_that_was_switched_off_while_the_watcher_was_down_is_gone_when_it_is_up(stage: Stage) -> None:
    stage.accounts.add("pablo")
    first = stage.start_watcher()
    activate(stage, "pablo", "p@example.org")
    first.kill()
    stage.paths.registry.write_text(re.sub('"active"', '"revoked"', stage.paths.registry.read_text()))

    stage.start_watcher()

    assert stage.rows == []
