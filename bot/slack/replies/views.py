"""Windows: opened for a trigger, and changed while they are open.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Any, Final

import structlog

from bot.errors import SlackError
from bot.slack.api.client import SlackClient, call_api
from bot.slack.replies.delivery import Delivery
from bot.slack.ui import listing as blocks
from bot.slack.ui import wording
from bot.typed.query import Limits

_log = structlog.get_logger()

# What Slack says where the person has closed the window, or opened another.
_GONE: Final = frozenset({"not_found", "view_not_found"})


class Views:
    """Opens and updates windows with the bot token, which `client` carries."""

    def __init__(self, limits: Limits, delivery: Delivery, client: SlackClient) -> None:
        self._limits = limits
        self._delivery = delivery
        self._client = client

    def open_form(
        self,
        trigger_id: str,
        reason: str = "",
        moment: datetime | None = None,
        response_url: str = "",
    ) -> None:
        """Opens the form at once: a trigger lives for three seconds. `reason` stands above it.

        Where it can't be opened, the person is told at the `response_url`, if there is one.
        """
        view = blocks.form(self._limits, reason, moment)

        async def opening() -> None:
            opened = await self._shown(self._client.views_open(trigger_id=trigger_id, view=view))
            if not opened and response_url:
                await self._delivery.post(response_url, blocks.note(wording.FORM_NOT_OPENED))

        self._delivery.start(opening())

    async def update(self, view_id: str, view: blocks.View) -> None:
        """What an open window shows from now on; nothing happens where it was closed."""
        await self._shown(self._client.views_update(view_id=view_id, view=view))

    async def _shown(self, call: Awaitable[Any]) -> bool:
        """Waits for Slack to show a view, and says whether it does. A failure is logged."""
        try:
            await call_api(call)
        except SlackError as error:
            if error.code not in _GONE:
                _log.error("view not shown", exc_info=error)
            return False
        return True
