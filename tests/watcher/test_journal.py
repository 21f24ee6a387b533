"""Where the log goes."""

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from watcher import systemd


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("runv")
    before, level, propagate = list(log.handlers), log.level, log.propagate
    yield log
    log.handlers, log.propagate = before, propagate
    log.setLevel(level)


def speak(log: logging.Logger) -> None:
    systemd.set_up()
    log.getChild("intake").debug("not told")
    log.getChild("intake").info("taken")
    log.getChild("publish").warning("careful")
    log.getChild("pass").error("broken")


def test_the_journal_is_told_how_grave_each_line_is(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    speak(log)
    assert capsys.readouterr().err == "<6>taken\n<4>careful\n<3>broken\n"


def test_a_person_at_a_terminal_reads_it_in_words(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    speak(log)
    assert capsys.readouterr().err == "INFO: taken\nWARNING: careful\nERROR: broken\n"


@pytest.mark.parametrize(
    "text", ["told\n<3>forged", "told\r\x1b[2J", "told\u2028\u202e", "told\x9b2J\x7f", "told \udce9"]
)
def test_an_event_is_one_line_whatever_it_tells_of(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    systemd.set_up()
    log.getChild("intake").warning(text)
    written = capsys.readouterr().err
    assert written.startswith("<4>told")
    assert written.endswith("\n")
    assert written[:-1].isprintable()


def test_an_escape_is_not_escaped_again(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    systemd.set_up()
    log.getChild("intake").warning(r"the file \x1b.json, %s and {count}")
    assert capsys.readouterr().err == "WARNING: the file \\x1b.json, %s and {count}\n"


def test_what_watchdog_says_of_its_own_threads_is_not_told() -> None:
    """In a process of its own: pytest listens to every logger."""
    script = """
import logging
from watcher import systemd
systemd.set_up()
logging.getLogger("watchdog.observers.inotify").error("called when the thread is inactive")
logging.getLogger("runv.watcher").error("logged")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.endswith("logged\n")
    assert done.stderr.count("\n") == 1
