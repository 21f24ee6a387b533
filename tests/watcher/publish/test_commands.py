"""Running another program: found, given few variables, heard, and killed with its children when it takes too long."""

import os
import select
from pathlib import Path

import pytest

from watcher.publish.commands import CommandError, run, run_well


def script(folder: Path, text: str, mode: int = 0o755) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return str(path)


def test_what_a_program_answers_is_given_as_it_is() -> None:
    answer = run(["sh", "-c", "cat; echo one >&2; echo >&2; printf 'two\\033[2J' >&2; exit 3"], b"given")
    assert answer == (3, b"given", ("one", r"two\x1b[2J"))


def test_a_program_that_reads_nothing_is_no_trouble() -> None:
    assert run(["true"], b"x" * 2**20).status == 0


def test_much_in_both_directions_blocks_nobody() -> None:
    data = os.urandom(2**21)
    assert run(["sh", "-c", "head -c 1000000 /dev/zero >&2; cat"], data).output == data


def test_a_program_that_succeeds_gives_its_output_and_one_that_fails_its_words() -> None:
    assert run_well(["echo", "well"]) == b"well\n"
    with pytest.raises(CommandError, match=r"^The command `sh -c .*` failed with exit status 7: one / two$"):
        run_well(["sh", "-c", "echo one >&2; echo two >&2; exit 7"])
    with pytest.raises(CommandError, match=r"^The command `false` failed with exit status 1: it said nothing\.$"):
        run_well(["false"])


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program", "bad\nname"])
def test_a_missing_program_is_named_with_the_next_step(name: str) -> None:
    with pytest.raises(
        CommandError, match=r"^The program .* was not found or cannot be executed\. Install it"
    ) as message:
        run([name])
    assert str(message.value).isprintable()


def test_a_program_that_may_not_or_cannot_be_executed_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="was not found or cannot be executed"):
        run([script(tmp_path, "true", 0o644)])
    with pytest.raises(CommandError, match="was not found or cannot be executed"):
        run([str(tmp_path)])
    path = Path(script(tmp_path, "true"))
    path.write_bytes(b"\x7fELF, but not really")
    with pytest.raises(CommandError, match=r"could not be started: Exec format error"):
        run([str(path)])


@pytest.mark.needs("postfix-mysql")
def test_a_line_of_a_file_that_postfix_complains_of_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "aliases.cf"
    path.write_text("hosts = 127.0.0.1\npassword s3cret\n")
    os.utime(path, (0, 0))  # Postfix reads a fresh file again and again
    with pytest.raises(CommandError, match=rf"{path}, line 2: ") as raised:
        run_well(["postmap", "-q", "pablo", f"mysql:{path}"])
    assert "s3cret" not in str(raised.value)


def test_few_variables_reach_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_PRELOAD", "POSTFIX_SECRET", "LC_MESSAGES", "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MAIL_CONFIG", "/nowhere")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("PATH", "/opt/bin:/bin")
    given = dict(line.split("=", 1) for line in run_well(["env"]).decode().splitlines())
    assert given.pop("PATH").startswith("/opt/bin:/bin:/usr/local/sbin:")
    assert {name: given.get(name) for name in ("MAIL_CONFIG", "TZ", "LC_ALL")} == {
        "MAIL_CONFIG": "/nowhere",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
    }
    assert given.keys() <= {"MAIL_CONFIG", "TZ", "LC_ALL", "PWD", "SHLVL", "_"}


def test_postfixs_programs_are_found_though_the_path_leaves_sbin_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("/nowhere", ""):
        monkeypatch.setenv("PATH", path)
        assert run(["chroot", "--version"]).status == 0


def test_a_program_starts_in_the_root_directory_without_our_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    with (tmp_path / "secret").open("rb") as file:
        os.set_inheritable(file.fileno(), True)
        output = run_well(["sh", "-c", "pwd; ls -l /proc/self/fd"]).decode()
    assert output.splitlines()[0] == "/"
    assert "secret" not in output


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(
        CommandError, match=r"^The command `sh -c .*` did not end within 0\.3 seconds and was killed\. Run"
    ):
        run(["sh", "-c", f"exec 3>{alive}; sleep 600 & sleep 600"], timeout=0.3)
    # The FIFO is at its end when the last process that holds it open has ended.
    poll = select.poll()
    poll.register(reader, 0)
    assert poll.poll(10_000)
    os.close(reader)


def test_a_child_that_keeps_the_output_open_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="did not end within"):
        run(["sh", "-c", "sleep 600 & exit 0"], timeout=0.3)
