"""The buttons of an answer: more, again, share, away; and of the choice between people.

A press comes with a response_url of its own, which can replace the message that was pressed. What
is pressed later counts: the answer to an earlier press of the same message is not sent any more.
https://docs.slack.dev/interactivity/handling-user-interaction
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.lookup.access import EntryPoint
from bot.sessions import Query
from bot.slack.replies.answers import Answers
from bot.slack.replies.delivery import Acknowledged, Delivery, Destination
from bot.slack.requests import actor_in
from bot.slack.ui import listing as blocks
from bot.slack.ui import wording
from bot.slack.ui.button_values import Outdated, WrongUser
from bot.slack.ui.listing import Message
from bot.state.in_memory import Latest

SHARED_SECONDS: Final = 30 * 60.0
"""How long it is remembered that a question was answered by sharing."""

REPLACE: Final = {"replace_original": True}


@dataclass(slots=True)
class _Sharing:
    """One share under way; from the time when `posting` is set it can't be called back."""

    posting: bool = False


class _InPlace:
    """The place of a pressed message. What is said meanwhile must not come after a later answer.

    So an answer waits for a courtesy of another press that is still on its way: some seconds at
    most, for it has one attempt.
    """

    def __init__(
        self,
        destination: Destination,
        courtesies: dict[tuple[str, str], asyncio.Future[Any]],
        key: tuple[str, str],
    ) -> None:
        self._destination = destination
        self._courtesies = courtesies
        self._key = key

    async def send(self, message: Message, wanted: Callable[[], bool] | None = None) -> None:
        if under_way := self._courtesies.get(self._key):
            await asyncio.wait({under_way})
        if wanted is None:
            await self._destination.send(message)
        elif wanted():
            await self._destination.send(message, wanted)

    async def say_meanwhile(self, message: Message) -> None:
        saying = asyncio.ensure_future(self._destination.say_meanwhile(message))
        self._courtesies[self._key] = saying
        try:
            await saying
        finally:
            if self._courtesies.get(self._key) is saying:
                del self._courtesies[self._key]


class Buttons:
    """Answers presses; each method is a listener."""

    def __init__(self, answers: Answers, delivery: Delivery) -> None:
        self._answers = answers
        self._delivery = delivery
        self._presses = Latest()
        self._courtesies: dict[tuple[str, str], asyncio.Future[Any]] = {}
        self._shared: dict[tuple[str, str], float] = {}
        self._sharing: dict[tuple[str, str], _Sharing] = {}

    async def look_again(
        self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext
    ) -> None:
        """*Refresh*, *Show more*, a choice, "don't share": the message becomes the answer."""
        await ack()
        acknowledged = context["acknowledged"]
        query = self._query(body, acknowledged)
        if query is None or self._is_posting(body, acknowledged):
            return
        value = body["actions"][0]["value"]
        query = replace(query, shown=None)  # as things are now, not as they were shown
        self._delivery.reply(
            self._answers.answer(query, actor_in(body, EntryPoint.BUTTON)),
            acknowledged,
            self._in_place(body),
            wanted=self._presses.begin(_key(body)),
            last_words=self._answers.restarting(value),
        )

    async def ask_to_share(
        self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext
    ) -> None:
        """*Share…*: asks first, in the place of the answer. To ask anew is to share anew."""
        await ack()
        query = self._query(body, context["acknowledged"])
        if query and _key(body) not in self._sharing:
            self._presses.begin(_key(body))
            self._shared.pop(_key(body), None)
            channel = str(body.get("channel", {}).get("id", ""))
            named = channel if channel.startswith("C") else ""  # direct messages have no name
            question = blocks.share_question(query.person, named, body["actions"][0]["value"])
            self._delivery.send(question, context["acknowledged"], self._in_place(body))

    async def share_named(
        self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext
    ) -> None:
        """Posts the sessions to the conversation, with the person's name."""
        await ack()
        self._start_sharing(body, context["acknowledged"], named=True)

    async def share_unnamed(
        self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext
    ) -> None:
        """The same without the name."""
        await ack()
        self._start_sharing(body, context["acknowledged"], named=False)

    async def dismiss(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """The message goes away, however old it is."""
        await ack()
        self._presses.begin(_key(body))
        there = self._delivery.at(body["response_url"])
        place = _InPlace(there, self._courtesies, _key(body))
        self._delivery.send({"delete_original": True}, context["acknowledged"], place)

    # -- Behind the listeners ---------------------------------------------------------------------

    def _query(self, body: dict[str, Any], acknowledged: Acknowledged) -> Query | None:
        """What the button was made for; if it can't be used, the person is told so."""
        try:
            return self._answers.verify_value(body["actions"][0]["value"], str(body["user"]["id"]))
        except WrongUser:
            self._say_beside(wording.NOT_YOURS, body, acknowledged)
        except Outdated:
            self._say_beside(wording.OUTDATED, body, acknowledged)
        return None

    def _in_place(self, body: dict[str, Any]) -> Destination:
        destination = self._delivery.at(body["response_url"], REPLACE)
        return _InPlace(destination, self._courtesies, _key(body))

    def _say_beside(self, sentence: str, body: dict[str, Any], acknowledged: Acknowledged) -> None:
        destination = self._delivery.at(body["response_url"], beside(body))
        self._delivery.send(blocks.note(sentence), acknowledged, destination)

    def _is_posting(self, body: dict[str, Any], acknowledged: Acknowledged) -> bool:
        """Whether it is too late to call a share back; then the person is told so."""
        sharing = self._sharing.get(_key(body))
        if not (sharing and sharing.posting):
            return False
        self._say_beside(wording.SHARED_ALREADY, body, acknowledged)
        return True

    def _start_sharing(
        self, body: dict[str, Any], acknowledged: Acknowledged, *, named: bool
    ) -> None:
        query = self._query(body, acknowledged)
        if not query or _key(body) in self._shared:
            return  # the second press of two: the first is being answered
        now = time.monotonic()
        self._shared = {key: at for key, at in self._shared.items() if now - at < SHARED_SECONDS}
        self._shared[_key(body)] = now
        sharing = self._sharing[_key(body)] = _Sharing()
        wanted = self._presses.begin(_key(body))

        async def tell_of_the_end() -> None:
            await self._in_place(body).send(self._last_words(sharing, body))

        work = self._share(query, sharing, body, acknowledged, wanted, named=named)
        self._delivery.start(self._delivery.notify_if_cancelled(work, tell_of_the_end))

    def _last_words(self, sharing: _Sharing, body: dict[str, Any]) -> Message:
        value = body["actions"][0]["value"]
        if sharing.posting:  # it may be there
            return blocks.after_sharing(wording.MAYBE_SHARED, value)
        return self._answers.restarting(value)

    async def _share(
        self,
        query: Query,
        sharing: _Sharing,
        body: dict[str, Any],
        acknowledged: Acknowledged,
        wanted: Callable[[], bool],
        *,
        named: bool,
    ) -> None:
        url, value = body["response_url"], body["actions"][0]["value"]
        try:
            await acknowledged
            # Without buttons: there is nothing to press while it is being shared.
            await self._in_place(body).say_meanwhile(blocks.note(wording.SHARING))
            actor = actor_in(body, EntryPoint.SHARE)
            message = await self._answers.answer_for_sharing(query, actor, named=named)
            if not wanted():  # called back meanwhile: that press has its own answer
                self._shared.pop(_key(body), None)
                return
            if message["response_type"] != "in_channel":
                self._shared.pop(_key(body), None)
                await self._in_place(body).send(message)
                return
            sharing.posting = True
            posted = await self._delivery.post(url, message | beside(body), attempts=1)
            said = {
                "taken": wording.shared(query.person),
                "refused": wording.NOT_SHARED,
                "unknown": wording.MAYBE_SHARED,
            }[posted]
            await self._in_place(body).send(blocks.after_sharing(said, value))
        finally:
            self._sharing.pop(_key(body), None)


def beside(body: dict[str, Any]) -> Message:
    """The place of a message beside the one that was pressed, in its thread if it is in one."""
    thread = body.get("container", {}).get("thread_ts")
    return {"replace_original": False} | ({"thread_ts": thread} if thread else {})


def _key(body: dict[str, Any]) -> tuple[str, str]:
    return str(body["user"]["id"]), str(body.get("container", {}).get("message_ts"))
