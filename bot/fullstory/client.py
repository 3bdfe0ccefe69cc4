"""Lists sessions with Fullstory's API: one deadline for a lookup, retries included.

Who asks for the same at the same time, or within seconds, shares one request: what Fullstory
answers doesn't depend on who asks here. Who may see it is decided in `bot.core.lookup`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp
import structlog
from cachetools import TTLCache
from yarl import URL

from bot import counters
from bot.cache import Cache
from bot.connections import proxy_for
from bot.core.no_sessions import KnownUser, Quota
from bot.core.sessions import Query, Session, SessionList
from bot.core.story import Excerpt, Window
from bot.errors import (
    DeadlineExceeded,
    FullstoryError,
    RateLimited,
    ReplyCutOff,
    ReplyTooLarge,
    Unavailable,
)
from bot.fullstory import api, context, protocol
from bot.settings import Settings

_log = structlog.get_logger()

_WAITS: Final = (0.1, 0.4, 1.6)  # seconds before the second, third and fourth attempt
# An attempt that gets no byte for this part of the time is abandoned, to leave time for another.
_SILENCE: Final = 0.6
_MAX_KEPT: Final = 500  # customers: some MB of sessions
_MAX_PAUSE: Final = 5 * 60.0


class _Fetched(NamedTuple):
    """The latest sessions of a customer, of which `limit` were asked for."""

    limit: int
    sessions: list[Session]

    def is_enough(self, limit: int) -> bool:
        """Tell whether so many could be asked of it."""
        return limit <= self.limit or len(self.sessions) < self.limit


class FullstoryClient:
    """Lists sessions over `http`.

    `timeout` is for one lookup, retries included, and `kept` is how long its result is used again,
    both in seconds. While Fullstory asks to wait (429), nothing is asked.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        endpoint: protocol.Endpoint,
        key: str,
        timeout: float,
        kept: float = 0.0,
    ) -> None:
        self._http = http
        self._endpoint = endpoint
        self._headers = protocol.headers(key)
        self.timeout = timeout
        self._asking: Cache[_Fetched] = Cache()
        self._known: TTLCache[tuple[str | None, str | None], _Fetched] = TTLCache(_MAX_KEPT, kept)
        self._paused_until = 0.0
        self._longest_silence = _SILENCE * timeout
        # The total deadline is our own.
        self._timeouts = aiohttp.ClientTimeout(
            total=None, sock_connect=self._longest_silence, sock_read=self._longest_silence
        )
        self._proxy = proxy_for(endpoint.base_url)

    async def sessions(self, query: Query) -> SessionList:
        """Return a person's sessions, in the order of `SessionList.of`.

        Raises `FullstoryError`. On 429, 5xx and broken or silent connections, it tries again while
        there is time; a `Retry-After` that doesn't fit is raised at once.
        """
        self._known.expire()
        customer, limit = (query.email, query.uid), query.fetch_limit
        known = None if query.is_fresh else self._known.get(customer)
        if known is None or not known.is_enough(limit):

            async def ask() -> tuple[_Fetched, float]:
                return _Fetched(limit, await self._list(query)), 0.0

            known = await self._asking.get(json.dumps([*customer, limit]), ask)
            self._known[customer] = known
        return SessionList.of(query, known.sessions)

    async def _list(self, query: Query) -> list[Session]:
        deadline = asyncio.get_running_loop().time() + self.timeout
        try:
            async with asyncio.timeout_at(deadline):
                return await self._pages(query, _retry_policy(deadline))
        except (TimeoutError, DeadlineExceeded):
            raise DeadlineExceeded(self.timeout) from None

    async def organization(self) -> str:
        """Return the id of the key's organization; "" if this is not Fullstory's API.

        Raises `FullstoryError`. https://developer.fullstory.com/server/me/
        """
        return protocol.organization(*await self._get(api.ME.path))

    async def quota(self) -> Quota | None:
        """Return the quota of sessions; None if Fullstory doesn't say. Raises `FullstoryError`."""
        return protocol.quota(*await self._get(api.QUOTAS.path))

    async def user(self, uid: str) -> KnownUser | None:
        """Return the user with the uid; None if there is none. Raises `FullstoryError`."""
        return protocol.user(*await self._get(api.USER.path.format(uid=quote(uid, safe=""))))

    @property
    def region(self) -> str:
        """Where the data is that this client reads; "" if its address doesn't tell."""
        return protocol.REGIONS.get(urlsplit(self._endpoint.base_url).hostname or "", "")

    async def context(self, session: Session, window: Window | None) -> Excerpt:
        """Return what happened in a window, or at the end of a session. Raises `FullstoryError`.

        It costs an Activation, so it is not tried again.
        """
        request = context.request(self._endpoint.base_url, session, window)
        # Its 429 may be about Activations: lookups go on.
        return context.parse(*await self.reply(request, may_pause=False))

    async def _get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        return await self.reply(protocol.Request(f"{self._endpoint.base_url}{path}"))

    async def reply(
        self, request: protocol.Request, *, may_pause: bool = True
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return the reply to one request without retries. Raises `FullstoryError`."""
        self._check_pause()
        try:
            async with asyncio.timeout(self.timeout):
                return await self._send(request, may_pause=may_pause)
        except TimeoutError:
            raise DeadlineExceeded(self.timeout) from None

    async def _pages(
        self, query: Query, again: Callable[[FullstoryError], float | None]
    ) -> list[Session]:
        found: list[Session] = []
        token = ""
        while True:
            page = await self._page(self._endpoint.request(query, token), again)
            # A page without new sessions ends it, so that a repeated token can't loop.
            known = set(found)
            fresh = [one for one in page.sessions if one not in known] if known else page.sessions
            found += fresh
            token = page.next_token
            # Fullstory may list all sessions of one name first, so as many are read of each.
            if not token or not fresh or len(found) >= query.fetch_limit * query.identity_count:
                return found

    async def _page(
        self, request: protocol.Request, again: Callable[[FullstoryError], float | None]
    ) -> protocol.Page:
        is_retry = False
        while True:
            try:
                self._check_pause()
                if is_retry:
                    counters.count("fullstory_retries")
                return protocol.parse_reply(*await self._send(request))
            except FullstoryError as error:
                wait = again(error)
                if wait is None:
                    raise
                is_retry = True
                _log.info("retrying", wait_seconds=wait, error=type(error).__name__)
            await asyncio.sleep(wait)

    def _pause(self, seconds: float | None) -> None:
        until = asyncio.get_running_loop().time() + min(seconds or 0.0, _MAX_PAUSE)
        self._paused_until = max(self._paused_until, until)

    def _check_pause(self) -> None:
        """Raise `RateLimited` with the rest of the time that Fullstory asked to wait."""
        left = self._paused_until - asyncio.get_running_loop().time()
        if left > 0:
            raise RateLimited(left)

    async def _send(
        self, request: protocol.Request, *, may_pause: bool = True
    ) -> tuple[int, Mapping[str, str], bytes]:
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
                counters.count("fullstory_responses", str(response.status))
                if response.status == 429 and may_pause:
                    self._pause(protocol.retry_after(response.headers))
                return response.status, response.headers, bytes(body)
        except (aiohttp.ClientError, OSError) as error:
            counters.count("fullstory_responses", "none")
            if isinstance(error, aiohttp.ClientPayloadError):
                raise ReplyCutOff from error
            if isinstance(error, aiohttp.ServerTimeoutError):
                raise DeadlineExceeded(self._longest_silence) from error
            raise Unavailable from error


def client_of(
    settings: Settings, http: aiohttp.ClientSession, kept: float = 0.0
) -> FullstoryClient:
    """Create the client that the settings describe; it keeps results for so many seconds."""
    return FullstoryClient(
        http,
        endpoint=protocol.Endpoint(
            settings.fullstory_base_url,
            settings.fullstory_sessions_path,
            in_body=settings.fullstory_method == "POST",
        ),
        key=settings.fullstory_api_key.get_secret_value(),
        timeout=settings.fullstory_timeout_seconds,
        kept=kept,
    )


def _retry_policy(deadline: float) -> Callable[[FullstoryError], float | None]:
    """Return a function that says in how many seconds to try again, or None for not at all.

    It doesn't retry if there is no time left: the real error now is better than a timeout later.
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
