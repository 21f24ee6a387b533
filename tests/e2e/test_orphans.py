"""Members who are gone: their aliases are switched off by themselves, and never by mistake."""

import json
import re
from functools import partial

from ..support.layout import put
from ..support.site import Record, Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import (
    activate,
    ask,
    await_problem,
    await_status,
    await_well,
    decide,
    entries,
    entry,
    problems,
    publish,
    published,
    settle,
    states,
    write_registry,
)

GROUP = "runv-members"
GONE = "There is no account {}."
IDENTIFIER = re.compile(r"orphan-[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-([a-z0-9]+)-[0-9a-f]{6}")
HELD = (
    "The accounts of {orphans} of {active} active aliases are gone or are no members, all at once, and no more than "
    "{limit} are switched off unasked: {names}. Look at `runv-admin-email-alias sync --dry-run`; if that is meant, run "
    "`runv-admin-email-alias sync --force`. Until then these aliases stay active."
)


def statuses(site: Site) -> dict[str, str]:
    return {name: found["status"] for name, found in site.registry().items()}


def await_orphaned(site: Site, *names: str) -> None:
    """Wait until just these are switched off, the map has followed, and the status says so."""
    active = {name for name in site.registry() if name not in names}

    def done() -> bool:
        found = statuses(site)
        return all((found[name] == "active") == (name in active) for name in found)

    wait_for(done, site.paths.state, what=f"{names} to be switched off")
    await_status(site, lambda: (site.status()["published"] or {}).get("aliases") == len(active), what="the map")


def told(site: Site) -> list[Record]:
    """The lines of the audit log about orphans."""
    log = site.paths.state / "email-alias-audit.jsonl"
    found = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [line for line in found if line["what"] == "orphaned"]


def says(site: Site, expected: dict[str, str]) -> bool:
    """Whether just these are the problems."""
    return problems(site) == expected


def test_the_alias_of_a_deleted_account_is_switched_off(site: Site, watcher: RunningWatcher) -> None:
    site.accounts.add_many(["ana", "pablo"])
    for name in ("ana", "pablo"):
        activate(site, name, f"{name}@example.org")
    before = site.registry()
    records = {folder: site.records(folder) for folder in ("pending", "approved", "cancelled", "refused")}

    site.accounts.remove("pablo")

    await_orphaned(site, "pablo")
    after = site.registry()
    found = after["pablo"]
    assert after["ana"] == before["ana"]
    assert found == before["pablo"] | {
        "status": "orphaned",
        "reason": GONE.format("pablo"),
        "updated_at": found["updated_at"],
        "updated_by": found["updated_by"],
    }
    assert (IDENTIFIER.fullmatch(found["updated_by"]) or [""])[1] == "pablo"
    assert site.map_lookup("pablo@runv.club") is None
    assert site.map_lookup("ana@runv.club") == "ana@example.org"
    assert {folder: site.records(folder) for folder in records} == records
    (line,) = told(site)
    assert {key: line[key] for key in line if not key.startswith(("registry", "time"))} == {
        "what": "orphaned",
        "username": "pablo",
        "uid": before["pablo"]["uid"],
        "decided_by": "watcher",
        "alias": "pablo@runv.club",
        "destination": "pablo@example.org",
        "decision_id": found["updated_by"],
        "reason": GONE.format("pablo"),
    }
    assert line["registry_sha256_before"] != line["registry_sha256_after"] == published(site)
    assert "Switched pablo@runv.club off: There is no account pablo." in watcher.log
    assert problems(site) == {}
    shown = site.admin("log", "--user", "pablo").stdout.splitlines()[-1]
    assert shown.endswith(
        "  orphaned   pablo         the alias to pablo@example.org was switched off: There is no account pablo."
    )
    assert site.admin("list").stdout.splitlines()[-1].split()[:3] == [
        "pablo@runv.club",
        "pablo@example.org",
        "orphaned",
    ]


def test_a_name_that_has_another_uid_now_or_has_left_the_group_is_switched_off_too(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    site.accounts.add_many(["ana", "eva", "pablo"])
    site.accounts.add("maria", membership="listed")
    for name in ("ana", "eva", "pablo", "maria"):
        activate(site, name, f"{name}@example.org")
    first = site.accounts["pablo"].uid

    second = site.accounts.give_uid("pablo").uid
    site.accounts.leave("eva", "maria")

    await_orphaned(site, "eva", "pablo", "maria")
    reasons = {name: found.get("reason") for name, found in site.registry().items()}
    assert reasons == {
        "ana": None,
        "eva": "The account eva is not a member of the group runv-members.",
        "maria": "The account maria is not a member of the group runv-members.",
        "pablo": f"The account pablo has the uid {second} now; the alias was approved for the one with uid {first}.",
    }


def test_whoever_comes_back_has_to_ask_again_and_reads_why(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    site.accounts.add_many(["ana", "pablo"])
    activate(site, "pablo", "p@example.org")
    uid = site.accounts["pablo"].uid
    site.accounts.leave("pablo")
    await_orphaned(site, "pablo")

    site.accounts.remove("pablo")
    site.accounts.add("pablo", uid=uid)
    settle(site)

    assert statuses(site) == {"pablo": "orphaned"}
    shown = site.member("pablo", "status").stdout
    assert " ".join(shown.split()).endswith(
        "The account pablo is not a member of the group runv-members. If you want it again, ask again: "
        "runv-email-alias request you@example.org"
    )
    activate(site, "pablo", "p@example.org")
    assert "reason" not in site.registry()["pablo"]
    await_well(site)


def test_what_went_while_the_watcher_was_down_is_switched_off_at_its_start(site: Site) -> None:
    site.accounts.add_many(["ana", "pablo"])
    first = site.start_watcher()
    for name in ("ana", "pablo"):
        activate(site, name, f"{name}@example.org")
    first.stop()
    site.accounts.remove("pablo")

    site.start_watcher()

    await_orphaned(site, "pablo")


def test_an_alias_that_was_added_by_hand_needs_no_account_but_does_not_outlive_one(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    site.accounts.add("pablo")
    contents = {name: entry(name, f"{name}@example.org") for name in ("press", "pablo")}

    write_registry(site, json.dumps(contents).encode())

    settle(site)
    assert (site.map_lookup("press@runv.club"), problems(site)) == ("press@example.org", {})
    site.accounts.remove("pablo")
    await_orphaned(site, "pablo")
    assert site.map_lookup("press@runv.club") == "press@example.org"


def test_more_than_the_guard_allows_at_once_wait_for_force_and_keep_nothing_else_waiting(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    names = list(entries(10))
    site.accounts.add("pablo")
    publish(site, entries(10))

    site.accounts.remove(*names[:6])

    held = HELD.format(
        orphans=6, active=10, limit=3, names="member00, member01, member02, member03, member04 and 1 more"
    )
    assert await_problem(site, "orphans-held") == held
    activate(site, "pablo", "p@example.org")
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    held = held.replace("of 10", "of 11")
    assert problems(site) == {"orphans-held": held}
    assert set(statuses(site).values()) == {"active"}
    assert site.map_lookup("member00@runv.club") == "member00@example.org"
    before = states(site.paths.state)
    tried = site.admin("sync", "--dry-run")
    assert (tried.returncode, tried.stderr) == (1, f"{held}\n")
    assert tried.stdout.splitlines() == [
        "Nothing differs: the map and the registry both have 11 aliases.",
        "Held, though their account or its membership is gone:",
        *(f"{name}@runv.club  {GONE.format(name)}" for name in names[:6]),
    ]
    plain = json.loads(site.admin("sync", "--dry-run", "--json").stdout)
    assert plain["orphans_held"] == {"active": 11, "orphans": 6, "limit": 3}
    assert [each["alias"] for each in plain["orphans"]] == [f"{name}@runv.club" for name in names[:6]]
    assert states(site.paths.state) == before

    # Of another registry it holds nothing.
    decide(site, {"decision": "sync", "force": True, "registry_sha256": "0" * 64})
    assert set(statuses(site).values()) == {"active"}
    forced = site.admin("sync", "--force")

    assert (forced.returncode, forced.stderr) == (0, "")
    assert forced.stdout == "The map is in line with the registry: 5 aliases published.\n"
    assert [name for name, status in statuses(site).items() if status == "orphaned"] == names[:6]
    assert site.map_lookup("member00@runv.club") is None
    assert problems(site) == {}
    assert sorted(line["username"] for line in told(site)) == names[:6]


def test_what_is_held_stays_so_until_somebody_has_looked(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    names = list(entries(10))
    publish(site, entries(10))
    site.accounts.remove(*names[:4])
    await_problem(site, "orphans-held")

    # Of less than ten active aliases four more could go: but it was ten.
    write_registry(
        site,
        json.dumps(site.registry() | {"member09": entry("member09", "m@example.org", status="cancelled")}).encode(),
    )
    settle(site)

    held = HELD.format(orphans=4, active=9, limit=3, names=", ".join(names[:4]))
    assert problems(site) == {"orphans-held": held}
    assert list(statuses(site).values()) == ["active"] * 9 + ["cancelled"]
    tried = site.admin("sync", "--dry-run")
    assert (tried.returncode, tried.stderr) == (1, f"{held}\n")
    forced = site.admin("sync", "--force")
    assert (forced.returncode, forced.stdout) == (0, "The map is in line with the registry: 5 aliases published.\n")
    assert [name for name, status in statuses(site).items() if status == "orphaned"] == names[:4]


def test_a_watcher_that_is_to_do_what_is_to_be_done_does_not_end_before_that(site: Site) -> None:
    site.accounts.add_many(["ana", "pablo"])
    first = site.start_watcher()
    for name in ("ana", "pablo"):
        activate(site, name, f"{name}@example.org")
    first.stop()
    site.accounts.remove("pablo")

    site.spawn_watcher("--once").wait_exit(20)

    assert statuses(site) == {"ana": "active", "pablo": "orphaned"}
    assert site.map_lookup("pablo@runv.club") is None


def test_a_force_that_comes_while_the_account_files_are_being_edited_waits_for_them(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    publish(site, entries(10))
    settle(site)
    names = list(entries(10))

    site.accounts.remove(*names[:6])
    decide(site, {"decision": "sync", "force": True, "registry_sha256": published(site)})

    assert [name for name, status in statuses(site).items() if status == "orphaned"] == names[:6]
    assert site.map_lookup("member00@runv.club") is None
    assert problems(site) == {}


def test_that_nobody_is_left_of_a_few_waits_too(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, entries(3))

    site.accounts.remove(*entries(3))

    told_of = HELD.format(orphans=3, active=3, limit=2, names="member00, member01, member02")
    assert await_problem(site, "orphans-held") == told_of
    assert set(statuses(site).values()) == {"active"}
    # Back again, as after a slip of the hand.
    site.accounts.name(entries(3))
    await_well(site)
    assert set(statuses(site).values()) == {"active"}


def test_the_last_member_of_a_group_leaves_like_any_other(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    site.accounts.add("pablo")
    activate(site, "pablo", "p@example.org")

    site.accounts.leave("pablo")

    await_orphaned(site, "pablo")


def test_account_files_that_cannot_be_believed_switch_nobody_off(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, entries(2))
    settle(site)
    passwd = site.accounts.passwd
    text = passwd.read_text()
    lines = text.splitlines()
    number, line = next((each, line) for each, line in enumerate(lines, 1) if line.startswith("member00:"))
    ending = "no alias is switched off because its account is gone."
    empty = f"The account file {passwd} has no entry. Bring it back from the backup; until then {ending}"
    broken = (
        f"Line {number} of the account file {passwd} is no entry: {{}}. "
        f"Look with `pwck -r {passwd}` and mend it; until then {ending}"
    )
    slip = line.replace(":x:", " x:")
    unreadable = f"The account file {passwd} cannot be read: {{}}. Until it can, {ending}"

    for contents, told_of in {
        "": empty,
        text[: text.index(line) + 12]: broken.format(line[:12]),
        "# nobody\n\n": empty,
        text.replace(line, slip): broken.format(slip),
        None: unreadable.format(f"No such file or directory ({passwd.name})"),
        "/nowhere": unreadable.format(f"{passwd} is not a plain file"),
    }.items():
        if contents is None:
            passwd.unlink()
        elif contents == "/nowhere":
            passwd.symlink_to(contents)
        else:
            put(passwd, contents.encode(), 0o644)
        await_status(site, partial(says, site, {"accounts-unreadable": told_of}), what=told_of)
        assert set(statuses(site).values()) == {"active"}

    passwd.unlink()
    put(passwd, text.encode(), 0o644)
    await_well(site)
    assert set(statuses(site).values()) == {"active"}
    assert told(site) == []


def test_a_group_file_that_cannot_be_believed_switches_nobody_off(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    site.accounts.add("maria", membership="listed")
    publish(site, entries(2) | {"maria": entry("maria", "m@example.org")})
    text = site.accounts.groups.read_text()
    line = next(line for line in text.splitlines() if line.startswith(f"{GROUP}:"))

    put(site.accounts.groups, text.replace(line, line.removesuffix(":maria")).encode(), 0o644)

    found = await_problem(site, "accounts-unreadable")
    assert found.endswith(
        f"of the account file {site.accounts.groups} is no entry: {line.removesuffix(':maria')}. Look with `grpck -r "
        f"{site.accounts.groups}` and mend it; until then no alias is switched off because its account is gone."
    )
    assert set(statuses(site).values()) == {"active"}


def test_accounts_that_another_service_may_know_are_only_told_of(site: Site) -> None:
    put(
        site.accounts.directory / "nsswitch.conf",
        b"passwd: files [NOTFOUND=continue] sss # both\ngroup: files\n",
        0o644,
    )
    site.start_watcher()
    publish(site, entries(4))

    site.accounts.leave("member01")
    site.accounts.remove("member00")

    await_orphaned(site, "member01")
    assert await_problem(site, "orphans") == (
        "Active aliases whose account is gone or is no member: member00. For each, run `runv-admin-email-alias revoke "
        "NAME --reason TEXT`, or bring the account back. Accounts come from other services too (sss), which may only "
        "be out of reach, so these are not switched off unasked."
    )
    assert statuses(site)["member00"] == "active"


def test_they_are_only_told_of_where_the_configuration_says_so(site: Site) -> None:
    site.configure(orphans="report")
    site.start_watcher()
    publish(site, entries(4))

    site.accounts.remove("member00", "member01")

    assert await_problem(site, "orphans") == (
        "Active aliases whose account is gone or is no member: member00, member01. For each, run "
        "`runv-admin-email-alias revoke NAME --reason TEXT`, or bring the account back."
    )
    revoked = site.admin("revoke", "member00", "--reason", "Gone.")
    assert (revoked.returncode, revoked.stderr) == (0, "")
    assert statuses(site) == dict.fromkeys(entries(4), "active") | {"member00": "revoked"}
    site.configure(orphans="deactivate")
    await_orphaned(site, "member00", "member01")
    assert statuses(site)["member01"] == "orphaned"


def test_the_registry_is_kept_in_order_though_publishing_is_off(site: Site) -> None:
    site.configure(enabled=False)
    site.start_watcher()
    write_registry(site, entries(3))
    settle(site)
    before = states(site.paths.postfix)

    site.accounts.remove("member02")

    wait_for(lambda: statuses(site)["member02"] == "orphaned", site.paths.state, what="it to be switched off")
    settle(site)
    assert states(site.paths.postfix) == before


def test_a_request_of_somebody_who_left_waits_for_a_decision(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    site.accounts.add_many(["ana", "pablo"])
    activate(site, "pablo", "p@example.org")
    record = ask(site, "pablo", "new@example.org")

    site.accounts.leave("pablo")

    await_orphaned(site, "pablo")
    assert site.pending("pablo") == record
