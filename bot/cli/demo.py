"""`fsessions demo`: the real bot, over real HTTP, against the stand-ins."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import webbrowser
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from bot import logs
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.people import MESSAGES, PEOPLE
from bot.sandbox.playground import Playground, seed
from bot.sandbox.server import serving
from bot.sandbox.slack import SlackSandbox, as_slack_sends
from bot.sandbox.terminal import draw
from bot.sandbox.workspace import BOT_USER, DIRECT, TICKETS, Exchange
from bot.service import running
from bot.settings import Settings
from bot.slack.routes import (
    COMMAND,
    FIND_SESSIONS,
    FIND_SESSIONS_FROM_MESSAGE,
    FIND_SESSIONS_STEP,
)
from bot.slack.ui import listing as blocks
from bot.typed.times import UnclearTime, parse_moment

_FIRST: Final = f"{COMMAND} jane@example.com 3"
Lines = asyncio.Queue[str | None]  # as they are typed; None is the end of the input

_PORTS: Final = (*range(3000, 3020), 0)
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


async def run(once: str | None, *, browser: bool = True) -> None:
    """The whole demo, or one command of it; the page is opened where there is a `browser`."""
    logs.configure("ERROR", "console")
    os.environ["NO_PROXY"] = "*"  # nothing here leaves this machine
    console = Console(highlight=False)
    slack, fullstory = SlackSandbox(), FullstorySandbox()
    async with _bot(slack, fullstory):
        if once is not None:
            await Demo(console, slack, prompting=False).do(once.strip())
            return
        await seed(slack)
        async with _page(slack, fullstory) as address:
            demo = Demo(console, slack, prompting=True)
            console.print(
                "This is the real bot. Slack and Fullstory are stand-ins on this machine."
            )
            console.print("See it as people in Slack do:", f"[bold]{address}[/bold]")
            if browser and _has_browser():
                await asyncio.to_thread(webbrowser.open, address)
            console.print("Or here. A support person types:", f"[bold]{_FIRST}[/bold]\n")
            await demo.command(_FIRST)
            console.print(
                f"\nNow you: [bold]{COMMAND} …[/bold], or [bold]help[/bold] for people and things "
                "to try. Ctrl-C ends it."
            )
            await demo.prompt()


@asynccontextmanager
async def _bot(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[None]:
    async with (
        fullstory.running(),
        slack.running(),
        # Leaving this one waits for late answers, so that they are shown.
        running(settings_for(slack, fullstory, support_channels=(TICKETS,))) as service,
    ):
        slack.request_url = f"http://127.0.0.1:{service.port}/slack/events"
        yield
        await slack.told()


@asynccontextmanager
async def _page(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[str]:
    """Serves the playground on the first free port; gives its address."""
    async with AsyncExitStack() as stack:
        url = ""
        for port in _PORTS:
            app = Playground(slack, fullstory).app()
            with suppress(OSError):  # another program has that port
                url = await stack.enter_async_context(serving(app, port))
                break
        yield url.replace("127.0.0.1", "localhost")


def _has_browser() -> bool:
    """Whether there is a window for one: a browser inside this terminal would take it over."""
    windows = sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return windows and sys.stdout.isatty()


class Demo:
    """A support person at a terminal instead of Slack's window."""

    def __init__(self, console: Console, slack: SlackSandbox, *, prompting: bool) -> None:
        self._console = console
        self._slack = slack
        self._prompting = prompting
        self._busy = False
        slack.on_message = lambda message: self._draw(message)
        slack.on_view = self._draw
        self._drawn = asyncio.Event()

    async def prompt(self) -> None:
        """Does what is typed until the input ends."""
        lines = _typed_lines()
        while True:
            self._console.print(_PROMPT, end="")
            line = await lines.get()
            if line is None or line.strip().lower() in ("quit", "exit", "bye"):
                self._console.print()
                return
            if not (sys.stdin and sys.stdin.isatty()):
                self._console.print(line, markup=False)
            self._busy = True
            await self.do(line.strip(), lines)
            self._busy = False

    async def command(self, line: str) -> None:
        """Types a slash command."""
        self._failed(line.split()[0], (await self._slack.command(line)).status)

    async def do(self, line: str, lines: Lines | None = None) -> None:
        """Does one line; `lines` are where the fields of a form come from."""
        word, _, rest = line.partition(" ")
        match word.lower():
            case "post" | "dm" | "@fsessions" | "step" | "home" as where:
                await self._in_channels(where, rest)
            case "" | "help" | "?" if not rest:
                self._help()
            case "messages":
                self._messages()
            case "press" if rest:
                await self._press(rest.strip().lower(), lines)
            case "find" if rest.strip().isdigit():
                await self._find_from_message(int(rest))
            case "find" if not rest and lines:
                await self._find(lines, self._slack.shortcut(FIND_SESSIONS))
            case _:
                await self.command(line if line.startswith("/") else f"{COMMAND} {line}")

    def _draw(self, message: dict[str, Any]) -> None:
        late = self._prompting and not self._busy and self._slack.screen != []
        if late:
            self._console.print("\n")
        draw(self._console, message)
        self._drawn.set()
        if late:
            self._console.print(_PROMPT, end="")

    def _failed(self, what: str, status: int) -> None:
        if status != 200:
            self._console.print(f"Slack would say: {what} failed (status {status}).", markup=False)

    def _messages(self) -> None:
        for number, (text, minutes) in enumerate(MESSAGES, 1):
            shown = text.replace("\n", "  ")
            line = f"  {number}. ({minutes} minutes ago) {shown}"
            self._console.print(line, markup=False, soft_wrap=True)
        self._console.print("\nThe shortcut on the first one: [bold]find 1[/bold]")

    async def _find_from_message(self, number: int) -> None:
        if not 1 <= number <= len(MESSAGES):
            self._console.print(f"There are messages 1 to {len(MESSAGES)}.")
            return
        text, minutes = MESSAGES[number - 1]
        message = {"text": text, "ts": f"{time.time() - 60 * minutes:.6f}"}
        exchange = await self._slack.message_shortcut(FIND_SESSIONS_FROM_MESSAGE, message)
        self._failed("The shortcut", exchange.status)
        await self._settled(exchange)

    async def _in_channels(self, where: str, text: str) -> None:
        """What people and workflows do where the bot is."""
        match where:
            case "post":
                await self._until_drawn(self._slack.write(as_slack_sends(text)))
            case "dm":
                await self._until_drawn(self._slack.write(as_slack_sends(text), channel=DIRECT))
            case "@fsessions":
                question = f"<@{BOT_USER}> {as_slack_sends(text)}"
                await self._until_drawn(self._slack.write(question))
            case "step":
                await self._step(text)
            case _:
                self._slack.homes.clear()
                await self._until_drawn(self._slack.open_home())

    async def _step(self, person: str) -> None:
        """A workflow with the bot's step; its outputs, or why it failed."""
        how, what = await (await self._slack.run_step(FIND_SESSIONS_STEP, person=person)).end()
        self._console.print(f"The step ends with {how}.")
        for name, value in what.items() if how == "success" else [("error", what)]:
            line = Text.assemble((f"  {name:<10}", "bold"), f" {value}")
            self._console.print(Text("\n" + " " * 13).join(line.split("\n")), soft_wrap=True)

    async def _find(self, lines: Lines, opening: Coroutine[Any, Any, Exchange]) -> None:
        """The form: its fields one after the other."""
        self._slack.views.clear()
        await self._until_drawn(opening)
        if not self._slack.views:
            self._console.print("The form did not open.")
            return
        await self._fill_in(next(iter(self._slack.views)), lines)

    async def _fill_in(self, view_id: str, lines: Lines) -> None:
        values: dict[str, Any] = {}
        for field, label in (
            (blocks.PERSON_FIELD, "E-mail or uid"),
            (blocks.LIMIT_FIELD, "How many"),
            (blocks.MOMENT_FIELD, "When did it happen? (such as: 1 hour ago)"),
        ):
            self._console.print(f"\n{label}: ", end="", markup=False)
            line = await lines.get()
            if line is None:  # the input has ended, and `prompt` is to know it too
                lines.put_nowait(None)
                return
            values[field] = {"value": line.strip() or None}
        when = values[blocks.MOMENT_FIELD]["value"]
        values[blocks.MOMENT_FIELD] = {"selected_date_time": _picked(when) if when else None}
        submitted = await self._slack.submit(view_id, values)
        for sentence in ((submitted.ack or {}).get("errors") or {}).values():
            self._console.print(f"  ┃ ✗ {sentence}", markup=False)

    async def _until_drawn(self, doing: Coroutine[Any, Any, object]) -> None:
        """Does something that usually something comes of, and waits for that."""
        self._drawn.clear()
        done = await doing
        if isinstance(done, Exchange):
            self._failed("Slack", done.status)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._drawn.wait()

    async def _press(self, label: str, lines: Lines | None) -> None:
        """Presses the last button on the screen, or in the window, that is called so."""
        for shown in reversed(self._slack.screen):
            if element := _button(shown.message, label):
                exchange = await self._slack.press(element["action_id"], shown)
                self._failed("The button", exchange.status)
                await self._settled(exchange)
                return
        for home in self._slack.homes.values():
            if (element := _button(home, label)) and lines:
                await self._find(lines, self._slack.press_in_view(element["action_id"], home["id"]))
                return
        for view_id, view in self._slack.views.items():
            if (element := _button(view, label)) and lines:
                await self._until_drawn(self._slack.press_in_view(element["action_id"], view_id))
                await self._fill_in(view_id, lines)
                return
        self._console.print("There is no such button. Try: press refresh")

    async def _settled(self, exchange: Exchange) -> None:
        """Waits a moment for what usually comes at once, so that it stands above the prompt."""
        with suppress(TimeoutError):
            await exchange.answer(seconds=1.0)
            await asyncio.sleep(0.1)

    def _help(self) -> None:
        self._console.print("The stand-in Fullstory knows these people:\n")
        rows = [(f"{COMMAND} {person.typed}", person.about) for person in PEOPLE]
        rows += [
            (f'{COMMAND} jane@example.com at:"1 hour ago"', "the session at a time comes first"),
            (f"{COMMAND} help", "what the bot itself says"),
            ("", ""),
            ("press show more", "a button of what you see: refresh, share, dismiss, new search …"),
            ("messages", "what stands in the channel"),
            ("find 1", "the shortcut in the menu of a message"),
            ("find", "the shortcut that opens the form"),
            ("post broken for jane@example.com", "in a support channel: an offer; press show"),
            ("@fsessions jane@example.com", "a mention; also as a direct message: dm …"),
            ("step jane@example.com", "the step of Workflow Builder, and its outputs"),
            ("home", "the app's Home"),
            ("quit", "the end (or Ctrl-C)"),
        ]
        for typed, about in rows:
            line = Text.assemble("  ", (f"{typed:<46}", "bold"), f" {about}")
            self._console.print(line, soft_wrap=True)


def _button(holder: dict[str, Any], label: str) -> dict[str, Any] | None:
    """The button of a message or a window whose text begins like this."""
    for block in holder.get("blocks", []):
        for element in block.get("elements", []):
            text = element.get("text")
            if isinstance(text, dict) and text["text"].lower().startswith(label.rstrip("….")):
                return dict(element)
    return None


def _picked(typed: str) -> int | None:
    """What Slack's picker would give, in seconds since 1970; None for what it can't mean."""
    now = datetime.now().astimezone()
    try:
        return int(parse_moment(typed, now.tzinfo or UTC, now.astimezone(UTC)).timestamp())
    except UnclearTime:
        return None


def _typed_lines() -> Lines:
    """Lines from standard input as they come, then None.

    A thread reads them, straight from the descriptor: one that waits inside Python's own buffer
    would keep the process from ending.
    """
    lines: Lines = asyncio.Queue()
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
