"""Publishing into a database with 100,000 active aliases, against a bare client library on the same server.

An approval has two parts, which are told apart. The registry's own is there whatever is published to: the marker is
read, and a registry of 100,000 entries changed, written, synced and hashed. It ends where the publishing step begins,
whose moment the watcher's process itself notes (`_NOTING`). From there on it is the database's part: the clock stops
when another connection sees the row. The floor opens a connection, inserts one row and commits, and is seen in the same
way: the watcher keeps no connection while it is idle either.
"""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from unittest.mock import patch

from schemas.config import load_settings
from schemas.registry import parse_registry
from tests.benchmarks.bench import QUIET_SECONDS, WARM_UP_TURNS, Ground, alias, entry, member, take_turns, wait_until
from tests.benchmarks.clients import QUERY, BareInserts, Client, PostgreSQLClient, Row, RowObserver, clients
from tests.benchmarks.figures import Figure, count, duration, ratio, told
from tests.benchmarks.floor import registry_bytes
from tests.benchmarks.idle import SETTLE_SECONDS, WATCHED_SECONDS, memory_of, switches_of
from tests.support.layout import put
from tests.support.site import Site
from tests.support.watcher import RunningWatcher
from watcher.publish.publisher import Publisher, publisher_for

ALIASES = 100_000
APPROVALS = 15
PUBLISHES = 5
AT_MOST = 3.0

_NOTING = """\
import os, time
from watcher.publishing import PublishStep

take = PublishStep.take

def noting(*arguments, **options):
    with open(os.environ["NOTED_STEPS"], "a") as file:
        file.write(f"{time.perf_counter()!r}\\n")
    return take(*arguments, **options)

PublishStep.take = noting
"""
"""As sitecustomize of the watcher's process. perf_counter() is CLOCK_MONOTONIC, the same in every process."""


def databases(ground: Ground) -> Iterator[Figure]:
    """First publish, approval to live, and what an idle watcher keeps, of each server with the mark and without."""
    with clients(ground.directory) as every:
        for each in every:
            with each as client:
                yield from _first_publish(ground, client)
                yield from _approvals(ground, client)
                if client.marked:
                    yield from _idle(ground, client)


def _first_publish(ground: Ground, client: Client) -> Iterator[Figure]:
    """All rows at once: the publisher, in this process and with a parsed registry, and the library's own way."""
    registry = parse_registry(_registry(ALIASES), "runv.club", "registry")
    rows = sorted(registry.rows().items())
    looks: list[float] = []
    copies: list[float] = []
    # The publisher asks the map by postmap(1), which finds the site's Postfix by the environment.
    with _site(ground, client) as site, patch.dict(os.environ, site.mail.environment()):

        def ours(_: int) -> float:
            client.clear()
            publisher = _publisher(site)
            publisher.drifted(asked=True)
            seconds = _seconds(lambda: publisher.publish(registry, forced=False))
            _all_there(client)
            publisher.drifted(asked=True)
            looks.append(_seconds(lambda: publisher.publish(registry, forced=False)))
            return seconds

        def floor(_: int) -> float:
            client.clear()
            seconds = _seconds(lambda: client.insert_many(rows))
            _all_there(client)
            if isinstance(client, PostgreSQLClient):
                client.clear()
                copies.append(_seconds(lambda: client.copy(rows)))
            return seconds

        turns = take_turns(PUBLISHES, ours, floor)
        client.clear()
    yield ratio(f"{client.title}: first publish of {ALIASES:,}", turns, AT_MOST)
    if copies and client.marked:
        yield told(f"{client.title}: {ALIASES:,} rows by a bare COPY", duration(median(copies)))
    yield told(f"{client.title}: a look at all {ALIASES:,}", duration(median(looks)))


def _approvals(ground: Ground, client: Client) -> Iterator[Figure]:
    """One more member among so many: from the marker's rename to a row that another connection sees."""
    registry_part: list[float] = []
    whole: list[float] = []
    opened: list[float] = []
    with contextlib.ExitStack() as together:
        site = together.enter_context(_site(ground, client))
        observer = together.enter_context(client.observer())
        bare, held = (together.enter_context(BareInserts(client, held=held)) for held in (False, True))
        site.accounts.add_many([member(ALIASES + number) for number in range(WARM_UP_TURNS + APPROVALS)])
        put(site.paths.registry, _registry(ALIASES), 0o640, gid=site.accounts.gid)
        watcher = _started(site)
        wait_until(lambda: client.count() == ALIASES, "the first publish")

        def ours(number: int) -> float:
            approve = _asked_for(site, ALIASES + number)
            watcher.wait_quiet()
            begun = time.perf_counter()
            approve()
            try:
                live = observer.seen((alias(ALIASES + number), f"{member(ALIASES + number)}@example.org"))
            except AssertionError as error:
                raise AssertionError(f"{error}\n{watcher.log[-2000:]}") from None
            wait_until(lambda: not any(site.paths.decisions.glob("[!.]*.json")), "the marker to be removed")
            settled = time.perf_counter()
            step = next(timestamp for timestamp in _steps(site) if timestamp > begun)
            registry_part.append(step - begun)
            whole.append(settled - begun)
            watcher.wait_quiet()
            return live - step

        def floor(number: int) -> float:
            opened.append(_inserted(held, observer, _row(f"held{number}")))
            return _inserted(bare, observer, _row(f"bare{number}"))

        turns = take_turns(APPROVALS, ours, floor)
        memory = memory_of(watcher.process.pid)
    yield ratio(f"{client.title}: approval to live", turns, AT_MOST)
    yield told(f"{client.title}: and the registry's part", _median(registry_part))
    yield told(f"{client.title}: all, until the marker goes", _median(whole))
    if client.marked:
        yield told(f"{client.name}: bare, the connection being open", _median(opened))
        yield told(f"{client.name}: memory, {ALIASES:,} aliases", f"{memory:g} MiB")


def _inserted(bare: BareInserts, observer: RowObserver, row: Row) -> float:
    # Idle before it, as the watcher is.
    time.sleep(QUIET_SECONDS)
    bare.begin(row)
    live = observer.seen(row)
    return live - bare.end()


def _median(seconds: Sequence[float]) -> str:
    return duration(median(seconds[WARM_UP_TURNS:]))


def _idle(ground: Ground, client: Client) -> Iterator[Figure]:
    with _site(ground, client) as site:
        put(site.paths.registry, _registry(10), 0o640, gid=site.accounts.gid)
        pid = _started(site).process.pid
        time.sleep(SETTLE_SECONDS)
        before = switches_of(pid)
        time.sleep(WATCHED_SECONDS)
        yield count(f"{client.name}, idle: wake-ups in {WATCHED_SECONDS:g} s", switches_of(pid) - before, 3)
        yield count(f"{client.name}, idle: connections", client.database.sessions(), 0)
        yield told(f"{client.name}, idle: resident memory", f"{memory_of(pid):g} MiB")


@contextlib.contextmanager
def _site(ground: Ground, client: Client) -> Iterator[Site]:
    """A server whose map asks *client*'s table; nothing runs on it."""
    root = Path(tempfile.mkdtemp(dir=ground.directory))
    kind = client.database.kind
    with Site(ground.installation, root=root, backend=f"postfix-{kind}") as site:
        client.database.write_map(site.paths.map, QUERY)
        site.configure(virtual_alias_file=None, sql=client.block(str(site.paths.map)))
        yield site


def _publisher(site: Site) -> Publisher:
    return publisher_for(load_settings(str(site.paths.config), {}).config, lambda _: [])


def _started(site: Site) -> RunningWatcher:
    hooks = site.root / "hooks"
    hooks.mkdir()
    put(hooks / "sitecustomize.py", _NOTING.encode(), 0o644)
    noted = site.root / "steps"
    noted.touch()
    return site.start_watcher(env={"PYTHONPATH": str(hooks), "NOTED_STEPS": str(noted)})


def _steps(site: Site) -> Iterator[float]:
    return map(float, (site.root / "steps").read_text(encoding="ascii").split())


def _asked_for(site: Site, number: int) -> Callable[[], None]:
    """Have that member ask; give what approves it."""
    name = member(number)
    site.drop(name, f"{name}.json", {"destination": f"{name}@example.org"})
    wait_until(lambda: site.pending(name) is not None, "the pending record")
    record = site.pending(name)
    assert record is not None
    asked = {key: record[key] for key in ("username", "request_id", "destination")}
    staged = site.paths.decisions / f".{name}.staged"
    put(staged, json.dumps({"decision": "approve", "operator": "root", **asked}).encode(), 0o600)
    return lambda: os.rename(staged, site.paths.decisions / f"{time.time_ns()}.json")


def _registry(aliases: int) -> bytes:
    return registry_bytes({member(number): entry(number) for number in range(aliases)})


def _row(name: str) -> Row:
    return f"{name}@floor.example", f"{name}@example.org"


def _all_there(client: Client) -> None:
    if (found := client.count()) != ALIASES:
        raise AssertionError(f"{ALIASES} rows were written and {found} are there")


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun
