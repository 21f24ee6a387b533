"""Which kinds of database a test is run with: all three, unless it says otherwise.

What a table or a library may do differently is tried with each; what is decided above them, with one.
"""

import pytest

from ..support.servers import Kind


def on(*kinds: Kind) -> pytest.MarkDecorator:
    """Run a test with these kinds alone."""
    return pytest.mark.parametrize("kind", kinds, indirect=True)


ON_SERVERS = on("mysql", "pgsql")
