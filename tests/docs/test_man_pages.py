"""The manual pages say what the code does, and render without a complaint."""

import configparser
import json
import os
import re
import subprocess
from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest

from cli.admin.main import admin_command
from cli.app import CONTEXT
from cli.member.main import member_command
from schemas import decision, names, queue_file, registry, request
from schemas.audit_line import AuditLine, What
from schemas.config import Backend, Config, parse_config
from schemas.sql_block import Database
from schemas.status import Conflict, Host, Problem, Published, Status
from watcher import incomplete, main
from watcher.publish import plan

from . import manual
from .markdown import ROOT, read
from .test_docs import COMMANDS_STATUSES, WATCHER_STATUSES, codes

MEMBER = manual.page("runv-email-alias.1")
MEMBRO = manual.page("pt_BR/runv-email-alias.1")
ADMINISTRATOR = manual.page("runv-admin-email-alias.8")
WATCHER = manual.page("runv-email-alias-watcher.8")
CONFIGURATION = manual.page("runv-member-mail.json.5")
FILES = manual.page("runv-email-alias-files.5")

ENGLISH = {"commands": "COMMANDS", "options": "OPTIONS", "exit": "EXIT STATUS", "environment": "ENVIRONMENT"}
PORTUGUESE = {"commands": "COMANDOS", "options": "OPÇÕES", "exit": "STATUS DE SAÍDA", "environment": "AMBIENTE"}
PROGRAMS = [
    pytest.param(member_command, MEMBER, ENGLISH, id="member"),
    pytest.param(member_command, MEMBRO, PORTUGUESE, id="membro"),
    pytest.param(admin_command, ADMINISTRATOR, ENGLISH, id="administrator"),
]


def options(command: click.Command) -> set[str]:
    """Every option of *command*, in its long form."""
    context = click.Context(command, help_option_names=CONTEXT["help_option_names"])
    found = [option for option in command.get_params(context) if isinstance(option, click.Option)]
    return {name for option in found for name in (*option.opts, *option.secondary_opts) if name.startswith("--")}


def told(lines: list[str]) -> set[str]:
    """Every option that has a paragraph in *lines*."""
    return {name.split()[0] for name in manual.names(lines) if name.startswith("--")}


# Every page


@pytest.mark.needs("man")
@pytest.mark.parametrize("path", manual.PAGES, ids=manual.name_of)
def test_every_page_renders_without_a_complaint(path: Path) -> None:
    command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(path)]
    done = subprocess.run(command, env=os.environ | {"LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 1000


@pytest.mark.parametrize("path", manual.PAGES, ids=manual.name_of)
def test_every_page_has_its_title_its_summary_and_the_version_of_the_program(path: Path) -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = manual.page(manual.name_of(path))
    name, section, date, version, _ = manual.title(lines)
    assert f"{name.lower()}.{section}" == path.name
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", date)
    assert version == f"runv-email-alias {metadata['metadata']['version']}"
    heading, (summary,) = next(iter(manual.sections(lines).items()))
    assert heading in {"NAME", "NOME"}
    # What lexgrog(1) takes for the index that apropos(1) searches.
    assert manual.plain(summary).startswith(f"{name.lower()} - ")
    assert " \\- " in summary


@pytest.mark.parametrize("path", manual.PAGES, ids=manual.name_of)
def test_every_page_of_ours_that_a_page_refers_to_is_there(path: Path) -> None:
    own = {f"{page.name.rpartition('.')[0]}({page.name[-1]})" for page in manual.PAGES}
    lines = manual.page(manual.name_of(path))
    referred = set(re.findall(r"\brunv-[a-z.-]+\([1-9]\)", manual.text(lines)))
    assert referred <= own
    see = [manual.plain(line) for line in manual.sections(lines)[seen(lines)] if line.startswith(".BR")]
    *others, last = see
    assert all(each.endswith("),") for each in others)
    assert last.endswith(")")
    assert f"{path.name.rpartition('.')[0]}({path.name[-1]})" not in "".join(see)


def seen(lines: list[str]) -> str:
    return next(heading for heading in manual.sections(lines) if heading in {"SEE ALSO", "VEJA TAMBÉM"})


def test_the_pages_that_the_service_names_are_there() -> None:
    units = configparser.ConfigParser(strict=False, interpolation=None)
    units.read_string(re.sub(r"^#.*", "", read("units/runv-email-alias-watcher.service"), flags=re.MULTILINE))
    ours = re.findall(r"man:(runv-[\w.-]+)\(([1-9])\)", units["Unit"]["Documentation"])
    assert ours
    assert {f"{name}.{section}" for name, section in ours} <= {path.name for path in manual.PAGES}


# Commands


@pytest.mark.parametrize(("program", "lines", "headings"), PROGRAMS)
def test_every_command_and_option_has_its_paragraph_and_there_are_no_others(
    program: click.Group, lines: list[str], headings: dict[str, str]
) -> None:
    found = manual.sections(lines)
    explained = manual.sections(found[headings["commands"]], "SS")
    assert {heading.split()[0] for heading in explained} == set(program.commands)
    for heading, below in explained.items():
        command = program.commands[heading.split()[0]]
        assert told(below) == options(command) - {"--help"}, heading
        # Both forms of a switch are explained; the heading shows the one that changes something.
        shown = set(re.findall(r"--[a-z-]+", heading))
        assert shown == options(command) - {"--help", "--sync-mail"}, heading
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        assert re.sub(r"\[.*?\]|--\S+ [A-Z]+", "", heading).split()[1:] == [
            (argument.metavar or argument.name or "").upper() for argument in arguments
        ]
    assert told(found[headings["options"]]) == {"--help", "--version"}


@pytest.mark.parametrize(("program", "lines", "headings"), PROGRAMS)
def test_the_synopsis_has_every_command_and_option(
    program: click.Group, lines: list[str], headings: dict[str, str]
) -> None:
    del headings
    synopsis = list(manual.sections(lines).values())[1]
    shown: dict[str, set[str]] = {}
    for part in " ".join(manual.plain(line) or "\n" for line in synopsis).split("\n"):
        _, name, *rest = part.split()
        shown.setdefault(name, set()).update(re.findall(r"--[a-z-]+", " ".join(rest)))
    assert shown == {name: options(command) - {"--help", "--sync-mail"} for name, command in program.commands.items()}


def test_the_watchers_page_has_its_options_and_no_others() -> None:
    found = manual.sections(WATCHER)
    assert told(found["OPTIONS"]) == options(main.command)
    assert set(re.findall(r"--[a-z-]+", manual.text(found["SYNOPSIS"]))) == options(main.command) - {
        "--help",
        "--version",
    }


def test_the_exit_statuses_on_the_pages_are_those_of_the_code() -> None:
    for lines, headings in ((MEMBER, ENGLISH), (MEMBRO, PORTUGUESE), (ADMINISTRATOR, ENGLISH)):
        assert {int(tag) for tag in manual.tags(manual.sections(lines)[headings["exit"]])} == COMMANDS_STATUSES
    assert {int(tag) for tag in manual.tags(manual.sections(WATCHER)["EXIT STATUS"])} == WATCHER_STATUSES


def test_the_environment_variables_on_the_pages_are_those_of_the_code() -> None:
    ours = set(re.findall(r"RUNV_\w+", read("schemas/config.py")))
    terminal, postfix = {"COLUMNS", "NO_COLOR"}, {"MAIL_CONFIG"}
    systemd = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"}
    expected = [
        (MEMBER, "ENVIRONMENT", ours | terminal),
        (MEMBRO, "AMBIENTE", ours | terminal),
        (ADMINISTRATOR, "ENVIRONMENT", ours | terminal | postfix | {"SUDO_USER"}),
        (WATCHER, "ENVIRONMENT", ours | postfix | systemd),
        (CONFIGURATION, "ENVIRONMENT", ours),
    ]
    for lines, heading, variables in expected:
        assert set(manual.names(manual.sections(lines)[heading])) == variables
    sources = "".join(path.read_text(encoding="utf-8") for room in ("cli", "watcher") for path in rooms(room))
    assert all(f'"{name}"' in sources for name in terminal | postfix | systemd | {"SUDO_USER"})


def rooms(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_the_portuguese_page_is_the_english_one() -> None:
    # The same macros in the same order, and the same names in them.
    assert len(manual.sections(MEMBER)) == len(manual.sections(MEMBRO))
    for english, portuguese in zip(manual.sections(MEMBER).values(), manual.sections(MEMBRO).values(), strict=True):
        assert manual.tags(english) == manual.tags(portuguese)
        assert list(manual.sections(english, "SS")) == list(manual.sections(portuguese, "SS"))
    assert examples(MEMBER) == examples(MEMBRO)


def examples(lines: list[str]) -> list[str]:
    return re.findall(r"^\.EX\n(.*?)^\.EE$", "\n".join(lines), re.MULTILINE | re.DOTALL)


# The watcher's problems, the configuration


def test_the_watchers_page_explains_every_problem_code() -> None:
    assert set(manual.tags(manual.sections(WATCHER)["PROBLEMS"])) == codes()
    limit = f"more than {plan.GUARD_PERCENT} % of the map is held back, where at least {plan.GUARD_FLOOR} aliases"
    assert limit in " ".join(manual.text(WATCHER).split())


def test_the_configurations_page_explains_every_key_with_its_default() -> None:
    found = [
        re.fullmatch(r"(\w+) \(default: (.+)\)", tag) for tag in manual.tags(manual.sections(CONFIGURATION)["KEYS"])
    ]
    assert {match[1]: json.loads(match[2]) for match in found if match} == msgspec.to_builtins(Config())
    assert all(found)


def test_the_configurations_page_names_every_value_that_can_be_chosen() -> None:
    below = manual.text(manual.sections(CONFIGURATION)["KEYS"])
    chosen = [Backend, *(field.type for field in msgspec.structs.fields(Config))]
    for value in re.findall(r"Literal\[([^\]]+)\]", " ".join(map(str, chosen))):
        for each in re.findall(r"'([^']+)'", value):
            assert each in below


def test_the_examples_of_the_configurations_page_are_configurations() -> None:
    shown = examples(CONFIGURATION)
    assert len(shown) == 3
    for example in shown:
        parse_config(example.replace("\\-", "-").encode(), "the example")


def test_the_configurations_page_explains_every_key_of_the_database() -> None:
    tags = manual.tags(manual.sections(CONFIGURATION)["DATABASE"])
    assert tags == [field.name for field in msgspec.structs.fields(Database)]


# The files


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("QUEUE FILES", queue_file.QueueFile),
        ("REQUEST RECORDS", request.RequestRecord),
        ("MARKERS", decision.Decision),
        ("REGISTRY", registry.Entry),
        ("STATUS", Status),
        ("AUDIT LOG", AuditLine),
    ],
)
def test_the_page_of_the_files_explains_every_field(heading: str, kind: type[msgspec.Struct]) -> None:
    found = manual.names(manual.above(manual.sections(FILES)[heading]))
    assert sorted(found) == sorted(field.name for field in msgspec.structs.fields(kind))


def test_the_page_of_the_files_explains_what_stands_within_them() -> None:
    failed = manual.sections(manual.sections(FILES)["MARKERS"], "SS")["Failed decisions"]
    assert manual.names(failed) == [field.name for field in msgspec.structs.fields(decision.FailedDecision)]
    status = manual.text(manual.sections(FILES)["STATUS"])
    for kind in (Published, Problem, Conflict, Host):
        assert all(field.name in status for field in msgspec.structs.fields(kind))
    log = manual.text(manual.sections(FILES)["AUDIT LOG"])
    assert all(what in log for what in get_args(What))


def test_the_page_of_the_files_has_the_places_patterns_and_sizes_of_the_code() -> None:
    text = " ".join(manual.text(FILES).split())
    assert queue_file.FILE_NAME.pattern in text
    assert f"^{names.USERNAME.pattern}$" in text
    assert all(folder in text for folder in request.FOLDERS)
    assert text.count(f"{queue_file.SIZE_LIMIT >> 10} KiB") == 2
    assert f"newest {request.REFUSED_KEPT}," in text
    assert f"newest {request.CANCELLED_KEPT}." in text
    assert f"{registry.SIZE_LIMIT >> 20} MiB" in text
    assert f"{incomplete.QUIET_SECONDS:g} seconds, or for {incomplete.LONGEST_SECONDS:g} seconds in all" in text
    assert f"not more than {Config().max_request_age_days} days ago" in text
    settings = Config()
    for path in (settings.state_dir, settings.runtime_dir, settings.virtual_alias_file):
        assert any(tag.startswith(path) for tag in manual.tags(manual.sections(FILES)["FILES"]))


def test_the_queue_files_on_the_page_of_the_files_are_some() -> None:
    shown = re.findall(r"\{.*\}", "\n".join(examples(FILES)))
    assert len(shown) == 3
    for each in shown:
        queue_file.parse_queue_file(each.encode())
