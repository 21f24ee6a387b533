"""`discover --map FILE`: what a map in a database points at, and the block of the configuration for it.

`--json` prints one object with the keys of `MapView`, always all of them.
"""

from __future__ import annotations

import msgspec

from cli import exits
from cli.database.naming import NamedMap
from cli.discover.map_columns import map_columns
from cli.discover.maps import view_map
from cli.output import complain, prose, tell_json, tell_lines
from schemas.settings import Settings


def discover_map(named: NamedMap, settings: Settings, *, as_json: bool) -> int:
    """Show it; 1 where something could not be found."""
    view = view_map(named, settings)
    if as_json:
        tell_json(msgspec.to_builtins(view))
    else:
        tell_lines(map_columns(view))
    if view.trouble is None:
        return exits.DONE
    if not as_json:
        complain(prose(view.trouble))
    return exits.FAILED
