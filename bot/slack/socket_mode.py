"""The Socket Mode edge: connect, receive, dispatch, acknowledge.

slack_sdk opens the connection's address; the connection itself is aiohttp's. slack_sdk has a client
for it too, which we do not use, because it tries a failed connection again with the same address
although Slack lets each be used once, closes the old connection before the new one stands, loses
acks in flight when it closes, and logs what it received.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.connections import proxy_for
from bot.errors import SettingsError, SlackError
from bot.fast_json import dumps
from bot.slack.background import BackgroundTasks
from bot.slack.dispatch import BadBody, Reply, dispatch
from bot.slack.request import settle
from bot.slack.web_api import TOKEN_ERRORS, call_api
from bot.timeouts import Timeouts

_log = structlog.get_logger()

_PING_SECONDS: Final = 10.0
_LONGEST_WAIT: Final = 30.0
_REFUSALS: Final = 5  # in a row, before a token that was good once counts as no good
_STEADY_SECONDS: Final = 30.0  # a connection that lasts this long is a good one


class _Connection:
    """One WebSocket, from its beginning to its end."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.greeted = False
        self.leaving = asyncio.Event()  # it ended, or Slack says that it soon will


class SocketMode:
    """Keeps a connection to Slack open, from `run` until that is cancelled."""

    def __init__(
        self,
        app: AsyncApp,
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
        self._refused = _REFUSALS - 1  # of a token that never worked, the first refusal counts
        self._receiving: dict[_Connection, asyncio.Task[None]] = {}

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which Slack can reach us."""
        return any(one.greeted and not one.leaving.is_set() for one in self._receiving)

    async def run(self) -> None:
        """Connects, and connects again, until cancelled.

        Raises `SettingsError` where Slack says that the token is no good: waiting won't help.
        """
        loop = asyncio.get_running_loop()
        wait = self._timeouts.reconnect
        try:
            while True:
                started = loop.time()
                connection = await self._connect()
                if connection:
                    # Slack announces that a connection will end. The old one then lives on beside
                    # the new one until Slack closes it: acks go where their requests came from.
                    await connection.leaving.wait()
                    if loop.time() - started > _STEADY_SECONDS:
                        wait = self._timeouts.reconnect
                        continue
                _log.warning("not connected to Slack", next_try_in_seconds=wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        finally:
            await self._close()

    async def _connect(self) -> _Connection | None:
        try:
            # An address is for one connection, once:
            # https://docs.slack.dev/reference/methods/apps.connections.open
            answer = await call_api(self._client.apps_connections_open(app_token=self._app_token))
            url = str(answer["url"])
            socket = await self._http.ws_connect(url, heartbeat=_PING_SECONDS, proxy=proxy_for(url))
        except SlackError as error:
            self._refused += error.code in TOKEN_ERRORS
            if self._refused >= _REFUSALS:
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
                    first = await socket.receive()  # Slack greets first, and at once
                if first.type is aiohttp.WSMsgType.TEXT:
                    self._take(first.data, connection)
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self._take(message.data, connection)
        except TimeoutError:
            _log.warning("Slack said nothing on a new connection")
        finally:
            del self._receiving[connection]
            connection.leaving.set()

    def _take(self, text: str, connection: _Connection) -> None:
        try:
            envelope = json.loads(text)
            kind, identifier = envelope["type"], envelope.get("envelope_id")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            _log.warning("request refused", reason="body")
            return
        if kind == "hello":
            connection.greeted = True
            _log.info("connected to Slack")
        elif kind == "disconnect":
            _log.info("Slack renews the connection")
            connection.leaving.set()
        elif isinstance(identifier, str) and isinstance(envelope.get("payload"), dict):
            self._background.start(self._answer(envelope["payload"], identifier, connection.socket))

    async def _answer(
        self, body: dict[str, Any], envelope_id: str, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        acknowledged = asyncio.get_running_loop().create_future()
        try:
            reply = await dispatch(self._app, body, acknowledged)
            if reply.status != 200:
                return  # as over HTTP: Slack is to see that this was not handled
            await socket.send_str(_acknowledgement(envelope_id, reply))
            settle(acknowledged, sent=True)
        except BadBody:
            _log.warning("request refused", reason="body")
        except (aiohttp.ClientError, ConnectionError) as error:
            _log.warning("acknowledgement lost", exc_info=error)
        finally:
            settle(acknowledged, sent=False)

    async def _close(self) -> None:
        receiving = list(self._receiving.values())
        for task in receiving:
            task.cancel()
        await asyncio.gather(*receiving, return_exceptions=True)


def _acknowledgement(envelope_id: str, reply: Reply) -> str:
    """As JSON; a document that is JSON already stands in it as it is."""
    identifier = dumps(envelope_id)
    if not reply.body:
        return f'{{"envelope_id":{identifier}}}'
    payload = reply.body if reply.is_json else dumps({"text": reply.body})
    return f'{{"envelope_id":{identifier},"payload":{payload}}}'
