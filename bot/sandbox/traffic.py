"""Traffic between the stand-in Slack and the bot, as awkward as the real one.

Requests are signed and sent over HTTP, or over Socket Mode's WebSocket when the bot has connected.
The bot has three seconds for an ack. An event without one is sent again. Only events are sent that
the app subscribes to and has a scope for. Later messages come to a response_url, which dies
after 5 uses or 30 minutes, and can replace a message only if it came with a press on it. The bot is
told about its own messages, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web

from bot.sandbox.server import serving
from bot.sandbox.web_api import WebApi
from bot.sandbox.workspace import (
    APP,
    BOT,
    BOT_USER,
    CHANNEL,
    TEAM,
    USER,
    Exchange,
    Message,
    OnTheWire,
    Shown,
    Trigger,
    Workspace,
    invalid_blocks,
)
from bot.slack.api import EVENT_SCOPES

ACK_SECONDS: Final = 3.0
RESPONSE_URL_USES: Final = 5
RESPONSE_URL_SECONDS: Final = 30 * 60.0
_FORM: Final = "application/x-www-form-urlencoded"
_KINDS: Final = {"C": "channel", "D": "im", "G": "group"}
_SUBSCRIPTIONS: Final = {"channel": "channels", "im": "im", "group": "groups"}


class Traffic(Workspace):
    """A workspace that talks with the bot.

    `request_url` is where the bot takes requests; while it is "", they go over Socket Mode.
    `ack_seconds` is how long an ack may take; a test on a busy machine may give more.
    `response_statuses` are what the response_urls answer first, instead of 200, and
    `response_status` what they answer as long as it is another; after `hang` they don't answer
    until the event is set. `event_retries` are the seconds before each further attempt at an event
    that was not acknowledged.
    """

    def __init__(self) -> None:
        super().__init__()
        self.request_url = ""
        self.ack_seconds = ACK_SECONDS
        self.response_statuses: deque[int] = deque()
        self.response_status = 200
        self.retry_after = ""
        self.response_seconds = 0.0
        self.hangs: asyncio.Event | None = None
        self.event_retries: tuple[float, ...] = (0.0, 60.0, 300.0)
        self.names_teams = True
        self.greets = True
        self.sends_away = False
        self._exchanges: dict[str, Exchange] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self._connected = asyncio.Event()
        self._acks: dict[str, asyncio.Future[Message]] = {}
        self._telling: set[asyncio.Task[Any]] = set()
        self._web_api = WebApi(self, self._tell_of)

    @property
    def api_url(self) -> str:
        """The value for `SLACK_API_URL`."""
        return f"{self.url}/api/"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve on loopback, at `self.url`."""
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._web_api.answer)
        app.router.add_post("/response/{id}", self._respond)
        app.router.add_get("/socket", self._socket)
        async with serving(app) as self.url:
            try:
                yield self
            finally:
                for task in self._telling:
                    task.cancel()
                await asyncio.gather(*self._telling, return_exceptions=True)
                await self.close_sockets()

    # -- Slack to the bot -------------------------------------------------------------------------

    async def event(self, event: Message, **fields: Any) -> list[int]:  # noqa: ANN401
        """Tell the bot of an event, again if need be; the status of each attempt.

        Nothing is told of what the app doesn't subscribe to, or has no scope for.
        https://docs.slack.dev/apis/events-api#retries
        """
        if not self._is_subscribed(event):
            return []
        author = str(event.get("user", ""))
        body = {
            "type": "event_callback",
            "team_id": self.team_of(author),  # of who wrote it, where a channel is shared
            "api_app_id": APP,
            "event": {"event_ts": self.new_ts(), **event},
            "event_id": f"Ev{secrets.token_hex(5)}",
            "event_time": int(self.clock()),
            "is_ext_shared_channel": self.team_of(author) != TEAM,
            "authorizations": [{"team_id": TEAM, "user_id": BOT_USER, "is_bot": True}],
            **fields,
        }
        statuses: list[int] = []
        for number, seconds in enumerate((0.0, *self.event_retries)):
            await asyncio.sleep(seconds)
            exchange = Exchange()
            if self.request_url:
                retry = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": "http_error"}
                headers = retry if number else {}
                await self.post(json.dumps(body).encode(), exchange, "application/json", **headers)
            else:
                await self.send_envelope("events_api", body, exchange, retry_attempt=number)
            statuses.append(exchange.status)
            if 200 <= exchange.status < 300:
                break
        return statuses

    def _is_subscribed(self, event: Message) -> bool:
        name = str(event["type"])
        if name == "message":
            name += f".{_SUBSCRIPTIONS[str(event.get('channel_type', 'channel'))]}"
        scope = EVENT_SCOPES[name]
        return name in self.events and (not scope or scope in self.scopes.split(","))

    async def told(self) -> None:
        """Wait until the bot has heard of its own messages."""
        if self._telling:
            await asyncio.wait(set(self._telling), timeout=ACK_SECONDS)

    def _tell_of(self, shown: Shown) -> None:
        """Tell the bot of its own message, as Slack does, while it continues."""
        for event in self.events_of(shown):
            task = asyncio.create_task(self.event(event))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def events_of(self, shown: Shown) -> list[Message]:
        """Return the events that tell of a new message, if the bot is told at all."""
        if BOT_USER not in self.members.get(shown.channel, set()):
            return []
        place = {"channel": shown.channel, "channel_type": _KINDS[shown.channel[0]]}
        message = shown.as_slack_tells() | place
        if f"<@{BOT_USER}>" in shown.message["text"] and shown.channel[0] != "D":
            mention = {name: message[name] for name in message if name != "channel_type"}
            return [message, mention | {"type": "app_mention"}]
        return [message]

    def about_message(self, shown: Shown, subtype: str) -> Message:
        """Return the beginning of an event that tells of a change."""
        place = {"channel": shown.channel, "channel_type": _KINDS[shown.channel[0]]}
        return {"type": "message", "subtype": subtype, "ts": self.new_ts(), **place}

    async def interact(self, user: str, fields: Message, pressed: Shown | None = None) -> Exchange:
        """Tell the bot of a press, a shortcut, or a form."""
        channel = str(fields.get("channel", {}).get("id", CHANNEL))
        view_id = str(fields.get("view", {}).get("id", ""))
        exchange = self.new_exchange(user, channel, pressed, view_id)
        if fields["type"] == "view_submission":
            exchange.form = view_id
        body = {
            # Of who pressed, only `user` tells where they belong: `team` is the app's workspace.
            "team": {"id": TEAM, "domain": "sandbox"},
            "user": {"id": user, "team_id": self.team_of(user)},
            "trigger_id": exchange.trigger_id,
            **({"response_url": exchange.response_url} if "channel" in fields else {}),
            **fields,
        }
        if self.request_url:
            await self.post(urlencode({"payload": json.dumps(body)}).encode(), exchange)
        else:
            await self.send_envelope("interactive", body, exchange)
        return exchange

    def exchanges(self) -> list[Exchange]:
        """Everything that people did, and its results."""
        return list(self._exchanges.values())

    def new_exchange(
        self,
        user: str = USER,
        channel: str = CHANNEL,
        pressed: Shown | None = None,
        view_id: str = "",
    ) -> Exchange:
        """Return a new trigger and response_url; `view_id` is of the window that was used."""
        identifier = secrets.token_hex(12)
        trigger = f"{secrets.token_hex(5)}.{secrets.token_hex(8)}"
        in_view = view_id if view_id in self.views else ""  # else it is the Home
        self.triggers[trigger] = Trigger(self.clock(), user, in_view)
        exchange = Exchange(
            f"{self.url}/response/{identifier}",
            trigger,
            user=user,
            channel=channel,
            pressed=pressed,
            opened=self.clock(),
        )
        self._exchanges[identifier] = exchange
        return exchange

    def sign(
        self, body: bytes, timestamp: int | None = None, content_type: str = _FORM
    ) -> dict[str, str]:
        """Return the headers of a signed request."""
        stamp = str(int(self.clock()) if timestamp is None else timestamp)
        base = b"v0:" + stamp.encode() + b":" + body
        digest = hmac.new(self.signing_secret.encode(), base, hashlib.sha256).hexdigest()
        return {
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
            "Content-Type": content_type,
        }

    async def post(
        self, body: bytes, exchange: Exchange, content_type: str = _FORM, **headers: str
    ) -> None:
        """Sign and sends a request over HTTP."""
        signed = self.sign(body, content_type=content_type) | headers
        timeout = aiohttp.ClientTimeout(total=self.ack_seconds)
        started, text = perf_counter(), ""
        async with aiohttp.ClientSession(timeout=timeout) as http:
            try:
                async with http.post(self.request_url, data=body, headers=signed) as response:
                    text = await response.text()
                    self._acked(exchange, response.status, text, response.content_type)
            except (TimeoutError, aiohttp.ClientError):
                pass
        took = round((perf_counter() - started) * 1000)
        what, request = "POST /slack/events", _as_sent(signed, body)
        self.record(OnTheWire("Slack → bot", what, request, exchange.status, text, took))

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
        if exchange.form and status == 200:
            self._act_on_form(exchange.form, exchange.ack or {})

    def _act_on_form(self, view_id: str, ack: Message) -> None:
        if ack.get("response_action") == "update":
            self.put_view(view_id, ack["view"])
        elif "response_action" not in ack:
            self.close_view(view_id)

    async def send_envelope(
        self, kind: str, payload: Message, exchange: Exchange, **fields: object
    ) -> None:
        """Send an envelope over Socket Mode, and waits for its ack."""
        await self.connected()
        envelope_id = secrets.token_hex(8)
        acked = self._acks[envelope_id] = asyncio.get_running_loop().create_future()
        await self.sockets[-1].send_json(
            {
                "envelope_id": envelope_id,
                "type": kind,
                "accepts_response_payload": kind == "slash_commands",
                "payload": payload,
                **fields,
            }
        )
        try:
            async with asyncio.timeout(self.ack_seconds):
                ack = await acked
        except TimeoutError:
            return
        finally:
            del self._acks[envelope_id]
        self._acked(exchange, 200, json.dumps(ack.get("payload", "")), "application/json")

    async def connected(self, seconds: float = 10.0) -> None:
        """Wait until the bot has connected over Socket Mode."""
        async with asyncio.timeout(seconds):
            await self._connected.wait()

    async def announce_disconnect(self) -> None:
        """Tell the bot to renew its connection, as Slack does every few hours.

        The old one is closed when the new one stands and no ack is awaited anymore.
        """
        self._connected.clear()
        old = self.sockets[-1]
        await old.send_json({"type": "disconnect", "reason": "refresh_requested"})

        async def close() -> None:
            await self._connected.wait()
            while self._acks:
                await asyncio.wait(set(self._acks.values()))
            await old.close()

        task = asyncio.create_task(close())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def send_frame(self, text: str) -> None:
        """Send any text over the connection."""
        await self.sockets[-1].send_str(text)

    async def close_sockets(self) -> None:
        """End all connections without a word."""
        self._connected.clear()
        for socket in list(self.sockets):
            await socket.close()

    # -- The bot to Slack -------------------------------------------------------------------------

    def hang(self) -> asyncio.Event:
        """Let everything that comes to a response_url wait, until the event is set."""
        self.hangs = asyncio.Event()
        return self.hangs

    async def _respond(self, request: web.Request) -> web.Response:
        started = perf_counter()
        response = await self._take_response(request)
        took = round((perf_counter() - started) * 1000)
        message = json.dumps(await request.json(), indent=2, ensure_ascii=False)
        told = str(response.text)
        self.record(OnTheWire("bot → Slack", "response_url", message, response.status, told, took))
        return response

    async def _take_response(self, request: web.Request) -> web.Response:
        exchange = self._exchanges[request.match_info["id"]]
        exchange.uses += 1
        hangs = self.hangs  # as it was when the message came
        message = await request.json()  # taken, whatever becomes of the connection
        if hangs:
            await hangs.wait()
        await asyncio.sleep(self.response_seconds)
        if self.response_status != 200:
            return web.Response(status=self.response_status, text="scripted")
        if self.response_statuses and (status := self.response_statuses.popleft()) != 200:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=status, text="scripted", headers=headers)
        if self.clock() - exchange.opened > RESPONSE_URL_SECONDS:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        if exchange.uses > RESPONSE_URL_USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
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
        everybody = message.get("response_type") == "in_channel"
        self.on_message(message, "" if everybody else exchange.user)
        return web.Response(text="ok")

    def _put(self, exchange: Exchange, message: Message) -> None:
        everybody = message.get("response_type") == "in_channel"
        shown = Shown(
            message,
            self.new_ts(),
            "" if everybody else exchange.user,
            str(message.get("thread_ts", "")),
            exchange.channel,
            # What is shared this way looks like any bot's, but for `bot_id`:
            # https://github.com/slackapi/bolt-python/issues/683
            {"subtype": "bot_message", "bot_id": BOT},
        )
        self.screen.append(shown)
        if everybody:
            self._tell_of(shown)

    def _show(self, exchange: Exchange, message: Message) -> None:
        if problem := invalid_blocks(message):
            # Slack shows an ack with invalid blocks to no one, and tells no one.
            raise AssertionError(problem)
        self._put(exchange, message)
        self.on_message(message, exchange.user)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            raise web.HTTPForbidden(text="this address was used before")
        self.tickets.remove(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.greets:
            await socket.send_json({"type": "hello", "num_connections": len(self.sockets) + 1})
        if self.sends_away:
            await socket.send_json({"type": "disconnect", "reason": "warning"})
        self.sockets.append(socket)
        self._connected.set()
        try:
            async for frame in socket:
                ack = json.loads(frame.data)
                if waiting := self._acks.get(ack["envelope_id"]):
                    waiting.set_result(ack)
        finally:
            self.sockets.remove(socket)
        return socket


def _as_sent(headers: dict[str, str], body: bytes) -> str:
    """Return a request, its form's fields one by one."""
    text = body.decode()
    fields: Message = json.loads(text) if text.startswith("{") else dict(parse_qsl(text))
    if "payload" in fields:
        fields = json.loads(fields["payload"])
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join([*lines, "", json.dumps(fields, indent=2, ensure_ascii=False)])
