import errno
import subprocess
import sys
from pathlib import Path

import click
import pytest

import cli
from cli import app
from cli.admin.main import admin_command
from cli.member.main import main, member_command
from schemas.program import ExitStatus
from tests.cli.conftest import Server, entry

PROGRAMS = {"runv-email-alias": member_command, "runv-admin-email-alias": admin_command}
COMMANDS = [(name, command) for name, group in PROGRAMS.items() for command in [group, *group.commands.values()]]


def run(name: str, *arguments: str) -> int:
    return app.run(PROGRAMS[name], name, arguments)


def test_the_commands_are_those_of_the_manual() -> None:
    assert sorted(member_command.commands) == ["cancel", "request", "status"]
    assert sorted(admin_command.commands) == [
        "approve",
        "discover",
        "doctor",
        "list",
        "log",
        "pending",
        "reject",
        "revoke",
        "setup",
        "status",
        "sync",
    ]


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_and_option_has_help_that_fits_80_columns(
    name: str, command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    path = [] if isinstance(command, click.Group) else [command.name or ""]
    for option in ("-h", "--help"):
        assert run(name, *path, option) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("name", PROGRAMS)
def test_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from schemas.program import installed_version

    assert run(name, "--version") == 0
    assert capsys.readouterr().out == f"{name} {installed_version()}\n"


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("status", "--nonsense"), ("status", "nonsense")])
def test_a_command_line_that_makes_no_sense(
    name: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, *arguments) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: ")


def test_a_bad_config_is_told_line_by_line(server: Server) -> None:
    server.configure(enabeld=True, backend="postfix-paper")
    for outcome in (server.member("status"), server.admin("status"), server.admin("sync", "--dry-run")):
        assert (outcome.status, outcome.out) == (78, "")
        lines = sorted(outcome.err.splitlines())
        assert len(lines) == 2
        assert lines[0].startswith(f"{server.paths.config}: The key `enabeld` is not known")
        assert lines[1].startswith(f"{server.paths.config}: `backend` is 'postfix-paper'")


def test_a_config_that_is_not_there_is_told(server: Server) -> None:
    server.paths.config.unlink()
    for outcome in (server.member("request", "me@example.org"), server.admin("pending")):
        assert outcome.status == 78
        assert outcome.err == (f"The config file {server.paths.config} is not there. Make it, or name another.\n")


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (KeyboardInterrupt(), 130, "Interrupted. What was handed in before that stays, and is dealt with."),
        (OSError(errno.EIO, "Input/output error", "/x\x1b"), 1, "Input/output error: '/x"),
    ],
)
def test_what_a_person_or_the_system_does_is_a_sentence(
    error: BaseException, status: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def command() -> None:
        raise error

    assert app.run(command, "x", []) == status
    err = capsys.readouterr().err
    assert sentence in err
    assert "Traceback" not in err
    assert "\x1b" not in err


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(
    ("arguments", "streams", "status"),
    [
        (["--version"], "out", ExitStatus.FAILED),
        (["--version"], "out err", ExitStatus.FAILED),
        (["--help"], "out err", ExitStatus.FAILED),
        (["nonsense"], "err", ExitStatus.FAILED),
        (["--version"], "err", ExitStatus.DONE),
    ],
)
def test_on_a_full_disk_the_exit_status_is_one_of_ours(
    name: str, arguments: list[str], streams: str, status: int
) -> None:
    """And there is no complaint of the interpreter's, whose own status would be 120."""
    module = "admin" if name == "runv-admin-email-alias" else "member"
    script = f"import sys; from cli.{module}.main import main; sys.exit(main())"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            stdout=full if "out" in streams else subprocess.DEVNULL,
            stderr=full if "err" in streams else subprocess.PIPE,
            cwd=Path(cli.__file__).parents[1],
            # With PYTHONUNBUFFERED nothing would be left for the end.
            env={"LC_ALL": "C.UTF-8"},
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    assert done.returncode == status
    assert done.stderr in (None, "A file or the output cannot be used: [Errno 28] No space left on device.\n")


def test_a_terminal_that_cannot_show_a_letter_gets_an_escape(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.registry(pablo=entry(status="off 停"))
    with (tmp_path / "out").open("w", encoding="iso-8859-1") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["status"]) == 0
    assert "off \\u505c" in (tmp_path / "out").read_text()


def test_a_reader_that_goes_away_is_no_traceback(server: Server) -> None:
    server.registry(pablo=entry())
    code = "import os, sys; os.close(0); from cli.admin.main import main; sys.exit(main(['list']))"
    root = Path(cli.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("name", "words", "offered"),
    [
        ("runv-email-alias", "runv-email-alias ", {"cancel", "request", "status"}),
        ("runv-email-alias", "runv-email-alias cancel --a", {"--active"}),
        ("runv-admin-email-alias", "runv-admin-email-alias approve ", {"maria", "pablo"}),
        ("runv-admin-email-alias", "runv-admin-email-alias reject p", {"pablo"}),
        ("runv-admin-email-alias", "runv-admin-email-alias revoke ", {"zoe"}),
    ],
)
def test_shell_completion(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    words: str,
    offered: set[str],
) -> None:
    server.registry(**{"zoe": entry("zoe"), "z.y": entry("z.y"), "ana": entry("ana", status="revoked")})
    server.record("pending")
    server.record("pending", "maria")
    monkeypatch.setenv(f"_{name.upper().replace('-', '_')}_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    with pytest.raises(SystemExit) as ended:
        run(name)
    assert ended.value.code == 0
    assert {line.partition(",")[2] for line in capsys.readouterr().out.splitlines()} == offered


def test_completion_of_names_is_silent_where_nothing_can_be_read(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.paths.config.write_text("{")
    monkeypatch.setenv("_RUNV_ADMIN_EMAIL_ALIAS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "runv-admin-email-alias approve ")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        run("runv-admin-email-alias")
    assert capsys.readouterr() == ("\n", "")


HEAVY = ("email_validator", "watchdog", "dns", "asyncio", "subprocess", "importlib.metadata", "watcher")


@pytest.mark.parametrize("module", ["cli.member.main", "cli.admin.main"])
@pytest.mark.parametrize("command", ["--help", "status"])
def test_what_must_be_quick_imports_nothing_heavy(server: Server, module: str, command: str) -> None:
    server.registry(pablo=entry())
    code = (
        f"import sys; before = set(sys.modules); from {module} import main; main(['{command}']); "
        "print(sorted(set(sys.argv[1:]) & (sys.modules.keys() - before)))"
    )
    root = Path(cli.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
