"""Windows: opened for a trigger, and changed while they are open.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from bot.errors import SlackError
from bot.slack.blocks import WINDOW, Message, Renderer, SizeLimit, View
from bot.slack.response_url import IsCurrent, Posted, always_current
from bot.slack.targets import UNCONFIRMED, ReplyTarget
from bot.slack.web_api import SlackClient, call_api

_log = structlog.get_logger()

# What Slack says where the person has closed the window, or opened another.
_GONE: Final = frozenset({"not_found", "view_not_found"})


class Views:
    """Opens and updates windows with the bot token, which `client` carries."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client

    async def open(self, trigger_id: str, view: View) -> str:
        """Open a window with one attempt: a trigger lives for three seconds.

        Returns the window's id; "" if it was not opened, which is logged unless it was closed.
        """
        try:
            answer = await call_api(self._client.views_open(trigger_id=trigger_id, view=view))
        except SlackError as error:
            if error.code not in _GONE:
                _log.error("view not shown", exc_info=error)
            return ""
        return str((answer.get("view") or {}).get("id", ""))

    async def update(self, view_id: str, view: View) -> bool:
        """Change what an open window shows. Returns whether Slack took it, or it was closed."""
        return await self.put(view_id, view) is Posted.TAKEN

    async def put(self, view_id: str, view: View) -> Posted:
        """Do the same, and say what became of it. A failure is logged."""
        try:
            # The same view a second time does no harm.
            await self._client.call_with_retries(
                lambda: self._client.views_update(view_id=view_id, view=view)
            )
        except SlackError as error:
            if error.code in _GONE:
                return Posted.TAKEN
            _log.error("view not shown", exc_info=error)
            return Posted.UNKNOWN if error.may_have_arrived else Posted.FAILED
        return Posted.TAKEN

    async def publish_home(self, user: str, view: View) -> None:
        """Shows the person's Home. Raises `SlackError`."""
        await self._client.call_with_retries(
            lambda: self._client.views_publish(user_id=user, view=view)
        )


class Frame(Protocol):
    """Puts a message into a view; if it is not `final`, another message follows."""

    def __call__(self, message: Message, *, final: bool = True) -> View:
        """The view."""


@dataclass(slots=True)
class Window:
    """A `bot.slack.targets.ReplyTarget`: an open window, which the answer fills.

    What can't be shown there goes to the place `otherwise`.
    """

    views: Views
    view_id: str
    frame: Frame
    otherwise: ReplyTarget
    size_limit: SizeLimit = WINDOW
    is_repeatable: bool = True

    def as_ack(self, message: Message, *, final: bool) -> dict[str, Any]:
        """See the protocol."""
        return {"response_action": "update", "view": self.frame(message, final=final)}

    async def send(self, renderer: Renderer, is_current: IsCurrent = always_current) -> None:
        """See the protocol."""
        if not await is_current():
            return
        posted = await self.views.put(self.view_id, self.frame(renderer(self.size_limit)))
        if posted is not Posted.TAKEN:
            await self.otherwise.send(UNCONFIRMED if posted is Posted.UNKNOWN else renderer)

    async def send_progress(self, message: Message) -> None:
        """See the protocol."""
        await self.views.update(self.view_id, self.frame(message, final=False))
