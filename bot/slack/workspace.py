"""Who the bot is in its workspace, and whether somebody else belongs there.

https://docs.slack.dev/reference/methods/auth.test
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.web_api import persistently


@dataclass(frozen=True, slots=True)
class Own:
    """Slack's ids of the bot: its workspace, its user, and itself as an author of messages."""

    team: str
    user: str
    bot: str


class Workspace:
    """Asks Slack once, when it is first needed."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._asking = asyncio.Lock()
        self._own: Own | None = None

    async def own(self) -> Own:
        """The bot's ids. Raises `SlackError`."""
        async with self._asking:
            if self._own is None:
                answer = await persistently(self._client.auth_test)
                self._own = Own(
                    str(answer["team_id"]), str(answer["user_id"]), str(answer["bot_id"])
                )
        return self._own
