"""Which directories are watched for one configuration, and which are kept open."""

from __future__ import annotations

import os

from schemas.config import Config
from schemas.requests import FOLDERS
from schemas.settings import Settings
from watcher.account_files import AccountFiles
from watcher.ears import Watch
from watcher.intake.place import foreign
from watcher.publish.mapcheck import main_cf
from watcher.publish.mapfiles import MapFiles


def watches_of(settings: Settings) -> list[Watch]:
    """The directories to watch, and what matters in each."""
    config = settings.config
    folder, name = os.path.split(settings.registry)
    watches = [
        # What a member may have mounted there is not even asked whether it can be watched.
        *([] if foreign(settings) else [Watch(settings.queue, None, required=True, departures=False)]),
        Watch(settings.decisions, None, required=True, departures=False),
        Watch(folder, {name}, required=True),
        Watch(os.path.dirname(settings.path) or ".", {os.path.basename(settings.path)}),
        # Whose account has gone. /etc is watched for the configuration as well, so these are no more events.
        *(Watch(os.path.dirname(path), {os.path.basename(path)}) for path in AccountFiles().paths),
    ]
    if config.enabled:
        watches += _of_map(config)
        if config.check_maps:
            watches.append(Watch(os.path.dirname(main_cf()), {"main.cf"}))
    return watches


def _of_map(config: Config) -> list[Watch]:
    if not config.in_database:
        files = MapFiles(config)
        return [Watch(files.folder, files.names)]
    # The files that lead to the database: whoever mends a password there need not wait for the next try.
    leading = filter(None, (config.database.map_file, config.database.write_map_file))
    return [Watch(os.path.dirname(path), {os.path.basename(path)}) for path in leading]


def pinned_directories_of(settings: Settings) -> list[str]:
    """The directories that are kept open: they have to be the ones that were there at first."""
    folders = [os.path.join(settings.requests, folder) for folder in FOLDERS]
    return [*folders, os.path.join(settings.decisions, "failed")]
