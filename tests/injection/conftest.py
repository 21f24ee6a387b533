"""One server for all tests of what is shown; saying all of it takes some seconds."""

from collections.abc import Iterator

import pytest

from ..support.install import Installation
from ..support.needs import require
from ..support.site import Site
from .aftermath import Aftermath


@pytest.fixture(scope="session")
def aftermath(installation: Installation) -> Iterator[Aftermath]:
    """The server after all of it was said; nothing runs on it any more."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation) as site:
        yield Aftermath(site)
