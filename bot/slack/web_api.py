"""Slack's Web API, over the process's one session."""

from __future__ import annotations

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.settings import Settings


def slack_client(
    settings: Settings, http: aiohttp.ClientSession, token: str | None = None
) -> AsyncWebClient:
    """A client of the Web API, by default without a token."""
    return AsyncWebClient(token=token, base_url=settings.slack_api_url, session=http)


def error_code(error: SlackApiError) -> str:
    """What Slack says is wrong, such as `invalid_auth`; "" where it answered no JSON.

    In that case slack_sdk gives a text for data, or aiohttp's response: neither can be asked.
    """
    data = getattr(error.response, "data", None)
    return str(data.get("error", "")) if isinstance(data, dict) else ""
