"""The command line: serve, demo, check, lookup, migrate, audit.

Each command imports what only it needs, so that `serve` starts in a fraction of a second.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn, TypeVar

import click
import structlog

from bot import __version__, logs
from bot.errors import SettingsError
from bot.settings import Settings
from bot.settings.loading import load, misspelled

_T = TypeVar("_T")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fsessions")
@click.pass_context
def main(context: click.Context) -> None:
    """Show a customer's latest Fullstory sessions in Slack."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":  # https://no-color.org
        context.color = False
    for stream in (sys.stdout, sys.stderr):
        # A terminal without "✓" shows a "?" instead of failing.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@main.command()
def serve() -> None:
    """Run the bot, until SIGTERM or Ctrl-C."""
    from bot.listener import CantListen

    loaded = _settings(for_slack=True)
    logs.configure(loaded.log_level)
    for sentence in misspelled():
        structlog.get_logger().warning("misspelled setting", problem=sentence)
    if ignored := loaded.ignored_parameters:
        structlog.get_logger().warning("parameters of DATABASE_URL ignored", names=ignored)
    _allow_many_files()
    # While modules are loaded, the collector would only cost time.
    gc.disable()
    try:
        sys.exit(_run(_serve(loaded), handles_signals=True))
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
        _freeze_objects()
        await service.serve_until(stop)
    return _exit_code(service.events_dropped)


def _freeze_objects() -> None:
    """Exclude everything that is loaded from garbage collection: it stays."""
    gc.freeze()
    gc.enable()


def _exit_code(events_dropped: int) -> int:
    if events_dropped:
        _fail([f"Audit events that are only in the log: {events_dropped}"], 1)
    return 0


@main.command()
@click.option("--once", metavar="TEXT", help="Run one command and exit.")
@click.option("--no-browser", is_flag=True, help="Print the page's address, but don't open it.")
def demo(once: str | None, *, no_browser: bool) -> None:
    """Try the bot here: no account, no key, no network."""
    from bot.cli.demo import run

    with suppress(KeyboardInterrupt):
        _run(run(once, browser=not no_browser))


@main.command()
@click.option("--lookup", metavar="PERSON", help="Also look a person up, and compare the reply.")
def check(lookup: str | None) -> None:
    """Check each part of this deployment, and say how to fix it."""
    from bot.cli.check import run

    loaded = _settings(for_slack=True)
    logs.configure("CRITICAL")  # its findings are printed
    sys.exit(0 if _run(run(loaded, lookup)) else 1)


@main.command()
@click.argument("person")
@click.argument("limit", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--what-happened",
    is_flag=True,
    help="Also tell what happened in the first session; it may cost an Activation.",
)
def lookup(person: str, limit: str | None, *, as_json: bool, what_happened: bool) -> None:
    """Look PERSON up, by e-mail or uid, without Slack."""
    from bot.cli.lookup import run

    loaded = _settings(for_slack=False)
    if what_happened and not loaded.insights:
        _fail(["--what-happened may cost an Activation: it needs INSIGHTS=true"], 2)
    # Errors have the references that are printed; the terminal's audit is only in the database.
    logs.configure("ERROR", recording=False)
    sys.exit(_run(run(loaded, person, limit, as_json=as_json, what_happened=what_happened)))


@main.command()
def migrate() -> None:
    """Create or upgrade the tables of DATABASE_URL."""
    from bot.cli.migrate import run

    loaded = _settings_with_database()
    sys.exit(_run(run(loaded)))


@main.command()
@click.option("--person", help="The customer: an e-mail or uid, as for the command.")
@click.option(
    "--by", metavar="USER", help="Who looked: a Slack user id, or a login name for the terminal."
)
@click.option("--since", help="A date in this machine's time zone, or a time such as '7 days ago'.")
@click.option("--until", help="The same; a date includes the whole day.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
@click.option("--purge", is_flag=True, help="Delete the events of --person or --by.")
@click.option("--purge-before", metavar="DATE", help="Delete everything older.")
@click.option("--yes", is_flag=True, help="Don't ask before deleting.")
def audit(**options: Any) -> None:  # noqa: ANN401 - the options above
    """Show who looked up which customer, newest first."""
    from bot.cli.audit import Options, run

    loaded = _settings_with_database()
    sys.exit(_run(run(loaded, Options(**options))))


def _settings_with_database() -> Settings:
    loaded = _settings(for_slack=False, for_fullstory=False)
    logs.configure("ERROR")
    if not loaded.database:
        _fail(["DATABASE_URL is missing: postgresql://… or sqlite:///…"], 2)
    return loaded


def _settings(*, for_slack: bool, for_fullstory: bool = True) -> Settings:
    try:
        return load(for_slack=for_slack, for_fullstory=for_fullstory)
    except SettingsError as error:
        _fail(
            [
                *error.problems,
                *misspelled(),
                "",
                "docs/administration.md explains every setting.",
            ],
            2,
        )


def _fail(lines: list[str] | tuple[str, ...], status: int) -> NoReturn:
    logs.flush()  # so that this comes last
    for line in lines:
        click.echo(line, err=True)
    sys.exit(status)


def _stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT or SIGHUP sets.

    A second Ctrl-C ends the process at once. A second SIGTERM does not: some process managers send
    several, and people wait for their answers.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` sets it
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    return stop


def _allow_many_files() -> None:
    """Raise the limit of open files, which often is 1,024, as far as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 16_384 if most == resource.RLIM_INFINITY else min(most, 16_384)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))


def _run(work: Coroutine[Any, Any, _T], *, handles_signals: bool = False) -> _T:
    """Run `work`. Ctrl-C cancels it, unless it handles that itself."""
    if not handles_signals:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    from bot.event_loop import EventLoop

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(work)
