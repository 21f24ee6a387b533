"""`discover`: the inventory, as JSON or in columns."""

from __future__ import annotations

import msgspec

from cli import exits
from cli.discover.columns import columns
from cli.discover.inventory import take
from cli.output import echo_json, echo_lines


def discover(*, as_json: bool) -> int:
    """Show what there is on this machine; always 0, since an inventory has nothing to fail at."""
    inventory = take()
    if as_json:
        echo_json(msgspec.to_builtins(inventory))
    else:
        echo_lines(columns(inventory))
    return exits.DONE
