"""Whatever bytes are read: a record, or a refusal that can be shown. Never anything else."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..support.steady import STEADY
from .corpus_files import samples, texts
from .spoiling import TEXT, almost_right, almost_right_text
from .targets import TARGETS

_FREE = ("destination", "shown", "sql-map", "sql-query")
"""These read text, not documents."""

_DOCUMENTS = tuple(name for name in TARGETS if name not in _FREE)


@pytest.mark.parametrize("target", _DOCUMENTS)
def test_a_document_that_is_almost_right_is_taken_whole_or_refused_in_a_sentence(target: str) -> None:
    verdicts: Counter[bool] = Counter()

    @settings(STEADY, max_examples=300)
    @given(almost_right(samples(target)))
    def hold(data: bytes) -> None:
        verdicts[TARGETS[target](data)] += 1

    hold()
    # Were all refused, or all taken, hardly anything would have been tried.
    assert min(verdicts[True], verdicts[False]) > 10, verdicts


@pytest.mark.parametrize("target", ["sql-map", "sql-query"])
def test_a_text_that_is_almost_right_is_taken_or_refused_in_a_sentence(target: str) -> None:
    verdicts: Counter[bool] = Counter()

    @settings(STEADY, max_examples=300)
    @given(almost_right_text(texts(target)))
    def hold(data: bytes) -> None:
        verdicts[TARGETS[target](data)] += 1

    hold()
    assert min(verdicts[True], verdicts[False]) > 10, verdicts


@pytest.mark.parametrize("target", TARGETS)
@settings(STEADY)
@given(data=st.binary(max_size=200))
def test_no_bytes_are_unforeseen(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("target", _FREE)
@settings(STEADY, max_examples=300)
@given(text=TEXT)
def test_no_text_is_unforeseen(target: str, text: str) -> None:
    TARGETS[target](text.encode("utf-8", "surrogatepass"))
