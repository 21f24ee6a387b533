"""Where the log goes."""

import logging
from collections.abc import Iterator

import pytest

from watcher import logbook


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("runv")
    before, level, propagate = list(log.handlers), log.level, log.propagate
    yield log
    log.handlers, log.propagate = before, propagate
    log.setLevel(level)


def speak(log: logging.Logger) -> None:
    logbook.set_up()
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
