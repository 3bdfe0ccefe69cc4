"""The slash command: `/fsessions jane@example.com 5`.

https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.lookup.access import EntryPoint
from bot.sessions import Query
from bot.slack.replies.answers import Answers
from bot.slack.replies.delivery import Delivery
from bot.slack.requests import actor_in
from bot.slack.ui import listing as blocks
from bot.typed.query import Help, QueryNeedingProfile, Refused, parse


class Command:
    """Answers the slash command."""

    def __init__(self, answers: Answers, delivery: Delivery) -> None:
        self._answers = answers
        self._delivery = delivery

    async def answer(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """Acknowledges with the answer, with what was wrong, or with "still looking"."""
        name, limits = str(body["command"]), self._answers.limits
        actor = actor_in(body, EntryPoint.COMMAND)
        match parse(str(body.get("text") or ""), limits):
            case Help():
                await ack(blocks.help_message(name, limits))
                return
            case Refused() as refused:
                await ack(blocks.refusal(refused, name, limits))
                return
            case QueryNeedingProfile() as unresolved:
                work = self._answers.resolve_and_answer(unresolved, actor, name)
            case Query() as query:
                work = self._answers.answer(query, actor)
        await self._delivery.answer(
            work,
            acknowledge=ack,
            acknowledged=context["acknowledged"],
            response_url=str(body.get("response_url", "")),
        )
