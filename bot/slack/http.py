"""The HTTP edge: verify, parse, dispatch, in this order.

Until the signature over the raw bytes is right, nothing of a request is parsed, decompressed or
logged, and it costs nearly nothing: what can't be Slack's by its headers is refused before its body
is read, and large bodies are read a few at a time.
https://docs.slack.dev/authentication/verifying-requests-from-slack

What came whole and signed is done, also where its sender has hung up since.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier

from bot.logs import ThrottledLog
from bot.slack.background import BackgroundTasks
from bot.slack.dispatch import BadBody, Reply, dispatch
from bot.slack.request import Acknowledged, settle

_log = structlog.get_logger()

MAX_BODY_BYTES: Final = 1024 * 1024
_MAX_AGE: Final = 5 * 60  # seconds, as Slack recommends
_SMALL: Final = 64 * 1024  # bytes: nearly everything that Slack sends
_LARGE_AT_ONCE: Final = 32  # larger bodies that are being read, and not yet verified
_LARGE_HALT: Final = 1.0  # seconds without a byte
_MAX_FIELDS: Final = 100  # a command has some fifteen
_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,15}")
_HINTS: Final = {
    "signature": "Slack's? Then correct SLACK_SIGNING_SECRET: Basic Information, App Credentials",
    "age": "Slack's? Then set this machine's clock by the network (NTP)",
}
_LOST_SECONDS: Final = 1.0


class Connection(web.RequestHandler):
    """One connection from outside, for `aiohttp.web`.

    aiohttp forgets a request that came whole when its sender closes the connection, or its own half
    of it, before the handler has read it.
    """

    other_side_ended = False
    refused = False  # nothing that it sends is of use
    reading: aiohttp.StreamReader | None = None  # the body that somebody waits for
    _ending = False

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio takes True for "leave it open"
        """The other side has said all, and may still listen: acknowledge, then close."""
        self.other_side_ended = True
        if self.reading and not self.reading.is_eof():
            self.reading.set_exception(ConnectionResetError())
        self.close()
        return True

    async def start(self) -> None:
        """Handles requests, and closes the connection in the end."""
        try:
            await super().start()
        finally:
            if self.transport is not None:
                self.transport.close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Ends the connection with the process."""
        self._ending = True
        await super().shutdown(timeout)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forgets the connection a moment later: what came whole has been read by then."""
        self.other_side_ended = True
        if self._ending or self.refused:
            super().connection_lost(exc)
        else:
            asyncio.get_running_loop().call_later(_LOST_SECONDS, super().connection_lost, exc)


def health_app(
    state: Callable[[], str], remarks: Callable[[], dict[str, str]] = dict
) -> web.Application:
    """`/healthz`: 200 while the process lives. `/readyz`: 200 while `state()` is "ready".

    `remarks()` are said there besides.
    `/` is what people open to see whether there is anything.
    """

    async def root(_: web.Request) -> web.Response:
        return web.Response(text="fsessions is running. Slack talks to /slack/events.\n")

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        now = state()
        said = {"status": now, **remarks()}
        return web.json_response(said, status=200 if now == "ready" else 503)

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/", root)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def add_slack_events(
    web_app: web.Application,
    bolt_app: AsyncApp,
    signing_secret: str,
    background: BackgroundTasks,
    read_seconds: float,
) -> None:
    """Adds `POST /slack/events`, which takes all that Slack sends."""
    edge = _Edge(bolt_app, signing_secret, background, read_seconds)
    web_app.router.add_post("/slack/events", edge.events)


class _Refused(Exception):
    """Not taken; `reason` is for the log."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason


class _Edge:
    def __init__(
        self,
        bolt_app: AsyncApp,
        signing_secret: str,
        background: BackgroundTasks,
        read_seconds: float,
    ) -> None:
        self._bolt_app = bolt_app
        self._verifier = SignatureVerifier(signing_secret)
        self._background = background
        self._read_seconds = read_seconds
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._throttled_log = ThrottledLog()

    async def events(self, request: web.Request) -> web.StreamResponse:
        try:
            raw = await self._verified(request)
            # A megabyte of percent signs takes a tenth of a second: not on the event loop.
            large = len(raw) > _SMALL
            body = await asyncio.to_thread(parse_body, raw) if large else parse_body(raw)
        except BadBody:
            return self._refuse(400, "body")
        except _Refused as refused:
            if isinstance(request.protocol, Connection):
                request.protocol.refused = True
            return self._refuse(refused.status, refused.reason)
        # A task of its own: it is finished whatever becomes of the connection or the process.
        return await asyncio.shield(self._background.start(self._answer(request, body)))

    async def _verified(self, request: web.Request) -> bytes:
        """The body, if Slack signed it. Raises `_Refused`."""
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        if not (_TIMESTAMP.fullmatch(timestamp) and _SIGNATURE.fullmatch(signature)):
            raise _Refused(401, "signature")
        if abs(time.time() - int(timestamp)) > _MAX_AGE:
            raise _Refused(401, "age")
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise _Refused(413, "size")
        try:
            if request.content.is_eof() and (request.content_length or 0) <= _SMALL:
                raw = await request.content.read()  # all of it came together: nearly always
            else:
                async with asyncio.timeout(self._read_seconds):
                    raw = await self._read(request)
        except TimeoutError:
            raise _Refused(408, "slow") from None
        except (ConnectionError, web.RequestPayloadError):
            raise _Refused(400, "cut off") from None
        try:
            valid = self._verifier.is_valid(raw, timestamp, signature)
        except UnicodeDecodeError:  # slack_sdk wants text; Slack sends nothing else
            valid = False
        if not valid:
            raise _Refused(401, "signature")
        return raw

    async def _read(self, request: web.Request) -> bytes:
        """The bytes as they come. Of large bodies some are in memory at a time; others wait.

        One that is large and comes to a halt loses its place: Slack sends all at once.
        """
        connection = request.protocol
        assert isinstance(connection, Connection)  # noqa: S101 - the service makes no other
        if connection.other_side_ended and not request.content.is_eof():
            raise ConnectionResetError
        connection.reading = request.content
        raw = bytearray()
        large = False
        try:
            while not request.content.at_eof():
                async with asyncio.timeout(_LARGE_HALT if large else None):
                    raw += await request.content.readany()
                if len(raw) > MAX_BODY_BYTES:
                    raise _Refused(413, "size")
                if len(raw) > _SMALL and not large:
                    await self._large.acquire()
                    large = True
        finally:
            if large:
                self._large.release()
            connection.reading = None
        return bytes(raw)

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        acknowledged: Acknowledged = asyncio.get_running_loop().create_future()
        try:
            reply = await dispatch(self._bolt_app, body, acknowledged)
            # Who has hung up may be half there: they are told that it was taken, and the answer
            # goes to the response_url.
            gone = _has_hung_up(request)
            response = web.Response(status=reply.status) if gone else _response(reply)
            if self._background.draining:
                response.force_close()  # what comes next is for another process
            # Sent here, not by aiohttp after we return: what follows the ack must not overtake it.
            try:
                await response.prepare(request)
                await response.write_eof()
            except ConnectionError:
                gone = True
            if gone:
                _log.warning("acknowledgement lost")
            settle(acknowledged, sent=not gone)
        except BadBody:
            return self._refuse(400, "body")
        else:
            return response
        finally:
            settle(acknowledged, sent=False)

    def _refuse(self, status: int, reason: str) -> web.Response:
        hint = _HINTS.get(reason)
        self._throttled_log.warn(
            "request refused", status=status, reason=reason, **({"hint": hint} if hint else {})
        )
        response = web.Response(status=status)
        response.force_close()  # the rest of the body is not read
        return response


def _has_hung_up(request: web.Request) -> bool:
    connection, transport = request.protocol, request.transport
    ended = isinstance(connection, Connection) and connection.other_side_ended
    return ended or transport is None or transport.is_closing()


def parse_body(raw: bytes) -> dict[str, Any]:
    """The body that Slack meant: JSON (events), a form, or a form with JSON in it (interactions).

    The fields decide, not a search for the word "payload": a command may well contain it.
    """
    try:
        text = raw.decode()
        if text.lstrip().startswith("{"):
            return _object(text)
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
        fields = dict(pairs)
        if "command" in fields or "ssl_check" in fields:
            return fields
        return _object(fields["payload"])
    except (ValueError, KeyError, RecursionError) as error:
        raise BadBody from error


def _object(text: str) -> dict[str, Any]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as any other text that is none
    return document


def _response(reply: Reply) -> web.Response:
    content_type = "application/json" if reply.is_json else "text/plain"
    return web.Response(
        status=reply.status, text=reply.body, content_type=content_type, charset="utf-8"
    )
