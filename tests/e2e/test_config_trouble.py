"""A config that cannot be used: named key by key at start, reported on reload while the earlier one still holds."""

import json
from collections.abc import Callable

import pytest

from ..support.layout import put
from ..support.site import Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import ask, await_problem, await_well, entry, problems, publish, settle

STILL_HOLDS = "The configuration was changed to something that cannot be used; the earlier one still holds. "
NOT_THERE = "The directory {} is not there. Make it with the owner and mode that the administrator's guide tells."
BACKENDS = (
    "postfix-hash, postfix-btree, postfix-lmdb, postfix-cdb, postfix-texthash, postfix-mysql, postfix-pgsql, "
    "postfix-sqlite"
)
WRONG = {
    "no json": (b"{enabled}", "The config file {path} was expected to be one JSON object. It is not JSON: "),
    "a list": (
        b"[]",
        "The config file {path} was expected to be one JSON object. It is JSON, but not an object: a list was found.\n",
    ),
    "a key twice": (
        b'{"enabled": true, "enabled": false}',
        "The config file {path} was expected to be one JSON object. The key `enabled` stands twice.\n",
    ),
    "an unknown key": (
        b'{"enabeld": true}',
        "{path}: The key `enabeld` is not known; the nearest known one is `enabled`.\n",
    ),
    "two unknown keys": (
        b'{"postmap_comand": [], "max_age_days": 3}',
        "{path}: The key `postmap_comand` is not known; the nearest known one is `postmap_command`.\n"
        "{path}: The key `max_age_days` is not known; the nearest known one is `max_request_age_days`.\n",
    ),
    "a word for a truth": (b'{"enabled": "yes"}', "{path}: `enabled`: Expected `bool`, got `str`.\n"),
    "an unknown backend": (
        b'{"backend": "postfix-ldap"}',
        f"{{path}}: `backend` is 'postfix-ldap'; one of {BACKENDS} was expected.\n",
    ),
    "a mode that lets all write": (
        b'{"file_mode": "0o666"}',
        "{path}: `file_mode` is 0o666: the map must be readable by its owner, writable by nobody else, and no program. "
        "0o644 is usual.\n",
    ),
    "a relative path": (b'{"state_dir": "var/lib"}', "{path}: `state_dir`: Expected `str` matching regex "),
    "an empty command": (b'{"reload_command": []}', "{path}: `reload_command`: Expected `array` of length >= 1.\n"),
    "no age": (b'{"max_request_age_days": 0}', "{path}: `max_request_age_days`: Expected `int` >= 1.\n"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_watcher_does_not_start_on_a_config_that_cannot_be_used(site: Site, case: str) -> None:
    data, message = WRONG[case]
    put(site.paths.config, data, 0o644)

    watcher = site.spawn_watcher()

    assert watcher.wait_exit() == 78
    message = message.format(path=site.paths.config)
    assert watcher.log.startswith(message)
    assert watcher.log == message or not message.endswith("\n")
    assert "Traceback" not in watcher.log
    assert not site.paths.status.exists()


def test_a_watcher_does_not_start_without_the_config_that_was_named(site: Site) -> None:
    path = site.root / "etc" / "absent.json"

    watcher = site.spawn_watcher("--config", str(path))

    assert watcher.wait_exit() == 78
    assert watcher.log == f"The config file {path} is not there. Make it, or name another.\n"


def test_the_config_of_the_existing_server_is_accepted_and_what_has_no_effect_is_said_once(site: Site) -> None:
    existing = {
        "enabled": True,
        "backend": "postfix-hash",
        "virtual_alias_file": str(site.paths.map),
        "file_mode": "0o644",
        "check_maps": True,
        "run_postmap": True,
        "postmap_command": ["postmap", str(site.paths.map)],
        "reload_postfix": True,
        "reload_command": ["/bin/true"],
        "auto_sync_on_approve": True,
    }
    own = {"state_dir": str(site.paths.state), "runtime_dir": str(site.paths.runtime)}
    put(site.paths.config, json.dumps(existing | own).encode(), 0o644)

    watcher = site.start_watcher()
    publish(site, {"pablo": entry("pablo", "p@example.org")})

    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    found = (
        f"WARNING: The key auto_sync_on_approve in {site.paths.config} has no effect any more: every change is "
        "published at once."
    )
    assert watcher.log.splitlines().count(found) == 1


def by_signal(watcher: RunningWatcher) -> None:
    watcher.reload()


def by_itself(watcher: RunningWatcher) -> None:
    """The change of the file is enough."""
    del watcher


@pytest.mark.parametrize("reload", [by_signal, by_itself])
def test_a_config_that_was_changed_to_a_bad_one_is_reported_and_the_earlier_one_holds(
    site: Site, watcher: RunningWatcher, reload: Callable[[RunningWatcher], None]
) -> None:
    path = site.paths.config
    good = path.read_bytes()

    put(path, good.replace(b'"enabled"', b'"enabeld"'), 0o644)
    reload(watcher)

    assert await_problem(site, "config-invalid") == (
        "The configuration was changed to something that cannot be used; the earlier one still holds. "
        f"{path}: The key `enabeld` is not known; the nearest known one is `enabled`."
    )
    publish(site, {"pablo": entry("pablo", "p@example.org")})
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    assert list(problems(site)) == ["config-invalid"]

    put(path, good, 0o644)
    reload(watcher)

    await_well(site)
    settle(site)
    assert watcher.running


def test_a_config_that_is_gone_is_reported_and_the_earlier_one_holds(site: Site, watcher: RunningWatcher) -> None:
    good = site.paths.config.read_bytes()

    site.paths.config.unlink()

    assert await_problem(site, "config-invalid") == (
        "The configuration was changed to something that cannot be used; the earlier one still holds. "
        f"The config file {site.paths.config} is not there. Make it, or name another."
    )
    publish(site, {"pablo": entry("pablo", "p@example.org")})
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    put(site.paths.config, good, 0o644)
    await_well(site)
    assert watcher.running


def test_a_config_whose_directories_are_not_there_is_reported_and_the_earlier_one_holds(
    site: Site, watcher: RunningWatcher
) -> None:
    site.configure(runtime_dir=str(site.root / "absent" / "run"))

    assert await_problem(site, "config-invalid") == STILL_HOLDS + NOT_THERE.format(site.root / "absent")
    publish(site, {"pablo": entry("pablo", "p@example.org")})
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    site.configure(runtime_dir=str(site.paths.runtime))
    await_well(site)
    assert watcher.running


def test_a_config_whose_state_is_not_there_is_reported_and_the_earlier_one_holds(
    site: Site, watcher: RunningWatcher
) -> None:
    site.accounts.add("pablo")

    site.configure(state_dir=str(site.root / "absent"))

    # The old queue is where it was, and still watched.
    assert ask(site, "pablo", "p@example.org")
    missing = site.root / "absent" / "email-alias-queue"
    assert await_problem(site, "config-invalid") == STILL_HOLDS + NOT_THERE.format(missing)
    assert watcher.running


@pytest.mark.parametrize("reload", [by_signal, by_itself])
def test_a_good_change_of_the_config_is_followed_at_once(
    site: Site, watcher: RunningWatcher, reload: Callable[[RunningWatcher], None]
) -> None:
    publish(site, {"pablo": entry("pablo", "p@example.org")})
    path = site.paths.postfix / "other-map"

    site.configure(virtual_alias_file=str(path), backend="postfix-btree")
    site.mail.write(virtual_alias_maps=f"btree:{path}")
    reload(watcher)

    wait_for(path.exists, path.parent, what="the other map")
    settle(site)
    assert site.mail.lookup(f"btree:{path}", "pablo@runv.club") == "p@example.org"
    assert (site.status()["backend"], site.status()["problems"]) == ("postfix-btree", [])
