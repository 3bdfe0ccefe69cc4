"""The playground: a page that looks and behaves like Slack, for the demo.

It serves static files, the state as one person sees it, and a way to do what a person can do.
Everything goes through the stand-in Slack and the real bot. Requests of other pages are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from aiohttp import web

from bot.features.message_shortcut import FIND_SESSIONS_FROM_MESSAGE
from bot.features.search_form import FIND_SESSIONS
from bot.features.workflow_step import FIND_SESSIONS_STEP
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox, as_slack_sends
from bot.sandbox.workspace import (
    AGENT,
    BOT_USER,
    CHANNEL,
    MANAGER,
    PARTNER,
    TEAM,
    TICKETS,
    USER,
    Exchange,
    Message,
    OnTheWire,
    Shown,
)
from bot.slack.app import COMMAND, USAGE_HINT

PEOPLE: Final = (
    {"id": USER, "name": "Sam", "about": "support"},
    {"id": AGENT, "name": "Alex", "about": "support, too"},
    {"id": MANAGER, "name": "Mia", "about": "manager"},
    {"id": PARTNER, "name": "Pat", "about": "a partner company"},
)
_CHANNELS: Final = (
    {
        "id": TICKETS,
        "name": "tickets",
        "kind": "channel",
        "about": "Support channel, with a partner",
    },
    {"id": CHANNEL, "name": "support", "kind": "private", "about": "Private, without the bot"},
)
_MESSAGE_MENU: Final = {"Find sessions": FIND_SESSIONS_FROM_MESSAGE}
_FULLSTORY: Final[dict[str, tuple[Scripted | None, float]]] = {
    "fine": (None, 0.0),
    "slow": (None, 3.0),
    "crawling": (None, 4.5),
    "down": (Scripted(503, b"<html>Service unavailable</html>"), 0.0),
    "busy": (Scripted(429, b"{}"), 0.0),
    "key": (Scripted(401, b"{}"), 0.0),
}
_RESPONSE_URL: Final = {"fine": 200, "failing": 500, "gone": 404}
_STATIC: Final = {
    "": ("index.html", "text/html"),
    "playground.css": ("playground.css", "text/css"),
    "playground.js": ("playground.js", "text/javascript"),
    "blockkit.js": ("blockkit.js", "text/javascript"),
    "replay.html": ("replay.html", "text/html"),
    "replay.js": ("replay.js", "text/javascript"),
    "favicon.svg": ("favicon.svg", "image/svg+xml"),
    "lato-400.woff2": ("lato-400.woff2", "font/woff2"),
    "lato-700.woff2": ("lato-700.woff2", "font/woff2"),
}
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FAILED: Final = "Slack would say: that didn't work, the app did not respond in time."


class Playground:
    """The page; each visitor chooses who to be."""

    def __init__(self, slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
        self._slack = slack
        self._fullstory = fullstory
        self._trouble = {"fullstory": "fine", "response_url": "fine"}
        self._changed: set[asyncio.Event] = set()
        slack.on_change = self._tell
        fullstory.on_answer = self._record

    def app(self) -> web.Application:
        """Return the page and what it asks for."""
        app = web.Application(middlewares=[_from_this_page_alone])
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/api/changes", self._changes)
        app.router.add_post("/api/do", self._do)
        app.router.add_get("/{name:[a-z0-9.-]*}", _static)
        return app

    def _record(self, what: str, status: int, reply: str, milliseconds: int) -> None:
        way = "bot → Fullstory"
        self._slack.record(OnTheWire(way, what, "", status, reply, milliseconds))

    def _tell(self) -> None:
        for changed in self._changed:
            changed.set()

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """Send events without content: each says that the state has changed."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        await response.prepare(request)
        changed = asyncio.Event()
        changed.set()
        self._changed.add(changed)
        try:
            while True:
                await changed.wait()
                changed.clear()
                await response.write(b"data: changed\n\n")
        except ConnectionError:
            return response
        finally:
            self._changed.discard(changed)

    # -- What a person sees -----------------------------------------------------------------------

    async def _state(self, request: web.Request) -> web.Response:
        user = request.query.get("as", USER)
        if user not in self._slack.users:
            raise web.HTTPNotFound
        return web.json_response(self._seen_by(user), headers=_HEADERS)

    def _seen_by(self, user: str) -> Message:
        slack = self._slack
        outside = slack.team_of(user) != TEAM
        channels = [one for one in _CHANNELS if user in slack.members[one["id"]]]
        if not outside:
            about = "The app: its messages, and its Home"
            app = {"id": slack.direct(user), "name": "fsessions", "kind": "app", "about": about}
            channels.append(app)
        return {
            "me": user,
            "outside": outside,
            "bot": BOT_USER,
            "people": PEOPLE,
            "channels": channels,
            "messages": {one["id"]: self._messages(one["id"], user) for one in channels},
            "views": [
                view for name, view in slack.views.items() if slack.view_of.get(name) == user
            ],
            "home": slack.homes.get(user),
            "command": {"name": COMMAND, "hint": USAGE_HINT},
            "message_menu": list(_MESSAGE_MENU),
            "trouble": self._trouble,
            "wire": [
                {
                    "way": one.way,
                    "what": one.what,
                    "request": one.request,
                    "status": one.status,
                    "reply": one.reply,
                    "milliseconds": one.milliseconds,
                }
                for one in reversed(slack.wire)
            ],
        }

    def _messages(self, channel: str, user: str) -> list[Message]:
        return [
            {
                "ts": one.ts,
                "thread": one.thread_ts if one.thread_ts != one.ts else "",
                "author": self._author(one),
                "app": "bot_id" in one.author or "bot_id" in one.message,
                "text": one.message.get("text", ""),
                "blocks": one.message.get("blocks", []),
                "only_you": bool(one.user),
            }
            for one in sorted(self._slack.screen, key=lambda shown: shown.ts)
            if one.channel == channel and one.user in ("", user)
        ]

    def _author(self, shown: Shown) -> str:
        name = shown.message.get("username")
        return str(name or shown.author.get("user") or BOT_USER)

    # -- What a person does -----------------------------------------------------------------------

    async def _do(self, request: web.Request) -> web.Response:
        """Do one thing as a person; return what that person alone is told about it."""
        asked = await request.json()
        ways: dict[str, Callable[[str, Message], Awaitable[Message]]] = {
            "say": self._say,
            "press": self._press,
            "press_in_view": self._press_in_view,
            "shortcut": self._shortcut,
            "choose": self._choose,
            "submit": self._submit,
            "close": self._close,
            "home": self._home,
            "messages": self._messages_tab,
            "step": self._step,
            "trouble": self._set_trouble,
        }
        try:
            told = await ways[asked["do"]](str(asked["as"]), asked)
        except (KeyError, StopIteration) as error:
            raise web.HTTPBadRequest(text="no such thing to do") from error
        self._tell()
        return web.json_response(told, headers=_HEADERS)

    async def _say(self, user: str, asked: Message) -> Message:
        text, channel = str(asked["text"]).strip(), str(asked["channel"])
        thread = str(asked.get("thread", ""))
        if not text.startswith("/"):
            said = self._slack.with_mentions(as_slack_sends(text))
            place = {"thread_ts": thread} if thread else {}
            await self._slack.write(said, user=user, channel=channel, **place)
            return {}
        word = text.split()[0]
        if thread:
            return {
                "notice": "Slack doesn't support commands in threads. Mention @fsessions instead."
            }
        if self._slack.team_of(user) != TEAM:
            return {"notice": f"{word} belongs to an app of another organization."}
        if word != COMMAND:
            return {"notice": f"{word} is not a command of this workspace. Try {COMMAND}"}
        return _told(await self._slack.command(text, user_id=user, channel_id=channel))

    async def _press(self, user: str, asked: Message) -> Message:
        shown, option = self._find(user, asked), str(asked.get("option", ""))
        pressed = self._slack.press(str(asked["action"]), shown, user=user, option=option)
        return _told(await pressed)

    async def _press_in_view(self, user: str, asked: Message) -> Message:
        pressed = self._slack.press_in_view(str(asked["action"]), str(asked["view"]), user=user)
        return _told(await pressed)

    async def _shortcut(self, user: str, _: Message) -> Message:
        return _told(await self._slack.shortcut(FIND_SESSIONS, user=user))

    async def _choose(self, user: str, asked: Message) -> Message:
        """Return an entry in the menu of a message."""
        shown = self._find(user, asked)
        chosen = self._slack.message_shortcut(
            _MESSAGE_MENU[str(asked["label"])],
            shown.as_slack_tells(),
            user=user,
            channel=shown.channel,
        )
        return _told(await chosen)

    async def _submit(self, user: str, asked: Message) -> Message:
        exchange = await self._slack.submit(str(asked["view"]), asked["values"], user=user)
        return _told(exchange) | {"errors": (exchange.ack or {}).get("errors", {})}

    async def _close(self, _: str, asked: Message) -> Message:
        self._slack.close_view(str(asked["view"]))
        return {}

    async def _home(self, user: str, _: Message) -> Message:
        await self._slack.open_home(user=user)
        return {}

    async def _messages_tab(self, user: str, _: Message) -> Message:
        await self._slack.open_home(user=user, tab="messages")
        return {}

    async def _step(self, _: str, asked: Message) -> Message:
        inputs = {name: value for name, value in asked["inputs"].items() if value not in ("", None)}
        run = await self._slack.run_step(FIND_SESSIONS_STEP, **inputs)
        try:
            how, what = await run.end(seconds=30)
        except TimeoutError:
            return {"notice": _FAILED}
        return {"how": how, "what": what}

    async def _set_trouble(self, _: str, asked: Message) -> Message:
        reply, seconds = _FULLSTORY[asked["fullstory"]]
        self._slack.response_status = _RESPONSE_URL[asked["response_url"]]
        self._fullstory.always, self._fullstory.seconds = reply, seconds
        self._trouble = {name: asked[name] for name in self._trouble}
        return {}

    def _find(self, user: str, asked: Message) -> Shown:
        """Return a message that the person sees."""
        ts = str(asked["message"])
        return next(one for one in self._slack.screen if one.ts == ts and one.user in ("", user))


def _told(exchange: Exchange) -> Message:
    return {} if exchange.status == 200 else {"notice": _FAILED}


@web.middleware
async def _from_this_page_alone(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what other pages in the same browser might send, under whatever name they know us."""
    if request.url.host not in ("localhost", "127.0.0.1"):
        raise web.HTTPForbidden
    if request.method == "POST":
        own = request.headers.get("Origin") == f"http://{request.host}"
        if not own or request.content_type != "application/json":
            raise web.HTTPForbidden
    return await handler(request)


async def _static(request: web.Request) -> web.Response:
    if request.match_info["name"] not in _STATIC:
        raise web.HTTPNotFound
    name, kind = _STATIC[request.match_info["name"]]
    content = (files("bot.sandbox") / "static" / name).read_bytes()
    charset = "utf-8" if kind.startswith("text/") else None
    return web.Response(body=content, content_type=kind, charset=charset, headers=_HEADERS)


async def seed(slack: SlackSandbox) -> None:
    """Post tickets and a question in the channels, and wait for the offers."""
    text: Any
    for minutes, channel, author, text in _SEEDS:
        ago = datetime.now(UTC).timestamp() - 60 * minutes
        place = {"ts": f"{ago:.0f}.{slack.new_ts()[-6:]}", "channel": channel}
        if isinstance(author, dict):
            await slack.write(text, **place, **author)
        else:
            await slack.write(text, user=author, **place)
    with suppress(TimeoutError):
        async with asyncio.timeout(3):
            while sum(bool(one.thread_ts) for one in slack.screen) < _OFFERS:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    await slack.told()


_OFFERS: Final = 3  # of the tickets, so many name a person
_FORM_TICKET: Final = [
    {"type": "header", "text": {"type": "plain_text", "text": "New ticket: can't log in"}},
    {
        "type": "section",
        "fields": [
            {"type": "mrkdwn", "text": "*User ID:* 12345"},
            {"type": "mrkdwn", "text": "*Priority:* high :fire:"},
        ],
    },
    {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": "From the form on the _help_ page"}],
    },
]
_TOOL: Final = {"bot_id": "B0TICKETS", "subtype": "bot_message", "username": "Ticket desk"}
_SEEDS: Final[tuple[tuple[float, str, str | dict[str, Any], str], ...]] = (
    (
        61.5,
        TICKETS,
        USER,
        "The checkout is broken, nothing happens when I pay :cry: jane@example.com",
    ),
    (30, TICKETS, {**_TOOL, "blocks": _FORM_TICKET}, "New ticket: can't log in, user ID: 12345"),
    (20, TICKETS, AGENT, "Both omar@example.com and maria+vip@example.com see an *empty page*"),
    (5, TICKETS, PARTNER, "Is anyone else's coffee cold? :coffee:"),
    (15, CHANNEL, MANAGER, "Who looks after jane@example.com? She wrote to me as well."),
)
