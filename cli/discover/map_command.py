"""`discover --map FILE`: what a map in a database points at, and the block of the configuration for it.

`--json` prints one object with the keys of `MapView`, always all of them.
"""

from __future__ import annotations

import msgspec

from cli import exits
from cli.database.naming import NamedMap
from cli.discover.map_columns import map_columns
from cli.discover.maps import view_map
from cli.output import echo_error, echo_json, echo_lines, safe_text
from schemas.settings import Settings


def discover_map(named: NamedMap, settings: Settings, *, as_json: bool) -> int:
    """Show it; 1 where something could not be found."""
    view = view_map(named, settings)
    if as_json:
        echo_json(msgspec.to_builtins(view))
    else:
        echo_lines(map_columns(view))
    if view.trouble is None:
        return exits.DONE
    if not as_json:
        echo_error(safe_text(view.trouble))
    return exits.FAILED
