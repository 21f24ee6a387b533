"""Where the configuration is found, and what the environment changes of it."""

from pathlib import Path

import pytest

from schemas.config import SIZE_LIMIT, Config, Settings, load_settings
from schemas.errors import ConfigError


def named(path: Path, text: str = "{}") -> str:
    path.write_text(text)
    return str(path)


def test_the_paths_follow_the_state_directory(tmp_path: Path) -> None:
    text = '{"state_dir": "/srv/state", "domain": "example.net"}'
    settings = load_settings(named(tmp_path / "config.json", text), {})
    assert settings.registry == "/srv/state/email-aliases.json"
    assert settings.lock == "/srv/state/email-aliases.lock"
    assert settings.queue == "/srv/state/email-alias-queue"
    assert settings.requests == "/srv/state/email-alias-requests"
    assert settings.decisions == "/srv/state/email-alias-decisions"
    assert settings.domain == "example.net"
    assert settings.path == str(tmp_path / "config.json")


def test_the_environment_overrides_the_file_as_on_the_existing_server(tmp_path: Path) -> None:
    settings = load_settings(
        named(tmp_path / "config.json"),
        {
            "RUNV_EMAIL_ALIASES_PATH": "/srv/a.json",
            "RUNV_EMAIL_ALIASES_LOCK_PATH": "/srv/a.lock",
            "RUNV_EMAIL_ALIAS_QUEUE_DIR": "/srv/queue",
            "RUNV_EMAIL_ALIAS_DOMAIN": "example.net",
        },
    )
    assert (settings.registry, settings.lock, settings.queue) == ("/srv/a.json", "/srv/a.lock", "/srv/queue")
    assert settings.domain == "example.net"
    assert settings.requests == "/var/lib/runv/email-alias-requests"


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_variable_overrides_nothing(tmp_path: Path, value: str | None) -> None:
    names = ("RUNV_EMAIL_ALIASES_PATH", "RUNV_EMAIL_ALIAS_DOMAIN")
    environment = {} if value is None else dict.fromkeys(names, value)
    assert load_settings(named(tmp_path / "config.json"), environment).domain == "runv.club"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("RUNV_EMAIL_ALIASES_PATH", "email-aliases.json", "a path from / was expected"),
        ("RUNV_EMAIL_ALIASES_LOCK_PATH", "./lock", "a path from / was expected"),
        ("RUNV_EMAIL_ALIAS_QUEUE_DIR", "../queue\x1b", "a path from / was expected"),
        ("RUNV_EMAIL_ALIAS_DOMAIN", "Runv.Club", "a domain in lower case was expected"),
        ("RUNV_EMAIL_ALIAS_DOMAIN", "runv.club\n", "a domain in lower case was expected"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(tmp_path: Path, variable: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"^The environment variable {variable} is '.*'; {expected}\.$") as refusal:
        load_settings(named(tmp_path / "config.json"), {variable: value})
    assert str(refusal.value).isprintable()


def test_the_file_that_is_named_comes_before_the_environments_and_that_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (named(tmp_path / name, f'{{"group": "{name}"}}') for name in ("first", "second", "third"))
    monkeypatch.setattr("schemas.config.DEFAULT_PATH", third)
    variable = {"RUNV_MEMBER_MAIL_CONFIG": second}

    def group(settings: Settings) -> str:
        return settings.config.group

    assert group(load_settings(first, variable)) == "first"
    assert group(load_settings(None, variable)) == "second"
    assert group(load_settings(None, {})) == "third"


@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_the_default_file_may_be_absent(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = str(tmp_path / folder / "absent.json")
    monkeypatch.setattr("schemas.config.DEFAULT_PATH", absent)
    settings = load_settings(None, {})
    assert (settings.config, settings.path) == (Config(), absent)


@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_a_file_that_was_named_may_not_be_absent(tmp_path: Path, folder: str) -> None:
    absent = str(tmp_path / folder / "absent.json")
    for path, environment in ((absent, {}), (None, {"RUNV_MEMBER_MAIL_CONFIG": absent})):
        with pytest.raises(ConfigError, match=rf"^The config file {absent} ") as refusal:
            load_settings(path, environment)
        assert "there" in str(refusal.value) or "No such file" in str(refusal.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    large = named(tmp_path / "large", " " * (SIZE_LIMIT + 1))
    for path in (str(tmp_path / "folder"), str(tmp_path / "link"), large):
        with pytest.raises(ConfigError, match=rf"^The config file {path} cannot be read: "):
            load_settings(path, {})
        monkeypatch.setattr("schemas.config.DEFAULT_PATH", path)
        with pytest.raises(ConfigError, match=rf"^The config file {path} cannot be read: "):
            load_settings(None, {})


def test_a_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = named(tmp_path / "config.json", '{"enabeld": true}')
    with pytest.raises(ConfigError, match=rf"^{path}: The key `enabeld` is not known"):
        load_settings(path, {})


def test_a_file_that_was_named_may_be_absent_where_it_is_about_to_be_made(tmp_path: Path) -> None:
    missing = str(tmp_path / "config.json")
    settings = load_settings(environment={"RUNV_MEMBER_MAIL_CONFIG": missing}, may_be_absent=True)
    assert (settings.path, settings.config) == (missing, Config())
    with pytest.raises(ConfigError):
        load_settings(named(tmp_path / "broken.json", "["), {}, may_be_absent=True)
