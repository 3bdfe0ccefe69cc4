"""`fsessions demo`: the real bot, over real HTTP, against stand-ins for Slack and Fullstory."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

import click

from bot import logs
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.people import PEOPLE
from bot.sandbox.playground import Playground, seed
from bot.sandbox.server import serving
from bot.sandbox.settings import settings_for, temporary_database
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.terminal import draw
from bot.sandbox.workspace import TICKETS, USER, Message
from bot.service import running
from bot.slack.app import COMMAND
from bot.timeouts import Timeouts

_FIRST: Final = f"{COMMAND} jane@example.com 3"
_PORTS: Final = (*range(3000, 3020), 0)
_PROMPT: Final = "\nsam in #support > "


async def run(once: str | None, *, browser: bool = True) -> None:
    """Run the demo, or one command of it. Open its page if there is a `browser`."""
    logs.configure("ERROR", recording=False)
    os.environ["NO_PROXY"] = "*"  # nothing here leaves this machine
    slack, fullstory = SlackSandbox(), FullstorySandbox()
    _use_local_time_zone(slack)
    async with _bot(slack, fullstory):
        await seed(slack)
        terminal = Terminal(slack)
        if once is not None:
            await terminal.type(once)
            return
        async with _page(slack, fullstory) as address:
            click.echo("This is the real bot. Slack and Fullstory are stand-ins on this machine.")
            click.echo(f"Try everything in the browser: {click.style(address, bold=True)}")
            if browser and _has_browser():
                await asyncio.to_thread(webbrowser.open, address)
            click.echo(f"Or here. A support agent types: {click.style(_FIRST, bold=True)}\n")
            await terminal.type(_FIRST)
            command = click.style(f"{COMMAND} …", bold=True)
            click.echo(f"\nNow you: {command} for one of these people. Ctrl-C ends it.")
            for person in PEOPLE:
                click.echo(f"  {person.typed:<24}{click.style(person.about, dim=True)}")
            await terminal.prompt()


def _use_local_time_zone(slack: SlackSandbox) -> None:
    offset = datetime.now().astimezone().utcoffset() or timedelta()
    for user in slack.users.values():
        user |= {"tz": "", "tz_offset": int(offset.total_seconds())}


@asynccontextmanager
async def _bot(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(fullstory.running())
        await stack.enter_async_context(slack.running())
        settings = settings_for(
            slack,
            fullstory,
            support_channels=(TICKETS,),
            database_url=await stack.enter_async_context(temporary_database()),
            audit_key=secrets.token_hex(),
            auditors=(USER,),
            insights=True,
        )
        # Leaving it waits for late answers, so that they are shown.
        timeouts = Timeouts(state=10.0)  # on a busy laptop, a slow disk is not worth an error
        port = (await stack.enter_async_context(running(settings, timeouts))).port
        slack.request_url = f"http://127.0.0.1:{port}/slack/events"
        yield
        await slack.told()


@asynccontextmanager
async def _page(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[str]:
    """Serve the playground on the first free port. Yield its address."""
    async with AsyncExitStack() as stack:
        url = ""
        for port in _PORTS:
            app = Playground(slack, fullstory).app()
            with suppress(OSError):  # another program has that port
                url = await stack.enter_async_context(serving(app, port))
                break
        yield url.replace("127.0.0.1", "localhost")


def _has_browser() -> bool:
    """Return whether a browser opens in a window, rather than in this terminal."""
    windows = sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return windows and sys.stdout.isatty()


class Terminal:
    """Types slash commands, and prints what the support agent sees in Slack."""

    def __init__(self, slack: SlackSandbox) -> None:
        self._slack = slack
        self._at_prompt = False
        slack.on_message = self._print

    async def type(self, line: str) -> None:
        """Run one command; the command's name may be left out."""
        line = line.strip()
        command = line if line.startswith("/") else f"{COMMAND} {line}"
        status = (await self._slack.command(command)).status
        if status != 200:
            click.echo(f"Slack would say: {command} failed (status {status}).")

    async def prompt(self) -> None:
        """Run what is typed, until the input ends."""
        lines = _typed_lines()
        while True:
            click.echo(_PROMPT, nl=False)
            self._at_prompt = True
            line = await lines.get()
            self._at_prompt = False
            if line is None:
                click.echo()
                return
            if not (sys.stdin and sys.stdin.isatty()):
                click.echo(line)
            await self.type(line)

    def _print(self, message: Message, user: str) -> None:
        if user != USER:
            return  # another person's, in the browser
        is_late = self._at_prompt
        if is_late:
            click.echo("\n")
        draw(message)
        if is_late:
            click.echo(_PROMPT, nl=False)


def _typed_lines() -> asyncio.Queue[str | None]:
    """Return a queue of the lines of standard input, and None at its end.

    A thread reads them from the descriptor: one that waits inside Python's own buffer would keep
    the process from ending.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    if sys.stdin is None:  # closed by who started us
        lines.put_nowait(None)
        return lines
    descriptor = sys.stdin.fileno()

    def read() -> None:
        rest = b""
        while chunk := os.read(descriptor, 4096):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace"))
        if rest:
            loop.call_soon_threadsafe(lines.put_nowait, rest.decode(errors="replace"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines
