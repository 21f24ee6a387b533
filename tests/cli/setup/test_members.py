"""Accounts that the server's other tools know of, added to the members' group."""

import json

import pytest

from cli.server.users import read_users
from schemas.errors import StateError

from .conftest import Ground

HINT = "To add them: runv-admin-email-alias setup --add-existing-users"


@pytest.mark.parametrize(
    ("contents", "names", "unnamed"),
    [
        (["ana", {"username": "eva"}, {"name": "ana"}, {"username": "", "name": "rui"}], ("ana", "eva", "rui"), 0),
        ({"ana": {"username": "other"}, "eva": None}, ("ana", "eva"), 0),
        ({"users": ["ana", {"name": "eva"}, 3, None, {}, ""], "version": 2}, ("ana", "eva"), 4),
        ({"users": {"shell": "/bin/sh"}, "ana": {}}, ("users", "ana"), 0),
        ([], (), 0),
    ],
)
def test_each_shape_of_the_list_is_understood(
    tmp_path_factory: pytest.TempPathFactory, contents: object, names: tuple[str, ...], unnamed: int
) -> None:
    path = tmp_path_factory.mktemp("users") / "users.json"
    path.write_text(json.dumps(contents))
    found = read_users(str(path))
    assert found is not None
    assert (found.names, found.unnamed) == (names, unnamed)


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ("3", "A int was found."),
        ('["ana"], "x": ["eva"]', "It is not JSON"),
        ('{"ana": 1, "ana": 2}', "The key `ana` stands twice."),
        ("[", "It is not JSON"),
        ("", "It is not JSON"),
    ],
)
def test_what_has_none_of_the_shapes_is_refused(
    tmp_path_factory: pytest.TempPathFactory, contents: str, why: str
) -> None:
    path = tmp_path_factory.mktemp("users") / "users.json"
    path.write_text(contents)
    with pytest.raises(StateError) as caught:
        read_users(str(path))
    assert str(caught.value).startswith(f"The list of accounts {path} was not understood. {why}")
    assert str(caught.value).endswith("or an object whose `users` is a list was expected.")


def test_no_list_is_no_trouble(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert read_users(str(tmp_path_factory.mktemp("users") / "users.json")) is None
    assert read_users("/nowhere/users.json") is None


def test_accounts_of_people_are_added_and_others_are_told_with_why(ground: Ground) -> None:
    site, path = ground.site, ground.paths.state / "users.json"
    site.accounts.add("pablo")
    for name in ("ana", "eva"):
        site.accounts.add(name, membership="none")
    site.accounts.add("daemon2", membership="none", uid=999)
    path.write_text(json.dumps(["ana", "pablo", "eva", "gone", "root", "nobody", "daemon2", "x\u001b[31m", 7]))
    hint = f"2 accounts of {path} are not in the group runv-members. {HINT}"
    ground.twice_changes_nothing(message=[hint])
    assert ground.asked == []
    shown = ground.run("--add-existing-users", "--dry-run")
    assert ground.asked == []
    assert shown.stdout.splitlines() == [
        "Would add ana to the group runv-members.",
        "Would add eva to the group runv-members.",
        "Nothing was changed.",
    ]
    done = ground.run("--add-existing-users")
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [f"Added {name} to the group runv-members; who is logged in has to log in again." for name in ("ana", "eva")],
    )
    assert ground.asked == ["--append --groups runv-members ana", "--append --groups runv-members eva"]
    left_out = [
        "gone was not added to the group. There is no account gone.",
        "root was not added to the group. The name root is reserved for the server itself and cannot be a member's "
        "alias.",
        "nobody was not added to the group. The account nobody has the uid 65534; people's accounts begin at 1000.",
        "daemon2 was not added to the group. The account daemon2 has the uid 999; people's accounts begin at 1000.",
        "x\\x1b[31m was not added to the group. The account name 'x\\x1b[31m' cannot be an alias: an alias is a "
        "lower-case letter followed by 1 to 31 lower-case letters, digits, '-' or '_'.",
        f"1 items of {path} name nobody and were left out.",
    ]
    assert done.stderr.splitlines() == [f"Warning: {each}" for each in left_out]
    ground.twice_changes_nothing("--add-existing-users", message=left_out)


def test_one_account_that_cannot_be_added_keeps_no_other_from_it(ground: Ground) -> None:
    for name in ("ana", "eva"):
        ground.site.accounts.add(name, membership="none")
    (ground.paths.state / "users.json").write_text('{"ana": {}, "eva": {}}')
    ground.program("usermod", f'echo "$*" >> {ground.notes}\nif [ "$4" = ana ]; then echo "is busy" >&2; exit 8; fi\n')
    done = ground.run("--add-existing-users")
    assert (done.returncode, done.stdout) == (
        1,
        "Added eva to the group runv-members; who is logged in has to log in again.\n",
    )
    assert done.stderr == (
        "Could not add ana to the group runv-members: The command `usermod --append --groups runv-members ana` failed "
        "with exit status 8: is busy.\n"
    )


def test_a_list_that_is_not_understood_fails_only_who_asked_for_it(ground: Ground) -> None:
    path = ground.paths.state / "users.json"
    path.write_text("3")
    message = (
        f"The list of accounts {path} was not understood. A int was found. A list of names, an object keyed by name, "
        "or an object whose `users` is a list was expected."
    )
    ground.twice_changes_nothing(message=[message])
    done = ground.run("--add-existing-users")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"Warning: {message}\n")
