"""`discover`: the inventory as JSON, or for people in a block of columns for each kind of thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from cli.discover.inventory import Inventory, Ours, PostfixStack, Service, take_inventory
from cli.discover.mail_files import MailFile
from cli.messages import _
from cli.output import NOTHING, echo_json, echo_lines, format_message, hanging_indent, safe_text, spaced, table, wrapped
from schemas.program import ExitStatus

_KINDS = {
    "file": _("file"),
    "directory": _("directory"),
    "link": _("link"),
    "fifo": _("FIFO"),
    "socket": _("socket"),
    "device": _("device"),
    "absent": _("absent"),
    "hidden": _("not to be seen"),
}

_COLOURS = {"active": "green", "failed": "red"}
_SUFFIX = ".service"


def discover(*, as_json: bool) -> int:
    """Show what there is on this machine; always 0, since an inventory has nothing to fail at."""
    inventory = take_inventory()
    if as_json:
        echo_json(msgspec.to_builtins(inventory))
    else:
        echo_lines(columns(inventory))
    return ExitStatus.DONE


def columns(inventory: Inventory) -> Iterator[str]:
    """Lay *inventory* out. A block of which nothing could be asked is left out; the last one says why."""
    blocks = (
        _packages(inventory),
        _services(inventory.services),
        _postfix(inventory.postfix),
        _files(inventory.files),
        _ours(inventory.ours),
        _not_asked(inventory),
    )
    return spaced(blocks)


def _packages(inventory: Inventory) -> Iterator[str]:
    if inventory.packages:
        rows = [[each.name, each.version or _("not installed")] for each in inventory.packages]
        yield from table([_("PACKAGE"), _("VERSION")], rows)


def _services(services: list[Service]) -> Iterator[str]:
    if services:
        yield from table([_("SERVICE"), _("NOW"), _("AT BOOT")], map(_service, services), _COLOURS)


def _service(service: Service) -> list[str]:
    name = service.name.removesuffix(_SUFFIX)
    if service.load == "not-found":
        return [name, _("not installed"), NOTHING]
    return [name, service.active, service.enabled or NOTHING]


def _postfix(postfix: PostfixStack) -> Iterator[str]:
    if postfix.version is None:
        return
    rows = [("version", postfix.version), ("config_directory", postfix.config_directory)]
    rows += ((name, parameter.expanded or _("(empty)")) for name, parameter in postfix.parameters.items())
    if postfix.table_types:
        rows.append((_("map types"), " ".join(postfix.table_types)))
    yield _("POSTFIX")
    yield from _fields(rows)


def _files(files: list[MailFile]) -> Iterator[str]:
    headings = [_("FILE"), _("WHAT"), _("MODE"), _("OWNER"), _("OCTETS")]
    return table(headings, map(_file, files), whole=True)


def _file(file: MailFile) -> list[str]:
    if file.state != "present":
        return [file.path, _KINDS[file.state], NOTHING, NOTHING, NOTHING]
    kind = _KINDS[file.kind or ""]
    if file.target is not None:
        kind = _("link to {target}").format(target=file.target)
    return [file.path, kind, file.mode or NOTHING, f"{file.owner}:{file.group}", str(file.size)]


def _ours(ours: Ours) -> Iterator[str]:
    rows = [(_("version"), ours.version), (_("configuration"), ours.config)]
    if ours.map is not None:
        running = {None: _("not known"), True: _("running"), False: _("not running")}[ours.watcher_running]
        rows += [
            (_("publishing"), _("on") if ours.enabled else _("off (`enabled` is false)")),
            (_("map"), ours.map),
            (_("domain"), ours.domain or NOTHING),
            (_("registry"), ours.registry or NOTHING),
            (_("active aliases"), _("not known") if ours.active_aliases is None else str(ours.active_aliases)),
            (_("watcher"), running),
        ]
    yield _("MEMBERS' ALIASES")
    yield from _fields(rows)


def _fields(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    given = list(rows)
    room = max(len(name) for name, _text in given) + 2
    for name, value in given:
        yield from hanging_indent(name.ljust(room), safe_text(value))


def _not_asked(inventory: Inventory) -> Iterator[str]:
    if inventory.not_asked:
        yield _("COULD NOT BE ASKED")
    for each in inventory.not_asked:
        yield from wrapped(
            format_message(_("{what}: {why}"), what=safe_text(each.what), why=safe_text(each.why)), "  - ", "    "
        )
