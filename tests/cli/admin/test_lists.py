import pytest

from tests.cli.conftest import ASKED, LATER, Server, as_nobody, entry


def test_pending_shows_who_asks_for_what_instead_of_what(server: Server) -> None:
    server.registry(
        pablo=entry(destination="old@example.org"), maria=entry("maria", uid=4242), ana=entry("ana", status="revoked")
    )
    server.record("pending", at=LATER)
    server.record("pending", "maria", destination="maria@example.net")
    server.record("pending", "ana", destination="ana@example.net")
    assert server.admin("pending") == (
        0,
        "MEMBER  DESTINATION        INSTEAD OF       SINCE (UTC)\n"
        "ana     ana@example.net    -                2026-05-19 20:55\n"
        "maria   maria@example.net  -                2026-05-19 20:55\n"
        "pablo   p@example.org      old@example.org  2026-06-01 08:00\n",
        "",
    )


def test_pending_with_nothing_waiting(server: Server) -> None:
    assert server.admin("pending") == (0, "No request is waiting.\n", "")
    assert server.admin("pending", "--json") == (0, "[]\n", "")


def test_pending_as_json(server: Server) -> None:
    server.registry(pablo=entry(destination="old@example.org"))
    record = server.record("pending")
    assert server.admin("pending", "--json").json == [
        {
            "username": "pablo",
            "uid": server.uid,
            "alias": "pablo@runv.club",
            "request_id": record.request_id,
            "destination": "p@example.org",
            "current_destination": "old@example.org",
            "created_at": ASKED,
        }
    ]


def test_pending_with_a_broken_registry_still_shows_the_requests(server: Server) -> None:
    server.record("pending")
    server.paths.registry.write_text("{")
    outcome = server.admin("pending")
    assert outcome.status == 1
    assert "pablo   p@example.org  -" in outcome.out
    assert outcome.err.startswith(f"The registry {server.paths.registry} cannot be used:")


def test_pending_leaves_out_a_record_that_cannot_be_read(server: Server) -> None:
    server.record("pending")
    broken = server.paths.requests / "pending" / "20260519T205518.000000Z-maria-0123456789.json"
    broken.write_text("{")
    outcome = server.admin("pending")
    assert outcome.status == 1
    assert len(outcome.out.splitlines()) == 2
    assert outcome.err.startswith(f"The request record {broken} cannot be read:")
    assert outcome.err.endswith(" It is left out here.\n")


@pytest.mark.needs("root")
def test_who_may_not_read_is_told(open_server: Server) -> None:
    with as_nobody():
        pending, listed = open_server.admin("pending"), open_server.admin("list")
    assert pending == (1, "", f"You may not use the directory {open_server.paths.requests}. Run it with sudo.\n")
    assert listed == (
        1,
        "",
        f"You may not read the registry {open_server.paths.registry}: only root and the members' group may.\n",
    )


def test_list_shows_active_aliases_first(server: Server) -> None:
    server.registry(
        ana=entry("ana", status="revoked", updated_at=LATER),
        zoe=entry("zoe", "zoe@example.net", updated_at=None, approved_by=None),
        pablo=entry(),
    )
    assert server.admin("list") == (
        0,
        "ALIAS            DESTINATION      STATUS   SINCE       BY\n"
        "pablo@runv.club  p@example.org    active   2026-05-19  maria\n"
        "zoe@runv.club    zoe@example.net  active   2026-05-19  -\n"
        "ana@runv.club    p@example.org    revoked  2026-06-01  maria\n",
        "",
    )


def test_list_of_nothing(server: Server) -> None:
    assert server.admin("list") == (0, "The registry holds no alias.\n", "")


def test_list_as_json(server: Server) -> None:
    server.registry(pablo=entry(uid=7), ana={"alias": "ana@runv.club", "status": "revoked", "reason": "Closed."})
    assert server.admin("list", "--json").json == [
        {
            "username": "pablo",
            "alias": "pablo@runv.club",
            "status": "active",
            "destination": "p@example.org",
            "created_at": ASKED,
            "updated_at": ASKED,
            "approved_by": "maria",
            "uid": 7,
            "reason": None,
        },
        {
            "username": "ana",
            "alias": "ana@runv.club",
            "status": "revoked",
            "destination": None,
            "created_at": None,
            "updated_at": None,
            "approved_by": None,
            "uid": None,
            "reason": "Closed.",
        },
    ]


def test_list_of_a_broken_registry_names_the_entry(server: Server) -> None:
    server.registry(pablo=entry(), maria={"alias": 1})
    outcome = server.admin("list")
    assert (outcome.status, outcome.out) == (1, "")
    assert "The entry `maria` breaks the schema" in outcome.err


def test_columns_fit_80_and_no_address_is_cut_short(server: Server) -> None:
    long = "a" * 60 + "@" + "b" * 60 + ".example.org"
    name = "m" + "e" * 31
    server.registry(**{name: entry(name, long, approved_by="an-administrator-of-the-server")})
    server.record("pending", name, destination="new-" + long)
    for command in ("list", "pending"):
        lines = server.admin(command).out.splitlines()
        assert max(map(len, lines)) <= 80
        column = lines[0].index("DESTINATION")
        end = lines[0].index("STATUS" if command == "list" else "INSTEAD")
        message = "".join(line[column:end].strip() for line in lines[1:])
        assert message == (long if command == "list" else "new-" + long)


def test_a_wider_terminal_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    server.registry(pablo=entry(destination="a" * 60 + "@" + "b" * 60 + ".example.org"))
    assert len(server.admin("list").out.splitlines()) == 2


@pytest.mark.parametrize("as_json", [False, True])
def test_control_characters_in_the_files_cannot_reach_the_terminal(server: Server, as_json: bool) -> None:
    nasty = "\x1b]0;x\x07\x9b31m\x7f\u202e\n"
    server.registry(pablo=entry(status=nasty, approved_by=nasty, updated_at=nasty, destination=nasty))
    server.record("pending", destination=nasty, created_at=nasty)
    for command in ("list", "pending"):
        outcome = server.admin(command, *(["--json"] if as_json else []))
        assert outcome.status == 0
        assert outcome.out.replace("\n", "").isprintable()
        if not as_json:
            assert "\\x1b]0;x" in outcome.out.replace(" ", "")
