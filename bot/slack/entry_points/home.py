"""The app's Home: what the bot does, how to call it, who sees what; and a button to search.

https://docs.slack.dev/surfaces/app-home
"""

from __future__ import annotations

from typing import Any

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.errors import SlackError
from bot.lookup.access import Actor, EntryPoint
from bot.lookup.find import FindSessions
from bot.settings import Settings
from bot.slack.api.client import SlackClient
from bot.slack.api.identity import Workspace
from bot.slack.replies.delivery import Delivery
from bot.slack.replies.views import Views
from bot.slack.requests import actor_in
from bot.slack.ui import listing as blocks
from bot.slack.ui import wording
from bot.typed.query import Limits

_log = structlog.get_logger()


class Home:
    """Publishes the Home, and opens the form from it; each method is a listener."""

    def __init__(
        self,
        command: str,
        settings: Settings,
        delivery: Delivery,
        views: Views,
        workspace: Workspace,
        find: FindSessions,
        client: SlackClient,
    ) -> None:
        self._command = command
        self._limits: Limits = settings.limits
        self._channels = settings.support_channels
        self._delivery = delivery
        self._views = views
        self._workspace = workspace
        self._find = find
        self._client = client

    async def opened(self, body: dict[str, Any], _: AsyncBoltContext) -> None:
        """Publishes, unless what the person sees is the same already."""
        if body["event"].get("tab") == "home":
            actor = actor_in(body, EntryPoint.HOME)
            self._delivery.start(self._publish(body["event"], actor))

    async def search(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """The listener of the button."""
        await ack()
        self._views.open_form(body["trigger_id"])

    async def _publish(self, event: dict[str, Any], actor: Actor) -> None:
        user = actor.user
        try:
            if refusal := await self._find.refusal(actor):
                view = blocks.home_refused(wording.not_for(refusal))
            else:
                bot = (await self._workspace.own()).user
                view = blocks.home(self._command, bot, self._limits, self._channels)
            shown = event.get("view") or {}
            if shown.get("private_metadata") != view["private_metadata"]:
                await self._client.call_with_retries(
                    lambda: self._client.views_publish(user_id=user, view=view)
                )
        except SlackError as error:
            _log.warning("Home not published", exc_info=error)
