"""What the configuration gives up: publishing, the safe build, the reload."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict
from cli.output import fill
from watcher.publish.commands import shown
from watcher.publish.postmap import is_plain_postmap

_NEEDS_RELOAD = "texthash"


def _publishing(context: Context) -> Iterator[Verdict]:
    path = context.settings.path
    if context.settings.config.enabled:
        yield Verdict("publishing", "ok", fill(sentences.PUBLISHING_ON))
    else:
        yield Verdict("publishing", "warning", fill(sentences.PUBLISHING_OFF, config=path), sentences.SETUP_ENABLE)


def _build(context: Context) -> Iterator[Verdict]:
    config, path = context.settings.config, context.settings.path
    if config.in_database:
        return  # nothing is built: a transaction is made or is not
    if not config.run_postmap:
        yield Verdict("map-build", "warning", fill(sentences.NO_POSTMAP, config=path, text=config.virtual_alias_file))
    elif not is_plain_postmap(config.postmap_command, config.map_type, config.virtual_alias_file):
        told = fill(sentences.OWN_POSTMAP, config=path, command=shown(config.postmap_command))
        yield Verdict("map-build", "warning", told)
    else:
        yield Verdict("map-build", "ok", fill(sentences.SAFE_BUILD))


def _reload(context: Context) -> Iterator[Verdict]:
    config = context.settings.config
    if config.map_type == _NEEDS_RELOAD and config.reload_postfix is False:
        yield Verdict("map-reload", "warning", fill(sentences.NO_RELOAD, config=context.settings.path))


CHECKS = (
    Check("publishing", sentences.ABOUT_CONFIGURATION, _publishing),
    Check("map-build", sentences.ABOUT_CONFIGURATION, _build),
    Check("map-reload", sentences.ABOUT_CONFIGURATION, _reload),
)
