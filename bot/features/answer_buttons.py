"""The buttons of an answer and its menu: more, again, away, help; and of the choice between people.

A press comes with a response_url of its own, which can replace the message that was pressed. What
is pressed later counts: the answer to an earlier press of the same message is not sent any more.
https://docs.slack.dev/interactivity/handling-user-interaction
"""

from __future__ import annotations

import re
from dataclasses import replace

from bot.core.access import EntryPoint
from bot.core.query import typed_form
from bot.slack import action_ids, messages, modals, texts
from bot.slack.request import Route, SlackRequest
from bot.slack.services import Services, value_of


class Buttons:
    """Answers presses."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """Every button but those of sharing, of the form and of the offer."""
        ids = action_ids
        handlers = (
            (ids.WATCH_REPLAY, self.opened_link),
            (ids.SHOW_MORE, self.look_again),
            (ids.REFRESH, self.look_again),
            (re.compile(f"{ids.CHOOSE}:\\d"), self.look_again),
            (ids.ANSWER_MENU, self.chosen),
            (ids.HELP, self.explain),
            (ids.WHY, self.say_why),
            (ids.SEARCH_AGAIN, self.search_again),
        )
        return tuple(Route("action", name, EntryPoint.BUTTON, handle) for name, handle in handlers)

    async def opened_link(self, request: SlackRequest) -> None:
        """The link opens by itself; Slack shows a warning unless the press is acknowledged."""
        await request.ack()

    async def look_again(self, request: SlackRequest) -> None:
        """*Refresh*, *Show more*, a choice: the message becomes the answer."""
        services, body = self._services, request.body
        query = services.pressed_query(request)
        if query is None:
            await request.ack()
            await request.job.done()
            return
        is_current = await services.presses.begin(body, request.job)
        is_ours = await request.job.take_interaction()
        await request.ack()
        if not is_ours:
            return
        query = replace(query, shown=None)  # as things are now, not as they were shown
        target = services.targets.in_place(body)
        services.delivery.answer_after_ack(
            services.answers.to_query(query, request.actor),
            request,
            target,
            is_current=is_current,
            # Both stand in the place of the sessions: there is a way back to them.
            progress=messages.note_with_retry(texts.STILL_LOOKING, value_of(request)),
            shutdown_notice=messages.note_with_retry(texts.RESTARTING, value_of(request)),
        )

    async def chosen(self, request: SlackRequest) -> None:
        """An entry of the menu behind three dots."""
        entry = str(request.body["actions"][0]["selected_option"]["value"]).partition(" ")[0]
        match entry:
            case action_ids.REFRESH:
                await self.look_again(request)
            case action_ids.DISMISS:
                await self.dismiss(request)
            case _:
                await self.explain(request)

    async def dismiss(self, request: SlackRequest) -> None:
        """The message goes away, however old it is."""
        await request.ack()
        is_current = await self._services.presses.begin(request.body)
        target = self._services.targets.away(request.body)
        self._services.delivery.send_after_ack({}, request, target, is_current)

    async def explain(self, request: SlackRequest) -> None:
        """*How to ask*: all that can be typed, in a window."""
        await request.ack()
        services = self._services
        view = modals.help_window(services.command, services.answers.limits)
        services.delivery.start(services.views.open(request.body["trigger_id"], view))

    async def say_why(self, request: SlackRequest) -> None:
        """*Why?*, where there are no sessions."""
        await request.ack()
        opening = self._services.views.open(request.body["trigger_id"], modals.why_window())
        self._services.delivery.start(opening)

    async def search_again(self, request: SlackRequest) -> None:
        """The form, with the person filled in."""
        await request.ack()
        query = self._services.pressed_query(request)
        if query:
            person = typed_form(query, with_limit=False)
            moment = query.moment.time if query.moment else None
            opening = self._services.open_form(
                request,
                moment=moment,
                person=person,
                otherwise=(
                    self._services.targets.beside(request.body),
                    texts.WINDOW_NOT_OPENED,
                ),
            )
            self._services.delivery.start(opening)
