"""Two mail hosts that read one PostgreSQL, as the page on them sets it up, and one watcher that publishes there."""

import shutil
import subprocess

from ..support.install import Installation
from ..support.servers import Row
from ..support.site import Site
from .page import Pair, configure, database_at


def rows(pair: Pair) -> list[Row]:
    """Every row, with the transaction that wrote it."""
    return pair.database.rows("SELECT xmin::text, * FROM virtual_aliases ORDER BY address", database="mail")


def test_both_hosts_follow_each_decision(pair: Pair) -> None:
    pair.site.accounts.add("pablo")
    assert pair.first.refuses("pablo@runv.club")
    assert pair.second.refuses("pablo@runv.club")
    for destination in ("pablo@example.org", "pablo@example.net"):
        pair.decide("pablo", destination)
        pair.first.delivers("pablo@runv.club", destination)
        pair.second.delivers("pablo@runv.club", destination)
    assert pair.site.admin("revoke", "pablo", "--reason", "It bounces.").returncode == 0
    assert pair.first.refuses("pablo@runv.club")
    assert pair.second.refuses("pablo@runv.club")
    assert pair.site.status()["problems"] == pair.site.status()["hosts"] == []


def test_a_watcher_that_moves_to_the_other_host_goes_on_where_the_first_ended(
    pair: Pair, installation: Installation
) -> None:
    account = pair.site.accounts.add("maria")
    pair.decide("maria", "maria@example.org")
    with pair.stopped(), Site(installation, backend="postfix-pgsql") as moved:
        moved.accounts.add("maria", uid=account.uid)
        shutil.rmtree(moved.paths.state)
        subprocess.run(["/bin/cp", "-a", pair.site.paths.state, moved.paths.state], check=True)
        configure(moved, database_at((pair.wire.first, pair.database)))
        before = rows(pair)
        plan = pair.second.host.do(lambda: moved.admin("sync", "--dry-run"))
        assert (plan.returncode, plan.stdout) == (
            0,
            "Nothing differs: the map and the registry both have 1 alias.\n",
        ), plan.stderr
        pair.second.host.do(moved.start_watcher)
        assert rows(pair) == before
        pair.decide("maria", "maria@example.net", moved)
        pair.first.delivers("maria@runv.club", "maria@example.net")
        pair.second.delivers("maria@runv.club", "maria@example.net")
