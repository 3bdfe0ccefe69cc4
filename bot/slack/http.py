"""The HTTP transport: verifies, parses and dispatches a request, in this order.

Until its signature is verified, nothing of a request is parsed, decompressed or logged, and it
costs next to nothing: if its headers can't be Slack's, its body is not read, and only a few large
bodies are read at a time. A complete, signed request is handled even if its sender has hung up.
https://docs.slack.dev/authentication/verifying-requests-from-slack
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
from slack_sdk.signature import SignatureVerifier

from bot.logs import ThrottledLog
from bot.slack.app import App, BadBody, Reply
from bot.slack.background import BackgroundTasks
from bot.slack.request import Acknowledged, settle

_log = structlog.get_logger()

MAX_BODY_BYTES: Final = 1024 * 1024
_MAX_AGE: Final = 5 * 60  # seconds, as Slack recommends
_SMALL: Final = 64 * 1024  # bytes: nearly everything that Slack sends
_LARGE_AT_ONCE: Final = 32  # larger bodies that are being read at a time
_LARGE_PAUSE: Final = 1.0  # seconds without a byte
_MAX_FIELDS: Final = 100  # a command has some fifteen
_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,15}")
_HINTS: Final = {
    "signature": "If it is from Slack, fix SLACK_SIGNING_SECRET (Basic Information of the app)",
    "age": "If it is from Slack, synchronize this machine's clock (NTP)",
}
_LOST_SECONDS: Final = 1.0


class Connection(web.RequestHandler):
    """One inbound connection, for `aiohttp.web`.

    aiohttp drops a complete request if its sender closes the connection, or its half of it, before
    the handler has read it.
    """

    other_side_ended = False
    is_refused = False
    reading: aiohttp.StreamReader | None = None  # the body that is being read
    _ending = False

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio takes True for "leave it open"
        """Acknowledge, then close: the other side has sent everything, and may still listen."""
        self.other_side_ended = True
        if self.reading and not self.reading.is_eof():
            self.reading.set_exception(ConnectionResetError())
        self.close()
        return True

    async def start(self) -> None:
        """Handle requests, then close the connection."""
        try:
            await super().start()
        finally:
            if self.transport is not None:
                self.transport.close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Close the connection when the process ends."""
        self._ending = True
        await super().shutdown(timeout)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection a moment later: by then, a complete request was read."""
        self.other_side_ended = True
        if self._ending or self.is_refused:
            super().connection_lost(exc)
        else:
            asyncio.get_running_loop().call_later(_LOST_SECONDS, super().connection_lost, exc)


def health_app(
    state: Callable[[], str],
    problems: Callable[[], dict[str, str]] = dict,
    remarks: Callable[[], dict[str, str]] = dict,
) -> web.Application:
    """Create an app with `/healthz` and `/readyz`, and a `/` for people.

    `/healthz` is 200 while the process lives, `/readyz` while `state()` is "ready" and there are no
    `problems()`; both they and `remarks()` are in its body. `?exclude=slack` doesn't count the
    problem `slack`: then a load balancer still sends requests, and people are told what is wrong.
    """

    async def root(_: web.Request) -> web.Response:
        return web.Response(text="fsessions is running. Slack's requests go to /slack/events.\n")

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(request: web.Request) -> web.Response:
        now, found = state(), problems()
        if now == "ready" and found.keys() - set(request.query.getall("exclude", [])):
            now = "not ready"
        said = {"status": now, **found, **remarks()}
        return web.json_response(said, status=200 if now == "ready" else 503)

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/", root)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def add_slack_events(
    web_app: web.Application,
    app: App,
    signing_secret: str,
    background: BackgroundTasks,
    read_seconds: float,
) -> None:
    """Add `POST /slack/events`, which takes every request from Slack."""
    endpoint = _Endpoint(app, signing_secret, background, read_seconds)
    web_app.router.add_post("/slack/events", endpoint.handle)


class _Refused(Exception):
    """The request is refused; `reason` is for the log."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason


class _Endpoint:
    def __init__(
        self,
        app: App,
        signing_secret: str,
        background: BackgroundTasks,
        read_seconds: float,
    ) -> None:
        self._app = app
        self._verifier = SignatureVerifier(signing_secret)
        self._background = background
        self._read_seconds = read_seconds
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._throttled_log = ThrottledLog()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            raw = await self._verified(request)
            # A megabyte of percent signs takes a tenth of a second: not on the event loop.
            large = len(raw) > _SMALL
            body = await asyncio.to_thread(parse_body, raw) if large else parse_body(raw)
        except BadBody:
            return self._refuse(400, "body")
        except _Refused as refused:
            if isinstance(request.protocol, Connection):
                request.protocol.is_refused = True
            return self._refuse(refused.status, refused.reason)
        # In a task of its own, so that it finishes even if the connection closes.
        return await asyncio.shield(self._background.start(self._answer(request, body)))

    async def _verified(self, request: web.Request) -> bytes:
        """Return the body if Slack signed it. Raises `_Refused`."""
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
                raw = await request.content.read()  # it nearly always arrives in one piece
            else:
                async with asyncio.timeout(self._read_seconds):
                    raw = await self._read(request)
        except TimeoutError:
            raise _Refused(408, "slow") from None
        except (ConnectionError, web.RequestPayloadError):
            raise _Refused(400, "cut off") from None
        try:
            valid = self._verifier.is_valid(raw, timestamp, signature)
        except UnicodeDecodeError:  # slack_sdk expects text, which is all that Slack sends
            valid = False
        if not valid:
            raise _Refused(401, "signature")
        return raw

    async def _read(self, request: web.Request) -> bytes:
        """Read the body as it arrives. Only some large bodies are in memory; others wait.

        A large body that pauses is dropped: Slack sends everything at once.
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
                async with asyncio.timeout(_LARGE_PAUSE if large else None):
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
            reply = await self._app.dispatch(body, acknowledged)
            # A sender who hung up may still read the status; the answer goes to the response_url.
            is_lost = _has_hung_up(request)
            response = web.Response(status=reply.status) if is_lost else _response(reply)
            if self._background.is_draining:
                response.force_close()  # the next request is for another process
            # Sent here, not by aiohttp after we return: later messages must not overtake it.
            try:
                await response.prepare(request)
                await response.write_eof()
            except ConnectionError:
                is_lost = True
            if is_lost:
                _log.warning("acknowledgement lost")
            settle(acknowledged, is_sent=not is_lost)
        except BadBody:
            return self._refuse(400, "body")
        else:
            return response
        finally:
            settle(acknowledged, is_sent=False)

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
    """Parse JSON (events), a form (commands), or a form with JSON in it (interactions).

    The fields decide which, not the word "payload", which a command may contain. Raises `BadBody`.
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
        raise ValueError("not an object")  # noqa: TRY004 - like other invalid JSON
    return document


def _response(reply: Reply) -> web.Response:
    content_type = "application/json" if reply.is_json else "text/plain"
    return web.Response(
        status=reply.status, text=reply.body, content_type=content_type, charset="utf-8"
    )
