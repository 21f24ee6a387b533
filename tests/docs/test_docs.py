"""The pages for people say what the code does."""

import ast
import configparser
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec
import pytest

from cli.admin.main import admin_command
from cli.app import CONTEXT
from cli.member.main import member_command
from schemas import addresses, decision, names, queue_file, registry, request
from schemas.audit_line import AuditLine, parse_line
from schemas.config import SQL_TYPES, Config, parse_config
from schemas.decision import FailedDecision, parse_decision
from schemas.json_records import parse_record
from schemas.program import ExitStatus
from schemas.queue_file import parse_queue_file
from schemas.registry import parse_registry
from schemas.request import RequestRecord
from schemas.sql_block import Database
from schemas.status import Status
from watcher import incomplete
from watcher.main import command
from watcher.publish import plan

from ..support import reasons
from .markdown import PAGES, ROOT, anchors, code, fences, indented, links, read, section, table, tables

ADMINISTRATOR = read("docs/administrator-guide.md")
MEMBER = read("docs/member-guide.md")
MEMBRO = read("docs/guia-do-membro.md")
PROTOCOL = read("docs/files-protocol.md")
IN_A_DATABASE = read("docs/in-a-database.md")

GUIDES = {
    "runv-email-alias": (member_command, (MEMBER, MEMBRO)),
    "runv-admin-email-alias": (admin_command, (ADMINISTRATOR,)),
    "runv-email-alias-watcher": (command, (ADMINISTRATOR,)),
}


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands(each, f"{path} {name}")


COMMANDS = [
    pytest.param(path, command, pages, id=path)
    for program, (top, pages) in GUIDES.items()
    for path, command in commands(top, program)
]


# Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for path, anchor in links(page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {path}, which is not there"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page.name}: {path}#{anchor}"


# The configuration


def test_the_administrators_guide_explains_every_config_key_with_its_default() -> None:
    fields = {
        code(key)[0]: json.loads(code(default)[0])
        for key, default, _ in table(section(ADMINISTRATOR, "The configuration"))
    }
    assert fields == msgspec.to_builtins(Config())


def test_the_administrators_guide_names_the_environment_variables_and_no_others() -> None:
    pattern = r"RUNV_\w+"
    assert set(re.findall(pattern, ADMINISTRATOR)) == set(re.findall(pattern, read("schemas/config.py")))


def test_the_example_configuration_is_one() -> None:
    (block,) = fences(ADMINISTRATOR, "json")
    assert parse_record(block.text.encode(), Config) == Config(enabled=True)


DATABASES = ("docs/in-a-database.md", "docs/more-than-one-mail-host.md")


@pytest.mark.parametrize("page", DATABASES)
def test_the_configurations_for_a_database_are_some(page: str) -> None:
    blocks = fences(read(page), "json")
    assert blocks
    for block in blocks:
        assert parse_config(block.text.encode(), "the example").in_database


def test_the_page_on_databases_explains_every_key_of_the_block_and_of_the_sql_maps() -> None:
    message = table(section(IN_A_DATABASE, "The block in the configuration"))
    assert [code(key)[0] for key, *_ in message] == [field.name for field in msgspec.structs.fields(Database)]
    backends = {code(backend)[0] for backend, *_ in table(section(IN_A_DATABASE, "What to install"))}
    assert backends == {f"postfix-{kind}" for kind in SQL_TYPES}


def test_the_packages_on_the_page_on_databases_are_those_that_the_package_suggests() -> None:
    fields = {name for row in table(section(IN_A_DATABASE, "What to install")) for name in code(row[2])[0].split()}
    (suggested,) = re.findall(r"^Suggests: (.*\n(?: .*\n)*)", read("debian/control"), re.MULTILINE)
    assert fields <= set(re.findall(r"[a-z][a-z0-9-]+", suggested))
    for name, version in re.findall(r"'(\w+)>=([0-9.]+)'", IN_A_DATABASE):
        assert f"{name}>={version}" in read("setup.cfg")


# Commands


@pytest.mark.parametrize(("path", "command", "pages"), COMMANDS)
def test_every_command_has_help_and_is_in_its_guide(path: str, command: click.Command, pages: tuple[str, ...]) -> None:
    assert command.help
    for page in pages:
        assert re.search(rf"\b{re.escape(path)}\b", page)


@pytest.mark.parametrize(("path", "command", "pages"), COMMANDS)
def test_every_option_has_help_and_is_in_its_guide(path: str, command: click.Command, pages: tuple[str, ...]) -> None:
    # With the programs' own settings: click keeps the help option that it makes here for the next one who asks.
    for option in command.get_params(
        click.Context(command, info_name=path, help_option_names=CONTEXT["help_option_names"])
    ):
        if not isinstance(option, click.Option):
            continue
        assert option.help, f"{path} {option.opts}"
        for name in (*option.opts, *option.secondary_opts):
            if name.startswith("--"):
                for page in pages:
                    assert re.search(rf"(?<![\w-]){name}(?![\w-])", page), f"{path} {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_shows_a_command_that_is_not_there(page: Path) -> None:
    known = {path for program, (top, _) in GUIDES.items() for path, _ in commands(top, program)}
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r"(?:`|\$ |sudo )(runv-(?:admin-)?email-alias) ([a-z]+)", text)
    assert {f"{program} {name}" for program, name in shown} <= known


# Problems

PROGRAM = "runv-email-alias"


def codes() -> set[str]:
    """Every text in the watcher's code of passes that looks like the code of a problem."""
    rooms = [
        f"watcher/{name}.py"
        for name in ("passes", "service", "publishing", "intake/queue_directory", "orphan_search", "orphans")
    ]
    rooms += [
        str(path.relative_to(ROOT))
        for path in (ROOT / "watcher" / "publish").rglob("*.py")
        if path.name != "option_file.py"
    ]
    found = {
        node.value
        for room in rooms
        for node in ast.walk(ast.parse(read(room)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {each for each in found if each == "orphans" or re.fullmatch(r"[a-z]+(?:-[a-z]+)+", each)} - {PROGRAM}


def test_the_administrators_guide_explains_every_problem_code() -> None:
    assert codes() > {"config-invalid", "publish-held", "orphans"}
    assert {code(cell)[0] for cell, _, _ in table(section(ADMINISTRATOR, "Problems"))} == codes()


def quoted(cell: str) -> list[str]:
    """The pieces of the sentences that are quoted in *cell*; an ellipsis stands for what differs."""
    return [piece.strip() for quote in re.findall(r'"([^"]+)"', cell) for piece in quote.split("…") if piece.strip()]


def texts(*places: str) -> str:
    """Every sentence in the code below *places*, each on its line; also those made by f-strings."""
    found = []
    for path in (path for place in places for path in [ROOT / place, *(ROOT / place).rglob("*.py")] if path.is_file()):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_the_journals_lines_in_the_administrators_guide_are_said() -> None:
    said = texts("watcher")
    for cell, _ in tables(section(ADMINISTRATOR, "Problems"))[1]:
        for piece in quoted(cell):
            assert piece in said


@pytest.mark.parametrize("page", [MEMBER, MEMBRO], ids=["english", "portuguese"])
def test_the_answers_in_the_members_guide_are_said(page: str) -> None:
    said = texts("cli/member", "schemas/names.py")
    pieces = [piece for rows in tables(page)[:2] for cell, _ in rows for piece in quoted(cell)]
    assert len(pieces) > 20
    for piece in pieces:
        assert piece in said


# Exit statuses


def statuses(text: str) -> set[int]:
    return {int(row[0]) for row in table(text)}


COMMANDS_STATUSES = set(ExitStatus)
WATCHER_STATUSES = COMMANDS_STATUSES - {ExitStatus.INTERRUPTED}


def test_the_exit_statuses_on_the_pages_are_those_of_the_code() -> None:
    both = tables(section(PROTOCOL, "Exit statuses"))
    assert [{int(row[0]) for row in rows} for rows in both] == [COMMANDS_STATUSES, WATCHER_STATUSES]
    assert statuses(section(MEMBER, "Exit statuses")) == COMMANDS_STATUSES
    assert statuses(section(MEMBRO, "Status de saída")) == COMMANDS_STATUSES


# The files on disk


def a_registry(data: bytes) -> object:
    return parse_registry(data, "runv.club", "the example")


def a_status(data: bytes) -> object:
    return parse_record(data, Status)


def a_record(data: bytes) -> object:
    return parse_record(data, RequestRecord)


def a_marker(data: bytes) -> object:
    if b'"failed_at"' in data:
        return parse_record(data, FailedDecision)
    return parse_decision(data)


EXAMPLES: dict[str, Callable[[bytes], object]] = {
    "Queue files": parse_queue_file,
    "Request records": a_record,
    "Markers": a_marker,
    "The registry": a_registry,
    "The status": a_status,
    "The audit log": parse_line,
}


@pytest.mark.parametrize("heading", EXAMPLES)
def test_every_json_example_of_the_files_protocol_is_what_it_says(heading: str) -> None:
    blocks = fences(section(PROTOCOL, heading), "json")
    assert blocks
    for block in blocks:
        EXAMPLES[heading](block.text.encode())


def test_no_json_example_of_the_files_protocol_goes_unread() -> None:
    read_there = [block for heading in EXAMPLES for block in fences(section(PROTOCOL, heading), "json")]
    assert read_there == fences(PROTOCOL, "json")


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("Queue files", queue_file.QueueFile),
        ("Request records", RequestRecord),
        ("Markers", decision.Decision),
        ("The registry", registry.Entry),
        ("The status", Status),
        ("The audit log", AuditLine),
    ],
)
def test_the_files_protocol_explains_every_field(heading: str, kind: type[msgspec.Struct]) -> None:
    found = [name for row in table(section(PROTOCOL, heading)) for name in code(row[0])]
    assert sorted(found) == sorted(field.name for field in msgspec.structs.fields(kind))


def test_the_files_protocol_explains_every_field_of_a_failed_decision() -> None:
    found = [name for row in tables(section(PROTOCOL, "Markers"))[1] for name in code(row[0])]
    assert found == [field.name for field in msgspec.structs.fields(FailedDecision)]


def test_the_files_protocol_explains_every_reason_code_and_no_other() -> None:
    rows = [row for each in tables(section(PROTOCOL, "Reason codes")) for row in each]
    found = [name for row in rows for name in code(row[0])]
    assert sorted(found) == sorted(reasons.sentences())
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in found)


def test_the_files_protocol_has_the_sizes_patterns_and_times_of_the_code() -> None:
    assert PROTOCOL.count(queue_file.FILE_NAME.pattern) == 2
    assert f"^{names.USERNAME.pattern}$" in PROTOCOL
    assert queue_file.SIZE_LIMIT == decision.SIZE_LIMIT == 16 * 1024
    assert f"({queue_file.SIZE_LIMIT} octets)" in PROTOCOL
    assert f"newest {request.REFUSED_KEPT}" in PROTOCOL
    assert f"newest {request.CANCELLED_KEPT}" in PROTOCOL
    assert f"for {incomplete.QUIET_SECONDS:g} s without a change, at most {incomplete.LONGEST_SECONDS:g} s" in PROTOCOL
    assert f"{registry.SIZE_LIMIT >> 20} MiB" in PROTOCOL


def test_the_guides_have_the_limits_of_the_code() -> None:
    held = f"{plan.GUARD_FLOOR} aliases are published, a publish that would remove more than {plan.GUARD_PERCENT} %"
    assert held in " ".join(ADMINISTRATOR.split())
    for page in (MEMBER, MEMBRO):
        assert re.search(rf"{addresses.LOCAL_PART_BYTES} .* {addresses.ADDRESS_BYTES} ", page)


# Two languages, one guide


def test_the_members_guide_is_the_same_in_both_languages() -> None:
    assert indented(MEMBER)
    assert indented(MEMBER) == indented(MEMBRO)
    assert [len(rows) for rows in tables(MEMBER)] == [len(rows) for rows in tables(MEMBRO)]
    assert [code(line) for line in lists(MEMBER)] == [code(line) for line in lists(MEMBRO)]
    assert len(re.findall("^#+ ", MEMBER, re.MULTILINE)) == len(re.findall("^#+ ", MEMBRO, re.MULTILINE))


def lists(page: str) -> list[str]:
    return re.findall(r"^- (?:.+\n(?:  .+\n)*)", page, re.MULTILINE)


# The changelog


def test_the_changelog_and_the_metadata_have_one_version() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    changelog = read("CHANGELOG.md")
    headings = re.findall(r"^## \[([^\]]+)\](?: - [0-9]{4}-[0-9]{2}-[0-9]{2})?$", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased"
    coming = re.findall(r"^To be released as ([0-9.]+[0-9])", section(changelog, "[Unreleased]"), re.MULTILINE)
    assert metadata["metadata"]["version"] == [*coming, *headings[1:]][0]


# What is installed


def test_the_places_in_the_administrators_guide_are_those_that_are_made() -> None:
    fields = {
        (code(path)[0], *re.split("[ :]", mode))
        for path, mode, _ in table(section(ADMINISTRATOR, "What is there then"))
    }
    made = re.findall(r"^[dz] (/\S+)\s+:?(\d+) (\S+) (\S+)", read("units/runv-email-alias.tmpfiles.conf"), re.MULTILINE)
    assert fields == set(made)


@pytest.mark.parametrize("page", [ADMINISTRATOR, read("README.md")], ids=["guide", "readme"])
def test_the_package_on_the_pages_is_the_one_that_is_built(page: str) -> None:
    version = re.match(r"(\S+) \((\S+)\)", read("debian/changelog"))
    assert version
    name = "_".join((*version.groups(), "all.deb"))
    assert set(re.findall(r"[\w.-]+_\S+\.deb", page)) == {name}
