"""`discover`: the inventory as JSON, or for people in a block of columns for each kind of thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from cli.discover import sentences
from cli.discover.inventory import Inventory, Ours, PostfixStack, Service, take
from cli.discover.mail_files import MailFile
from cli.output import echo_json, echo_lines, format_message, hanging_indent, safe_text, spaced, table, wrapped
from cli.sentences import NOTHING
from schemas.program import ExitStatus

_COLOURS = {"active": "green", "failed": "red"}
_SUFFIX = ".service"


def columns(inventory: Inventory) -> Iterator[str]:
    """Lay *inventory* out. A block of which nothing could be asked is left out; the last one says why."""
    blocks = (
        _packages(inventory),
        _services(inventory.services),
        _postfix(inventory.postfix),
        table(sentences.FILE_HEADINGS, map(_file, inventory.files), whole=True),
        _ours(inventory.ours),
        _not_asked(inventory),
    )
    return spaced(blocks)


def _packages(inventory: Inventory) -> Iterator[str]:
    if inventory.packages:
        rows = [[each.name, each.version or sentences.NOT_INSTALLED] for each in inventory.packages]
        yield from table(sentences.PACKAGE_HEADINGS, rows)


def _services(services: list[Service]) -> Iterator[str]:
    if services:
        yield from table(sentences.SERVICE_HEADINGS, map(_service, services), _COLOURS)


def _service(service: Service) -> list[str]:
    name = service.name.removesuffix(_SUFFIX)
    if service.load == "not-found":
        return [name, sentences.NOT_INSTALLED, NOTHING]
    return [name, service.active, service.enabled or NOTHING]


def _postfix(postfix: PostfixStack) -> Iterator[str]:
    if postfix.version is None:
        return
    rows = [("version", postfix.version), ("config_directory", postfix.config_directory)]
    rows += ((name, parameter.expanded or sentences.EMPTY) for name, parameter in postfix.parameters.items())
    if postfix.table_types:
        rows.append((sentences.TABLE_TYPES, " ".join(postfix.table_types)))
    yield sentences.POSTFIX_HEADING
    yield from _fields(rows)


def _file(file: MailFile) -> list[str]:
    if file.state != "present":
        return [file.path, sentences.KINDS[file.state], NOTHING, NOTHING, NOTHING]
    kind = sentences.KINDS[file.kind or ""]
    if file.target is not None:
        kind = sentences.LINK_TO.format(target=file.target)
    return [file.path, kind, file.mode or NOTHING, f"{file.owner}:{file.group}", str(file.size)]


def _ours(ours: Ours) -> Iterator[str]:
    rows = [(sentences.VERSION, ours.version), (sentences.CONFIG_FILE, ours.config)]
    if ours.map is not None:
        running = {None: sentences.UNKNOWN, True: sentences.RUNNING, False: sentences.NOT_RUNNING}[ours.watcher_running]
        rows += [
            (sentences.PUBLISHING, sentences.ON if ours.enabled else sentences.OFF),
            (sentences.MAP, ours.map),
            (sentences.DOMAIN, ours.domain or NOTHING),
            (sentences.REGISTRY_FILE, ours.registry or NOTHING),
            (sentences.ACTIVE, sentences.UNKNOWN if ours.active_aliases is None else str(ours.active_aliases)),
            (sentences.WATCHER_STATE, running),
        ]
    yield sentences.OURS_HEADING
    yield from _fields(rows)


def _fields(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    given = list(rows)
    room = max(len(name) for name, _ in given) + 2
    for name, value in given:
        yield from hanging_indent(name.ljust(room), safe_text(value))


def _not_asked(inventory: Inventory) -> Iterator[str]:
    if inventory.not_asked:
        yield sentences.NOT_ASKED_HEADING
    for each in inventory.not_asked:
        yield from wrapped(
            format_message(sentences.NOT_ASKED, what=safe_text(each.what), why=safe_text(each.why)), "  - ", "    "
        )


def discover(*, as_json: bool) -> int:
    """Show what there is on this machine; always 0, since an inventory has nothing to fail at."""
    inventory = take()
    if as_json:
        echo_json(msgspec.to_builtins(inventory))
    else:
        echo_lines(columns(inventory))
    return ExitStatus.DONE
