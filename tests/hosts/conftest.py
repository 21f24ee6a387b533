"""Two mail hosts that all tests here share: each Postfix takes seconds to start."""

from collections.abc import Iterator

import pytest

from ..support.install import Installation
from ..support.needs import require
from .page import Pair, set_up


@pytest.fixture(scope="package")
def pair(installation: Installation) -> Iterator[Pair]:
    """Two of them, set up as the page says."""
    require("root", "accounts", "networks", "postgresql", "postfix-pgsql")
    with set_up(installation) as pair:
        yield pair
