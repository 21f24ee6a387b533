import json
import os
from collections.abc import Callable, Iterator

import pytest

from cli import output

Terminal = Callable[[Callable[[], None]], str]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Run something with its standard output on a real terminal of 60 columns; give what was written there."""
    import fcntl
    import struct
    import termios

    control, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    for name in ("COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def run(act: Callable[[], None]) -> str:
        with os.fdopen(os.dup(end), "w") as stream, monkeypatch.context() as patch:
            patch.setattr("sys.stdout", stream)
            act()
            stream.write("END")
            stream.flush()
            written = b""
            while not written.endswith(b"END"):
                written += os.read(control, 65536)
        return written.decode().removesuffix("END").replace("\r\n", "\n")

    yield run
    os.close(control)
    os.close(end)


def show_table() -> None:
    output.echo_lines(output.table(("NAME", "STATUS"), [["ana", "active"]], {"active": "green"}))


def test_colour_is_for_terminals(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal(show_table) == "NAME  STATUS\nana   \x1b[32mactive\x1b[0m\n"
    show_table()
    assert capsys.readouterr().out == "NAME  STATUS\nana   active\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_declined(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert terminal(show_table) == "NAME  STATUS\nana   active\n"


def show_hanging() -> None:
    head = f"2026-11-23 05:26  failed     {'maria'.ljust(12)}  "
    output.echo_lines(output.hanging_indent(head, "a decision of root: maria has no pending request"))


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (
            "80",
            [
                "2026-11-23 05:26  failed     maria         a decision of root: maria has no",
                " " * 43 + "pending request",
            ],
        ),
        ("40", ["2026-11-23 05:26  failed     maria", "    a decision of root: maria has no", "    pending request"]),
    ],
)
def test_text_behind_a_head_goes_below_it_where_a_terminal_has_no_room(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: str, shown: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal(show_hanging).splitlines() == shown


def test_an_empty_no_color_declines_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert "\x1b[32m" in terminal(show_table)


def test_sentences_are_broken_between_words_on_a_terminal_only(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = "word " * 20 + "end."
    lines = terminal(lambda: output.echo(sentence)).splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 60
    output.echo(sentence)
    assert capsys.readouterr().out == f"{sentence}\n"


def test_columns_keep_to_the_terminal_and_whole_rows_go_to_a_pipe_where_that_is_wanted(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    def show() -> None:
        output.echo_lines(output.table(("A", "B"), [["x" * 50, "y" * 50]], whole=True))

    assert max(map(len, terminal(show).splitlines())) <= 60
    show()
    assert capsys.readouterr().out.splitlines()[1:] == [f"{'x' * 50}  {'y' * 50}"]


def test_wide_letters_keep_the_columns_aligned() -> None:
    lines = list(output.table((), [["日本", "x"], ["e\u0301", "x"], ["abcd", "x"]]))
    assert lines == ["日本  x", "e\u0301     x", "abcd  x"]


def test_what_is_filled_in_is_escaped_and_what_is_escaped_is_not_escaped_again() -> None:
    assert output.format_message("{x}", x="a\\b\x1b") == "a\\\\b\\x1b"
    assert output.format_message("{x}", x=output.safe_text("a\\x1b \x1b")) == "a\\x1b \\x1b"
    assert output.format_message("{x}", x="{y}") == "{y}"


def test_json_is_ascii_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": "é\x7f\x9b\x1b\u202e\udc80"}
    output.echo_json(value)
    text = capsys.readouterr().out
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == value


@pytest.mark.parametrize(("text", "shown"), [("2026-05-19T20:55:18Z", "2026-05-19 20:55 UTC"), (None, "-"), ("?", "?")])
def test_moments(text: str | None, shown: str) -> None:
    assert output.timestamp(text) == shown
