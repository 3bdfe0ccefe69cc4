"""The app's Home: what the bot does, how to call it, who sees what; and a button to search.

https://docs.slack.dev/surfaces/app-home
"""

from __future__ import annotations

import structlog

from bot.core.access import EntryPoint
from bot.errors import SlackError
from bot.slack import action_ids, modals
from bot.slack.blocks import View
from bot.slack.request import Route, SlackRequest
from bot.slack.services import Services

_log = structlog.get_logger()


class Home:
    """Publishes the Home, and opens the form from it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """The look at it, and its button."""
        return (
            Route("event", "app_home_opened", EntryPoint.HOME, self.opened),
            Route("action", action_ids.SEARCH, EntryPoint.HOME, self.search),
        )

    async def opened(self, request: SlackRequest) -> None:
        """Publishes, unless what the person sees is the same already."""
        if request.body["event"].get("tab") == "home":
            self._services.delivery.start(self._publish(request))

    async def search(self, request: SlackRequest) -> None:
        """Opens the form."""
        await request.ack()
        self._services.delivery.start(self._services.open_form(request))

    async def _publish(self, request: SlackRequest) -> None:
        shown = request.body["event"].get("view") or {}
        try:
            view = await self._view(request)
            if shown.get("private_metadata") != view["private_metadata"]:
                await self._services.views.publish_home(request.actor.user, view)
        except SlackError as error:
            _log.warning("Home not published", exc_info=error)

    async def _view(self, request: SlackRequest) -> View:
        services, settings = self._services, self._services.settings
        is_auditor = request.actor.user in settings.auditors
        if refused := await services.answers.refusal(request.actor):
            return modals.home_refused(refused, is_auditor=is_auditor)
        bot = await services.slack.workspace.bot_identity()
        channels = settings.allowed_channels
        ways = modals.ways_to_ask(
            services.help_lines,
            services.command,
            bot.user,
            settings.support_channels,
            restricted=bool(channels),
        )
        return modals.home(ways, channels, is_auditor=is_auditor)
