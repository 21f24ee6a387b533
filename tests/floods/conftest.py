"""What all tests of floods need."""

import pytest

from ..support.needs import require


@pytest.fixture(autouse=True)
def _as_root() -> None:
    """Several accounts are played throughout."""
    require("root", "accounts", "postfix")
