"""The registry itself."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict
from cli.output import fill, prose


def _registry(context: Context) -> Iterator[Verdict]:
    if context.registry is None:
        yield Verdict("registry", "problem", prose(str(context.registry_trouble)))
        return
    active = len(context.registry.rows())
    others = len(context.registry.entries) - active
    yield Verdict("registry", "ok", fill(sentences.REGISTRY_OK, active=active, others=others))


CHECKS = (Check("registry", sentences.ABOUT_REGISTRY, _registry),)
