"""What the configuration gives up: publishing, the safe build, the reload."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.verdicts import Check, Finding
from cli.output import format_message
from watcher.publish.commands import shown
from watcher.publish.postmap import is_plain_postmap

_NEEDS_RELOAD = "texthash"


def _publishing(facts: Facts) -> Iterator[Finding]:
    path = facts.settings.path
    if facts.settings.config.enabled:
        yield Finding("publishing", "ok", format_message(sentences.PUBLISHING_ON))
    else:
        yield Finding(
            "publishing", "warning", format_message(sentences.PUBLISHING_OFF, config=path), sentences.SETUP_ENABLE
        )


def _build(facts: Facts) -> Iterator[Finding]:
    config, path = facts.settings.config, facts.settings.path
    if config.in_database:
        return  # nothing is built: a transaction is made or is not
    if not config.run_postmap:
        yield Finding(
            "map-build", "warning", format_message(sentences.NO_POSTMAP, config=path, text=config.virtual_alias_file)
        )
    elif not is_plain_postmap(config.postmap_command, config.map_type, config.virtual_alias_file):
        message = format_message(sentences.OWN_POSTMAP, config=path, command=shown(config.postmap_command))
        yield Finding("map-build", "warning", message)
    else:
        yield Finding("map-build", "ok", format_message(sentences.SAFE_BUILD))


def _reload(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if config.map_type == _NEEDS_RELOAD and config.reload_postfix is False:
        yield Finding("map-reload", "warning", format_message(sentences.NO_RELOAD, config=facts.settings.path))


CHECKS = (
    Check("publishing", sentences.ABOUT_CONFIGURATION, _publishing),
    Check("map-build", sentences.ABOUT_CONFIGURATION, _build),
    Check("map-reload", sentences.ABOUT_CONFIGURATION, _reload),
)
