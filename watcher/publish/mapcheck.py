"""Whether Postfix asks our map at all."""

from __future__ import annotations

import os

from schemas.config import Config
from schemas.files import Signature, signature_of
from watcher import sentences
from watcher.publish.commands import CommandError, run_well

_SEPARATORS = str.maketrans(",\t\n", "   ")


def main_cf() -> str:
    """Where Postfix's main.cf is, by the rule of postconf(1)."""
    return os.path.join(os.environ.get("MAIL_CONFIG") or "/etc/postfix", "main.cf")


class MapCheck:
    """Asks `postconf virtual_alias_maps`, and again only when main.cf has changed."""

    def __init__(self, config: Config) -> None:
        self._path = config.virtual_alias_file
        self._map = f"{config.map_type}:{self._path}"
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
            if self._named_in(value) or self._named_in(_expanded()):
                return None
        except CommandError as error:
            # Of a main.cf that is not there it is told when it comes; any other failure may have gone by itself.
            self._answered = self._asked is None
            return sentences.MAPS_UNKNOWN.format(map=self._map, error=error)
        return sentences.MAP_NOT_USED.format(map=self._map, line=self._line(value))

    def _line(self, value: str) -> str:
        # The same file as another type is what was asked before a change of backend; it would answer first.
        others = [name for name in value.translate(_SEPARATORS).split() if not name.endswith(f":{self._path}")]
        return ", ".join([*others, self._map])

    def _named_in(self, value: str) -> bool:
        names = value.translate(_SEPARATORS).split()
        return self._map in names or f"proxy:{self._map}" in names


def _expanded() -> str:
    return run_well(["postconf", "-hx", "virtual_alias_maps"]).decode("utf-8", "replace")


def _signature() -> Signature | None:
    try:
        return signature_of(os.stat(main_cf()))
    except OSError:
        return None
