"""The HTTP edge: verify, parse, dispatch, in this order.

Until the signature over the raw bytes is right, nothing of a request is parsed, decompressed or
logged. https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier

from bot.slack.app import BadBody, Reply, dispatch
from bot.slack.delivery import Acknowledged, InFlight, settle

_log = structlog.get_logger()

MAX_BODY_BYTES: Final = 1024 * 1024
_READ_TIMEOUT: Final = 5.0  # seconds; Slack itself gives up after three


def health_app(state: Callable[[], str]) -> web.Application:
    """`/healthz`: 200 while the process lives. `/readyz`: 200 while `state()` is "ready"."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        now = state()
        return web.json_response({"status": now}, status=200 if now == "ready" else 503)

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def add_slack_events(
    web_app: web.Application, bolt_app: AsyncApp, signing_secret: str, in_flight: InFlight
) -> None:
    """Adds `POST /slack/events`, which takes all that Slack sends."""
    verifier = SignatureVerifier(signing_secret)

    async def events(request: web.Request) -> web.StreamResponse:
        # A task of its own: it is finished whatever becomes of the connection or the process.
        return await asyncio.shield(in_flight.start(_answer(request, verifier, bolt_app)))

    web_app.router.add_post("/slack/events", events)


async def _answer(
    request: web.Request, verifier: SignatureVerifier, bolt_app: AsyncApp
) -> web.StreamResponse:
    acknowledged: Acknowledged = asyncio.get_running_loop().create_future()
    try:
        async with asyncio.timeout(_READ_TIMEOUT):
            raw = await request.read()
        if not _is_from_slack(request, raw, verifier):
            return _refuse(401, "signature")
        reply = await dispatch(bolt_app, _parse(raw), acknowledged)
        # Sent here, not by aiohttp after we return: what follows the ack must not overtake it.
        response = await _sent(_response(reply), request)
        settle(acknowledged, sent=True)
    except BadBody:
        return _refuse(400, "body")
    except web.HTTPRequestEntityTooLarge:
        return _refuse(413, "size")
    except TimeoutError:
        return _refuse(408, "slow")
    except ConnectionError as error:
        _log.warning("acknowledgement lost", exc_info=error)
        return web.Response(status=400)  # nobody reads it
    else:
        return response
    finally:
        settle(acknowledged, sent=False)


async def _sent(response: web.Response, request: web.Request) -> web.Response:
    """Raises `ConnectionError` if the other side is gone."""
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError
    await response.prepare(request)
    await response.write_eof()
    return response


def _refuse(status: int, reason: str) -> web.Response:
    _log.warning("request refused", status=status, reason=reason)
    return web.Response(status=status)


def _is_from_slack(request: web.Request, raw: bytes, verifier: SignatureVerifier) -> bool:
    """Whether the signature is right, and no older or newer than five minutes.

    slack_sdk's verifier raises on what is no number, not ASCII or not UTF-8; Slack sends no such.
    """
    timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
    signature = request.headers.get("X-Slack-Signature", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 20):
        return False
    try:
        return signature.isascii() and verifier.is_valid(raw, timestamp, signature)
    except UnicodeDecodeError:
        return False


def _parse(raw: bytes) -> dict[str, Any]:
    """The body that Slack meant: JSON (events), a form, or a form with JSON in it (interactions).

    The fields decide, not a search for the word "payload": a command may well contain it.
    """
    try:
        text = raw.decode()
        if text.lstrip().startswith("{"):
            return _object(text)
        fields = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict"))
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
