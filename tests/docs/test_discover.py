"""The page on the files on disk explains what `discover --json` prints."""

import msgspec

from cli.discover.inventory import Inventory, Ours, Package, Parameter, PostfixStack, Service
from cli.discover.mail_files import MailFile
from cli.discover.map import MapColumn, MapDescription, MapFile
from cli.server.facts import Unavailable

from .markdown import code, read, section, tables

INSIDE: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "packages": (Package,),
    "services": (Service,),
    "postfix": (PostfixStack, Parameter),
    "files": (MailFile,),
    "ours": (Ours,),
    "not_asked": (Unavailable,),
}


def fields(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind)]


def test_the_files_protocol_explains_every_key_of_the_inventory() -> None:
    printed = section(read("docs/files-protocol.md"), "What the commands print as JSON")
    message = next(
        found
        for rows in tables(printed)
        if list(found := {code(key)[0]: code(value) for key, value in rows}) == fields(Inventory)
    )
    for key, kinds in INSIDE.items():
        assert {name for kind in kinds for name in fields(kind)} <= set(message[key]), key


def test_the_files_protocol_explains_every_key_of_a_map() -> None:
    printed = section(read("docs/files-protocol.md"), "What the commands print as JSON")
    (message,) = [rows for rows in tables(printed) if code(rows[0][0]) == ["map"]]
    assert [name for key, _ in message for name in code(key)] == fields(MapDescription)
    inside = {code(key)[0]: code(value) for key, value in message}
    assert set(fields(MapFile)) <= set(inside["file"])
    assert set(fields(MapColumn)) <= set(inside["columns"])
