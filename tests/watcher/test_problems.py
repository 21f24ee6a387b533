"""Problems keep their beginning, and are told once."""

import logging

import pytest

from schemas.status import Problem
from watcher import status
from watcher.status import Problems


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(24))
    monkeypatch.setattr(status, "now", lambda: f"2026-05-19T{next(hours):02d}:00:00Z")


@pytest.mark.usefixtures("moments")
def test_a_problem_that_stays_keeps_its_beginning_though_its_words_change() -> None:
    known = Problems()
    assert known.update({"a": "first"}) == [Problem("a", "first", "2026-05-19T00:00:00Z")]
    assert known.update({"a": "second", "b": "new"}) == [
        Problem("a", "second", "2026-05-19T00:00:00Z"),
        Problem("b", "new", "2026-05-19T01:00:00Z"),
    ]
    assert known.update({}) == []
    assert known.update({"a": "again"}) == [Problem("a", "again", "2026-05-19T02:00:00Z")]


def test_the_journal_hears_of_a_problem_when_it_comes_and_when_it_goes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "runv")
    known = Problems()
    broken = {"publish-failed": "The disk is full."}
    for found in ({}, broken, broken, broken, {}, {}):
        known.update(found)
    assert caplog.messages == ["Problem: The disk is full.", "No longer a problem: publish-failed."]
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
