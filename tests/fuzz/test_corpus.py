"""The kept inputs stay harmless; those of the coverage-guided run that found something are among them."""

from pathlib import Path

import pytest

from .corpus_files import CORPUS, files
from .targets import TARGETS

_FILES = [pytest.param(target, path, id=f"{target}/{path.name}") for target in TARGETS for path in files(target)]


@pytest.mark.parametrize(("target", "path"), _FILES)
def test_a_kept_input_is_taken_or_refused_as_its_name_says(target: str, path: Path) -> None:
    verdict = TARGETS[target](path.read_bytes())
    if path.name.startswith(("taken", "refused")):
        assert verdict == path.name.startswith("taken")


def test_every_target_has_a_corpus_that_is_small() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    for target in TARGETS:
        assert 2 <= len(files(target)) <= 40
        assert sum(path.stat().st_size for path in files(target)) < 16 * 1024
