"""The shortcut *Find sessions* in the menu of a message.

https://docs.slack.dev/interactivity/implementing-shortcuts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from bot.core.access import EntryPoint
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.message_parser import is_offer, message_time
from bot.slack.request import Ack, SlackRequest
from bot.slack.search_modal import SearchModal
from bot.slack.targets import Targets, thread_of_reply

FIND_SESSIONS_FROM_MESSAGE: Final = "find_sessions_from_message"
NO_ONE_FOUND: Final = (
    "I found no e-mail address or uid in that message. Whose sessions would you like to see?"
)
FORM_NOT_OPENED: Final = (
    "I found no e-mail address or uid in that message. Please type the command with one, like "
    "/fsessions jane@example.com"
)


@dataclass(frozen=True, slots=True)
class MessageShortcut:
    """Looks up the person in a message."""

    manifest: ClassVar = Manifest(
        scopes={"commands": "The command and the shortcuts."},
        help=("From a message:", "Find sessions, in the menu of a message that names the customer"),
    )

    lookups: Lookups
    search_modal: SearchModal
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register the shortcut."""
        app.shortcut(FIND_SESSIONS_FROM_MESSAGE, EntryPoint.MESSAGE_SHORTCUT, self.on_shortcut)

    async def on_shortcut(self, request: SlackRequest) -> Ack:
        """Acknowledge, then answer: a message may be long, and Slack waits for three seconds."""
        if await request.job.take_interaction():
            self.background.start(self._answer(request))
        return None

    async def _answer(self, request: SlackRequest) -> None:
        """Show the sessions of one person, a choice between several, or the form."""
        message, actor = request.body["message"], request.actor
        people = self.lookups.people_in(message)
        # The answer to a reply belongs in its thread, not in the channel.
        target = self.targets.in_thread(request.body, thread_of_reply(message))
        if people:
            work = self.lookups.message(people, message, actor)
            self.delivery.after_ack(work, request, target)
        elif is_offer(message):
            # It names no one; the message above it does.
            above = str(message.get("thread_ts"))
            work = self.lookups.message_at(actor.channel, above, actor)
            self.delivery.after_ack(work, request, target)
        else:
            await self.search_modal.open(
                request,
                NO_ONE_FOUND,
                message_time(message),
                fallback=(target, FORM_NOT_OPENED),
            )
            await request.job.done()
