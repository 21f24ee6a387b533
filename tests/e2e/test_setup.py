"""`setup --enable`: from nothing to mail that flows, on a real Postfix; and the ways in which it stops before that."""

import json
import os
import signal

import pytest

from ..support.site import Site
from .acts import activate, await_status, problems, script


@pytest.fixture
def bare(site: Site) -> Site:
    """A server on which publishing is off and of which Postfix knows nothing."""
    site.configure(enabled=False)
    site.mail.write(virtual_alias_maps="", virtual_alias_domains="")
    return site


def lines(site: Site) -> list[str]:
    return [
        "To have mail flow, this will be done:",
        f"  set `enabled` to true in {site.paths.config}",
        f"  postconf -e 'virtual_alias_maps = {site.table}' 'virtual_alias_domains = runv.club'",
    ]


def test_after_it_mail_flows_and_before_it_nothing_of_postfix_is_touched(bare: Site) -> None:
    site = bare
    site.accounts.add("pablo")
    postfix = site.start_postfix(make_map=False)
    assert site.sink is not None
    reload = " ".join(postfix.reload_command)
    site.configure(reload_command=postfix.reload_command)
    site.start_watcher()
    activate(site, "pablo", "p@example.org")
    # Whoever is unknown here is the outside world's.
    assert postfix.send("pablo@runv.club").accepted
    site.sink.wait_for("pablo@runv.club")
    config, main_cf = site.paths.config.read_text(), site.mail.path.read_bytes()
    shown = site.admin("setup", "--enable", "--dry-run")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines() == [*lines(site), f"  {reload}", "Nothing was changed."]
    for refusal in ("n\n", ""):
        asked = site.admin("setup", "--enable", input=refusal)
        assert (asked.returncode, asked.stderr) == (1, "")
        assert asked.stdout.splitlines()[:4] == [*lines(site), f"  {reload}"]
        assert asked.stdout.splitlines()[-1].removeprefix("Do it? [y/N]: ") == "Nothing of that was done."
    # No standard input at all; and one that is no text.
    program = "runv-admin-email-alias setup --enable"
    for command in (f"{program} <&-", f"printf '\\377\\n' | {program}"):
        asked = site.run(["sh", "-c", command], env={"PYTHONIOENCODING": "utf-8:strict"})
        assert (asked.returncode, asked.stderr) == (1, "")
        assert asked.stdout.splitlines()[-1] == "Nothing of that was done."
    assert (site.paths.config.read_text(), site.mail.path.read_bytes()) == (config, main_cf)
    done = site.admin("setup", "--enable", input="y\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[4:] == [
        f"Do it? [y/N]: Set `enabled` to true in {site.paths.config}.",
        f"Done: {lines(site)[2].strip()}",
        f"Done: {reload}",
        "Mail to the aliases at runv.club flows: 1 alias in the map.",
    ]
    assert site.paths.config.read_text() == config.replace('"enabled": false', '"enabled": true')
    assert postfix.send("pablo@runv.club").accepted
    site.sink.wait_for("p@example.org")
    assert not postfix.send("nobody@runv.club").accepted
    before = site.mail.path.stat()
    again = site.admin("setup", "--enable")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.splitlines() == [
        "Publishing is on, and Postfix asks the map and takes mail for runv.club.",
        "Nothing to do: everything is set up.",
    ]
    assert site.mail.path.stat() == before


def test_without_a_watcher_postfix_is_left_as_it_is_and_the_next_run_goes_on(bare: Site) -> None:
    main_cf = bare.mail.path.read_bytes()
    done = bare.admin("setup", "--enable", "--yes")
    assert done.returncode == 75
    assert done.stderr == (
        "The watcher is not running, so there is no map yet, and Postfix was left as it is. Run `systemctl start "
        "runv-email-alias-watcher`, then this command once more.\n"
    )
    assert json.loads(bare.paths.config.read_text())["enabled"] is True
    assert bare.mail.path.read_bytes() == main_cf
    bare.start_watcher()
    done = bare.admin("setup", "--enable", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Mail to the aliases at runv.club flows: 0 aliases in the map."
    assert bare.map_lookup("nobody@runv.club") is None
    await_status(bare, lambda: not problems(bare), what="a status without problems")


def test_a_map_that_cannot_be_made_leaves_postfix_as_it_is(bare: Site) -> None:
    main_cf = bare.mail.path.read_bytes()
    broken = script(bare.root / "programs" / "postmap", "echo 'no such type' >&2\nexit 1")
    bare.start_watcher(env={"PATH": f"{broken.parent}:{bare.environment()['PATH']}"})
    done = bare.admin("setup", "--enable", "--yes")
    assert done.returncode == 1
    message = f"The map {bare.table} has not been made, so Postfix was left as it is: "
    assert done.stderr.startswith(message)
    assert "no such type" in done.stderr
    assert bare.mail.path.read_bytes() == main_cf


def test_a_map_that_was_named_just_now_is_waited_for_though_the_status_still_tells_of_another(site: Site) -> None:
    site.mail.write(virtual_alias_maps=site.table, virtual_alias_domains="runv.club")
    watcher = site.start_watcher()
    await_status(site, lambda: not problems(site), what="a status without problems")
    os.kill(watcher.process.pid, signal.SIGSTOP)
    site.configure(virtual_alias_file=str(site.paths.map.with_name("another")))
    main_cf = site.mail.path.read_bytes()
    code = "import sys, cli.polling as polling\npolling.MARKER_SECONDS = 0.2\n"
    code += "from cli.admin.main import main\nsys.exit(main(['setup', '--enable', '--yes']))"
    done = site.run([str(site.installation.bin / "python"), "-c", code])
    os.kill(watcher.process.pid, signal.SIGCONT)
    assert done.returncode == 1
    assert done.stderr.startswith(f"The map hash:{site.paths.map.with_name('another')} has not been made, so Postfix ")
    assert site.mail.path.read_bytes() == main_cf
    done = site.admin("setup", "--enable", "--yes")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_domain_that_could_be_anybodys_is_not_added(bare: Site) -> None:
    bare.mail.write(mydestination="hash:/nowhere/domains")
    bare.start_watcher()
    config = bare.paths.config.read_text()
    done = bare.admin("setup", "--enable", "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "Whether Postfix takes mail for runv.club could not be found out, because hash:/nowhere/domains in "
        "`mydestination` could not be asked: "
    )
    assert bare.paths.config.read_text() == config


def test_nothing_is_switched_on_after_something_failed(bare: Site) -> None:
    bare.paths.registry.write_text("[]")
    done = bare.admin("setup", "--enable", "--yes")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Publishing was not switched on, because of what could not be done before."
    assert json.loads(bare.paths.config.read_text())["enabled"] is False


def test_a_reload_that_fails_is_told(bare: Site) -> None:
    bare.configure(reload_command=["/bin/false"])
    bare.start_watcher()
    done = bare.admin("setup", "--enable", "--yes")
    assert done.returncode == 1
    assert done.stderr == (
        "Postfix is set up, but it was not told: The command `/bin/false` failed with exit status 1: it said nothing. "
        "Reload it, or it goes on as before.\n"
    )


def test_without_postfix_the_rest_is_set_up(bare: Site) -> None:
    bare.paths.queue.chmod(0o777)
    code = "import sys, watcher.publish.commands as commands\ncommands._SYSTEM_PATH = '/nowhere'\n"
    code += "from cli.admin.main import main\nsys.exit(main(['setup', '--enable']))"
    done = bare.run([str(bare.installation.bin / "python"), "-c", code], env={"PATH": "/nowhere"})
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"Gave {bare.paths.queue} the mode and owner 2770 root:runv-members; it had 0777 root:runv-members."
    ]
    assert done.stderr == (
        "Postfix could not be asked how it is set up: The program postconf was not found or cannot be executed. "
        "Install it, or mend the config. Publishing was not switched on.\n"
    )
