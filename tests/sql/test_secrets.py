"""A password is read where it stands, and told to nobody: neither people nor other programs, whatever goes wrong."""

from pathlib import Path

from ..e2e.acts import await_problem, entries, publish, settle
from ..support.databases import ServerDatabase
from .kinds import ON_SERVERS, on
from .stage import Stage
from .tables import MARKED


@ON_SERVERS
def test_a_password_is_in_no_output_whatever_goes_wrong(stage: Stage, on_server: ServerDatabase) -> None:
    said = []
    stage.start_watcher()
    publish(stage, entries(1))
    for trouble in (
        {"password": "wrong" + on_server.writer.password},
        {"dbname": "absent"},
        {"hosts": "127.0.0.1:1"},
        {"hosts": "unix:/nowhere/at/all"},
    ):
        on_server.write_map(stage.map_file, MARKED.query, **trouble)
        settle(stage)
        said.append(await_problem(stage, "publish-failed"))
    stage.configure(sql={"map_file": str(stage.map_file), "table": "absent", "address_column": "a", "goto_column": "b"})
    on_server.write_map(stage.map_file, MARKED.query, password="wrong" + on_server.writer.password)
    settle(stage)
    said += _commands(stage)

    texts = [*said, *(watcher.log for watcher in stage.watchers), *_files(stage)]

    assert len(set(said)) > 4
    assert [text for text in texts for secret in on_server.secrets if secret in text] == []


@on("mysql")
def test_a_password_in_a_file_that_cannot_be_understood_is_not_told(stage: Stage, on_server: ServerDatabase) -> None:
    secret = on_server.writer.password
    stage.map_file.write_text(f"password {secret}\nhosts =\nquery\n= {secret}\n")
    watcher = stage.start_watcher()

    problem = await_problem(stage, "publish-failed")

    assert str(stage.map_file) in problem
    assert secret not in "\n".join([problem, watcher.log, *_commands(stage)])


@on("pgsql")
def test_no_process_is_started_with_the_password(stage: Stage, on_server: ServerDatabase) -> None:
    """What stands in an argument or in the environment can be read in /proc, the former by everybody."""
    watcher = stage.start_watcher()
    publish(stage, entries(1))

    for name in ("cmdline", "environ"):
        assert on_server.writer.password.encode() not in Path("/proc", str(watcher.process.pid), name).read_bytes()


def _commands(stage: Stage) -> list[str]:
    """What the administrator's commands say of it."""
    found = []
    for arguments in (["status"], ["doctor"], ["sync", "--dry-run"]):
        done = stage.admin(*arguments)
        found += [done.stdout, done.stderr]
    return found


def _files(stage: Stage) -> list[str]:
    """All that was written to disk but by Postfix's own administrator."""
    places = (stage.paths.state, stage.paths.runtime)
    return [
        path.read_text(errors="replace")
        for display_path in places
        for path in display_path.rglob("*")
        if path.is_file()
    ]
