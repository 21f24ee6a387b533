"""What is written is asked of the map as Postfix asks it: by its own program, with its own account and query."""

from __future__ import annotations

from collections.abc import Container, Mapping

from schemas.config import Config
from schemas.text import N_, printable
from watcher.publish.commands import CommandError
from watcher.publish.postmap import Postmap, is_plain_postmap

MOST = 64
"""So many aliases are asked for at once."""


class Verification:
    """Asks the map of *config*, where the configuration wants that.

    Attributes:
        trouble: what came of it last, in words; `None` where all is well.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        plain = is_plain_postmap(config.postmap_command, config.map_type, config.map_path)
        self._postmap = Postmap(config.postmap_command[0] if plain else "postmap", config.map_type)
        self._wanted = config.check_maps and config.run_postmap
        self._open: dict[str, str | None] = {}
        self._earlier: dict[str, str] = {}
        self.trouble: str | None = None

    def of(self, expected: Mapping[str, str | None], removed: Mapping[str, str]) -> None:
        """Ask for the aliases of *expected*, and again for those that were answered wrongly before.

        Args:
            expected: alias -> destination, or `None` where it should not be found.
            removed: alias -> destination, of those that were found until now.
        """
        asked = dict(list({**self._open, **expected}.items())[-MOST:])
        earlier = {**self._earlier, **removed}
        self._earlier = {alias: earlier[alias] for alias in asked if alias in earlier}
        if not self._wanted or not asked:
            self.trouble = None
            return
        try:
            found = self._postmap.ask(self._config.map_path, asked)
        except CommandError as error:
            self._open = asked
            self.trouble = N_(
                "The rows are in the table, but whether the map {map} finds them could not be found out. {error}"
            ).format(map=self._config.map_name, error=error)
            return
        self._open = {alias: goto for alias, goto in asked.items() if self._is_wrong(alias, goto, found.get(alias))}
        self.trouble = self._message(found) if self._open else None

    def forget(self, aliases: Container[str]) -> None:
        """Expect nothing of *aliases* any more."""
        self._open = {alias: goto for alias, goto in self._open.items() if alias not in aliases}

    def _is_wrong(self, alias: str, goto: str | None, found: str | None) -> bool:
        if goto is not None or found is None:
            return found != goto
        # Where the query has a catch-all, that answers for an alias whose row is gone.
        return self._earlier.get(alias) in {None, *found.split(",")}

    def _message(self, found: Mapping[str, str]) -> str:
        alias, goto = next(iter(self._open.items()))
        others = len(self._open) - 1
        return N_(
            "The table is in line, but the map {map} answers {found} for {alias}, where "
            "{expected} was expected{more}. See whether `query` in {path} wants something "
            "that `constants` of the configuration does not give, whether `domain` leaves "
            "the address out, and whether all of its hosts have the same rows."
        ).format(
            map=self._config.map_name,
            path=self._config.map_path,
            alias=printable(alias),
            found=printable(found[alias]) if alias in found else N_("nothing"),
            expected=printable(goto) if goto is not None else N_("nothing"),
            more=N_(" (and likewise for {count} more)").format(count=others) if others else "",
        )
