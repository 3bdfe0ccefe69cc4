"""Sharing an answer with everybody in the conversation: asks first, then posts what was shown.

It is posted through the button's response_url, so the bot need not be a member of the channel.
https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bot.lookup.access import EntryPoint
from bot.lookup.outcomes import Found, Outcome
from bot.sessions import Query
from bot.slack.replies.answers import Restarting
from bot.slack.replies.places import beside, thread_of
from bot.slack.replies.response_url import Wanted
from bot.slack.replies.services import Services, value_of
from bot.slack.requests import Route, SlackRequest
from bot.slack.ui import action_ids, listing, notes, wording
from bot.slack.ui.pieces import RESPONSE_URL, Drawing, drawn, note


@dataclass(slots=True)
class _Sharing:
    """One share under way; from the time when `posting` is set it can't be called off."""

    name: str
    query: Query
    named: bool
    wanted: Wanted
    posting: bool = False


class Share:
    """Answers the buttons of sharing."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """The question, and its two answers; "don't share" is an ordinary look at the sessions."""
        return (
            Route("action", action_ids.SHARE, EntryPoint.SHARE, self.asked),
            Route("action", action_ids.SHARE_NAMED, EntryPoint.SHARE, self.share_named),
            Route("action", action_ids.SHARE_UNNAMED, EntryPoint.SHARE, self.share_unnamed),
        )

    async def asked(self, request: SlackRequest) -> None:
        """*Share…*: asks first, in the place of the answer. To ask anew is to share anew."""
        await request.ack()
        services, body = self._services, request.body
        query = services.pressed_query(request)
        if query is None or await services.presses.is_sharing(body):
            return
        await services.presses.begin(body)
        await services.presses.forget_sharing(body)
        channel = request.actor.channel
        named = channel if channel.startswith("C") else ""  # direct messages have no name
        question = listing.share_question(query.person, named, value_of(request))
        services.delivery.send_after_ack(question, request, services.places.in_place(body))

    async def share_named(self, request: SlackRequest) -> None:
        """Posts the sessions to the conversation, with the person's name."""
        await request.ack()
        await self._begin(request, named=True)

    async def share_unnamed(self, request: SlackRequest) -> None:
        """The same without the name."""
        await request.ack()
        await self._begin(request, named=False)

    async def _begin(self, request: SlackRequest, *, named: bool) -> None:
        services = self._services
        query = services.pressed_query(request)
        if query is None:
            return
        name = await services.presses.begin_sharing(request.body)
        if not name:
            return  # the second press of two: the first is being answered
        sharing = _Sharing(name, query, named, await services.presses.begin(request.body))

        async def tell_of_the_end() -> None:
            words = notes.note_with_retry(wording.RESTARTING, value_of(request))
            if sharing.posting:  # it may be there
                words = listing.after_sharing(wording.MAYBE_SHARED, value_of(request))
            await services.places.in_place(request.body).send(drawn(words))

        work = self._share(sharing, request)
        services.delivery.start(services.in_flight.notify_if_cancelled(work, tell_of_the_end))

    async def _share(self, sharing: _Sharing, request: SlackRequest) -> None:
        services, body = self._services, request.body
        place = services.places.in_place(body)
        try:
            await request.acknowledged
            # Without buttons: there is nothing to press while it is being shared.
            await place.say_meanwhile(note(wording.SHARING))
            outcome = await services.answers.look_up(sharing.query, request.actor)
            now = datetime.now(UTC)
            if not (isinstance(outcome, Found) and _was_shown(outcome, sharing.query, now)):
                await services.presses.forget_sharing(body)
                await place.send(self._instead(outcome, sharing, request, now), sharing.wanted)
            elif not await services.presses.may_post(sharing.name):
                # Called off meanwhile: that press has its own answer.
                await services.presses.forget_sharing(body)
            else:
                sharing.posting = True
                said = await self._post(outcome, sharing, request, now)
                await place.send(drawn(listing.after_sharing(said, value_of(request))))
        finally:
            await services.presses.end_sharing(body)

    async def _post(
        self, outcome: Found, sharing: _Sharing, request: SlackRequest, now: datetime
    ) -> str:
        """Posts for everybody, once; gives the sentence for who shares."""
        user, named = request.actor.user, sharing.named
        message = listing.shared(outcome.sessions, now, user, RESPONSE_URL, named=named)
        fields = beside(thread_of(request.body))
        url = request.body["response_url"]
        match await self._services.places.urls.post(url, message | fields, attempts=1):
            case "taken":
                return wording.shared(sharing.query.person)
            case "refused":
                return wording.NOT_SHARED
            case _:
                return wording.MAYBE_SHARED

    def _instead(
        self, outcome: Outcome | Restarting, sharing: _Sharing, request: SlackRequest, now: datetime
    ) -> Drawing:
        """For who shares, where what was shown can't be shared."""
        answers, query, actor = self._services.answers, sharing.query, request.actor
        if isinstance(outcome, Found):
            again = answers.again(query, actor.user)
            return drawn(listing.after_sharing(wording.SESSIONS_CHANGED, again))
        return lambda room: answers.draw(outcome, query, actor, room, now)


def _was_shown(outcome: Found, query: Query, now: datetime) -> bool:
    shown = query.shown.fingerprint if query.shown else ""
    return outcome.sessions.snapshot(now).fingerprint == shown
