"""The shortcuts: *Find sessions* on a message, and from anywhere.

https://docs.slack.dev/interactivity/implementing-shortcuts
"""

from __future__ import annotations

from typing import Final

from bot.core.access import EntryPoint
from bot.slack import texts
from bot.slack.message_parser import message_time
from bot.slack.messages import is_offer
from bot.slack.request import Route, SlackRequest
from bot.slack.services import Services
from bot.slack.targets import thread_of_reply

FIND_SESSIONS: Final = "find_sessions"
FIND_SESSIONS_FROM_MESSAGE: Final = "find_sessions_from_message"


class Shortcuts:
    """Answers both."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """Both shortcuts; the manifest knows them by these names."""
        return (
            Route("shortcut", FIND_SESSIONS, EntryPoint.FORM, self.anywhere),
            Route(
                "shortcut",
                FIND_SESSIONS_FROM_MESSAGE,
                EntryPoint.MESSAGE_SHORTCUT,
                self.on_message,
            ),
        )

    async def anywhere(self, request: SlackRequest) -> None:
        """Opens the form."""
        await request.ack()
        self._services.delivery.start(self._services.open_form(request))

    async def on_message(self, request: SlackRequest) -> None:
        """One person in the message: their sessions. Several: a choice. Nobody: the form."""
        is_ours = await request.job.take_interaction()
        await request.ack()
        if is_ours:
            # After the ack: a message may be long, and Slack waits for three seconds.
            self._services.delivery.start(self._answer(request))

    async def _answer(self, request: SlackRequest) -> None:
        services, body = self._services, request.body
        message = body["message"]
        people = services.answers.people_in(message)
        # In a thread the answer belongs beside the message, not into the channel.
        target = services.targets.in_thread(body, thread_of_reply(message))
        if people:
            work = services.answers.to_message(people, message, request.actor)
            services.delivery.answer_after_ack(work, request, target)
            return
        if is_offer(message):
            # It names nobody; the message above it does.
            above = str(message.get("thread_ts"))
            work = services.answers.to_message_at(request.actor.channel, above, request.actor)
            services.delivery.answer_after_ack(work, request, target)
            return
        await services.open_form(
            request,
            texts.NOBODY_IN_MESSAGE,
            message_time(message),
            otherwise=(target, texts.FORM_NOT_OPENED),
        )
        await request.job.done()
