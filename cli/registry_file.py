"""The registry as the commands read it: one account's entry, without checking ten thousand others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from cli import sentences
from cli.output import format_message, safe_text
from schemas.digest import sha256
from schemas.errors import ExpectedError, RegistryError
from schemas.files import read_plain
from schemas.registry import SIZE_LIMIT, Entry, Registry, parse_registry
from schemas.settings import Settings

_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class RegistrySnapshot:
    """The bytes of the registry at one moment."""

    data: bytes = field(repr=False)
    domain: str
    place: str

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hexadecimal, as the status file names it."""
        return sha256(self.data)

    @cached_property
    def _raws(self) -> Mapping[str, msgspec.Raw]:
        try:
            return _RAWS.decode(self.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryError(format_message(sentences.REGISTRY_NO_JSON, place=self.place)) from error

    def entry(self, username: str) -> Entry | None:
        """The entry of *username*, held against the schema; the others are not looked at.

        Raises:
            RegistryError: the file is no JSON object, or this entry breaks the schema.
        """
        raw = self._raws.get(username)
        if raw is None:
            return None
        alone = b"{%b: %b}" % (msgspec.json.encode(username), bytes(raw))
        return parse_registry(alone, self.domain, self.place).entries[username]

    def whole(self) -> Registry:
        """Every entry, held against the schema. Raises `RegistryError` where one breaks it."""
        return parse_registry(self.data, self.domain, self.place)


def read_registry(settings: Settings) -> RegistrySnapshot:
    """Read the registry; raise `RegistryError` where it is missing or cannot be read."""
    try:
        data = read_plain(settings.registry, SIZE_LIMIT).data
    except (OSError, ExpectedError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, PermissionError):
            raise RegistryError(format_message(sentences.REGISTRY_DENIED, place=settings.registry)) from error
        if isinstance(cause, FileNotFoundError):
            raise RegistryError(format_message(sentences.REGISTRY_MISSING, place=settings.registry)) from error
        why = safe_text((error.strerror if isinstance(error, OSError) else None) or str(error))
        raise RegistryError(format_message(sentences.REGISTRY_UNREADABLE, place=settings.registry, why=why)) from error
    return RegistrySnapshot(data=data, domain=settings.domain, place=settings.registry)
