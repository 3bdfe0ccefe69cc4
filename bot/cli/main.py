"""`fsessions`: serve, demo, check, lookup, migrate, audit.

What only one command needs is imported by that command: `serve` starts in a fraction of a second.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn, TypeVar

import click
import structlog

from bot import __version__, logs, settings
from bot.errors import SettingsError
from bot.settings import Settings

_T = TypeVar("_T")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fsessions")
def main() -> None:
    """A customer's latest Fullstory sessions, in Slack."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no "✓" shows a "?"; it is no reason to fail.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@main.command()
def serve() -> None:
    """Run the bot, until SIGTERM or Ctrl-C."""
    from bot.ports import CantListen

    loaded = _settings(for_slack=True)
    logs.configure(loaded.log_level, loaded.log_format)
    for sentence in settings.misspelt():
        structlog.get_logger().warning("misspelt setting", problem=sentence)
    if ignored := loaded.ignored_parameters:
        structlog.get_logger().warning("parameters of DATABASE_URL ignored", names=ignored)
    _allow_many_files()
    # The collector would look through all modules again and again while they are loaded.
    gc.disable()
    try:
        sys.exit(_run(_serve(loaded), quiet=True))
    except CantListen as error:
        _fail([str(error)], 1)
    except SettingsError as error:
        _fail(error.problems, 1)
    except Exception as error:  # noqa: BLE001 - a traceback would quote the error's message
        structlog.get_logger().critical("crashed", exc_info=error)
        sys.exit(1)


async def _serve(loaded: Settings) -> int:
    from bot.service import running

    stop = _stop_on_signals()
    async with running(loaded) as service:
        _leave_alone_what_stays()
        await service.serve_until(stop)
    return _exit_code(service.events_dropped)


def _leave_alone_what_stays() -> None:
    """Not to be looked through again and again: what is there when we begin to serve stays."""
    gc.freeze()
    gc.enable()


def _exit_code(events_dropped: int) -> int:
    if events_dropped:
        _fail([f"Events of the audit that are in the log alone: {events_dropped}"], 1)
    return 0


@main.command()
@click.option("--once", metavar="TEXT", help="Do this one command and exit.")
@click.option("--no-browser", is_flag=True, help="Say the page's address, but don't open it.")
def demo(once: str | None, *, no_browser: bool) -> None:
    """Try the bot here: no account, no key, no network."""
    from bot.cli.demo import run

    with suppress(KeyboardInterrupt):
        _run(run(once, browser=not no_browser))


@main.command()
def check() -> None:
    """Say whether each part of this deployment works, and how to mend it."""
    from bot.cli.check import run

    loaded = _settings(for_slack=True)
    logs.configure("CRITICAL", loaded.log_format)  # its findings are on the screen
    sys.exit(0 if _run(run(loaded)) else 1)


@main.command()
@click.argument("person")
@click.argument("limit", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def lookup(person: str, limit: str | None, *, as_json: bool) -> None:
    """Look PERSON up, by e-mail or uid, without Slack."""
    from bot.cli.lookup import run

    loaded = _settings(for_slack=False)
    # What a crash's reference stands for; the audit of a terminal is in the database alone.
    logs.configure("ERROR", loaded.log_format, recording=False)
    sys.exit(_run(run(loaded, person, limit, as_json=as_json)))


@main.command()
def migrate() -> None:
    """Make or renew the tables of DATABASE_URL."""
    from bot.cli.migrate import run

    loaded = _settings_with_database()
    sys.exit(_run(run(loaded)))


@main.command()
@click.option("--person", help="About whom: an e-mail or uid, as for the command.")
@click.option(
    "--by", metavar="USER", help="Who looked: a Slack user id; for the terminal, a login name."
)
@click.option("--since", help="A date of this machine's zone, or a time such as '7 days ago'.")
@click.option("--until", help="The same; a date is the whole of that day.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
@click.option("--purge", is_flag=True, help="Delete what --person or --by finds.")
@click.option("--purge-before", metavar="DATE", help="Delete everything older.")
@click.option("--yes", is_flag=True, help="Don't ask before deleting.")
def audit(**options: Any) -> None:  # noqa: ANN401 - the options above
    """Say who looked whom up, newest first."""
    from bot.cli.audit import Asked, run

    loaded = _settings_with_database()
    sys.exit(_run(run(loaded, Asked(**options))))


def _settings_with_database() -> Settings:
    loaded = _settings(for_slack=False, for_fullstory=False)
    logs.configure("ERROR", loaded.log_format)
    if not loaded.database:
        _fail(["DATABASE_URL is missing: postgresql://… or sqlite:///…"], 2)
    return loaded


def _settings(*, for_slack: bool, for_fullstory: bool = True) -> Settings:
    try:
        return settings.load(for_slack=for_slack, for_fullstory=for_fullstory)
    except SettingsError as error:
        _fail(
            [
                *error.problems,
                *settings.misspelt(),
                "",
                "docs/administration.md explains every setting.",
            ],
            2,
        )


def _fail(lines: list[str] | tuple[str, ...], status: int) -> NoReturn:
    logs.flush()  # so that what people are to read comes last
    for line in lines:
        click.echo(line, err=True)
    sys.exit(status)


def _stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM, SIGINT or SIGHUP (the terminal is gone) sets.

    A second Ctrl-C ends the process at once. A second SIGTERM does not: process managers send it
    more than once, and people wait for their answers.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` says to go on
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    return stop


def _allow_many_files() -> None:
    """As many connections as the system lets us have; often it starts with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 16_384 if most == resource.RLIM_INFINITY else min(most, 16_384)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))


def _run(work: Coroutine[Any, Any, _T], *, quiet: bool = False) -> _T:
    """Runs `work`. Ctrl-C cancels it, unless it is to end quietly or handles that itself."""
    if not quiet:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
