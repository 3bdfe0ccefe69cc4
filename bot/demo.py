"""`fsessions demo`: the real bot, over real HTTP, against the stand-ins."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from pydantic import SecretStr
from rich.console import Console

from bot import logs
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.people import PEOPLE
from bot.sandbox.slack import Exchange, SlackSandbox
from bot.sandbox.terminal import draw
from bot.service import running
from bot.settings import Settings
from bot.slack.app import COMMAND

_FIRST: Final = f"{COMMAND} jane@example.com 3"
_PROMPT: Final = "\nsam in #support > "


def settings_for(slack: SlackSandbox, fullstory: FullstorySandbox, **other: Any) -> Settings:  # noqa: ANN401
    """Settings that lead to the stand-ins and nowhere else; the environment has no say."""
    values: dict[str, Any] = {
        "slack_bot_token": SecretStr(slack.bot_token),
        "slack_signing_secret": SecretStr(slack.signing_secret),
        "slack_api_url": slack.api_url,
        "fullstory_api_key": SecretStr(fullstory.key),
        "fullstory_api_url": fullstory.url,
        "host": "127.0.0.1",
        "port": 0,
    }
    return Settings.model_validate(values | other)


async def run(once: str | None) -> None:
    """The whole demo, or one command of it."""
    logs.configure("ERROR", "console")
    console = Console(highlight=False)
    slack = SlackSandbox()

    def show(exchange: Exchange, message: dict[str, Any]) -> None:
        late = exchange.status != 0 and once is None
        if late:
            console.print("\n")
        draw(console, message)
        if late:
            console.print(_PROMPT, end="")

    slack.on_message = show
    async with _bot(slack):
        if once is not None:
            await _command(console, slack, once)
            return
        console.print("This is the real bot. Slack and Fullstory are stand-ins on this machine.")
        console.print("A support person types:", f"[bold]{_FIRST}[/bold]\n")
        await _command(console, slack, _FIRST)
        console.print(
            f"\nNow you: [bold]{COMMAND} …[/bold], or [bold]help[/bold] for people to try. "
            "Ctrl-C ends it."
        )
        await _prompt(console, slack)


@asynccontextmanager
async def _bot(slack: SlackSandbox) -> AsyncIterator[None]:
    fullstory = FullstorySandbox()
    async with (
        fullstory.running(),
        slack.running(),
        # Leaving this one waits for late answers, so that they are shown.
        running(settings_for(slack, fullstory)) as service,
    ):
        slack.request_url = f"http://127.0.0.1:{service.port}/slack/events"
        yield


async def _prompt(console: Console, slack: SlackSandbox) -> None:
    lines = _typed_lines()
    while True:
        console.print(_PROMPT, end="")
        line = await lines.get()
        if line is None or line.strip().lower() in ("quit", "exit", "bye"):
            console.print()
            return
        if not sys.stdin.isatty():
            console.print(line, markup=False)
        await _do(console, slack, line.strip())


async def _do(console: Console, slack: SlackSandbox, line: str) -> None:
    if line.lower() in ("help", "?"):
        _help(console)
    elif line:
        await _command(console, slack, line if line.startswith("/") else f"{COMMAND} {line}")


async def _command(console: Console, slack: SlackSandbox, line: str) -> None:
    exchange = await slack.command(line)
    if exchange.status != 200:
        console.print(f"Slack would say: {line.split()[0]} failed (status {exchange.status}).")


def _help(console: Console) -> None:
    console.print("The stand-in Fullstory knows these people:\n")
    for person in PEOPLE:
        typed = f"{COMMAND} {person.typed}"
        console.print(f"  [bold]{typed:<36}[/bold] {person.about}", soft_wrap=True)
    console.print(f"\n  [bold]{COMMAND + ' help':<36}[/bold] what the bot itself says")
    console.print(f"  [bold]{'quit':<36}[/bold] the end (or Ctrl-C)")


def _typed_lines() -> asyncio.Queue[str | None]:
    """Lines from standard input as they come, then None.

    A thread reads them, straight from the descriptor: one that waits inside Python's own buffer
    would keep the process from ending.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        rest = b""
        descriptor = sys.stdin.fileno()
        while chunk := os.read(descriptor, 4096):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace"))
        if rest:
            loop.call_soon_threadsafe(lines.put_nowait, rest.decode(errors="replace"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines
