"""Moments are written so that they sort, whatever year a member gave a file."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import iso, now, stamp

MOMENTS = st.integers(-(2**63), 2**63 - 1)
"""What a file system can hold, in nanoseconds."""


@pytest.mark.parametrize(
    ("ns", "shown", "in_names"),
    [
        (0, "1970-01-01T00:00:00Z", "19700101T000000.000000Z"),
        (1_779_224_118_123_456_789, "2026-05-19T20:55:18Z", "20260519T205518.123456Z"),
        (-1, "1970-01-01T00:00:00Z", "19700101T000000.000000Z"),
        (10**30, "9999-12-31T00:00:00Z", "99991231T000000.000000Z"),
    ],
)
def test_a_moment_is_written_in_two_ways(ns: int, shown: str, in_names: str) -> None:
    assert (iso(ns), stamp(ns)) == (shown, in_names)


@given(MOMENTS, MOMENTS)
def test_every_moment_can_be_written_and_the_writing_sorts(one: int, other: int) -> None:
    for ns in (one, other):
        assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", iso(ns))
        assert re.fullmatch(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z", stamp(ns))
    if one <= other:
        assert iso(one) <= iso(other)
        assert stamp(one) <= stamp(other)


def test_the_present_is_written_in_the_same_way() -> None:
    assert re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", now())
