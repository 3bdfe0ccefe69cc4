"""Slack's response_urls: each takes five messages within 30 minutes.

https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Final

import aiohttp
import stamina
import structlog

from bot import counters
from bot.connections import CONNECT_SECONDS, Request, proxy_for, watch_request
from bot.logs import new_reference
from bot.timeouts import Timeouts

_log = structlog.get_logger()

_ATTEMPTS: Final = 4  # of the five; one may have gone to a progress message
_MAX_BACKOFF: Final = 30.0  # seconds
_LIFETIME: Final = 30 * 60.0  # seconds
_MAX_WAIT: Final = 5.0  # seconds that Slack may ask to wait if there is another way to deliver


class Posted(StrEnum):
    """What became of a message."""

    TAKEN = "taken"
    REFUSED = "refused"
    """Slack said no for good: 4xx."""

    FAILED = "failed"
    """Slack said no for now: 5xx, or 429 for too long."""

    NOT_SENT = "not sent"
    """There was no connection: Slack knows nothing of it."""

    UNKNOWN = "unknown"
    """It was sent, and no reply came: Slack may have taken it."""

    NOT_CURRENT = "not current"
    """The person has pressed something else since."""


IsCurrent = Callable[[], Awaitable[bool]]


async def always_current() -> bool:
    """Return True: the message is wanted whatever happens."""
    return True


class ResponseUrls:
    """Posts to response_urls.

    `progress` has the progress messages that are being sent, by the message that they replace.
    """

    def __init__(self, http: aiohttp.ClientSession, timeouts: Timeouts) -> None:
        self._http = http
        self._timeouts = timeouts
        self.progress: dict[str, asyncio.Task[Posted]] = {}

    async def post_progress(self, response_url: str, message: dict[str, Any]) -> Posted:
        """Post a message that may get lost: one attempt with a short timeout."""
        return await self.post(response_url, message, attempts=1, seconds=self._timeouts.progress)

    async def post(
        self,
        response_url: str,
        message: dict[str, Any],
        *,
        attempts: int = _ATTEMPTS,
        seconds: float | None = None,
        is_current: IsCurrent = always_current,
        is_repeatable: bool = False,
        has_other_way: bool = False,
    ) -> Posted:
        """Post a message and return what became of it. A failure is logged with a reference.

        Each attempt may take `seconds`. A message that was sent without a reply is sent again only
        if it `is_repeatable`: the person may see it already. If the answer `has_other_way`, there
        is no second try for a connection and no long wait.
        """
        max_wait = _MAX_WAIT if has_other_way else _LIFETIME
        may_have_arrived = False

        def should_retry(error: Exception) -> bool | float:
            nonlocal may_have_arrived
            if not isinstance(error, _NotTaken):
                return False
            may_have_arrived |= error.posted is Posted.UNKNOWN
            if error.retry_after is not None:
                return error.retry_after if error.retry_after < max_wait else False
            match error.posted:
                case Posted.NOT_SENT:
                    return not has_other_way
                case Posted.UNKNOWN:
                    return is_repeatable
                case posted:
                    return posted is Posted.FAILED

        try:
            async for attempt in stamina.retry_context(
                on=should_retry,
                attempts=attempts,
                timeout=_LIFETIME,
                wait_initial=self._timeouts.first_retry,
                wait_max=_MAX_BACKOFF,
                wait_jitter=self._timeouts.first_retry,
                wait_exp_base=4,
            ):
                with attempt:
                    if not await is_current():
                        return Posted.NOT_CURRENT
                    await self._post(response_url, message, seconds or self._timeouts.response_url)
        except _NotTaken as error:
            counters.count("deliveries", "response_url", error.posted.name.lower())
            _log.error("answer not delivered", reference=new_reference(), reason=str(error))
            return Posted.UNKNOWN if may_have_arrived else error.posted
        counters.count("deliveries", "response_url", "taken")
        return Posted.TAKEN

    async def _post(self, response_url: str, message: dict[str, Any], seconds: float) -> None:
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_SECONDS))
        with watch_request() as request:
            try:
                async with self._http.post(
                    response_url,
                    json=message,
                    allow_redirects=False,
                    proxy=proxy_for(response_url),
                    timeout=timeout,
                ) as response:
                    if response.status == 200:
                        return
                    wait = response.headers.get("Retry-After", "")
            except (aiohttp.ClientError, OSError) as error:
                posted = Posted.UNKNOWN if request.is_sent else Posted.NOT_SENT
                raise _NotTaken(posted, type(error).__name__) from error
        after = float(wait) if request.status == 429 and wait.isdecimal() else None
        raise _NotTaken(_by_status(request), f"HTTP {request.status}", after)


def _by_status(request: Request) -> Posted:
    if request.may_have_arrived:
        return Posted.UNKNOWN
    is_refusal = request.status < 500 and request.status != 429
    return Posted.REFUSED if is_refusal else Posted.FAILED


class _NotTaken(Exception):
    """The response_url did not confirm a message; the error's text says why."""

    def __init__(self, posted: Posted, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.posted = posted
        self.retry_after = retry_after
