"""The steps of the journey, in order; each must hold before the next begins."""

import json

from tests.demo.stage import Stage, StepFailedError

MEMBER = "marina"
NEIGHBOUR = "otto"
ALIAS = f"{MEMBER}@runv.club"
FIRST = "marina@example.org"
SECOND = "marina@example.net"
THIRD = "marina@example.com"


def play(stage: Stage, *, neighbours: bool) -> None:
    """Play it all; *neighbours* says whether there is a second account to try mischief from.

    Raises StepFailedError or AssertionError at the first step that does not hold.
    """
    _starts(stage)
    _asks(stage)
    _is_approved(stage)
    _changes(stage)
    _is_edited_by_hand(stage)
    _cancels(stage)
    _is_forged(stage, NEIGHBOUR if neighbours else MEMBER)
    _is_looked_up(stage)


def _starts(stage: Stage) -> None:
    stage.step("The watcher starts.")
    watcher = stage.site.start_watcher()
    stage.say(f"   Process {watcher.process.pid} told its service manager that it is ready.")
    stage.admin("status", shows="running")
    stage.say(f"   {stage.delivery.start()}")


def _asks(stage: Stage) -> None:
    stage.step("A member asks for an alias; nothing is forwarded yet.")
    stage.member(MEMBER, "request", FIRST, shows=FIRST)
    stage.say(f"   {stage.delivery.goes_nowhere(ALIAS)}")


def _is_approved(stage: Stage) -> None:
    stage.step("The administrator looks, and approves.")
    stage.admin("pending", shows=FIRST)
    stage.timed(lambda: stage.admin("approve", MEMBER, shows=FIRST))
    stage.say(f"   {stage.delivery.goes_to(ALIAS, FIRST)}")


def _changes(stage: Stage) -> None:
    stage.step("The member wants mail elsewhere; the old address holds until that is approved.")
    stage.member(MEMBER, "request", SECOND, shows=SECOND)
    stage.say(f"   {stage.delivery.goes_to(ALIAS, FIRST, count=2)}")
    stage.timed(lambda: stage.admin("approve", MEMBER, shows=SECOND))
    stage.say(f"   {stage.delivery.goes_to(ALIAS, SECOND)}")


def _is_edited_by_hand(stage: Stage) -> None:
    stage.step("The administrator edits the registry by hand, and mail follows.")
    site = stage.site
    registry = site.registry()
    registry[MEMBER]["destination"] = THIRD
    site.paths.registry.write_text(json.dumps(registry, indent=2))
    stage.say(f'   In {site.paths.registry.name} the destination is now "{THIRD}".')
    site.wait_for(lambda: site.map_lookup(ALIAS) == THIRD, what="the map to follow the registry")
    stage.say(f"   {stage.delivery.goes_to(ALIAS, THIRD)}")


def _cancels(stage: Stage) -> None:
    stage.step("The member switches the alias off.")
    stage.member(MEMBER, "cancel", "--active")
    site = stage.site
    site.wait_for(lambda: site.map_lookup(ALIAS) is None, what="the alias to go")
    stage.say(f"   {stage.delivery.goes_nowhere(ALIAS)}")
    stage.member(MEMBER, "status")


def _is_forged(stage: Stage, forger: str) -> None:
    victim = MEMBER if forger != MEMBER else "somebody"
    stage.step(f"A request in the name of {victim}, forged by {forger}, is refused.")
    site = stage.site
    site.drop(forger, "forged.json", {"username": victim, "destination": "thief@example.org"})
    stage.say(f'   {forger} dropped {{"username": "{victim}", "destination": "thief@example.org"}} in the queue.')
    refused = site.wait_for(lambda: site.records("refused"), what="the refusal")[-1]
    stage.say(f"   Refused: {refused['reason']}")
    if site.records("pending") or refused["username"] != forger:
        raise StepFailedError("The forged request was not refused to its forger.")
    stage.say(f"   {stage.delivery.goes_nowhere(ALIAS)}")


def _is_looked_up(stage: Stage) -> None:
    stage.step("All of it is in the audit log.")
    site = stage.site
    # A queue file goes when what became of it is in the log.
    site.wait_for(lambda: not any(site.paths.queue.iterdir()), what="the queue to be empty")
    stage.admin("log", shows="refused")
