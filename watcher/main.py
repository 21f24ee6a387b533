"""The program runv-email-alias-watcher."""

from __future__ import annotations

import sys

import click

from schemas.errors import ConfigError, ExpectedError
from schemas.program import ExitStatus, installed_version
from schemas.text import printable
from watcher import systemd
from watcher.context import SecondWatcherError
from watcher.service import Service


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="Use FILE in place of the usual configuration.")
@click.option("--once", is_flag=True, help="Do what is to be done now, and end.")
@click.version_option(installed_version(), prog_name="runv-email-alias-watcher")
def command(config: str | None, *, once: bool) -> None:
    """Take in members' requests, apply decisions, and keep Postfix's map in line with the registry.

    Runs as root until it is told to stop. SIGHUP reads the configuration again.

    Exit status: 0 done; 1 failed, or another watcher is at work; 75 with --once: another watcher is at work and does
    it; 78 the configuration cannot be used.
    """
    systemd.set_up()
    sys.exit(_run(config, once=once))


def _run(config: str | None, *, once: bool) -> ExitStatus:
    try:
        service = Service(config)
        if once:
            return ExitStatus.FAILED if service.once().failed else ExitStatus.DONE
        service.run()
    except ConfigError as error:
        _print_error(error)
        return ExitStatus.CONFIGURATION
    except SecondWatcherError as error:
        _print_error(error)
        return ExitStatus.LATER if once else ExitStatus.FAILED
    except (ExpectedError, OSError) as error:
        _print_error(error)
        return ExitStatus.FAILED
    return ExitStatus.DONE


def _print_error(error: Exception) -> None:
    for line in str(error).splitlines():
        click.echo(printable(line, 1000), err=True)


def main() -> None:
    """Run the program."""
    command()
