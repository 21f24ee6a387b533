"""The whole inventory. Its keys are those of `discover --json`, which docs/files-protocol.md explains."""

from __future__ import annotations

import msgspec

from cli.discover.ours import Ours, our_files, ourselves
from cli.discover.places import MailFile, mail_files
from cli.discover.stack import Package, PostfixStack, Service, installed_packages, postfix_stack, services
from cli.discover.unasked import Unavailable


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What there is. A part of it that could not be asked is empty, and `not_asked` tells of it."""

    packages: list[Package]
    services: list[Service]
    postfix: PostfixStack
    files: list[MailFile]
    ours: Ours
    not_asked: list[Unavailable]


def take() -> Inventory:
    """Take stock of this machine; it never fails, since what cannot be asked is told of."""
    not_asked: list[Unavailable] = []
    packages = installed_packages(not_asked)
    units = services(not_asked)
    postfix = postfix_stack(not_asked)
    ours = ourselves(not_asked)
    files = mail_files(postfix.config_directory, our_files(ours), not_asked)
    return Inventory(packages=packages, services=units, postfix=postfix, files=files, ours=ours, not_asked=not_asked)
