"""How hypothesis is run where a test shall try the same inputs each time."""

from hypothesis import settings

STEADY = settings(deadline=None, database=None, derandomize=True)
"""A change of ours is then what makes a test fail; `make fuzz` looks for new inputs. No time is kept: another test may
have the machine. Nothing is written to the checkout, which may be another's."""
