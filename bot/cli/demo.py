"""`fsessions demo`: the real bot, over real HTTP, against the stand-ins."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
import time
import webbrowser
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from rich.console import Console
from rich.text import Text

from bot import logs
from bot.lookup.access import EntryPoint
from bot.sandbox import postgres
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.people import PEOPLE
from bot.sandbox.playground import Playground, seed
from bot.sandbox.server import serving
from bot.sandbox.settings import settings_for, temporary_database
from bot.sandbox.several import SeveralBots, several_bots
from bot.sandbox.slack import ACTIONS, SlackSandbox
from bot.sandbox.terminal import draw
from bot.sandbox.workspace import (
    BOT,
    CHANNEL,
    TICKETS,
    USER,
    Exchange,
    Message,
    Run,
    Shown,
)
from bot.service import running
from bot.slack.routes import COMMAND
from bot.slack.ui import action_ids
from bot.typed.times import LocalZone, UnclearTime, parse_moment
from bot.waits import Waits

_FIRST: Final = f"{COMMAND} jane@example.com 3"
Lines = asyncio.Queue[str | None]  # as they are typed; None is the end of the input

OnMessage = Callable[[SlackSandbox, str, Shown], Awaitable[Exchange]]

_PORTS: Final = (*range(3000, 3020), 0)
_PROMPT: Final = "\nsam in #support > "


async def run(once: str | None, *, browser: bool = True, processes: int = 1) -> None:
    """The whole demo, or one command of it; the page is opened where there is a `browser`.

    Several `processes` need a PostgreSQL that can be started here.
    """
    logs.configure("ERROR", "console", recording=False)
    os.environ["NO_PROXY"] = "*"  # nothing here leaves this machine
    console = Console(highlight=False)
    slack, fullstory = SlackSandbox(), FullstorySandbox()
    _put_people_here(slack)
    if processes > 1 and not postgres.programs():
        console.print("Several processes need PostgreSQL, which isn't installed here: one it is.")
        processes = 1
    async with _bot(slack, fullstory, processes) as bots:
        await seed(slack)
        if once is not None:
            await Demo(console, slack, prompting=False).do(once.strip())
            return
        async with _page(slack, fullstory, bots) as address:
            demo = Demo(console, slack, prompting=True)
            console.print(
                "This is the real bot. Slack and Fullstory are stand-ins on this machine."
            )
            console.print("See it as people in Slack do:", f"[bold]{address}[/bold]")
            if browser and _has_browser():
                await asyncio.to_thread(webbrowser.open, address)
            console.print(f"Or here. A support person types: [bold]{_FIRST}[/bold]\n")
            await demo.command(_FIRST)
            console.print(
                f"\nNow you: [bold]{COMMAND} …[/bold], or [bold]help[/bold] for people and things "
                "to try. Ctrl-C ends it."
            )
            await demo.prompt()


def _put_people_here(slack: SlackSandbox) -> None:
    """In this machine's time zone, so that days are those of who tries it."""
    offset = datetime.now().astimezone().utcoffset() or timedelta()
    for user in slack.users.values():
        user |= {"tz": "", "tz_offset": int(offset.total_seconds())}


@asynccontextmanager
async def _bot(
    slack: SlackSandbox, fullstory: FullstorySandbox, processes: int
) -> AsyncIterator[SeveralBots | None]:
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
            state_keys=urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        )
        # Leaving these waits for late answers, so that they are shown.
        bots = None
        if processes > 1:
            programs = cast(Path, postgres.programs())
            starting = several_bots(processes, slack, settings, programs)
            bots = await stack.enter_async_context(starting)
            slack.request_url = slack.request_urls[0]
        else:
            waits = Waits(state=10.0)  # a slow disk of a busy laptop is not worth an error
            port = (await stack.enter_async_context(running(settings, waits))).port
            slack.request_url = f"http://127.0.0.1:{port}/slack/events"
        yield bots
        await slack.told()


@asynccontextmanager
async def _page(
    slack: SlackSandbox, fullstory: FullstorySandbox, bots: SeveralBots | None
) -> AsyncIterator[str]:
    """Serves the playground on the first free port; gives its address."""
    async with AsyncExitStack() as stack:
        url = ""
        for port in _PORTS:
            app = Playground(slack, fullstory, bots).app()
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
        self._busy = True  # until there is a prompt
        slack.on_message = self._draw
        slack.on_view = self._draw
        self._drawn = asyncio.Event()

    async def prompt(self) -> None:
        """Does what is typed until the input ends."""
        lines = _typed_lines()
        while True:
            self._console.print(_PROMPT, end="")
            self._busy = False
            line = await lines.get()
            if line is None or line.strip().lower() in ("quit", "exit", "bye"):
                self._console.print()
                return
            if not (sys.stdin and sys.stdin.isatty()):
                self._console.print(line, markup=False)
            self._busy = True
            await self.do(line.strip(), lines)

    async def command(self, line: str) -> None:
        """Types a slash command."""
        self._failed(line.split()[0], (await self._slack.command(line)).status)

    async def do(self, line: str, lines: Lines | None = None) -> None:
        """Does one line; `lines` are where the fields of a form come from."""
        word, _, rest = line.partition(" ")
        match word.lower():
            case "" | "help" | "?" if not rest:
                self._help()
            case "messages" if not rest:
                self._messages()
            case "press" if not rest:
                self._console.print("Say which button, such as: [bold]press refresh[/bold]")
            case "press":
                await self._press(rest.strip().lower(), lines)
            case name:
                await self._act(name, rest.strip(), line, lines)

    async def _act(self, name: str, rest: str, line: str, lines: Lines | None) -> None:
        """Does what is on the list of actions; what is not is typed as the command."""
        for action in ACTIONS:
            if action.word != name:
                continue
            if action.on_message and rest.isdigit():
                await self._on_message(action.on_message, int(rest))
                return
            if action.do and action.entry_point is EntryPoint.FORM:
                if lines and not rest:
                    await self._find(lines, action.do(self._slack, ""))
                    return
            elif action.do and name != COMMAND:
                if not rest and action.typed != name:
                    self._console.print(f"Say what, such as: [bold]{action.typed}[/bold]")
                    return
                await self._until_drawn(action.do(self._slack, rest))
                return
        await self.command(line if line.startswith("/") else f"{COMMAND} {line}")

    def _draw(self, message: Message, user: str) -> None:
        if user not in ("", USER):
            return  # somebody else's, in the page
        late = self._prompting and not self._busy
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
        now = time.time()
        for number, one in enumerate(self._written(), 1):
            minutes = round((now - float(one.ts)) / 60)
            text = one.message["text"].replace("\n", "  ")
            line = f"  {number}. ({minutes} minutes ago) {text}"
            self._console.print(line, markup=False, soft_wrap=True)
        self._console.print("\nThe shortcut on the first one: [bold]find 1[/bold]")

    def _written(self) -> list[Shown]:
        """The messages that this person can see and the bot has not written, oldest first."""
        by_others = [
            one
            for one in self._slack.screen
            if not one.user
            and one.author.get("bot_id") != BOT
            and one.channel in (TICKETS, CHANNEL)
        ]
        return sorted(by_others, key=lambda one: one.ts)

    async def _on_message(self, choose: OnMessage, number: int) -> None:
        written = self._written()
        if not 1 <= number <= len(written):
            self._console.print(f"There are messages 1 to {len(written)}.")
            return
        exchange = await choose(self._slack, USER, written[number - 1])
        self._failed("The shortcut", exchange.status)
        await self._settled(exchange)

    async def _ended(self, run: Run) -> None:
        """A workflow's step; its outputs, or why it failed."""
        how, what = await run.end()
        self._console.print(f"The step ends with {how}.")
        for name, value in what.items() if how == "success" else [("error", what)]:
            line = Text.assemble((f"  {name:<10}", "bold"), f" {value}")
            self._console.print(Text("\n" + " " * 13).join(line.split("\n")), soft_wrap=True)

    async def _find(self, lines: Lines, opening: Awaitable[object]) -> None:
        """The form: its fields one after the other."""
        self._close_windows()
        done = await opening
        if isinstance(done, Exchange):
            self._failed("Slack", done.status)
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                while not self._windows():
                    self._drawn.clear()
                    await self._drawn.wait()
        if not self._windows():
            self._console.print("The form did not open.")
            return
        await self._fill_in(next(iter(self._windows())), lines)

    async def _fill_in(self, view_id: str, lines: Lines) -> None:
        values: dict[str, Any] = {}
        for field in self._slack.views[view_id]["blocks"]:
            if field["type"] != "input":
                continue
            is_time = field["element"]["type"] == "datetimepicker"
            example = " (such as: 1 hour ago)" if is_time else ""
            label = f"\n{field['label']['text']}{example}: "
            self._console.print(label, end="", markup=False)
            line = await lines.get()
            if line is None:  # the input has ended, and `prompt` is to know it too
                lines.put_nowait(None)
                return
            typed = line.strip() or None
            filled_in = {"selected_date_time": _picked(typed) if typed else None}
            values[field["block_id"]] = filled_in if is_time else {"value": typed}
        submitted = await self._slack.submit(view_id, values)
        for sentence in ((submitted.ack or {}).get("errors") or {}).values():
            self._console.print(f"  ┃ ✗ {sentence}", markup=False)

    async def _until_drawn(self, doing: Awaitable[object]) -> None:
        """Does something that usually something comes of, and waits for that."""
        self._drawn.clear()
        done = await doing
        if isinstance(done, Exchange):
            self._failed("Slack", done.status)
        if isinstance(done, Run):
            await self._ended(done)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._drawn.wait()

    async def _press(self, label: str, lines: Lines | None) -> None:
        """Presses the last button on the screen, or in the window, that is called so."""
        for shown in reversed(self._slack.screen):
            if found := _button(shown.message, label):
                action, option = found
                self._close_windows()
                exchange = await self._slack.press(action, shown, option=option)
                self._failed("The button", exchange.status)
                if action in action_ids.OPENS_WINDOW:
                    await self._in_window(lines)
                else:
                    await self._settled(exchange)
                return
        for home in self._slack.homes.values():
            if (found := _button(home, label)) and lines:
                self._close_windows()
                await self._until_drawn(self._slack.press_in_view(found[0], home["id"]))
                await self._in_window(lines)
                return
        for view_id, view in self._windows().items():
            if (found := _button(view, label)) and lines:
                await self._until_drawn(self._slack.press_in_view(found[0], view_id))
                await self._fill_in(view_id, lines)
                return
        self._console.print("There is no such button. Try: press refresh")

    def _windows(self) -> dict[str, Message]:
        """The windows of this person; others have theirs, in the page."""
        seen_by = self._slack.view_of
        return {name: view for name, view in self._slack.views.items() if seen_by.get(name) == USER}

    def _close_windows(self) -> None:
        for view_id in self._windows():
            self._slack.close_view(view_id)

    async def _in_window(self, lines: Lines | None) -> None:
        """Fills in the form that opens, or shares what a window proposes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                while not any("submit" in view for view in self._windows().values()):
                    self._drawn.clear()
                    await self._drawn.wait()
        for view_id, view in list(self._windows().items()):
            if view.get("callback_id") in (action_ids.FORM, action_ids.AUDIT_FORM) and lines:
                await self._fill_in(view_id, lines)
            elif view.get("callback_id") == action_ids.SHARE_FORM:
                await self._share(view_id, view, lines)

    async def _share(self, view_id: str, view: Message, lines: Lines | None) -> None:
        which = next(one for one in view["blocks"] if one.get("block_id") == action_ids.WHICH_FIELD)
        options = which["element"]["options"]
        for number, option in enumerate(options, 1):
            self._console.print(f"  {number}. {option['text']['text']}", markup=False)
        self._console.print("\nWhich? (1) ", end="", markup=False)
        line = await lines.get() if lines else ""
        if line is None and lines:
            lines.put_nowait(None)
            return
        number = int(line) if line and line.strip().isdigit() else 1
        chosen = options[min(max(number, 1), len(options)) - 1]
        values = {action_ids.WHICH_FIELD: {"selected_option": chosen}}
        self._console.print()
        await self._until_drawn(self._slack.submit(view_id, values))
        await asyncio.sleep(0.2)  # the answer says, a moment later, where it was shared

    async def _settled(self, exchange: Exchange) -> None:
        """Waits a moment for what usually comes at once, so that it stands above the prompt."""
        with suppress(TimeoutError):
            await exchange.answer(seconds=1.0)
            await asyncio.sleep(0.1)

    def _help(self) -> None:
        self._console.print("The stand-in Fullstory knows these people:\n")
        rows = [(f"{COMMAND} {person.typed}", person.about) for person in PEOPLE]
        rows += [(f'{COMMAND} jane@example.com at:"1 hour ago"', "the session at a time first")]
        rows += [("", ""), ("messages", "what stands in the channels")]
        rows += [(action.typed, action.about) for action in ACTIONS]
        rows += [("quit", "the end (or Ctrl-C)")]
        for typed, about in rows:
            line = Text.assemble("  ", (f"{typed:<46}", "bold"), f" {about}")
            self._console.print(line, soft_wrap=True)


def _button(holder: Message, label: str) -> tuple[str, str] | None:
    """The button or menu entry whose text begins like this: its action, and the entry's value."""
    for block in holder.get("blocks", []):
        for element in [*block.get("elements", []), block.get("accessory", {})]:
            for text, option in _labels(element):
                if text.lower().startswith(label.rstrip("….")):
                    return element["action_id"], option
    return None


def _labels(element: Message) -> list[tuple[str, str]]:
    if element.get("type") == "overflow":
        return [(one["text"]["text"], one["value"]) for one in element["options"]]
    text = element.get("text")
    return [(text["text"], "")] if isinstance(text, dict) and "action_id" in element else []


def _picked(typed: str) -> int | None:
    """What Slack's picker would give, in seconds since 1970; None for what it can't mean."""
    try:
        return int(parse_moment(typed, LocalZone(), datetime.now(UTC)).time.timestamp())
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
