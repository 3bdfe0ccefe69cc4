"""The buttons of an answer: more, again, share, away; and of the choice between people.

A press comes with a response_url of its own, which can replace the message that was pressed.
https://docs.slack.dev/interactivity/handling-user-interaction
"""

from __future__ import annotations

import time
from typing import Any, Final

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.sessions import Query
from bot.slack import blocks, wording
from bot.slack.answers import Answers
from bot.slack.delivery import Acknowledged, Delivery
from bot.slack.memory import NotYours

MAX_AGE: Final = 30 * 60.0
"""Seconds. Slack itself forgets what belongs to a message after half an hour."""

REPLACE: Final = {"replace_original": True}
BESIDE: Final = {"replace_original": False}


class Buttons:
    """Answers presses; each method is a listener."""

    def __init__(self, answers: Answers, delivery: Delivery) -> None:
        self._answers = answers
        self._delivery = delivery
        self._shared: dict[tuple[str, str], float] = {}
        self._sharing: set[tuple[str, str]] = set()

    async def look_again(
        self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext
    ) -> None:
        """*Refresh*, *Show more*, a choice, "don't share": the message becomes the answer."""
        await ack()
        if query := self._query(body, context["acknowledged"]):
            work = self._answers.to(query, str(body["user"]["id"]))
            send = self._delivery.at(body["response_url"], REPLACE)
            self._delivery.reply(work, context["acknowledged"], send)

    async def ask_to_share(
        self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext
    ) -> None:
        """*Share…*: asks first, in the place of the answer. To ask anew is to share anew."""
        await ack()
        query = self._query(body, context["acknowledged"])
        if query and _key(body) not in self._sharing:
            self._shared.pop(_key(body), None)
            channel = str(body.get("channel", {}).get("id", ""))
            named = channel if channel.startswith("C") else ""  # direct messages have no name
            question = blocks.share_question(query.person, named, body["actions"][0]["value"])
            self._say(question | REPLACE, body, context["acknowledged"])

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
        self._say({"delete_original": True}, body, context["acknowledged"])

    # -- Behind the listeners ---------------------------------------------------------------------

    def _query(self, body: dict[str, Any], acknowledged: Acknowledged) -> Query | None:
        """What the button was made for; if it can't be used any more, the person is told so."""
        try:
            query = self._answers.recalled(body["actions"][0]["value"], str(body["user"]["id"]))
        except NotYours:
            self._say(blocks.note(wording.NOT_YOURS) | BESIDE, body, acknowledged)
            return None
        if time.time() - _written(body) > MAX_AGE:
            self._say(blocks.note(wording.TOO_OLD) | BESIDE, body, acknowledged)
            return None
        return query

    def _say(
        self, message: dict[str, Any], body: dict[str, Any], acknowledged: Acknowledged
    ) -> None:
        self._delivery.send(message, acknowledged, self._delivery.at(body["response_url"]))

    def _start_sharing(
        self, body: dict[str, Any], acknowledged: Acknowledged, *, named: bool
    ) -> None:
        query = self._query(body, acknowledged)
        if not query or _key(body) in self._shared:
            return  # the second press of two: the first is being answered
        now = time.monotonic()
        self._shared = {key: at for key, at in self._shared.items() if now - at < MAX_AGE}
        self._shared[_key(body)] = now
        self._sharing.add(_key(body))
        sharing = self._share(query, body, acknowledged, named=named)
        send = self._delivery.at(body["response_url"], REPLACE)
        self._delivery.start(self._delivery.or_last_words(sharing, send))

    async def _share(
        self, query: Query, body: dict[str, Any], acknowledged: Acknowledged, *, named: bool
    ) -> None:
        url, value = body["response_url"], body["actions"][0]["value"]
        try:
            await acknowledged
            # Without buttons: there is nothing to press while it is being shared.
            await self._delivery.post(url, blocks.note(wording.SHARING) | REPLACE)
            message = await self._answers.shared(query, str(body["user"]["id"]), named=named)
            if message["response_type"] != "in_channel":
                self._shared.pop(_key(body), None)
                await self._delivery.post(url, message | REPLACE)
                return
            thread = body.get("container", {}).get("thread_ts")
            place = {"thread_ts": thread} if thread else {}
            posted = await self._delivery.post(url, message | BESIDE | place, attempts=1)
            said = {
                "taken": wording.shared(query.person),
                "refused": wording.NOT_SHARED,
                "unknown": wording.MAYBE_SHARED,
            }[posted]
            note = blocks.after_sharing(said, value)
            await self._delivery.post(url, note | REPLACE)
        finally:
            self._sharing.discard(_key(body))


def _key(body: dict[str, Any]) -> tuple[str, str]:
    return str(body["user"]["id"]), str(body.get("container", {}).get("message_ts"))


def _written(body: dict[str, Any]) -> float:
    """When the pressed message was written, in seconds since 1970."""
    try:
        return float(body["container"]["message_ts"])
    except (KeyError, TypeError, ValueError):
        return time.time()
