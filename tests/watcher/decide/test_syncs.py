"""Asking for a publish, and forcing one of a registry that is named."""

from watcher.decide.decide import DecisionResult

from ..server import Record, Server, entry


def decide(server: Server, *markers: Record) -> DecisionResult:
    """Apply *markers* in that order, as a pass does."""
    for number, marker in enumerate(markers):
        server.mark(marker, f"{number}", mtime=1000 + number)
    return server.decide.apply(server.markers.read(), [])


def test_a_sync_is_spent_and_a_forced_one_holds_for_one_registry(server: Server) -> None:
    sha256 = server.registry.current().sha256
    decided = decide(
        server,
        {"decision": "sync"},
        {"decision": "sync", "force": True, "registry_sha256": sha256},
        {"decision": "sync", "force": True, "registry_sha256": "0" * 64},
    )
    assert [marker.id for marker in decided.force] == ["1"]
    assert {marker.id for marker in decided.spent} == {"0", "2"}
    assert server.failed()[0]["reason"].startswith("The registry changed since the forced sync was asked for.")
    assert server.failed()[0]["reason_code"] == "registry-changed"
    assert decided.handled == 0


def test_a_forced_sync_does_not_hold_for_what_is_decided_beside_it(server: Server) -> None:
    server.write_registry(pablo=entry())
    sha256 = server.registry.current().sha256
    decided = decide(
        server,
        {"decision": "sync", "force": True, "registry_sha256": sha256},
        {"decision": "revoke", "username": "pablo"},
    )
    assert decided.force == []
    assert len(server.failed()) == 1
