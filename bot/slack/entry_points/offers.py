"""Support channels: a quiet offer under each new message that names a customer.

The offer names nobody and its button holds nothing: who presses it is shown, alone, the sessions of
whom the message above names at that time.

- https://docs.slack.dev/reference/events/message
- https://docs.slack.dev/reference/methods/conversations.replies
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.errors import SlackError
from bot.lookup.access import Actor, EntryPoint
from bot.settings import Settings
from bot.slack.api.client import SlackClient, will_pass
from bot.slack.api.identity import BotIdentity, Workspace
from bot.slack.api.posts import Posts
from bot.slack.replies.answers import Answers
from bot.slack.replies.delivery import Delivery
from bot.slack.requests import actor_in
from bot.slack.ui import listing as blocks
from bot.slack.ui import wording
from bot.slack.ui.listing import Message
from bot.slack.ui.reading import external_identities
from bot.state.in_memory import Once
from bot.waits import Waits

_log = structlog.get_logger()

OFFERS_A_MINUTE: Final = 10
"""In one channel. More than that is a flood: somebody imports something."""

_MINUTE: Final = 60.0
# By people, bots, workflows and the e-mail integration; every other subtype is about a message that
# was there before, or about the channel.
_NEW: Final = frozenset({None, "bot_message", "file_share", "me_message"})


class Offers:
    """Offers in the channels of `SUPPORT_CHANNELS`, and answers who takes an offer."""

    def __init__(
        self,
        settings: Settings,
        answers: Answers,
        delivery: Delivery,
        posts: Posts,
        workspace: Workspace,
        client: SlackClient,
        waits: Waits,
    ) -> None:
        self._retries = waits.offer_retries
        self._internal = settings.internal_domains
        self._flow = {channel: _Flow(channel) for channel in settings.support_channels}
        self._answers = answers
        self._delivery = delivery
        self._posts = posts
        self._workspace = workspace
        self._client = client
        self._messages = Once()

    def notice(self, body: dict[str, Any]) -> None:
        """Takes a look at a message, after the ack."""
        event = body["event"]
        channel, ts = event.get("channel"), event.get("ts")
        if (
            channel in self._flow
            and event.get("subtype") in _NEW
            and not event.get("hidden")
            and not event.get("thread_ts")
            and self._messages.first((channel, ts))
        ):
            self._delivery.start(self._consider(event))

    async def press(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """The listener of the offer's button."""
        await ack()
        thread = str(
            body.get("container", {}).get("thread_ts")
            or body.get("message", {}).get("thread_ts")
            or ""
        )
        place = {"replace_original": False} | ({"thread_ts": thread} if thread else {})
        work = self._shown(actor_in(body, EntryPoint.OFFER), thread)
        destination = self._delivery.at(body["response_url"], place)
        self._delivery.reply(work, context["acknowledged"], destination)

    # -- Offering ---------------------------------------------------------------------------------

    async def _consider(self, event: dict[str, Any]) -> None:
        channel, ts = str(event["channel"]), str(event["ts"])
        flow = self._flow[channel]
        if flow.is_full():
            flow.pass_over(lambda: bool(external_identities(event, self._internal)))
            return
        if not external_identities(event, self._internal):
            return
        for wait in (*self._retries, None):
            try:
                await self._offer(channel, ts, event)
            except SlackError as error:
                if wait is not None and will_pass(error):
                    await asyncio.sleep(wait)
                    continue
                _log.warning("no offer made", channel=channel, exc_info=error)
            return

    async def _offer(self, channel: str, ts: str, event: dict[str, Any]) -> None:
        own = await self._workspace.own()
        if own.wrote(event) or own.is_asked(event):
            return
        # Another process may have had this message, if Slack sent it more than once. So may we, in
        # an attempt whose reply was lost.
        if await self._offers(channel, ts, own) or not self._flow[channel].take():
            return
        posted = await self._posts.post_message(channel, blocks.offer(), ts, twice_is_bad=True)
        if (await self._offers(channel, ts, own))[:1] not in ([], [posted]):
            await self._client.call_with_retries(
                lambda: self._client.chat_delete(channel=channel, ts=posted)
            )

    async def _offers(self, channel: str, ts: str, own: BotIdentity) -> list[str]:
        """Our offers in a message's thread, by their `ts`, the first one first."""
        thread = await self._thread(channel, ts, limit=100)
        return [
            str(message["ts"])
            for message in thread
            if message.get("bot_id") == own.bot
            and any(
                element.get("action_id") == blocks.SHOW_SESSIONS
                for block in message.get("blocks", [])
                for element in block.get("elements", [])
            )
        ]

    async def _thread(self, channel: str, ts: str, limit: int) -> list[dict[str, Any]]:
        answer = await self._client.call_with_retries(
            lambda: self._client.conversations_replies(channel=channel, ts=ts, limit=limit)
        )
        return list(answer["messages"])

    # -- Showing ----------------------------------------------------------------------------------

    async def _shown(self, actor: Actor, ts: str) -> Message:
        channel = actor.channel
        if refusal := await self._answers.refusal(actor):
            return blocks.note(wording.not_for(refusal))
        if not ts:
            return blocks.note(wording.TICKET_NOT_READ)
        try:
            thread = await self._thread(channel, ts, limit=1)
        except SlackError as error:
            _log.warning("message not read", channel=channel, exc_info=error)
            return blocks.note(wording.TICKET_NOT_READ)
        message = next((one for one in thread if one.get("ts") == ts), {})
        people = external_identities(message, self._internal)
        if not people:
            return blocks.note(wording.TICKET_NAMES_NOBODY)
        return await self._answers.answer_for_people(people, message, actor)


class _Flow:
    """How many offers a channel had in the last minute."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._made: deque[float] = deque()
        self._passed_over = float("-inf")

    def is_full(self) -> bool:
        """Whether there is no room for another offer now."""
        now = time.monotonic()
        while self._made and now - self._made[0] > _MINUTE:
            self._made.popleft()
        return len(self._made) >= OFFERS_A_MINUTE

    def take(self) -> bool:
        """Takes room for one offer, if there is any."""
        if self.is_full():
            self.pass_over(lambda: True)
            return False
        self._made.append(time.monotonic())
        return True

    def pass_over(self, names_somebody: Callable[[], bool]) -> None:
        """Says once in the log that there is a flood; the rest of it is not even read."""
        now = time.monotonic()
        if now - self._passed_over > _MINUTE:
            if not names_somebody():
                return
            _log.warning("too many messages, no offers for now", channel=self._channel)
        self._passed_over = now
