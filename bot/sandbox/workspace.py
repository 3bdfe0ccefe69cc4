"""What the stand-in Slack knows: people, channels, what is in them, windows, workflow runs."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.features import EVENTS, scopes

TEAM: Final = "T0SANDBOX"
APP: Final = "A0SANDBOX"
USER: Final = "U0SUPPORT"
AGENT: Final = "U0AGENT"
MANAGER: Final = "U0MANAGER"
BOT_USER: Final = "U0FSESSIONS"
BOT: Final = "B0FSESSIONS"
CHANNEL: Final = "C0SUPPORT"
"""A private channel; the bot is no member."""

TICKETS: Final = "C0TICKETS"
"""A support channel, which the bot was invited to, and people of another organization as well."""

DIRECT: Final = "D0SUPPORT"
"""Between `USER` and the bot."""

PARTNER_TEAM: Final = "T0PARTNER"
PARTNER: Final = "U0PARTNER"

MAX_POSTED: Final = 13_200
"""Characters of blocks that chat.postMessage takes; https://github.com/slackapi/bolt-js/issues/2509."""

WIRE_LENGTH: Final = 60
"""How much of what went over the wire is remembered."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OnTheWire:
    """One request and its reply; `way` says between whom. `status` is 0 where no reply came."""

    way: str
    what: str
    request: str
    status: int
    reply: str
    milliseconds: int


@dataclass(eq=False)
class Shown:
    """A message on the screen: for everyone in a channel, or for the one `user` who sees it.

    `author` holds the fields that tell who wrote it: `user`, or `bot_id` and others.
    """

    message: Message
    ts: str
    user: str
    thread_ts: str = ""
    channel: str = CHANNEL
    author: Message = field(default_factory=dict)

    def as_slack_tells(self) -> Message:
        """As an event or a method gives it."""
        place = {"thread_ts": self.thread_ts} if self.thread_ts else {}
        message = self.message
        if "user" in self.author and "bot_id" not in self.author and "blocks" not in message:
            message = _as_clients_write(message)
        return {"type": "message", **message, **self.author, "ts": self.ts, **place}


def with_links(text: str) -> str:
    """Return a typed text, its addresses as links, as Slack sends them."""
    return _TYPED_ADDRESS.sub(lambda found: f"<mailto:{found[0]}|{found[0]}>", text)


_TYPED_ADDRESS: Final = re.compile(r"(?<![\w<|:.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_TOKEN: Final = re.compile(
    r"<(?:mailto:(?P<mail>[^|>]*)\|[^>]*|@(?P<user>\w+)|#(?P<channel>\w+)[^>]*)>"
)


def _as_clients_write(message: Message) -> Message:
    """Return what Slack makes of a typed message: links for addresses, and rich text."""
    text = with_links(message["text"])
    elements: list[Message] = []
    end = 0
    for token in _TOKEN.finditer(text):
        elements += _plain_element(text[end : token.start()])
        end = token.end()
        if token["mail"]:
            link = {"type": "link", "url": f"mailto:{token['mail']}", "text": token["mail"]}
            elements.append(link)
        elif token["user"]:
            elements.append({"type": "user", "user_id": token["user"]})
        else:
            elements.append({"type": "channel", "channel_id": token["channel"]})
    elements += _plain_element(text[end:])
    section = {"type": "rich_text_section", "elements": elements}
    blocks = [{"type": "rich_text", "block_id": "b", "elements": [section]}]
    return message | {"text": text, "blocks": blocks}


def _plain_element(text: str) -> list[Message]:
    plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return [{"type": "text", "text": plain}] if plain else []


@dataclass(eq=False)
class Exchange:
    """One thing that a person did, and what came of it.

    `status` is the ack's HTTP status (200 over Socket Mode), or 0 if none came in time. `ack` is
    the message in it, if any; `later` are those at the response_url.
    """

    response_url: str = ""
    trigger_id: str = ""
    user: str = ""
    channel: str = CHANNEL
    pressed: Shown | None = None
    form: str = ""
    status: int = 0
    ack: Message | None = None
    later: list[Message] = field(default_factory=list)
    uses: int = 0
    opened: float = 0.0
    acked_at: float = 0.0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, seconds: float = 10.0) -> Message:
        """Return the first message at the response_url. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            await self.arrived.wait()
        return self.later[0]


@dataclass(frozen=True)
class Trigger:
    """A one-time right to open a window.

    `user` may use it. `view` is the window that it came from, or "".
    """

    time: float
    user: str
    view: str = ""


@dataclass(eq=False)
class Run:
    """One run of a workflow's custom step.

    `ends` are those that Slack took: ("success", outputs) or ("error", sentence). `refused` are the
    errors that Slack gave to others.
    """

    id: str
    token: str
    started: float
    event: Message
    ends: list[tuple[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def end(self, seconds: float = 10.0) -> tuple[str, Any]:
        """How it ended. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            await self.ended.wait()
        return self.ends[0]


def _person(user: str, name: str, team: str = TEAM, email: str = "") -> Message:
    return {
        "id": user,
        "team_id": team,
        "name": name,
        "is_stranger": team != TEAM,
        "deleted": False,
        "is_bot": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "tz": "Europe/Berlin",
        "tz_offset": 3600,
        "profile": {"email": email} if email else {},
    }


class Workspace:
    """A workspace with this one app.

    `scopes` and `events` are what the app was granted and subscribes to, as its manifest says.
    `members` are the people of each channel that exists for the bot; `users` are the profiles;
    `usergroups` are the people of each group; `homes` are the published Home tabs by user;
    `view_of` tells who sees a window. `api_calls` are the Web API methods that were called;
    `api_errors` maps a method to the error it answers with, or to "" for HTML and plain text in
    turns; `api_busy` says how many times a method answers 429 first, with `api_retry_after` seconds
    to wait; `api_held` holds an event for methods that wait until it is set; `lost_replies` are
    methods that are done, but whose reply no one can read. `wire` is what went over the wire, and
    `on_change` is called when something did. `on_message` is told of what appears, and
    who alone sees it.
    """

    def __init__(self) -> None:
        self.signing_secret = secrets.token_hex(16)
        self.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self.app_token = f"xapp-{secrets.token_hex(12)}"
        self.scopes = ",".join(scopes())
        self.events = set(EVENTS)
        self.members: dict[str, set[str]] = {
            CHANNEL: {USER, AGENT, MANAGER},
            TICKETS: {USER, AGENT, MANAGER, PARTNER, BOT_USER},
            DIRECT: {USER, BOT_USER},
        }
        self.users: dict[str, Message] = {
            USER: _person(USER, "sam", email="sam@example.org"),
            AGENT: _person(AGENT, "alex", email="alex@example.org"),
            MANAGER: _person(MANAGER, "mia", email="mia@example.org"),
            PARTNER: _person(PARTNER, "pat", team=PARTNER_TEAM),
        }
        self.usergroups: dict[str, set[str]] = {}
        self.screen: list[Shown] = []
        self.views: dict[str, Message] = {}
        self.homes: dict[str, Message] = {}
        self.runs: dict[str, Run] = {}
        self.url = ""
        self.clock: Callable[[], float] = time.time
        self.on_message: Callable[[Message, str], None] = lambda *_: None
        self.api_calls: list[str] = []
        self.api_errors: dict[str, str] = {}
        self.api_busy: Counter[str] = Counter()
        self.api_retry_after = 1
        self.api_held: dict[str, asyncio.Event] = {}
        self.lost_replies: set[str] = set()
        self.triggers: dict[str, Trigger] = {}
        self.view_of: dict[str, str] = {}
        self.below: dict[str, str] = {}  # a pushed window and the one under it
        self.wire: deque[OnTheWire] = deque(maxlen=WIRE_LENGTH)
        self.on_change: Callable[[], None] = lambda: None
        self.tickets: set[str] = set()
        self._ts = secrets.randbelow(800_000)  # two workspaces hardly ever have a message in common

    def new_ts(self) -> str:
        """Return the next message's time, which is also its name."""
        self._ts += 1
        return f"{int(self.clock())}.{self._ts:06}"

    def team_of(self, user: str) -> str:
        """Return the team that a person belongs to."""
        return str(self.users.get(user, {}).get("team_id", TEAM))

    def direct(self, user: str) -> str:
        """Return the channel of direct messages between a person and the bot."""
        for channel, people in self.members.items():
            if channel.startswith("D") and people == {user, BOT_USER}:
                return channel
        channel = f"D{user[1:]}"
        self.members[channel] = {user, BOT_USER}
        return channel

    def record(self, one: OnTheWire) -> None:
        """Remember what went over the wire."""
        self.wire.append(one)
        self.on_change()

    def put_view(self, view_id: str, view: Message) -> Message:
        """Show a window, or what it becomes: a method's answer."""
        if invalid_view(view):
            return {"error": "invalid_arguments"}
        self.views[view_id] = view | {"id": view_id}
        return {"view": self.views[view_id]}

    def close_view(self, view_id: str) -> None:
        """Close a window."""
        self.views.pop(view_id, None)


def invalid_view(view: Message) -> str:
    """Return what Slack would dislike about a view, or "": as for blocks."""
    try:
        View(**{name: view[name] for name in view if name != "id"}).validate_json()
    except SlackObjectFormationError as error:
        return str(error)
    return "" if len(view["blocks"]) <= 100 else f"{len(view['blocks'])} blocks"


def invalid_blocks(message: Message) -> str:
    """Return what Slack would refuse about a message, by slack_sdk's models; "" if nothing."""
    blocks = message.get("blocks", [])
    if len(blocks) > 50:
        return f"{len(blocks)} blocks"
    try:
        for block in Block.parse_all(blocks):
            block.validate_json()
    except SlackObjectFormationError as error:
        return str(error)
    if not message.get("text"):
        return "no text for screen readers"
    return ""
