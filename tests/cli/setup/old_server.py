"""What the earlier tool left in the queue, and what members may have made of it."""

import json
import os
from pathlib import Path

from ...support.layout import put
from ...support.site import Record
from .conftest import Ground

ASKED = "2026-05-19T20:55:18Z"
ASKED_S = 1779224118.0
DECIDED = "2026-05-20T08:00:00Z"


class OldQueue:
    """The earlier tool's directories in the queue; a request's file is its member's, a decided one root's."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.path = ground.paths.queue

    def folder(self, name: str, mode: int = 0o2770) -> Path:
        path = self.path / name
        if not path.exists():
            path.mkdir()
            os.chown(path, 0, self._ground.site.accounts.gid)
            path.chmod(mode)
        return path

    def decided(self, folder: str, name: str, username: str, *, mode: int = 0o640, **fields: object) -> Path:
        path = self.folder(folder) / name
        contents = request(username, status=folder, **{f"{folder}_by": "pmurad", f"{folder}_at": DECIDED}) | fields
        put(path, json.dumps(contents).encode(), mode)
        return path

    def waiting(
        self, name: str, username: str, *, owner: str | None = None, mode: int = 0o644, mtime: float = ASKED_S,
        folder: str | None = "pending", **fields: object,
    ) -> Path:  # fmt: skip
        directory = self.path if folder is None else self.folder(folder)
        path = directory / name
        uid = self._ground.site.accounts[owner or username].uid
        put(path, json.dumps(request(username) | fields).encode(), mode, uid=uid, mtime=mtime)
        return path


def request(username: str, **fields: object) -> Record:
    """A request as the earlier tool wrote it."""
    return {
        "request_id": f"req-{username}",
        "username": username,
        "alias": f"{username}@runv.club",
        "destination": f"{username}@example.org",
        "status": "pending",
        "created_at": ASKED,
        **fields,
    }
