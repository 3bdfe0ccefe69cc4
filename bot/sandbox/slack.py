"""A stand-in for Slack, as awkward as the real one.

It signs and sends commands over HTTP, or over Socket Mode's WebSocket when the bot has connected;
gives three seconds for an ack; takes later messages at a response_url that dies after 5 uses or 30
minutes; refuses blocks beyond Slack's limits, which it knows from slack_sdk's models; and serves
the Web API methods that the bot calls.
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

from bot.sandbox.server import serving

ACK_SECONDS: Final = 3.0
RESPONSE_URL_USES: Final = 5
RESPONSE_URL_SECONDS: Final = 30 * 60.0
TEAM: Final = "T0SANDBOX"
USER: Final = "U0SUPPORT"
CHANNEL: Final = "C0SUPPORT"

Message = dict[str, Any]


@dataclass(eq=False)
class Exchange:
    """One command and what came of it.

    `status` is the ack's HTTP status (200 over Socket Mode), or 0 if none came in time. `ack` is
    the message in it, if any; `later` are those at the response_url.
    """

    response_url: str = ""
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

    `request_url` is where the bot takes requests; while it is "", commands go over Socket Mode.
    `response_statuses` are what the response_urls answer first, instead of 200. `api_calls` are the
    Web API methods that were called; `api_errors` maps a method to the error it answers with.
    """

    def __init__(self) -> None:
        self.signing_secret = secrets.token_hex(16)
        self.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self.app_token = f"xapp-{secrets.token_hex(12)}"
        self.scopes = "commands"
        self.url = ""
        self.request_url = ""
        self.clock: Callable[[], float] = time.time
        self.on_message: Callable[[Exchange, Message], None] = lambda _, __: None
        self.response_statuses: deque[int] = deque()
        self.response_seconds = 0.0
        self.api_calls: list[str] = []
        self.api_errors: dict[str, str] = {}
        self._exchanges: dict[str, Exchange] = {}
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
        app.router.add_post("/api/{method}", self._api)
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
        exchange = self._new_exchange()
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
            "trigger_id": f"{secrets.token_hex(5)}.{secrets.token_hex(8)}",
            **fields,
        }
        if self.request_url:
            await self._post(urlencode(body).encode(), exchange)
        else:
            await self._send("slash_commands", body, exchange)
        return exchange

    async def press(self, action_id: str) -> Exchange:
        """Presses a button of some message."""
        exchange = self._new_exchange()
        body = {
            "type": "block_actions",
            "team": {"id": TEAM, "domain": "sandbox"},
            "user": {"id": USER, "team_id": TEAM},
            "channel": {"id": CHANNEL, "name": "support"},
            "container": {"type": "message", "is_ephemeral": True},
            "response_url": exchange.response_url,
            "trigger_id": f"{secrets.token_hex(5)}.{secrets.token_hex(8)}",
            "actions": [{"type": "button", "action_id": action_id, "block_id": "b"}],
        }
        if self.request_url:
            await self._post(urlencode({"payload": json.dumps(body)}).encode(), exchange)
        else:
            await self._send("interactive", body, exchange)
        return exchange

    def _new_exchange(self) -> Exchange:
        identifier = secrets.token_hex(12)
        exchange = Exchange(f"{self.url}/response/{identifier}", opened=self.clock())
        self._exchanges[identifier] = exchange
        return exchange

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
        if method in self.api_errors:
            return web.json_response({"ok": False, "error": self.api_errors[method]})
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        expected = {"auth.test": self.bot_token, "apps.connections.open": self.app_token}
        if method not in expected:
            return web.json_response({"ok": False, "error": "unknown_method"})
        if token != expected[method]:
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if method == "auth.test":
            return web.json_response(
                {"ok": True, "team": "Sandbox", "team_id": TEAM, "user": "fsessions"},
                headers={"X-OAuth-Scopes": self.scopes},
            )
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        url = f"{self.url.replace('http', 'ws', 1)}/socket?ticket={ticket}"
        return web.json_response({"ok": True, "url": url})

    async def _respond(self, request: web.Request) -> web.Response:
        exchange = self._exchanges[request.match_info["id"]]
        exchange.uses += 1
        await asyncio.sleep(self.response_seconds)
        if self.response_statuses and (status := self.response_statuses.popleft()) != 200:
            return web.Response(status=status, text="scripted")
        if self.clock() - exchange.opened > RESPONSE_URL_SECONDS:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        if exchange.uses > RESPONSE_URL_USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        message = await request.json()
        if invalid_blocks(message):
            return web.Response(status=400, text="invalid_blocks")
        exchange.later.append(message)
        exchange.arrived.set()
        self.on_message(exchange, message)
        return web.Response(text="ok")

    def _show(self, exchange: Exchange, message: Message) -> None:
        if problem := invalid_blocks(message):
            # Slack shows an ack with invalid blocks to nobody, and tells nobody.
            raise AssertionError(problem)
        self.on_message(exchange, message)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden(text="this address was used before")
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": len(self._sockets) + 1})
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
