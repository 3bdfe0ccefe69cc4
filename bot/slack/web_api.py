"""Slack's Web API, over the process's one session."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import SlackError
from bot.settings import Settings

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


def slack_client(
    settings: Settings, http: aiohttp.ClientSession, token: str | None = None
) -> AsyncWebClient:
    """A client of the Web API, by default without a token."""
    client = AsyncWebClient(token=token, base_url=settings.slack_api_url, session=http)
    client.proxy = None  # the session knows about proxies, and about NO_PROXY too
    return client


async def called(call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """The answer of a method. Raises `SlackError`, whatever slack_sdk stumbles over.

    A page of HTML, plain text, or half a document make it raise AttributeError and others.
    """
    try:
        return await call
    except SlackApiError as error:
        data = getattr(error.response, "data", None)
        code = str(data.get("error", "")) if isinstance(data, dict) else ""
        raise SlackError(code) from error
    except Exception as error:
        raise SlackError("") from error
