"""Slack's response_urls: addresses that take 5 messages within 30 minutes.

https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import aiohttp
import stamina
import structlog

from bot.connections import proxy_for
from bot.logs import new_reference
from bot.waits import Waits

_log = structlog.get_logger()

_ATTEMPTS: Final = 4  # of the 5; one may be gone for "still looking"
_LONGEST_BACKOFF: Final = 30.0  # seconds
_LIFETIME: Final = 30 * 60.0  # seconds

Posted = Literal["taken", "refused", "failed", "unknown", "unwanted"]
"""What became of a message: refused for good (4xx), failed for now (5xx, no connection), or unknown
(sent, and no reply), or it was not wanted any more."""

StillWanted = Callable[[], Awaitable[bool]]


async def always() -> bool:
    """For what is wanted whatever happens."""
    return True


class ResponseUrls:
    """Posts to any response_url.

    `courtesies` are those on their way, by the message on the screen that they replace.
    """

    def __init__(self, http: aiohttp.ClientSession, waits: Waits) -> None:
        self._http = http
        self._waits = waits
        self.courtesies: dict[str, asyncio.Task[None]] = {}

    async def post(
        self,
        response_url: str,
        message: dict[str, Any],
        attempts: int = _ATTEMPTS,
        seconds: float | None = None,
        wanted: StillWanted = always,
        longest_wait: float | None = None,
    ) -> Posted:
        """Posts a message, and says whether Slack took it.

        Each attempt may take so many `seconds`; there is no further one for what is not `wanted`
        any more, or where Slack asks to wait longer than `longest_wait`. What was sent and got no
        reply is not sent again: the person may see it already. A failure is logged, with a
        reference.
        """
        longest = _LIFETIME if longest_wait is None else longest_wait
        try:
            async for attempt in stamina.retry_context(
                on=lambda error: _worth_another_try(error, longest),
                attempts=attempts,
                timeout=_LIFETIME,
                wait_initial=self._waits.first_retry,
                wait_max=_LONGEST_BACKOFF,
                wait_jitter=self._waits.first_retry,
                wait_exp_base=4,
            ):
                with attempt:
                    if not await wanted():
                        return "unwanted"
                    await self._post(response_url, message, seconds or self._waits.response_url)
        except _NotDelivered as error:
            _log.error("answer not delivered", reference=new_reference(), reason=str(error))
            return error.posted
        return "taken"

    async def say_once(self, response_url: str, message: dict[str, Any]) -> None:
        """Posts what is only a courtesy: with one attempt, and little time."""
        await self.post(response_url, message, attempts=1, seconds=self._waits.courtesy)

    async def _post(self, response_url: str, message: dict[str, Any], seconds: float) -> None:
        try:
            async with self._http.post(
                response_url,
                json=message,
                allow_redirects=False,
                proxy=proxy_for(response_url),
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                if response.status != 200:
                    wait = response.headers.get("Retry-After", "")
                    raise _NotDelivered(response.status, float(wait) if wait.isdecimal() else None)
        except aiohttp.ClientConnectorError as error:
            raise _NotDelivered(type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            # It was sent, at least in part: no reply, or the connection broke before it.
            raise _NoReply(type(error).__name__) from error


class _NotDelivered(Exception):
    """The response_url did not take a message; `reason` is a status or a connection's trouble."""

    def __init__(self, reason: int | str, retry_after: float | None = None) -> None:
        super().__init__(f"HTTP {reason}" if isinstance(reason, int) else reason)
        self.reason = reason
        self.retry_after = retry_after

    @property
    def posted(self) -> Posted:
        return "refused" if isinstance(self.reason, int) and self.reason < 500 else "failed"


class _NoReply(_NotDelivered):
    """Slack may have taken the message."""

    @property
    def posted(self) -> Posted:
        return "unknown"


def _worth_another_try(error: Exception, longest: float) -> bool | float:
    """Not where the response_url is used up (404), gone (410) or dislikes the message (4xx).

    And not after a message that got no reply.
    """
    if not isinstance(error, _NotDelivered) or isinstance(error, _NoReply):
        return False
    if error.reason == 429 and error.retry_after is not None:
        return error.retry_after if error.retry_after < longest else False
    return isinstance(error.reason, str) or error.reason == 429 or error.reason >= 500
