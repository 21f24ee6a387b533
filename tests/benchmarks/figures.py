"""A figure: what was measured, what it is held against, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        ours: the watcher's value, written with its unit.
        floor: what it is held against; empty where the target is a number of its own.
        held: what is compared with the target, written as in the table.
        target: the same for the target; empty where none was set and the figure is only told.
        met: whether the target was reached.
    """

    name: str
    ours: str
    floor: str
    held: str
    target: str
    met: bool


@dataclass(frozen=True)
class Turns:
    """The seconds that each side took, turn by turn."""

    ours: Sequence[float]
    floor: Sequence[float]


def ratio(name: str, turns: Turns, at_most: float) -> Figure:
    """The median of ours, at most so many times that of the floor."""
    ours, floor = median(turns.ours), median(turns.floor)
    held = ours / floor
    return Figure(name, duration(ours), duration(floor), f"{held:.2f} x", f"<= {at_most:g} x", held <= at_most)


def difference(name: str, turns: Turns, at_most: float) -> Figure:
    """The median of ours, at most so many seconds more than that of the floor."""
    ours, floor = median(turns.ours), median(turns.floor)
    held = ours - floor
    target = f"<= +{at_most * 1000:g} ms"
    return Figure(name, duration(ours), duration(floor), f"{held * 1000:+.2f} ms", target, held <= at_most)


def count(name: str, found: float, at_most: float, unit: str = "") -> Figure:
    """A number, at most so many."""
    return Figure(name, f"{found:g}{unit}", "", "", f"<= {at_most:g}{unit}", found <= at_most)


def told(name: str, value: str) -> Figure:
    """A value that is worth knowing, with no target."""
    return Figure(name, value, "", "", "", met=True)


def duration(seconds: float) -> str:
    """Write a time with its unit."""
    return f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
