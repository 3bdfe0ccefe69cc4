"""Support channels: a quiet offer under each new message that names a customer.

The offer names nobody and its button holds nothing. Whoever presses it sees, alone, the sessions of
the person whom the message above names then.

- https://docs.slack.dev/reference/events/message
- https://docs.slack.dev/reference/methods/conversations.replies
"""

from __future__ import annotations

from typing import Any, Final

import structlog

from bot.core.access import EntryPoint
from bot.errors import SlackError
from bot.logs import ThrottledLog
from bot.slack import action_ids, messages
from bot.slack.identity import BotIdentity
from bot.slack.job import Job
from bot.slack.message_parser import queries_about
from bot.slack.request import Route, SlackRequest
from bot.slack.services import Services
from bot.slack.targets import thread_of
from bot.slack.web_api import will_pass
from bot.store.protocol import Key

_log = structlog.get_logger()

OFFERS_A_MINUTE: Final = 10
"""In one channel. More than that is a flood: somebody imports something."""

# By people, bots, workflows and the e-mail integration; every other subtype is about a message that
# was there before, or about the channel.
_NEW: Final = frozenset({None, "bot_message", "file_share", "me_message"})


class Offers:
    """Offers in the channels of `SUPPORT_CHANNELS`, and answers who takes an offer."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._throttled_log = ThrottledLog(60.0)

    def routes(self) -> tuple[Route, ...]:
        """Messages in channels, and the offer's button."""
        return (
            Route("event", "message.channels", EntryPoint.OFFER, self.written),
            Route("event", "message.groups", EntryPoint.OFFER, self.written),
            Route("action", action_ids.SHOW_SESSIONS, EntryPoint.OFFER, self.pressed),
        )

    async def written(self, request: SlackRequest) -> None:
        """Takes a look at each message once, after the ack."""
        event = request.body["event"]
        channel, ts = event.get("channel"), event.get("ts")
        if (
            channel not in self._services.settings.support_channels
            or event.get("subtype") not in _NEW
            or event.get("hidden")
            or event.get("thread_ts")
        ):
            return
        services, job = self._services, request.job
        people = services.answers.people_in(event)
        if not people or not await job.take("message looked at", channel, str(ts)):
            return
        # What an earlier process has left undone was counted by that.
        limits: dict[Key, int] = {("offers in", channel): OFFERS_A_MINUTE}
        if job.is_resumed or await services.state.count(limits, 60.0):
            offering = self._offer_with_patience(event, len(queries_about(people, event, 1)), job)
            services.delivery.start(
                services.background.notify_if_cancelled(offering, job.hand_over)
            )
        else:
            self._throttled_log.warn("too many messages, no offers for now", channel=channel)
            services.delivery.start(job.done())

    async def pressed(self, request: SlackRequest) -> None:
        """Shows the sessions to who pressed, alone."""
        is_ours = await request.job.take_interaction()
        await request.ack()
        if not is_ours:
            return
        target = self._services.targets.beside(request.body)
        channel, ts = request.actor.channel, thread_of(request.body)
        work = self._services.answers.to_message_at(channel, ts, request.actor)
        self._services.delivery.answer_after_ack(work, request, target)

    # -- Offering ---------------------------------------------------------------------------------

    async def _offer_with_patience(self, event: dict[str, Any], count: int, job: Job) -> None:
        """Makes an offer, with more attempts where Slack is in trouble."""
        services = self._services
        for wait in (*services.timeouts.offer_retries, None):
            try:
                if not job.is_hopeless:
                    await self._offer(event, count, job)
            except SlackError as error:
                if wait is not None and will_pass(error):
                    if await services.background.sleep(wait):
                        continue
                    if await job.hand_over():
                        return
                _log.warning("no offer made", channel=event["channel"], exc_info=error)
            await job.done()
            return

    async def _offer(self, event: dict[str, Any], count: int, job: Job) -> None:
        posts, channel, ts = self._services.slack.posts, str(event["channel"]), str(event["ts"])
        bot = await self._services.slack.workspace.bot_identity()
        if bot.wrote(event) or bot.is_asked(event):
            return
        # Another process may have had this message, if Slack sent it more than once. So may we, in
        # an attempt whose reply was lost.
        if await self._offers_under(channel, ts, bot) or not await job.still_ours():
            return
        posted = await posts.post_message(channel, messages.offer(count), ts)
        if (await self._offers_under(channel, ts, bot))[:1] not in ([], [posted]):
            await posts.delete(channel, posted)

    async def _offers_under(self, channel: str, ts: str, bot: BotIdentity) -> list[str]:
        """Our offers in a message's thread, by their `ts`, the first one first."""
        return [
            str(message["ts"])
            for message in await self._services.slack.posts.thread(channel, ts, limit=100)
            if message.get("bot_id") == bot.bot
            and any(
                element.get("action_id") == action_ids.SHOW_SESSIONS
                for block in message.get("blocks", [])
                for element in (block.get("accessory", {}), *block.get("elements", ()))
            )
        ]
