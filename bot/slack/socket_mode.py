"""The Socket Mode transport: connects, receives, dispatches and acknowledges.

The connection is aiohttp's. slack_sdk's own client retries a failed connection with the same URL
although each can be used only once, closes the old connection before the new one is ready, loses
acks when it closes, and logs what it received.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.connections import proxy_for
from bot.errors import SettingsError, SlackError
from bot.fast_json import dumps
from bot.slack.app import App, BadBody, Reply
from bot.slack.background import BackgroundTasks
from bot.slack.request import settle
from bot.slack.web_api import TOKEN_ERRORS, call_api
from bot.timeouts import Timeouts

_log = structlog.get_logger()

_PING_SECONDS: Final = 10.0
_MAX_WAIT: Final = 30.0
_MAX_REFUSALS: Final = 5  # in a row, until a token that once worked counts as invalid
_STABLE_SECONDS: Final = 30.0  # a connection that lasts this long was stable


class _Connection:
    """One WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.greeted = False
        self.leaving = asyncio.Event()  # it has ended, or Slack says that it will soon


class SocketMode:
    """Keeps a connection to Slack open while `run` is running."""

    def __init__(
        self,
        app: App,
        client: AsyncWebClient,
        http: aiohttp.ClientSession,
        app_token: str,
        background: BackgroundTasks,
        timeouts: Timeouts,
    ) -> None:
        self._app = app
        self._client = client
        self._http = http
        self._app_token = app_token
        self._background = background
        self._timeouts = timeouts
        self._refused = _MAX_REFUSALS - 1  # a token that never worked is refused once
        self._receiving: dict[_Connection, asyncio.Task[None]] = {}
        self._lost_at = 0.0
        self.was_connected = False

    @property
    def connected(self) -> bool:
        """Tell whether there is a connection on which Slack can reach the bot."""
        return any(one.greeted and not one.leaving.is_set() for one in self._receiving)

    def is_alive(self, grace: float) -> bool:
        """Tell whether there is a connection, or has been none for less than `grace` seconds."""
        if self.connected:
            return True
        return asyncio.get_running_loop().time() - self._lost_at < grace

    async def run(self) -> None:
        """Connect and reconnect until cancelled.

        Raises `SettingsError` if Slack refuses the token: waiting won't help.
        """
        loop = asyncio.get_running_loop()
        self._lost_at = loop.time()
        wait = self._timeouts.reconnect
        try:
            while True:
                started = loop.time()
                connection = await self._connect()
                if connection:
                    # Slack announces the end of a connection. The old one stays open beside the
                    # new one until Slack closes it: acks go where their requests came from.
                    await connection.leaving.wait()
                    if loop.time() - started > _STABLE_SECONDS:
                        wait = self._timeouts.reconnect
                        continue
                _log.warning("not connected to Slack", next_try_in_seconds=wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, _MAX_WAIT)
        finally:
            await self._close()

    async def _connect(self) -> _Connection | None:
        try:
            # A URL is good for one connection:
            # https://docs.slack.dev/reference/methods/apps.connections.open
            answer = await call_api(self._client.apps_connections_open(app_token=self._app_token))
            url = str(answer["url"])
            socket = await self._http.ws_connect(url, heartbeat=_PING_SECONDS, proxy=proxy_for(url))
        except SlackError as error:
            self._refused += error.code in TOKEN_ERRORS
            if self._refused >= _MAX_REFUSALS:
                raise SettingsError([f"SLACK_APP_TOKEN: Slack says {error.code}"]) from None
            _log.warning("connecting failed", exc_info=error)
            return None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            _log.warning("connecting failed", exc_info=error)
            return None
        self._refused = 0
        connection = _Connection(socket)
        self._receiving[connection] = asyncio.create_task(self._receive(connection))
        return connection

    async def _receive(self, connection: _Connection) -> None:
        try:
            async with connection.socket as socket:
                async with asyncio.timeout(self._timeouts.hello):
                    first = await socket.receive()  # Slack says hello first
                if first.type is aiohttp.WSMsgType.TEXT:
                    self._take(first.data, connection)
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self._take(message.data, connection)
        except TimeoutError:
            _log.warning("no hello from Slack on a new connection")
        finally:
            del self._receiving[connection]
            connection.leaving.set()
            if connection.greeted:
                self._note_loss()

    def _take(self, text: str, connection: _Connection) -> None:
        try:
            envelope = json.loads(text)
            kind, identifier = envelope["type"], envelope.get("envelope_id")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            _log.warning("request refused", reason="body")
            return
        if kind == "hello":
            connection.greeted = self.was_connected = True
            _log.info("connected to Slack")
        elif kind == "disconnect":
            _log.info("Slack refreshes the connection")
            connection.leaving.set()
            self._note_loss()
        elif isinstance(identifier, str) and isinstance(envelope.get("payload"), dict):
            self._background.start(self._answer(envelope["payload"], identifier, connection.socket))

    def _note_loss(self) -> None:
        if not self.connected:
            self._lost_at = asyncio.get_running_loop().time()

    async def _answer(
        self, body: dict[str, Any], envelope_id: str, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        acknowledged = asyncio.get_running_loop().create_future()
        try:
            reply = await self._app.dispatch(body, acknowledged)
            if reply.status != 200:
                return  # as over HTTP: Slack has to see that it was not handled
            await socket.send_str(_acknowledgement(envelope_id, reply))
            settle(acknowledged, is_sent=True)
        except BadBody:
            _log.warning("request refused", reason="body")
        except (aiohttp.ClientError, ConnectionError) as error:
            _log.warning("acknowledgement lost", exc_info=error)
        finally:
            settle(acknowledged, is_sent=False)

    async def _close(self) -> None:
        receiving = list(self._receiving.values())
        for task in receiving:
            task.cancel()
        await asyncio.gather(*receiving, return_exceptions=True)


def _acknowledgement(envelope_id: str, reply: Reply) -> str:
    """Return the envelope as JSON; a reply that is JSON already is inserted as it is."""
    identifier = dumps(envelope_id)
    if not reply.body:
        return f'{{"envelope_id":{identifier}}}'
    payload = reply.body if reply.is_json else dumps({"text": reply.body})
    return f'{{"envelope_id":{identifier},"payload":{payload}}}'
