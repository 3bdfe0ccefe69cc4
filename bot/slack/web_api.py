"""Slack's Web API, over the process's one session."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import stamina
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.connections import Request, proxy_for, watch_request
from bot.errors import SlackError
from bot.settings import Settings
from bot.timeouts import Timeouts

TOKEN_ERRORS: Final = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "token_expired",
        "token_revoked",
    }
)
"""What Slack says where a token is no good: trying again won't help.

https://docs.slack.dev/reference/methods/auth.test#errors
"""

_PASSING: Final = frozenset(
    {"", "fatal_error", "internal_error", "request_timeout", "service_unavailable"}
)
_MAYBE_DONE: Final = frozenset({"fatal_error", "internal_error"})
"""After these, Slack says, some of what was asked for may have been done."""

_CODE: Final = re.compile(r"[a-z_]{1,80}")
_BUSY: Final = frozenset({"rate_limited", "ratelimited"})  # Slack writes both
_ATTEMPTS: Final = 4
_LONGEST_WAIT: Final = 30.0


class SlackClient(AsyncWebClient):
    """slack_sdk's client, with more patience: `first_retry` is in seconds."""

    first_retry = Timeouts().first_retry

    async def call_with_retries(
        self,
        call: Callable[[], Awaitable[AsyncSlackResponse]],
        *,
        is_repeatable: bool = True,
        seconds: float | None = None,
    ) -> AsyncSlackResponse:
        """As `call_api`, with more attempts where Slack asks to wait or has trouble.

        There are four in some seconds, or as many as fit into `seconds`. What is not repeatable,
        such as a new message, is tried again only where Slack surely did nothing. (slack_sdk's own
        handler for rate limits waits for the first digit of what Slack asks for.)
        """
        longest = _LONGEST_WAIT if seconds is None else seconds

        def again(error: Exception) -> bool | float:
            if not isinstance(error, SlackError):
                return False
            if error.code in _BUSY:
                wait = self.first_retry if error.retry_after is None else error.retry_after
                return wait if wait <= longest else False
            return error.code in _PASSING and (is_repeatable or not error.may_have_arrived)

        try:
            async with asyncio.timeout(seconds):
                async for attempt in stamina.retry_context(
                    on=again,
                    attempts=_ATTEMPTS if seconds is None else None,
                    timeout=seconds,
                    wait_initial=self.first_retry,
                    wait_max=_LONGEST_WAIT,
                    wait_jitter=self.first_retry,
                    wait_exp_base=4,
                ):
                    with attempt:
                        return await call_api(call())
        except TimeoutError as error:  # an attempt that hangs
            raise SlackError("", may_have_arrived=True) from error
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover


def slack_client(
    settings: Settings,
    http: aiohttp.ClientSession,
    token: str | None = None,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> SlackClient:
    """A client of the Web API, by default without a token."""
    client = SlackClient(
        token=token,
        base_url=settings.slack_api_url,
        session=http,
        retry_handlers=[],  # slack_sdk's own would send a message twice whose reply was lost
    )
    client.proxy = proxy_for(settings.slack_api_url)
    client.first_retry = timeouts.first_retry
    return client


def will_pass(error: SlackError) -> bool:
    """Whether it is Slack's own trouble, which ends by itself."""
    return error.code in _PASSING | _BUSY


async def call_api(call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """The answer of a method. Raises `SlackError`, whatever slack_sdk stumbles over.

    A page of HTML, plain text, or half a document make it raise AttributeError or ValueError.
    """
    with watch_request() as request:
        try:
            return await call
        except SlackApiError as error:
            data = getattr(error.response, "data", None)
            code = _code(data.get("error")) if isinstance(data, dict) else ""
            wait = str(getattr(error.response, "headers", {}).get("Retry-After", ""))
            raise SlackError(
                code,
                float(wait) if wait.isdecimal() else None,
                may_have_arrived=code in _MAYBE_DONE or (not code and _may_be_done(request)),
            ) from error
        except _UNREADABLE as error:
            raise SlackError("", may_have_arrived=_may_be_done(request)) from error


_UNREADABLE: Final = (
    *(SlackClientError, aiohttp.ClientError, OSError, ValueError),
    AttributeError,  # slack_sdk's, for what is no JSON object
)


def _may_be_done(request: Request) -> bool:
    """Tell whether a method may be done, whose answer is not one of the Web API."""
    return request.may_have_arrived or (request.status >= 500 and request.status != 503)


def _code(error: object) -> str:
    """Slack's word for what went wrong; "" for a sentence, which may name somebody."""
    return error if isinstance(error, str) and _CODE.fullmatch(error) else ""
