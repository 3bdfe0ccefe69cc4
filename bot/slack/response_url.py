"""Slack's response_urls: addresses that take 5 messages within 30 minutes.

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

from bot.connections import CONNECT_SECONDS, Request, proxy_for, watch_request
from bot.logs import new_reference
from bot.timeouts import Timeouts

_log = structlog.get_logger()

_ATTEMPTS: Final = 4  # of the 5; one may be gone for "still looking"
_LONGEST_BACKOFF: Final = 30.0  # seconds
_LIFETIME: Final = 30 * 60.0  # seconds
_PATIENCE: Final = 5.0  # seconds that Slack may ask to wait, where there is another way


class Posted(StrEnum):
    """What became of a message."""

    TAKEN = "taken"
    REFUSED = "refused"
    """Slack said no, for good: 4xx."""

    FAILED = "failed"
    """Slack said no, for now: 5xx, or 429 for too long."""

    NOT_SENT = "not sent"
    """No connection came about: Slack knows nothing of it."""

    UNKNOWN = "unknown"
    """It was sent, and no reply came: Slack may have taken it."""

    UNWANTED = "unwanted"
    """It was not wanted any more."""


IsCurrent = Callable[[], Awaitable[bool]]


async def always_current() -> bool:
    """For what is wanted whatever happens."""
    return True


class ResponseUrls:
    """Posts to any response_url.

    `progress_messages` are those on their way, by the message on the screen that they replace.
    """

    def __init__(self, http: aiohttp.ClientSession, timeouts: Timeouts) -> None:
        self._http = http
        self._timeouts = timeouts
        self.progress_messages: dict[str, asyncio.Task[None]] = {}

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
        """Post a message, and say what became of it. A failure is logged, with a reference.

        Each attempt may take so many `seconds`; there is no further one for what is no longer
        `is_current`. What was sent and got no reply is sent again only if it `is_repeatable`: the
        person may see it already. Where the answer `has_other_way`, neither a connection nor a long
        wait is tried for again.
        """
        longest = _PATIENCE if has_other_way else _LIFETIME
        may_be_there = False

        def again(error: Exception) -> bool | float:
            nonlocal may_be_there
            if not isinstance(error, _NotTaken):
                return False
            may_be_there |= error.posted is Posted.UNKNOWN
            if error.retry_after is not None:
                return error.retry_after if error.retry_after < longest else False
            match error.posted:
                case Posted.NOT_SENT:
                    return not has_other_way
                case Posted.UNKNOWN:
                    return is_repeatable
                case posted:
                    return posted is Posted.FAILED

        try:
            async for attempt in stamina.retry_context(
                on=again,
                attempts=attempts,
                timeout=_LIFETIME,
                wait_initial=self._timeouts.first_retry,
                wait_max=_LONGEST_BACKOFF,
                wait_jitter=self._timeouts.first_retry,
                wait_exp_base=4,
            ):
                with attempt:
                    if not await is_current():
                        return Posted.UNWANTED
                    await self._post(response_url, message, seconds or self._timeouts.response_url)
        except _NotTaken as error:
            _log.error("answer not delivered", reference=new_reference(), reason=str(error))
            return Posted.UNKNOWN if may_be_there else error.posted
        return Posted.TAKEN

    async def say_once(self, response_url: str, message: dict[str, Any]) -> None:
        """Post what can be missed: one attempt, with a short timeout."""
        await self.post(response_url, message, attempts=1, seconds=self._timeouts.progress)

    async def _post(self, response_url: str, message: dict[str, Any], seconds: float) -> None:
        with watch_request() as request:
            try:
                async with self._http.post(
                    response_url,
                    json=message,
                    allow_redirects=False,
                    proxy=proxy_for(response_url),
                    timeout=aiohttp.ClientTimeout(
                        total=seconds, sock_connect=min(seconds, CONNECT_SECONDS)
                    ),
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
    """The response_url did not take a message, or did not say so; the message says why."""

    def __init__(self, posted: Posted, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.posted = posted
        self.retry_after = retry_after
