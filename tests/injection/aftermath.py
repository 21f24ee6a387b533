"""A server on which everybody said whatever they could, and what its watcher and its commands made of that."""

import contextlib
import io
import json
import os
import subprocess
from pathlib import Path

import pytest

import cli.member.main
from cli import identity

from ..e2e.acts import await_problem, decide, decision, entry, problems, publish, write_registry
from ..support.layout import put
from ..support.site import Site
from .hostile import FORGED, NAMES, TEXT, contents, made_up

GECOS = "\x1b[2J\x9b2J\u202e,room \u2066,\x07"
ACCOUNTS = ("\x1b[2Jx", "\x9b2Jx", "\u202exe", "\udcff\udcfe", f"a\r{FORGED}", f"a\u2028{FORGED}", "-rf", "{count}")
"""Names that no alias can have; the last bytes of one are no UTF-8."""

COUNT = 100
DECIDED = 24
EDITED = 30


class Aftermath:
    """Says all of it on *site*, and keeps what the commands printed: as text, as JSON, and on a terminal."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.text: list[bytes] = []
        self.json: list[bytes] = []
        self.terminal: list[bytes] = []
        self.named = [f"n{number:03d}" for number in range(COUNT)]
        self.writing = [f"w{number:03d}" for number in range(COUNT)]
        self.deciding = [f"d{number:03d}" for number in range(DECIDED)]
        site.accounts.add_many([*self.named, *self.writing, *self.deciding, *ACCOUNTS])
        site.accounts.name(f"h{number:02d}" for number in range(EDITED))
        self._give_gecos()
        self._ask()
        self.watcher = site.start_watcher(env={"JOURNAL_STREAM": "8:12345"})
        site.wait_for(lambda: not self._files() or not self.watcher.running, what="a queue without files", timeout=60)
        assert self.watcher.running, self.watcher.log
        self._run_commands("pending", "status")
        self._decide()
        self._edit_registry()
        self._run_commands("pending", "list")
        for member in [*self.named[::4], *self.writing, *self.deciding, *ACCOUNTS]:
            self._show_member(member)
        self._break()
        self._run_commands("pending", "list", "status")
        self.exit_status = self.watcher.stop()
        self._edit_map()
        self._edit_audit_log()
        self._run_commands("sync --dry-run", "log")

    def _give_gecos(self) -> None:
        path = self.site.accounts.directory / "passwd"
        path.write_bytes(path.read_bytes().replace(b"::/nonexistent", f":{GECOS}:/nonexistent".encode()))

    def _ask(self) -> None:
        queue = self.site.paths.queue
        # Of two of them the second could be the first one's file again.
        for number, (name, member) in enumerate(zip(dict.fromkeys(made_up(NAMES, COUNT)), self.named, strict=False)):
            path = queue / name
            if number % 8 == 0:
                path.symlink_to("/etc/shadow")
            elif number % 8 == 1:
                os.mkfifo(path)
            elif number % 8 == 2:
                path.mkdir()
            else:
                path.write_bytes(b"{}")
            os.chown(path, self.site.accounts[member].uid, -1, follow_symlinks=False)
        for member, data in zip(self.writing, made_up(contents(), COUNT), strict=True):
            self.site.drop(member, f"{member}.json", data)
        for member in self.deciding:
            self.site.drop(member, f"{member}.json", {"destination": f"{member}@example.org"})
        for number, member in enumerate(ACCOUNTS):
            self.site.drop(member, f"account{number}.json", {"destination": "me@example.org"})

    def _files(self) -> list[str]:
        # Of hidden ones the watcher thinks that somebody is still writing them.
        found = os.scandir(self.site.paths.queue)
        return [each.name for each in found if each.name[0] != "." and not each.is_dir(follow_symlinks=False)]

    def _decide(self) -> None:
        site = self.site
        texts, names = made_up(TEXT, 4 * DECIDED), made_up(NAMES, DECIDED)
        for number, member in enumerate(self.deciding):
            text, other, third, fourth = texts[4 * number : 4 * number + 4]
            waiting = site.pending(member)
            assert waiting is not None
            kind = "reject" if number % 3 == 0 else "approve"
            site.drop_marker(decision(waiting, kind, operator=text, reason=text))
            # And what is about nobody, or no decision at all, or under a name that no marker has.
            revoke = {"decision": "revoke", "username": other, "reason": other, "operator": other}
            site.drop_marker(revoke, filename=f"20260520T081500.000000Z-nobody-{number:06d}.json")
            site.drop_marker({"decision": "sync", third: fourth})
            put(site.paths.decisions / names[number].lstrip(".")[:200], fourth.encode(), 0o600)
        left = {"failed"}
        site.wait_for(lambda: set(os.listdir(site.paths.decisions)) == left, what="no markers", timeout=60)
        for member, text in zip(self.deciding[1::3], made_up(TEXT, DECIDED), strict=False):
            decide(site, {"decision": "revoke", "username": member, "reason": text, "operator": text})

    def _edit_registry(self) -> None:
        registry = self.site.registry()
        for number, text in enumerate(made_up(TEXT, EDITED)):
            said = {"approved_by": text, "updated_at": text, "created_at": text, "reason": text, "x" + text: text}
            registry[f"h{number:02d}"] = entry(f"h{number:02d}", "h@example.org") | said
            registry[f"{number} {text}"] = {"alias": text, "destination": text, "status": "x" + text, **said}
        publish(self.site, registry)

    def _break(self) -> None:
        """Leave a registry, a configuration and a record that cannot be used, and directories in the queue."""
        site = self.site
        text = "".join(made_up(TEXT, 5))
        # It tells of this one at its next pass, which the registry brings about.
        record = site.paths.requests / "pending" / "20260101T000000.000000Z-x\x1b[2J\u202e-0123456789.json"
        put(record, text.encode(), 0o640)
        write_registry(site, {text: {"alias": text, "status": "active"}, **site.registry()})
        await_problem(site, "registry-broken")
        await_problem(site, "record-unreadable")
        settled = site.paths.config.read_bytes()
        site.configure(**{text: text, "backend": text, "enabled": "no"})
        await_problem(site, "config-invalid")
        self.problems = problems(site)
        put(site.paths.config, settled, 0o644)
        self.watcher.reload()
        self._foreign = record

    def _edit_map(self) -> None:
        """With no watcher to put it right, so that the dry run has something to tell."""
        site = self.site
        self._foreign.unlink()
        write_registry(site, {})
        with site.paths.map.open("a", encoding="utf-8") as table:
            table.writelines(f"{text}\t{text}\n" for text in made_up(TEXT, 30))

    def _edit_audit_log(self) -> None:
        names = (
            "time",
            "username",
            "decided_by",
            "alias",
            "destination",
            "request_id",
            "decision_id",
            "reason",
            "file",
        )
        with (self.site.paths.state / "email-alias-audit.jsonl").open("a", encoding="ascii") as log:
            for what in ("accepted", "refused", "cancelled", "approved", "rejected", "revoked", "failed", "published"):
                for text in made_up(TEXT, 4):
                    log.write(json.dumps({"what": what, "count": 2, **dict.fromkeys(names, f"{what} {text}")}) + "\n")

    def _run_commands(self, *commands: str) -> None:
        for each in commands:
            command = ["runv-admin-email-alias", *each.split()]
            self.text.append(self._captured(command))
            self.json.append(self._captured([*command, "--json"], errors=False))
            self.terminal.append(self._on_terminal(command))

    def _captured(self, command: list[str], *, errors: bool = True) -> bytes:
        done = subprocess.run(
            command, env=self.site.environment(), cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        assert b"Traceback" not in done.stderr
        if not errors:
            self.text.append(done.stderr)
        return done.stdout + done.stderr if errors else done.stdout

    def _on_terminal(self, command: list[str]) -> bytes:
        control, end = os.openpty()
        environment = {**self.site.environment(), "TERM": "xterm", "COLUMNS": "60"}
        with subprocess.Popen(command, env=environment, cwd="/", stdin=end, stdout=end, stderr=end) as process:
            os.close(end)
            written = b""
            # At the end of the last one who could write, a terminal says EIO.
            with contextlib.suppress(OSError):
                while piece := os.read(control, 65536):
                    written += piece
            os.close(control)
            process.wait()
        return written.replace(b"\r\n", b"\n")

    def _show_member(self, name: str) -> None:
        self.text.append(self._as_member(name, "status"))
        self.json.append(self._as_member(name, "status", "--json"))

    def _as_member(self, name: str, *arguments: str) -> bytes:
        """The member's command in this process: a hundred of them would take long to start."""
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        member = identity.Member(name, self.site.accounts[name].uid)
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            patch.setattr(identity, "member", lambda: member)
            patch.setenv("RUNV_MEMBER_MAIL_CONFIG", str(self.site.paths.config))
            cli.member.main.main(list(arguments))
        written = out.buffer
        assert isinstance(written, io.BytesIO)
        return written.getvalue()

    def log(self) -> bytes:
        """All that the watcher logged."""
        return b"".join(path.read_bytes() for path in sorted(self.site.root.glob("watcher-*.log")))

    def files(self) -> list[Path]:
        """Every file that the watcher wrote for people to read."""
        paths, found = self.site.paths, []
        for directory in (paths.requests, paths.runtime, paths.decisions / "failed"):
            found += [path for path in directory.rglob("*") if path.is_file()]
        return [*found, *paths.state.glob("*.jsonl")]
