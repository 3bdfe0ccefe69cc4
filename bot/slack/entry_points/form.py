"""The form: whose sessions, how many, when; and the results, in the same window.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.lookup.access import EntryPoint
from bot.sessions import Moment, Query
from bot.slack.replies.answers import Answers
from bot.slack.replies.delivery import Acknowledged, Delivery
from bot.slack.replies.views import Views
from bot.slack.requests import actor_in
from bot.slack.ui import listing as blocks
from bot.slack.ui import wording
from bot.slack.ui.listing import Message
from bot.typed.query import Problem, QueryNeedingProfile, Refused, parse_person


class Form:
    """Answers the form, in the window it stands in; each method is a listener."""

    def __init__(self, answers: Answers, delivery: Delivery, views: Views) -> None:
        self._answers = answers
        self._delivery = delivery
        self._views = views

    async def new_search(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """The listener of *New search*: results become the empty form again."""
        await ack()
        view = blocks.form(self._answers.limits)
        self._delivery.start(self._views.update(str(body["view"]["id"]), view))

    async def submit(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """The listener of *Find*: errors beside their fields, or the results."""
        values = body["view"]["state"]["values"]
        person = str(_value(values, blocks.PERSON_FIELD, "value") or "")
        limit = "".join(str(_value(values, blocks.LIMIT_FIELD, "value") or "").split())
        seconds = _value(values, blocks.MOMENT_FIELD, "selected_date_time")
        moment = None
        if seconds:
            moment = Moment(datetime.fromtimestamp(int(seconds), UTC), of_message=False)
        if moment and moment.time > datetime.now(UTC):
            await _beside(ack, blocks.MOMENT_FIELD, wording.MOMENT_TO_COME)
            return
        match parse_person(person, limit or None, self._answers.limits):
            case Query() as query:
                actor = actor_in(body, EntryPoint.FORM)
                work = self._answers.answer(replace(query, moment=moment), actor, buttons=False)
            case QueryNeedingProfile():
                await _beside(ack, blocks.PERSON_FIELD, wording.USE_MOMENT_FIELD)
                return
            case Refused(problem) as refused:
                field = blocks.LIMIT_FIELD if "LIMIT" in problem.name else blocks.PERSON_FIELD
                await _beside(ack, field, wording.refusal(refused, self._answers.limits))
                return
            case _:
                nobody = wording.refusal(Refused(Problem.NOBODY, "", ""), self._answers.limits)
                await _beside(ack, blocks.PERSON_FIELD, nobody)
                return
        await self._show(work, ack, context["acknowledged"], body["view"]["id"])

    async def _show(
        self,
        work: Coroutine[Any, Any, Message],
        ack: AsyncAck,
        acknowledged: Acknowledged,
        view_id: str,
    ) -> None:
        task = await self._delivery.start_and_wait_budget(work)
        if task.done():
            view = blocks.results(task.result())
            await ack(response_action="update", view=view)
            self._delivery.start(self._update_if_lost(view_id, view, acknowledged))
            return
        looking = blocks.results(blocks.note(wording.LOOKING), final=False)
        await ack(response_action="update", view=looking)

        async def fill_in() -> None:
            message = await task
            await acknowledged
            await self._views.update(view_id, blocks.results(message))

        async def tell_of_the_end() -> None:
            await self._views.update(view_id, blocks.results(blocks.note(wording.RESTARTING)))

        self._delivery.start(self._delivery.notify_if_cancelled(fill_in(), tell_of_the_end))

    async def _update_if_lost(
        self, view_id: str, view: blocks.View, acknowledged: Acknowledged
    ) -> None:
        if not await acknowledged:
            await self._views.update(view_id, view)


async def _beside(ack: AsyncAck, field: str, sentence: str) -> None:
    """Keeps the form open, with a sentence beside a field."""
    await ack(response_action="errors", errors={field: sentence})


def _value(values: dict[str, Any], field: str, name: str) -> Any:  # noqa: ANN401
    return values.get(field, {}).get(field, {}).get(name)
