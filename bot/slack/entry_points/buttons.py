"""The buttons of an answer: more, again, away; and of the choice between people.

A press comes with a response_url of its own, which can replace the message that was pressed. What
is pressed later counts: the answer to an earlier press of the same message is not sent any more.
https://docs.slack.dev/interactivity/handling-user-interaction
"""

from __future__ import annotations

import re
from dataclasses import replace

from bot.lookup.access import EntryPoint
from bot.slack.replies.services import Services, value_of
from bot.slack.requests import Route, SlackRequest
from bot.slack.ui import action_ids, notes, wording


class Buttons:
    """Answers presses."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """Every button of an answer but those of sharing."""
        again = (
            action_ids.SHOW_MORE,
            action_ids.REFRESH,
            re.compile(f"{action_ids.CHOOSE}:\\d"),
        )
        return (
            *(Route("action", name, EntryPoint.BUTTON, self.look_again) for name in again),
            Route("action", action_ids.WATCH_REPLAY, EntryPoint.BUTTON, self.opened_link),
            Route("action", action_ids.DISMISS, EntryPoint.BUTTON, self.dismiss),
        )

    async def opened_link(self, request: SlackRequest) -> None:
        """The link opens by itself; Slack shows a warning unless the press is acknowledged."""
        await request.ack()

    async def look_again(self, request: SlackRequest) -> None:
        """*Refresh*, *Show more*, a choice, "don't share": the message becomes the answer."""
        await request.ack()
        services, body = self._services, request.body
        query = services.pressed_query(request)
        if query is None:
            return
        if not await services.presses.call_off_sharing(body):
            services.tell_beside(wording.SHARED_ALREADY, request)
            return
        wanted = await services.presses.begin(body)
        query = replace(query, shown=None)  # as things are now, not as they were shown
        services.delivery.answer_after_ack(
            services.answers.to_query(query, request.actor),
            request,
            services.places.in_place(body),
            wanted=wanted,
            last_words=notes.note_with_retry(wording.RESTARTING, value_of(request)),
        )

    async def dismiss(self, request: SlackRequest) -> None:
        """The message goes away, however old it is."""
        await request.ack()
        await self._services.presses.begin(request.body)
        place = self._services.places.away(request.body)
        self._services.delivery.send_after_ack({}, request, place)
