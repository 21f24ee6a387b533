"""The other tests run within a Debian 13 that is not booted: with what it has, and without a trace in it."""

from pathlib import Path

from . import tree, unbooted

_ROOT = Path(__file__).parents[2]

_LOOK = """
import importlib.metadata, sys
from pathlib import Path

assert sys.version_info[:2] == (3, 13), sys.version
pins = [line.split("==") for line in Path("tests/setup/debian-13.txt").read_text().splitlines() if "==" in line]
assert {name: importlib.metadata.version(name) for name, _ in pins} == dict(pins) != {}
sys.exit(37)
"""
_WRITE = "touch /etc/written /var/tmp/written && test -e Makefile && ! touch written"


def test_the_libraries_there_are_those_that_are_pinned_outside() -> None:
    assert unbooted.run(["python3", "-c", _LOOK], tree.made_for_tests()) == 37


def test_neither_the_tree_nor_the_checkout_can_be_changed_from_there() -> None:
    root = tree.made_for_tests()
    assert unbooted.run(["sh", "-c", _WRITE], root) == 0
    for place in (root / "etc", root / "var/tmp", _ROOT, Path("/var/tmp")):
        assert not (place / "written").exists()
