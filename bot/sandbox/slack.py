"""A stand-in for Slack, as awkward as the real one.

It signs and sends commands, shortcuts, presses and forms, over HTTP or over Socket Mode's WebSocket
when the bot has connected; gives three seconds for an ack; takes later messages at a response_url
that dies after 5 uses or 30 minutes, and that can replace a message only if it came with a press on
it; opens views for triggers that live three seconds and work once; refuses blocks and views beyond
Slack's limits, which it knows from slack_sdk's models; and serves the Web API methods that the bot
calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.sandbox.server import serving

ACK_SECONDS: Final = 3.0
RESPONSE_URL_USES: Final = 5
RESPONSE_URL_SECONDS: Final = 30 * 60.0
TEAM: Final = "T0SANDBOX"
USER: Final = "U0SUPPORT"
BOT_USER: Final = "U0FSESSIONS"
CHANNEL: Final = "C0SUPPORT"

TRIGGER_SECONDS: Final = 3.0

Message = dict[str, Any]


@dataclass(eq=False)
class Shown:
    """A message on the screen: for everybody, or for the one `user` who sees it."""

    message: Message
    ts: str
    user: str
    thread_ts: str = ""


@dataclass(eq=False)
class Exchange:
    """One thing that a person did, and what came of it.

    `status` is the ack's HTTP status (200 over Socket Mode), or 0 if none came in time. `ack` is
    the message in it, if any; `later` are those at the response_url.
    """

    response_url: str = ""
    trigger_id: str = ""
    user: str = ""
    pressed: Shown | None = None
    status: int = 0
    ack: Message | None = None
    later: list[Message] = field(default_factory=list)
    uses: int = 0
    opened: float = 0.0
    acked_at: float = 0.0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, seconds: float = 10.0) -> Message:
        """The first message at the response_url. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            await self.arrived.wait()
        return self.later[0]


class SlackSandbox:
    """A workspace with this one app.

    `members` are the people of each channel that exists for the bot; `users` are the profiles.
    `request_url` is where the bot takes requests; while it is "", commands go over Socket Mode.
    `response_statuses` are what the response_urls answer first, instead of 200. `api_calls` are the
    Web API methods that were called; `api_errors` maps a method to the error it answers with,
    or to "" for HTML and plain text in turns.
    """

    def __init__(self) -> None:
        self.signing_secret = secrets.token_hex(16)
        self.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self.app_token = f"xapp-{secrets.token_hex(12)}"
        self.scopes = "commands,users:read,users:read.email"
        self.members: dict[str, set[str]] = {CHANNEL: {USER}}
        self.users: dict[str, Message] = {
            USER: {
                "id": USER,
                "team_id": TEAM,
                "tz": "Europe/Berlin",
                "tz_offset": 3600,
                "profile": {"email": "sam@example.org"},
            }
        }
        self.screen: list[Shown] = []
        self.views: dict[str, Message] = {}
        self.url = ""
        self.request_url = ""
        self.clock: Callable[[], float] = time.time
        self.on_message: Callable[[Exchange, Message], None] = lambda _, __: None
        self.on_view: Callable[[Message], None] = lambda _: None
        self.response_statuses: deque[int] = deque()
        self.retry_after = ""
        self.response_seconds = 0.0
        self.api_calls: list[str] = []
        self.api_errors: dict[str, str] = {}
        self.greets = True
        self.sends_away = False
        self._plain = False
        self._exchanges: dict[str, Exchange] = {}
        self._triggers: dict[str, float] = {}
        self._ts = 0
        self._tickets: set[str] = set()
        self._sockets: list[web.WebSocketResponse] = []
        self._connected = asyncio.Event()
        self._acks: dict[str, asyncio.Future[Message]] = {}

    @property
    def api_url(self) -> str:
        """For `SLACK_API_URL`."""
        return f"{self.url}/api/"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SlackSandbox]:
        """Serves on loopback, at `self.url`."""
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/response/{id}", self._respond)
        app.router.add_get("/socket", self._socket)
        async with serving(app) as self.url:
            try:
                yield self
            finally:
                await self.close_sockets()

    # -- What a person does -----------------------------------------------------------------------

    async def command(self, typed: str, **fields: str) -> Exchange:
        """Types a command, such as `/fsessions jane@example.com`; `fields` override Slack's own."""
        command, _, text = typed.partition(" ")
        exchange = self.new_exchange()
        body = {
            "team_id": TEAM,
            "team_domain": "sandbox",
            "channel_id": CHANNEL,
            "channel_name": "support",
            "user_id": USER,
            "user_name": "sam",
            "command": command,
            "text": as_slack_sends(text.strip()),
            "api_app_id": "A0SANDBOX",
            "is_enterprise_install": "false",
            "response_url": exchange.response_url,
            "trigger_id": exchange.trigger_id,
            **fields,
        }
        if self.request_url:
            await self._post(urlencode(body).encode(), exchange)
        else:
            await self._send("slash_commands", body, exchange)
        return exchange

    async def press(
        self,
        action_id: str,
        shown: Shown | None = None,
        *,
        user: str = USER,
        channel: str = CHANNEL,
    ) -> Exchange:
        """Presses a button of a message, by default the last one on the screen that has it."""
        if shown is None:
            shown = next(one for one in reversed(self.screen) if _button(one.message, action_id))
        container = {"type": "message", "message_ts": shown.ts, "channel_id": channel}
        if shown.thread_ts:
            container["thread_ts"] = shown.thread_ts
        return await self._interact(
            user,
            {
                "type": "block_actions",
                "channel": {"id": channel, "name": "support"},
                "container": container | {"is_ephemeral": bool(shown.user)},
                "actions": [_button(shown.message, action_id) | {"block_id": "b"}],
            },
            pressed=shown,
        )

    async def press_in_view(self, action_id: str, view_id: str, *, user: str = USER) -> Exchange:
        """Presses a button in an open window. There is no response_url then."""
        view = self.views[view_id]
        return await self._interact(
            user,
            {
                "type": "block_actions",
                "container": {"type": "view", "view_id": view_id},
                "view": view,
                "actions": [_button(view, action_id) | {"block_id": "b"}],
            },
        )

    async def shortcut(self, callback_id: str, *, user: str = USER) -> Exchange:
        """Chooses a global shortcut."""
        return await self._interact(user, {"type": "shortcut", "callback_id": callback_id})

    async def message_shortcut(
        self, callback_id: str, message: Message, *, user: str = USER, channel: str = CHANNEL
    ) -> Exchange:
        """Chooses a shortcut from the menu of a message; it may be one that the bot can't see."""
        return await self._interact(
            user,
            {
                "type": "message_action",
                "callback_id": callback_id,
                "channel": {"id": channel, "name": "support"},
                "message_ts": message.get("ts"),
                "message": message,
            },
        )

    async def submit(
        self, view_id: str, values: dict[str, Message], *, user: str = USER
    ) -> Exchange:
        """Sends a form; `values` are the states of its fields by their block ids."""
        view = self.views[view_id]
        state = {name: {name: value} for name, value in values.items()}
        exchange = await self._interact(
            user,
            {"type": "view_submission", "view": view | {"state": {"values": state}}},
        )
        if exchange.ack and exchange.ack.get("response_action") == "update":
            self._put_view(view_id, exchange.ack["view"])
        return exchange

    def close_view(self, view_id: str) -> None:
        """Closes a window before anything came of it."""
        del self.views[view_id]

    async def _interact(self, user: str, fields: Message, pressed: Shown | None = None) -> Exchange:
        exchange = self.new_exchange(user, pressed)
        body = {
            "team": {"id": TEAM, "domain": "sandbox"},
            "user": {"id": user, "team_id": TEAM},
            "trigger_id": exchange.trigger_id,
            **({"response_url": exchange.response_url} if "channel" in fields else {}),
            **fields,
        }
        if self.request_url:
            await self._post(urlencode({"payload": json.dumps(body)}).encode(), exchange)
        else:
            await self._send("interactive", body, exchange)
        return exchange

    def new_exchange(self, user: str = USER, pressed: Shown | None = None) -> Exchange:
        """A trigger and a response_url that nothing has come of yet."""
        identifier = secrets.token_hex(12)
        trigger = f"{secrets.token_hex(5)}.{secrets.token_hex(8)}"
        self._triggers[trigger] = self.clock()
        exchange = Exchange(
            f"{self.url}/response/{identifier}",
            trigger,
            user=user,
            pressed=pressed,
            opened=self.clock(),
        )
        self._exchanges[identifier] = exchange
        return exchange

    def new_ts(self) -> str:
        """The next message's time, which is also its name."""
        self._ts += 1
        return f"{self.clock():.0f}.{self._ts:06}"

    # -- Slack to the bot -------------------------------------------------------------------------

    def sign(self, body: bytes, timestamp: int | None = None) -> dict[str, str]:
        """The headers of a signed request."""
        stamp = str(int(self.clock()) if timestamp is None else timestamp)
        base = b"v0:" + stamp.encode() + b":" + body
        digest = hmac.new(self.signing_secret.encode(), base, hashlib.sha256).hexdigest()
        return {
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    async def _post(self, body: bytes, exchange: Exchange) -> None:
        timeout = aiohttp.ClientTimeout(total=ACK_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            try:
                async with http.post(
                    self.request_url, data=body, headers=self.sign(body)
                ) as response:
                    text = await response.text()
                    self._acked(exchange, response.status, text, response.content_type)
            except TimeoutError:
                return

    def _acked(self, exchange: Exchange, status: int, text: str, content_type: str) -> None:
        exchange.acked_at = self.clock()
        message = (
            json.loads(text) if content_type == "application/json" else text and {"text": text}
        )
        if status == 200 and message:
            if "response_action" not in message:
                self._show(exchange, message)
            exchange.ack = message
        exchange.status = status

    async def _send(self, kind: str, payload: Message, exchange: Exchange) -> None:
        await self.connected()
        envelope_id = secrets.token_hex(8)
        acked = self._acks[envelope_id] = asyncio.get_running_loop().create_future()
        await self._sockets[-1].send_json(
            {
                "envelope_id": envelope_id,
                "type": kind,
                "accepts_response_payload": kind == "slash_commands",
                "payload": payload,
            }
        )
        try:
            async with asyncio.timeout(ACK_SECONDS):
                ack = await acked
        except TimeoutError:
            return
        finally:
            del self._acks[envelope_id]
        self._acked(exchange, 200, json.dumps(ack.get("payload", "")), "application/json")

    async def connected(self, seconds: float = 10.0) -> None:
        """Waits until the bot has connected over Socket Mode."""
        async with asyncio.timeout(seconds):
            await self._connected.wait()

    async def announce_disconnect(self) -> None:
        """Tells the bot to renew its connection, as Slack does every few hours."""
        self._connected.clear()
        await self._sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def send_frame(self, text: str) -> None:
        """Sends any text over the connection."""
        await self._sockets[-1].send_str(text)

    async def close_sockets(self) -> None:
        """Ends all connections without a word."""
        self._connected.clear()
        for socket in list(self._sockets):
            await socket.close()

    # -- The bot to Slack -------------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.api_calls.append(method)
        if self.api_errors.get(method) == "":
            # slack_sdk stumbles over plain text in another way than over HTML.
            self._plain = not self._plain
            kind = "text/plain" if self._plain else "text/html"
            return web.Response(status=503, text="Service unavailable", content_type=kind)
        if method in self.api_errors:
            return web.json_response({"ok": False, "error": self.api_errors[method]})
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        methods = {
            "auth.test": self._auth_test,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.postMessage": self._post_message,
            "users.info": self._users_info,
            "views.open": self._views_open,
            "views.update": self._views_update,
            "apps.connections.open": self._connections_open,
        }
        if method not in methods:
            return web.json_response({"ok": False, "error": "unknown_method"})
        app_level = method == "apps.connections.open"
        if token != (self.app_token if app_level else self.bot_token):
            return web.json_response({"ok": False, "error": "invalid_auth"})
        answer = methods[method](await _arguments(request))
        ok = {"ok": "error" not in answer}
        return web.json_response(ok | answer, headers={"X-OAuth-Scopes": self.scopes})

    def _auth_test(self, _: Message) -> Message:
        return {"team": "Sandbox", "team_id": TEAM, "user": "fsessions"}

    def _post_message(self, arguments: Message) -> Message:
        return self._post_in_channel(arguments, to="")

    def _post_ephemeral(self, arguments: Message) -> Message:
        return self._post_in_channel(arguments, to=arguments.get("user", ""))

    def _post_in_channel(self, arguments: Message, to: str) -> Message:
        """Only where the bot is a member, and to members: a response_url asks for neither."""
        people = self.members.get(arguments.get("channel", ""))
        if people is None:  # also for direct messages between other people
            return {"error": "channel_not_found"}
        if BOT_USER not in people:
            return {"error": "not_in_channel"}
        if to and to not in people:
            return {"error": "user_not_in_channel"}
        blocks = json.loads(arguments.get("blocks", "[]"))
        message = {"text": arguments.get("text", ""), "blocks": blocks}
        if invalid_blocks(message):
            return {"error": "invalid_blocks"}
        shown = Shown(message, self.new_ts(), to, arguments.get("thread_ts", ""))
        self.screen.append(shown)
        return {"message_ts" if to else "ts": shown.ts}

    def _users_info(self, arguments: Message) -> Message:
        granted = self.scopes.split(",")
        if "users:read" not in granted:
            return {"error": "missing_scope"}
        user = self.users.get(arguments.get("user", ""))
        if user is None:
            return {"error": "user_not_found"}
        if "users:read.email" not in granted:
            # No error: the address is just not there.
            user = user | {"profile": {k: v for k, v in user["profile"].items() if k != "email"}}
        return {"user": user}

    def _views_open(self, arguments: Message) -> Message:
        opened = self._triggers.pop(arguments.get("trigger_id", ""), None)
        if opened is None:
            return {"error": "exchanged_trigger_id"}
        if self.clock() - opened > TRIGGER_SECONDS:
            return {"error": "expired_trigger_id"}
        view_id = f"V{secrets.token_hex(5)}"
        return self._put_view(view_id, json.loads(arguments["view"]))

    def _views_update(self, arguments: Message) -> Message:
        view_id = arguments.get("view_id", "")
        if view_id not in self.views:
            return {"error": "not_found"}
        return self._put_view(view_id, json.loads(arguments["view"]))

    def _put_view(self, view_id: str, view: Message) -> Message:
        if invalid_view(view):
            return {"error": "invalid_arguments"}
        self.views[view_id] = view | {"id": view_id}
        self.on_view(self.views[view_id])
        return {"view": self.views[view_id]}

    def _connections_open(self, _: Message) -> Message:
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return {"url": f"{self.url.replace('http', 'ws', 1)}/socket?ticket={ticket}"}

    async def _respond(self, request: web.Request) -> web.Response:
        exchange = self._exchanges[request.match_info["id"]]
        exchange.uses += 1
        await asyncio.sleep(self.response_seconds)
        if self.response_statuses and (status := self.response_statuses.popleft()) != 200:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=status, text="scripted", headers=headers)
        if self.clock() - exchange.opened > RESPONSE_URL_SECONDS:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        if exchange.uses > RESPONSE_URL_USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        message = await request.json()
        original = exchange.pressed
        if message.get("delete_original") and original in self.screen:
            self.screen.remove(original)
        elif invalid_blocks(message):
            return web.Response(status=400, text="invalid_blocks")
        elif message.get("replace_original") and original in self.screen:
            original.message = message
        else:  # a command's response_url can't replace anything: it only adds
            self._put(exchange, message)
        exchange.later.append(message)
        exchange.arrived.set()
        self.on_message(exchange, message)
        return web.Response(text="ok")

    def _put(self, exchange: Exchange, message: Message) -> None:
        everybody = message.get("response_type") == "in_channel"
        self.screen.append(
            Shown(
                message,
                self.new_ts(),
                "" if everybody else exchange.user,
                str(message.get("thread_ts", "")),
            )
        )

    def _show(self, exchange: Exchange, message: Message) -> None:
        if problem := invalid_blocks(message):
            # Slack shows an ack with invalid blocks to nobody, and tells nobody.
            raise AssertionError(problem)
        self._put(exchange, message)
        self.on_message(exchange, message)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden(text="this address was used before")
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.greets:
            await socket.send_json({"type": "hello", "num_connections": len(self._sockets) + 1})
        if self.sends_away:
            await socket.send_json({"type": "disconnect", "reason": "warning"})
        self._sockets.append(socket)
        self._connected.set()
        try:
            async for frame in socket:
                ack = json.loads(frame.data)
                if waiting := self._acks.get(ack["envelope_id"]):
                    waiting.set_result(ack)
        finally:
            self._sockets.remove(socket)
        return socket


def as_slack_sends(text: str) -> str:
    """What becomes of a typed text on its way: https://docs.slack.dev/messaging/formatting-message-text."""
    if text.startswith("<"):
        return text  # a test's own markup
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def _arguments(request: web.Request) -> Message:
    """What a method is called with: as a query, a form, or JSON; structures as JSON in a text."""
    if request.content_type != "application/json":
        return {**request.query, **await request.post()}
    given: Message = await request.json()
    structures = (dict, list)
    return {
        name: json.dumps(value) if isinstance(value, structures) else value
        for name, value in given.items()
    }


def _button(holder: Message, action_id: str) -> Message:
    """A button as Slack sends it when it is pressed, or {}."""
    for block in holder.get("blocks", []):
        for element in [*block.get("elements", []), block.get("accessory", {})]:
            if element.get("action_id") == action_id:
                return {name: element[name] for name in element if name not in ("style", "url")}
    return {}


def invalid_view(view: Message) -> str:
    """What Slack would dislike about a view, or "": as for blocks."""
    try:
        View(**{name: view[name] for name in view if name != "id"}).validate_json()
    except SlackObjectFormationError as error:
        return str(error)
    return "" if len(view["blocks"]) <= 100 else f"{len(view['blocks'])} blocks"


def invalid_blocks(message: Message) -> str:
    """What Slack would dislike about a message, or ""; by slack_sdk's models, not by our code."""
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
