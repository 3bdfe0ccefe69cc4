"""Support channels: a quiet offer below each new message that names a customer.

The offer names no one, and its button has no value. Whoever presses it is shown, alone, the
sessions of the person in the message above.

- https://docs.slack.dev/reference/events/message
- https://docs.slack.dev/reference/methods/conversations.replies
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import structlog

from bot import counters
from bot.core.access import EntryPoint
from bot.errors import SlackError
from bot.logs import ThrottledLog
from bot.settings import Settings
from bot.slack import action_ids
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import Message, button, escape, message, section
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.message_parser import is_offer, queries_about
from bot.slack.presses import Presses
from bot.slack.request import Ack, Job, SlackRequest, message_thread
from bot.slack.targets import Targets
from bot.slack.web_api import BotIdentity, WebApi, is_temporary
from bot.store.protocol import Key, State
from bot.timeouts import Timeouts

_log = structlog.get_logger()

OFFERS_PER_MINUTE: Final = 10
"""In one channel. More than that is a flood, such as an import."""

# People, bots, workflows and the e-mail integration. Every other subtype is about a message that
# was there before, or about the channel.
_NEW: Final = frozenset({None, "bot_message", "file_share", "me_message"})


@dataclass(frozen=True, slots=True)
class TicketOffers:
    """Makes offers in the channels of `SUPPORT_CHANNELS`, and answers presses on them."""

    manifest: ClassVar = Manifest(
        events=("message.channels", "message.groups"),
        scopes={
            "channels:history": (
                "The offer: new messages of public channels that the bot is in (SUPPORT_CHANNELS)."
            ),
            "groups:history": "The offer in private channels.",
            "chat:write": "The offer in support channels.",
        },
        help=(
            "In these channels, I offer it below each new message about a customer:",
            "{channels}",
        ),
        for_support_channels=True,
    )

    settings: Settings
    timeouts: Timeouts
    state: State
    web_api: WebApi
    lookups: Lookups
    presses: Presses
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks
    _throttled_log: ThrottledLog = field(default_factory=lambda: ThrottledLog(60.0), init=False)

    def register(self, app: App) -> None:
        """Register messages in channels, and the offer's button."""
        app.event("message.channels", EntryPoint.OFFER, self.on_message)
        app.event("message.groups", EntryPoint.OFFER, self.on_message)
        app.action(action_ids.OFFER, EntryPoint.OFFER, self.on_press)

    async def on_message(self, request: SlackRequest) -> Ack:
        """Look at each message once, after the ack."""
        event, job = request.body["event"], request.job
        channel, ts = event.get("channel"), event.get("ts")
        if (
            channel not in self.settings.support_channels
            or event.get("subtype") not in _NEW
            or event.get("hidden")
            or event.get("thread_ts")
        ):
            return None
        people = self.lookups.people_in(event)
        if not people or not await job.take("message looked at", channel, str(ts)):
            return None
        # A resumed job was counted by the earlier process.
        limits: dict[Key, int] = {("offers in", channel): OFFERS_PER_MINUTE}
        if job.is_resumed or await self.state.count(limits, 60.0):
            work = self._offer_with_retries(event, len(queries_about(people, event, 1)), job)
            self.background.start(self.background.notify_if_cancelled(work, job.hand_over))
        else:
            counters.count("offers", "passed over")
            self._throttled_log.warn("too many messages, no offers for now", channel=channel)
            self.background.start(job.done())
        return None

    async def on_press(self, request: SlackRequest) -> Ack:
        """Show the sessions to the person who pressed, alone."""
        # Who presses twice while they wait gets one answer.
        is_current = await self.presses.begin(request.body, request.job)
        if await request.job.take_interaction():
            channel, ts = request.actor.channel, message_thread(request.body)
            target = self.targets.beside(request.body)
            work = self.lookups.message_at(channel, ts, request.actor)
            self.delivery.after_ack(work, request, target, is_current=is_current)
        return None

    async def _offer_with_retries(self, event: dict[str, Any], count: int, job: Job) -> None:
        for wait in (*self.timeouts.offer_retries, None):
            try:
                if not job.is_hopeless:
                    await self._offer(event, count, job)
            except SlackError as error:
                if wait is not None and is_temporary(error):
                    if await self.background.sleep(wait):
                        continue
                    if await job.hand_over():
                        return
                counters.count("offers", "failed")
                _log.warning("no offer made", channel=event["channel"], exc_info=error)
            await job.done()
            return

    async def _offer(self, event: dict[str, Any], count: int, job: Job) -> None:
        channel, ts = str(event["channel"]), str(event["ts"])
        bot = await self.web_api.bot_identity()
        if bot.wrote(event) or bot.is_mentioned(event):
            return
        # Another process may have had this message, if Slack sent it twice. So may we, in an
        # attempt whose reply was lost.
        if await self._offers_below(channel, ts, bot) or not await job.is_ours():
            return
        posted = await self.web_api.post_message(channel, offer(count), ts)
        counters.count("offers", "made")
        if (await self._offers_below(channel, ts, bot))[:1] not in ([], [posted]):
            await self.web_api.delete_message(channel, posted)

    async def _offers_below(self, channel: str, ts: str, bot: BotIdentity) -> list[str]:
        """Return the `ts` of our offers in a message's thread, oldest first."""
        return [
            str(reply["ts"])
            for reply in await self.web_api.thread(channel, ts, limit=100)
            if reply.get("bot_id") == bot.bot and is_offer(reply)
        ]


def offer(count: int) -> Message:
    """Render an offer, which everyone sees; `count` is how many customers the message names."""
    whose = "the customer" if count == 1 else f"{count} customers"
    sentence = f"Fullstory sessions of {whose} above"
    show = button(action_ids.OFFER, "View privately", action_ids.OFFER)
    return message(sentence, [section(f":rewind: {escape(sentence)}") | {"accessory": show}])
