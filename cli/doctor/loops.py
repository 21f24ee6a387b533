"""Where mail goes after an alias: back to one, to nobody, or to an address that this server keeps for itself.

What an alias leads to is itself looked up in virtual_alias_maps, again and again until nothing answers, or an address
stands for itself: see virtual(5). An outside address may stand there as well as one of our own domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.tables import own_domains
from cli.doctor.verdicts import Check, Finding, command, examples
from cli.output import SafeText, format_message

DEEPEST = 20
"""How many times one address is followed. Postfix gives up after virtual_alias_recursion_limit, which is 1000."""

Graph = Mapping[str, list[str]]
"""Address -> where it is sent on to, both in lower case. What is not in it stays where it is."""


def follow(
    rows: Mapping[str, str], find: Callable[[Iterable[str]], Mapping[str, list[str]]], deepest: int = DEEPEST
) -> dict[str, list[str]]:
    """Ask *find* where the destinations of *rows* are sent on to, then those, and so on: once for each step."""
    graph = {alias: [destination.lower()] for alias, destination in rows.items()}
    fresh = {destination.lower() for destination in rows.values()} - graph.keys()
    seen = set(graph)
    for _ in range(deepest):
        if not fresh:
            break
        seen |= fresh
        found = find(sorted(fresh))
        graph |= found
        fresh = {target for targets in found.values() for target in targets} - seen
    return graph


def loops(starts: Iterable[str], graph: Graph) -> dict[str, list[str]]:
    """Those of *starts* from which a way leads round in a circle, each with the way; a step to itself ends a way."""
    safe: set[str] = set()
    return {start: way for start in starts if (way := _circle(start, graph, safe))}


def _circle(start: str, graph: Graph, safe: set[str]) -> list[str] | None:
    way = [start]
    branches = [iter(graph.get(start, ()))]
    while branches:
        step = next(branches[-1], None)
        if step is None:
            safe.add(way.pop())
            branches.pop()
        elif step in way and step != way[-1]:
            return [*way, step]
        elif step != way[-1] and step not in safe:
            way.append(step)
            branches.append(iter(graph.get(step, ())))
    return None


def _ways(facts: Facts) -> Iterator[Finding]:
    aliases = facts.virtual_aliases
    if facts.postfix is None or aliases is None or facts.registry is None:
        return
    rows = facts.registry.rows()
    graph = follow(rows, aliases.find)
    round_trips = loops(rows, graph)
    ends = {
        alias: destination.lower()
        for alias, destination in rows.items()
        if alias not in round_trips and graph.get(destination.lower(), [destination.lower()]) == [destination.lower()]
    }
    own = own_domains(facts.postfix, {end.rpartition("@")[2] for end in ends.values()}, aliases.troubles)
    nobody = {alias: end for alias, end in ends.items() if own.get(end.rpartition("@")[2]) == "virtual_alias_domains"}
    here = {alias: end for alias, end in ends.items() if alias not in nobody and end.rpartition("@")[2] in own}
    yield from _told("loops", round_trips, {alias: " -> ".join(way) for alias, way in round_trips.items()})
    yield from _told("dead-ends", nobody, {alias: f"{alias} -> {end}" for alias, end in nobody.items()})
    yield from _told("own-domains", here, {alias: f"{alias} -> {end}" for alias, end in here.items()})
    if not round_trips and not nobody and not here:
        yield Finding("loops", "ok", format_message(sentences.NO_LOOPS))


def _told(code: str, aliases: Iterable[str], ways: Mapping[str, str]) -> Iterator[Finding]:
    first = min(aliases, default=None)
    if first is None:
        return
    one, more = sentences.WAYS[code]
    message: SafeText = format_message(
        one if len(ways) == 1 else more, count=len(ways), examples=examples(ways.values())
    )
    fix = command(sentences.REVOKES[code], user=first.partition("@")[0])
    yield Finding(code, "warning" if code == "own-domains" else "problem", message, fix)


CHECKS = (Check("loops", sentences.ABOUT_LOOPS, _ways),)
