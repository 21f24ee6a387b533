"""A second mail host that asks a replica, and what the watcher on the first knows of it."""

from collections.abc import Iterator

import pytest

from ..support.mailconfig import MailConfig
from ..support.postgresql import PostgreSQL
from .mail_host import MailHost
from .page import OF_POSTFIX, Pair, configure, database_at, put_map


@pytest.fixture(scope="module")
def replica(pair: Pair) -> Iterator[PostgreSQL]:
    """A standby on the second host, of which the watcher is told."""
    standby = PostgreSQL(standby_of=pair.database, addresses=(pair.wire.second.address,))
    try:
        pair.wire.second.do(standby.start)
        # The one that cannot be written to first: its order says nothing.
        configure(pair.site, database_at((pair.wire.second, standby), (pair.wire.first, pair.database)))
        yield standby
    finally:
        standby.close()


@pytest.fixture(scope="module")
def reader(pair: Pair, replica: PostgreSQL) -> Iterator[MailHost]:
    """A Postfix on the second host that asks the replica alone."""
    config = MailConfig(pair.site.root / "reader", maps="")
    put_map(config.directory / "members.cf", OF_POSTFIX, database_at((pair.wire.second, replica)))
    config.write(virtual_alias_maps=f"pgsql:{config.directory}/members.cf")
    with MailHost(pair.wire.second, config) as host:
        yield host


def codes(pair: Pair) -> set[str]:
    return {problem["code"] for problem in pair.site.status()["problems"]}


def lag(pair: Pair) -> float | None:
    """For how long the replica has been without the last change, as the status has it."""
    (host,) = pair.site.status()["hosts"]
    seconds: float | None = host["behind_seconds"]
    return seconds


def test_a_replica_that_keeps_up_is_known_and_no_problem(pair: Pair, replica: PostgreSQL, reader: MailHost) -> None:
    pair.site.accounts.add("ana")
    pair.decide("ana", "ana@example.org")
    reader.delivers("ana@runv.club", "ana@example.org")
    pair.site.wait_for(lambda: lag(pair) == 0, what="the replica in the status")
    assert pair.site.status()["hosts"][0]["host"] == database_at((pair.wire.second, replica))
    assert codes(pair) == set()


def test_a_replica_that_lags_is_told_of_until_it_has_caught_up(
    pair: Pair, replica: PostgreSQL, reader: MailHost
) -> None:
    pair.site.accounts.add("bia")
    replica.execute("SELECT pg_wal_replay_pause()")
    pair.site.member("bia", "request", "bia@example.org")
    pair.site.admin("approve", "bia")
    pair.second.delivers("bia@runv.club", "bia@example.org")
    assert reader.refuses("bia@runv.club")
    pair.site.wait_for(lambda: lag(pair), what="the lag")
    message = pair.site.admin("status").stdout
    assert database_at((pair.wire.second, replica)) in message
    assert "behind the last change" in message
    replica.execute("SELECT pg_wal_replay_resume()")
    pair.site.wait_for(lambda: lag(pair) == 0, what="the end of the lag")
    reader.delivers("bia@runv.club", "bia@example.org")


def test_a_replica_that_goes_on_to_lag_is_a_problem(pair: Pair, replica: PostgreSQL) -> None:
    replica.execute("SELECT pg_wal_replay_pause()")
    assert pair.site.admin("revoke", "bia", "--reason", "It bounces.").returncode == 0
    pair.site.wait_for(lambda: "replica-behind" in codes(pair), what="the problem", timeout=20)
    replica.execute("SELECT pg_wal_replay_resume()")


def test_a_replica_that_is_down_is_told_of_and_found_again(pair: Pair, replica: PostgreSQL, reader: MailHost) -> None:
    pair.site.accounts.add("caio")
    replica.kill()
    pair.decide("caio", "caio@example.org")
    pair.second.delivers("caio@runv.club", "caio@example.org")
    pair.site.wait_for(lambda: "replica-unreachable" in codes(pair), what="the problem")
    pair.wire.second.do(replica.start)
    pair.site.wait_for(lambda: lag(pair) == 0 and not codes(pair), what="the end of all problems", timeout=20)
    assert reader.asked("caio@runv.club") == "caio@example.org"


def test_when_the_first_server_is_lost_the_watcher_writes_to_the_one_that_takes_its_place(
    pair: Pair, replica: PostgreSQL, reader: MailHost
) -> None:
    pair.site.accounts.add("davi")
    pair.database.kill()
    pair.site.member("davi", "request", "davi@example.org")
    assert pair.site.admin("approve", "davi").returncode == 1
    assert "publish-failed" in codes(pair)
    assert (reader.asked("ana@runv.club"), reader.asked("davi@runv.club")) == ("ana@example.org", None)
    replica.execute("SELECT pg_promote()")
    pair.site.wait_for(lambda: "publish-failed" not in codes(pair), what="the end of the problem", timeout=20)
    assert reader.asked("davi@runv.club") == "davi@example.org"
