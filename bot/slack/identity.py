"""Who the bot is in its workspace.

https://docs.slack.dev/reference/methods/auth.test
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from bot.slack.web_api import SlackClient
from bot.store.cache import Cache
from bot.store.protocol import State

_KEPT_SECONDS: Final = 365 * 24 * 60 * 60.0  # a token's ids never change


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
    """Asks Slack when it is first needed, with the bot token that `client` carries."""

    def __init__(self, client: SlackClient, state: State) -> None:
        self._client = client
        self._answers = Cache(state, "identity")

    async def bot_identity(self) -> BotIdentity:
        """The bot's ids. Raises `SlackError`; all who wait share the answer, and the failure."""
        team, user, bot = json.loads(await self._answers.get("bot", self._ask))
        return BotIdentity(team, user, bot)

    async def _ask(self) -> tuple[str, float]:
        answer = await self._client.call_with_retries(self._client.auth_test)
        ids = [str(answer.get(name) or "") for name in ("team_id", "user_id", "bot_id")]
        return json.dumps(ids), _KEPT_SECONDS


def by_person(event: dict[str, Any]) -> bool:
    """Whether a person wrote a message, and only now: an edit or a deletion is no new one."""
    return bool(event.get("user") and not event.get("bot_id") and not event.get("hidden"))
