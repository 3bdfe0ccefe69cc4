"""How we ask Fullstory: aiohttp, one deadline for a lookup, retries inside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp
import structlog
from yarl import URL

from bot.connections import proxy_for
from bot.core.sessions import Query, Session, SessionList
from bot.errors import (
    DeadlineExceeded,
    FullstoryError,
    RateLimited,
    ReplyCutOff,
    ReplyTooLarge,
    Unavailable,
)
from bot.fullstory import protocol
from bot.settings import Settings

_log = structlog.get_logger()

_WAITS: Final = (0.1, 0.4, 1.6)  # seconds before the second, third and fourth attempt
# An attempt that gets no byte for this part of the time is given up, so that a stuck request leaves
# time for another, and its connection to others.
_SILENCE: Final = 0.6


class FullstoryClient:
    """Lists sessions over `http`, which uses a connection for one request only.

    `key` is sent to the endpoint's host alone; `timeout` is the time for one lookup, in seconds,
    retries included.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        endpoint: protocol.Endpoint,
        key: str,
        timeout: float,
    ) -> None:
        self._http = http
        self._endpoint = endpoint
        self._headers = protocol.headers(key)
        self._timeout = timeout
        self._longest_silence = _SILENCE * timeout
        # The deadline for all of it is ours.
        self._timeouts = aiohttp.ClientTimeout(
            total=None, sock_connect=self._longest_silence, sock_read=self._longest_silence
        )
        self._proxy = proxy_for(endpoint.base_url)

    async def sessions(self, query: Query) -> SessionList:
        """The person's sessions, as `SessionList.of` puts them in order.

        Raises `FullstoryError`. On 429, 5xx, broken and silent connections it tries again while
        there is time; a `Retry-After` is honoured if it fits, and else told at once.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._pages(query, _worth_another_try(deadline))
        except (TimeoutError, DeadlineExceeded):
            raise DeadlineExceeded(self._timeout) from None
        return SessionList.of(query, found)

    async def organisation(self) -> str:
        """The id of the organisation that the key belongs to, or "" where this is no Fullstory.

        Raises `FullstoryError` if it doesn't answer.
        """
        try:
            async with asyncio.timeout(self._timeout):
                me = protocol.Request(f"{self._endpoint.base_url}/me")
                return protocol.organisation(*await self._send(me))
        except TimeoutError:
            raise DeadlineExceeded(self._timeout) from None

    async def _pages(
        self, query: Query, again: Callable[[FullstoryError], float | None]
    ) -> list[Session]:
        found: list[Session] = []
        token = ""
        while True:
            page = await self._page(self._endpoint.request(query, token), again)
            # A page that brings nothing new ends it, so that a repeated token can't go in circles.
            known = set(found)
            fresh = [one for one in page.sessions if one not in known] if known else page.sessions
            found += fresh
            token = page.next_token
            # Fullstory may list all of one identity first, so as many are read of each.
            if not token or not fresh or len(found) >= query.fetch_limit * query.identity_count:
                return found

    async def _page(
        self, request: protocol.Request, again: Callable[[FullstoryError], float | None]
    ) -> protocol.Page:
        while True:
            try:
                return protocol.parse_reply(*await self._send(request))
            except FullstoryError as error:
                wait = again(error)
                if wait is None:
                    raise
                _log.info("retrying", wait_seconds=wait, error=type(error).__name__)
            await asyncio.sleep(wait)

    async def _send(self, request: protocol.Request) -> tuple[int, Mapping[str, str], bytes]:
        is_get = request.body is None
        try:
            async with self._http.request(
                "GET" if is_get else "POST",
                URL(request.url, encoded=True),
                data=request.body,
                headers=self._headers if is_get else self._headers | protocol.JSON_BODY,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=self._timeouts,
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(64 * 1024):
                    body += chunk
                    if len(body) > protocol.MAX_REPLY_BYTES:
                        raise ReplyTooLarge
                return response.status, response.headers, bytes(body)
        except aiohttp.ClientPayloadError as error:
            raise ReplyCutOff from error
        except aiohttp.ServerTimeoutError as error:
            raise DeadlineExceeded(self._longest_silence) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable from error


def client_of(settings: Settings, http: aiohttp.ClientSession) -> FullstoryClient:
    """The client that the settings describe."""
    return FullstoryClient(
        http,
        endpoint=protocol.Endpoint(
            settings.fullstory_base_url,
            settings.fullstory_sessions_path,
            in_body=settings.fullstory_method == "POST",
        ),
        key=settings.fullstory_api_key.get_secret_value(),
        timeout=settings.fullstory_timeout_seconds,
    )


def _worth_another_try(deadline: float) -> Callable[[FullstoryError], float | None]:
    """Decides after each failure: in how many seconds to try again, or None for not at all.

    Not also where the wait would not fit: rather the true reason now than "too slow" then.
    """
    timeouts = iter(_WAITS)

    def decide(error: FullstoryError) -> float | None:
        if not isinstance(error, RateLimited | Unavailable | ReplyCutOff | DeadlineExceeded):
            return None
        remaining = deadline - asyncio.get_running_loop().time()
        wait = next(timeouts, None)
        if wait is not None and isinstance(error, RateLimited) and error.retry_after is not None:
            wait = max(error.retry_after, wait)
        return wait if wait is not None and wait < remaining else None

    return decide
