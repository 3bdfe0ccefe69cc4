"""The shortcuts: *Find sessions* on a message, and from anywhere.

https://docs.slack.dev/interactivity/implementing-shortcuts
"""

from __future__ import annotations

from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.lookup.access import EntryPoint
from bot.slack.replies.answers import Answers
from bot.slack.replies.delivery import Acknowledged, Delivery
from bot.slack.replies.views import Views
from bot.slack.requests import actor_in
from bot.slack.ui import wording
from bot.slack.ui.reading import external_identities, message_time


class Shortcuts:
    """Answers both; each method is a listener. People of `internal_domains` are no customers."""

    def __init__(
        self, answers: Answers, delivery: Delivery, views: Views, internal_domains: tuple[str, ...]
    ) -> None:
        self._answers = answers
        self._internal = internal_domains
        self._delivery = delivery
        self._views = views

    async def anywhere(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Opens the form."""
        await ack()
        self._views.open_form(body["trigger_id"])

    async def on_message(
        self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext
    ) -> None:
        """One person in the message: their sessions. Several: a choice. Nobody: the form."""
        await ack()
        # After the ack: a message may be long, and Slack waits for three seconds.
        self._delivery.start(self._answer(body, context["acknowledged"]))

    async def _answer(self, body: dict[str, Any], acknowledged: Acknowledged) -> None:
        message, url = body["message"], str(body["response_url"])
        people = external_identities(message, self._internal)
        if not people:
            self._views.open_form(
                body["trigger_id"], wording.NOBODY_IN_MESSAGE, message_time(message), url
            )
            return
        # In a thread the answer belongs beside the message, not into the channel. The message that
        # a thread hangs on is in the channel itself.
        thread = message.get("thread_ts")
        place = {"replace_original": False}
        if thread and thread != message.get("ts"):
            place["thread_ts"] = thread
        actor = actor_in(body, EntryPoint.MESSAGE_SHORTCUT)
        work = self._answers.answer_for_people(people, message, actor)
        self._delivery.reply(work, acknowledged, self._delivery.at(url, place))
