"""The registry itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.verdicts import Check, Finding
from cli.output import format_message, safe_text
from schemas.errors import ExpectedError


def _registry(facts: Facts) -> Iterator[Finding]:
    if facts.registry is None:
        yield from _told(facts)
        return
    active = len(facts.registry.rows())
    others = len(facts.registry.entries) - active
    yield Finding("registry", "ok", format_message(sentences.REGISTRY_OK, active=active, others=others))


def _told(facts: Facts) -> Iterator[Finding]:
    trouble = safe_text(str(facts.registry_trouble))
    # Setup makes one only where there is none: one that is broken is for a person to mend.
    if not facts.privileged and not os.access(facts.settings.registry, os.R_OK):
        yield Finding("registry", "warning", trouble, sentences.DOCTOR_WITH_SUDO)
    elif os.path.lexists(facts.settings.registry):
        yield Finding("registry", "problem", trouble)
    elif something_is_published(facts):
        yield Finding("registry", "problem", format_message(sentences.REGISTRY_LOST, trouble=trouble, map=facts.map))
    else:
        yield Finding("registry", "problem", trouble, sentences.SETUP)


def something_is_published(facts: Facts) -> bool:
    """Whether there are aliases in the map, or may be: then a new registry would take them away."""
    return isinstance(facts.published, ExpectedError) or bool(facts.published.rows)


CHECKS = (Check("registry", sentences.ABOUT_REGISTRY, _registry),)
