"""The registry itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Context
from cli.doctor.verdicts import Check, Verdict
from cli.output import fill, prose
from schemas.errors import TroubleError


def _registry(context: Context) -> Iterator[Verdict]:
    if context.registry is None:
        yield from _told(context)
        return
    active = len(context.registry.rows())
    others = len(context.registry.entries) - active
    yield Verdict("registry", "ok", fill(sentences.REGISTRY_OK, active=active, others=others))


def _told(context: Context) -> Iterator[Verdict]:
    trouble = prose(str(context.registry_trouble))
    # Setup makes one only where there is none: one that is broken is for a person to mend.
    if not context.privileged and not os.access(context.settings.registry, os.R_OK):
        yield Verdict("registry", "warning", trouble, sentences.DOCTOR_WITH_SUDO)
    elif os.path.lexists(context.settings.registry):
        yield Verdict("registry", "problem", trouble)
    elif something_is_published(context):
        yield Verdict("registry", "problem", fill(sentences.REGISTRY_LOST, trouble=trouble, map=context.map))
    else:
        yield Verdict("registry", "problem", trouble, sentences.SETUP)


def something_is_published(context: Context) -> bool:
    """Whether there are aliases in the map, or may be: then a new registry would take them away."""
    return isinstance(context.published, TroubleError) or bool(context.published.rows)


CHECKS = (Check("registry", sentences.ABOUT_REGISTRY, _registry),)
