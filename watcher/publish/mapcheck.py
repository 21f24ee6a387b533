"""Whether Postfix asks our map at all."""

from __future__ import annotations

import os
from collections.abc import Iterator

from schemas.config import Config
from schemas.files import Signature, signature_of
from watcher import sentences
from watcher.publish.commands import CommandError, run_well

_OPENING, _CLOSING, _BETWEEN = "{", "}", frozenset(", \t\r\n")


def main_cf() -> str:
    """Where Postfix's main.cf is, by the rule of postconf(1)."""
    return os.path.join(os.environ.get("MAIL_CONFIG") or "/etc/postfix", "main.cf")


class MapCheck:
    """Asks `postconf virtual_alias_maps`, and again only when main.cf has changed."""

    def __init__(self, config: Config) -> None:
        self._map = config.map_name
        self._wanted = config.check_maps and config.enabled
        self._asked: Signature | None = None
        self._answered = False
        self._trouble: str | None = None

    def changed(self) -> bool:
        """Whether main.cf is another than the one that was asked about."""
        return self._wanted and (not self._answered or _signature() != self._asked)

    def trouble(self) -> str | None:
        """What is wrong, with the line that mends it; `None` when Postfix names the map, or nobody wants to know."""
        if self.changed():
            self._asked = _signature()
            self._answered = True
            self._trouble = self._ask()
        return self._trouble

    def _ask(self) -> str | None:
        try:
            value = run_well(["postconf", "-h", "virtual_alias_maps"]).decode("utf-8", "replace").strip()
            if names_map(value, self._map) or names_map(_expanded(), self._map):
                return None
        except CommandError as error:
            # Of a main.cf that is not there it is told when it comes; any other failure may have gone by itself.
            self._answered = self._asked is None
            return sentences.MAPS_UNKNOWN.format(map=self._map, error=error)
        return sentences.MAP_NOT_USED.format(map=self._map, line=with_map(value, self._map))


def split(value: str) -> Iterator[str]:
    """Split the *value* of a parameter at commas and white space, but not within braces: see postconf(5)."""
    item, depth = "", 0
    for character in value:
        depth += (character == _OPENING) - (character == _CLOSING)
        if depth <= 0 and character in _BETWEEN:
            if item:
                yield item
            item, depth = "", 0
        else:
            item += character
    if item:
        yield item


def names_map(value: str, table: str) -> bool:
    """Whether the list of tables *value* names *table* (`type:path`), directly or by way of proxymap(8)."""
    names = list(split(value))
    return table in names or f"proxy:{table}" in names


def with_map(value: str, table: str) -> str:
    """Give the list of tables *value* with *table* behind it, in place of the same file as another type."""
    path = table.partition(":")[2]
    # The same file as another type is what was asked before a change of backend; it would answer first.
    others = [name for name in split(value) if not name.endswith(f":{path}")]
    return ", ".join([*others, table])


def _expanded() -> str:
    return run_well(["postconf", "-hx", "virtual_alias_maps"]).decode("utf-8", "replace")


def _signature() -> Signature | None:
    try:
        return signature_of(os.stat(main_cf()))
    except OSError:
        return None
