"""Who the bot is in its workspace, and whether somebody else belongs there.

https://docs.slack.dev/reference/methods/auth.test
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from bot.slack.api.client import SlackClient


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Slack's ids of the bot: its workspace, its user, and itself as an author of messages."""

    team: str
    user: str
    bot: str

    def wrote(self, event: dict[str, Any]) -> bool:
        """Whether a message is the bot's own.

        What is shared through a response_url has the bot's id, and no user's:
        https://github.com/slackapi/bolt-python/issues/683
        """
        return event.get("bot_id") == self.bot

    def is_asked(self, event: dict[str, Any]) -> bool:
        """Whether a person mentions the bot."""
        return by_person(event) and f"<@{self.user}" in str(event.get("text"))


class Workspace:
    """Asks Slack once, when it is first needed."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client
        self._asking: asyncio.Task[BotIdentity] | None = None

    async def own(self) -> BotIdentity:
        """The bot's ids. Raises `SlackError`; all who wait share the answer, and the failure."""
        if self._asking is None or (self._asking.done() and self._asking.exception()):
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> BotIdentity:
        answer = await self._client.call_with_retries(self._client.auth_test)
        return BotIdentity(
            *(str(answer.get(name) or "") for name in ("team_id", "user_id", "bot_id"))
        )


def by_person(event: dict[str, Any]) -> bool:
    """Whether a person wrote a message, and only now: an edit or a deletion is no new one."""
    return bool(event.get("user") and not event.get("bot_id") and not event.get("hidden"))
