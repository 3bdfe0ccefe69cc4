"""The offer in support channels, and what comes of a press on it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.core.access import DenialReason
from bot.core.outcomes import denial
from bot.features.message_shortcut import FIND_SESSIONS_FROM_MESSAGE
from bot.features.ticket_offers import OFFERS_PER_MINUTE
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.settings import settings_for
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import (
    AGENT,
    BOT_USER,
    CHANNEL,
    DIRECT,
    PARTNER,
    TICKETS,
    USER,
    Shown,
)
from bot.service import Service, running
from bot.slack import texts
from tests.conftest import Logged, StartBot, until
from tests.scenarios.answers import JANE, offers, refresh, share


@pytest.fixture
async def bot(start_bot: StartBot) -> AsyncIterator[Service]:
    """Yield the bot in one support channel, of a company whose own addresses end in example.org."""
    settings = {"support_channels": (TICKETS,), "internal_domains": ("example.org",)}
    async with start_bot(**settings) as service:
        yield service


pytestmark = pytest.mark.usefixtures("bot")


async def offered(slack: SlackSandbox, text: str, **fields: Any) -> Shown:  # noqa: ANN401
    """Return the offer under a new message."""
    before = len(offers(slack))
    written = await slack.write(text, **fields)
    await until(lambda: len(offers(slack)) > before)
    offer = offers(slack)[-1]
    assert (offer.channel, offer.thread_ts) == (written.channel, written.ts)
    return offer


async def no_offer(slack: SlackSandbox, *events: Any) -> None:  # noqa: ANN401
    """None under any message but one that comes afterwards."""
    for event in events:
        await event
    last = await offered(slack, "afterwards: omar@example.com")
    assert offers(slack) == [last]


class TestOffering:
    """One quiet reply that names no one."""

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"bot_id": "B0TICKETS", "subtype": "bot_message"},
            {"bot_id": "B0WORKFLOW", "app_id": "A0WORKFLOW", "user": "U0WORKFLOW"},
            {"subtype": "file_share", "user": "USLACKBOT"},
            {"user": PARTNER},
        ],
        ids=["person", "bot", "workflow", "e-mail integration", "partner"],
    )
    async def test_offer(self, slack: SlackSandbox, fields: dict[str, str]) -> None:
        """Under a message by anyone; nothing is looked up yet."""
        offer = await offered(slack, f"The checkout is broken. {JANE}", **fields)
        assert offer.message["text"] == "Fullstory sessions of the customer above"
        assert "jane" not in json.dumps(offer.message)

    async def test_in_blocks_and_files(self, slack: SlackSandbox) -> None:
        """As ticket tools and the e-mail integration post."""
        section = {"type": "section", "text": {"type": "mrkdwn", "text": "*User ID:* user-42"}}
        await offered(slack, "New ticket", blocks=[section], bot_id="B0TICKETS")
        mail = {"mode": "email", "from": [{"address": JANE}], "plain_text": "It broke"}
        await offered(slack, "", files=[mail], subtype="file_share", user="USLACKBOT")

    async def test_nothing_is_looked_up_before_a_press(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """An offer costs Fullstory nothing."""
        await offered(slack, JANE)
        assert fullstory.received == []

    async def test_not_without_an_identity(self, slack: SlackSandbox) -> None:
        """No one is named."""
        await no_offer(slack, slack.write("Is anybody else's coffee cold?"))

    @pytest.mark.parametrize("address", ["sam@example.org", "Sam@Support.EXAMPLE.ORG"])
    async def test_not_for_colleagues(self, slack: SlackSandbox, address: str) -> None:
        """The company's own domains, and those below them."""
        await no_offer(slack, slack.write(f"Ask {address}"))

    async def test_not_elsewhere(self, slack: SlackSandbox) -> None:
        """Only in the channels that were named."""
        slack.members[CHANNEL].add(BOT_USER)
        await no_offer(slack, slack.write(JANE, channel=CHANNEL))

    async def test_not_on_replies(self, slack: SlackSandbox) -> None:
        """Nor on those that are sent to the channel as well."""
        await no_offer(
            slack,
            slack.write(JANE, thread_ts="1700000000.000100"),
            slack.write(JANE, thread_ts="1700000000.000100", subtype="thread_broadcast"),
        )

    async def test_not_on_edits_and_deletions(self, slack: SlackSandbox) -> None:
        """The message was there before."""
        shown = await slack.write("The checkout is broken")
        await no_offer(slack, slack.edit(shown, f"It is {JANE}'s"), slack.delete(shown))

    @pytest.mark.parametrize(
        "subtype", ["channel_join", "channel_topic", "reminder_add", "pinned_item"]
    )
    async def test_not_on_what_the_channel_says(self, slack: SlackSandbox, subtype: str) -> None:
        """Even where an address is in it."""
        await no_offer(slack, slack.write(f"set the topic: {JANE}", subtype=subtype))

    async def test_not_on_its_own_messages(self, slack: SlackSandbox) -> None:
        """What is shared names the customer, and comes back as any bot's message."""
        exchange = await slack.command(f"/fsessions {JANE} 3", channel_id=TICKETS)
        assert exchange.ack
        await share(slack, slack.screen[-1], named=True)
        await until(
            lambda: any(one.message.get("response_type") == "in_channel" for one in slack.screen)
        )
        shared = offers(slack)
        last = await offered(slack, "afterwards: omar@example.com")
        assert offers(slack) == [*shared, last]

    async def test_not_where_the_bot_is_asked(self, slack: SlackSandbox) -> None:
        """It answers; that is enough."""
        await no_offer(slack, slack.write(f"<@{BOT_USER}> {JANE}"))

    async def test_a_workflow_that_mentions_the_bot(self, slack: SlackSandbox) -> None:
        """It can't be answered alone, so there is an offer as under any message."""
        await offered(slack, f"<@{BOT_USER}> {JANE}", bot_id="B0WORKFLOW", subtype="bot_message")

    async def test_slack_took_it_and_did_not_say_so(self, slack: SlackSandbox) -> None:
        """It isn't posted again: at most one offer, rather than at least one."""
        slack.lost_replies.add("chat.postMessage")
        await slack.write(JANE)
        await until(lambda: len(offers(slack)) == 1)
        await slack.told()
        assert slack.api_calls.count("chat.postMessage") == 1

    async def test_a_retry(self, slack: SlackSandbox) -> None:
        """The same message again gets nothing more."""
        offer = await offered(slack, JANE)
        (ticket,) = (one for one in slack.screen if one.ts == offer.thread_ts)
        (event,) = slack.events_of(ticket)
        await no_offer_more(slack, [event] * 3, offer)

    async def test_slack_is_busy(self, slack: SlackSandbox) -> None:
        """The offer comes when Slack takes it, and once."""
        slack.api_busy["chat.postMessage"] = 1
        await offered(slack, JANE)

    async def test_slack_refuses(self, slack: SlackSandbox, logged: Logged) -> None:
        """A line in the log; the next message is treated as any."""
        slack.api_errors["chat.postMessage"] = "restricted_action"
        await slack.write(JANE)
        await until(lambda: "no offer made" in str(logged()))
        del slack.api_errors["chat.postMessage"]
        await offered(slack, "omar@example.com")
        assert "jane" not in str(logged())


async def no_offer_more(slack: SlackSandbox, events: list[dict[str, Any]], offer: Shown) -> None:
    """After these events and another message."""
    for event in events:
        await slack.event(event)
    last = await offered(slack, "afterwards: omar@example.com")
    assert offers(slack) == [offer, last]


@pytest.mark.parametrize("when", ["at once", "afterwards"])
@pytest.mark.parametrize("database", ["shared", "none"])
async def test_two_processes(
    slack: SlackSandbox, start_bot: StartBot, when: str, database: str
) -> None:
    """Slack's second attempt may reach another process: there is one offer, in the end.

    Also where the two don't share a database: each looks into the thread.
    """
    settings: dict[str, Any] = {"support_channels": (TICKETS,)}
    if database == "none":
        settings["database_url"] = None
    async with start_bot(**settings):
        first = slack.request_url
        async with start_bot(**settings):
            second = slack.request_url
            ticket = Shown(
                {"text": JANE}, slack.new_ts(), "", channel=TICKETS, author={"user": USER}
            )
            slack.screen.append(ticket)
            (event,) = slack.events_of(ticket)
            for url in (first, second):
                slack.request_url = url
                await slack.event(event)
                if when == "afterwards":
                    await until(lambda: bool(offers(slack)))
            if database == "none":
                # Each process looks before its offer, and after it if it made one.
                await until(lambda: slack.api_calls.count("conversations.replies") >= 3)
            await until(lambda: len(offers(slack)) == 1)
            await no_offer_more(slack, [], offers(slack)[0])


class TestFlood:
    """A person imports hundreds of tickets."""

    async def test_flood(self, slack: SlackSandbox, logged: Logged) -> None:
        """A bounded number of offers, one line in the log, and the command continues answering."""

        async def some(first: int) -> None:
            for number in range(first, first + 10):
                await slack.write(f"Ticket of customer{number}@example.com")

        loop = asyncio.get_running_loop()
        started = loop.time()
        flood = asyncio.gather(*(some(first) for first in range(0, 200, 10)))
        await until(lambda: len(slack.screen) > 50)
        exchange = await slack.command(f"/fsessions {JANE} 3")
        assert exchange.ack
        assert exchange.ack["text"].startswith("Latest 3 sessions")
        assert not flood.done()
        await flood
        await until(lambda: len(offers(slack)) >= OFFERS_PER_MINUTE)
        exchange = await slack.command(f"/fsessions {JANE} 3")
        assert exchange.ack
        minutes = 1 + int((loop.time() - started) / 60)  # one, but on a very slow machine
        # Where the database is too slow for such a flood, the process continues counting alone.
        counters = 1 + any("database unavailable" in line["event"] for line in logged())
        assert OFFERS_PER_MINUTE <= len(offers(slack)) <= minutes * counters * OFFERS_PER_MINUTE
        said = [line for line in logged() if "too many messages" in line["event"]]
        assert 1 <= len(said) <= minutes * counters
        assert not re.search(r"customer\d", str([one.message for one in offers(slack)]))
        assert not re.search(r"customer\d", str(logged()))

    async def test_talk_is_no_flood(self, slack: SlackSandbox, logged: Logged) -> None:
        """Of what names no one, nothing was passed over."""
        for number in range(OFFERS_PER_MINUTE):
            await offered(slack, f"customer{number}@example.com")
        await slack.write("thanks!")
        await slack.told()
        assert "too many messages" not in str(logged())
        await slack.write("one.more@example.com")
        await until(lambda: "too many messages" in str(logged()))

    async def test_long_messages(self, slack: SlackSandbox) -> None:
        """A pasted log costs no one their answer."""
        await asyncio.gather(*(slack.write("a@" * 20_000) for _ in range(20)))
        exchange = await slack.command(f"/fsessions {JANE} 3")
        assert exchange.ack


class TestPressing:
    """Who presses is shown the sessions, alone."""

    async def press(self, slack: SlackSandbox, offer: Shown, user: str = USER) -> dict[str, Any]:
        """Return what is shown for it."""
        exchange = await slack.press("show_sessions", offer, user=user)
        assert (exchange.status, exchange.ack) == (200, None)
        shown = await exchange.answer()
        assert shown["response_type"] == "ephemeral"
        assert shown["thread_ts"] == offer.thread_ts
        assert slack.screen[-1].user == user
        return shown

    async def test_press(self, slack: SlackSandbox) -> None:
        """With the moment of the message; the offer stays for the next one."""
        offer = await offered(slack, f"Broken! {JANE}")
        before = dict(offer.message)
        shown = await self.press(slack, offer)
        assert shown["text"].startswith(f"Latest 5 sessions of {JANE}")
        assert "before this message" in json.dumps(shown)
        assert (await self.press(slack, offer, AGENT))["text"] == shown["text"]
        assert offer.message == before

    async def test_the_buttons_of_the_answer(self, slack: SlackSandbox) -> None:
        """Are those of who pressed."""
        await self.press(slack, await offered(slack, JANE), AGENT)
        shown = slack.screen[-1]
        exchange = await refresh(slack, shown, user=USER)
        assert (await exchange.answer())["text"] == denial(DenialReason.WRONG_USER).what
        exchange = await refresh(slack, shown, user=AGENT)
        assert JANE in (await exchange.answer())["text"]

    async def test_several_customers(self, slack: SlackSandbox) -> None:
        """A choice, in which colleagues are not."""
        offer = await offered(slack, f"{JANE} and omar@example.com, says sam@example.org")
        choice = await self.press(slack, offer)
        labels = [button["text"]["text"] for button in choice["blocks"][1]["elements"]]
        assert labels == [JANE, "omar@example.com"]

    async def test_another_organization(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """Is shown nothing but a polite sentence; nothing is looked up."""
        offer = await offered(slack, JANE)
        await until(lambda: slack.api_calls.count("conversations.replies") == 2)
        shown = await self.press(slack, offer, PARTNER)
        assert shown["text"] == denial(DenialReason.STRANGER).what
        assert fullstory.received == []
        assert slack.api_calls.count("conversations.replies") == 2

    async def test_the_shortcut_on_an_offer(self, slack: SlackSandbox) -> None:
        """Means the message above it, which names the customer."""
        offer = await offered(slack, JANE)
        exchange = await slack.message_shortcut(
            FIND_SESSIONS_FROM_MESSAGE, offer.as_slack_tells(), channel=offer.channel
        )
        shown = await exchange.answer()
        assert JANE in shown["text"]
        assert shown["thread_ts"] == offer.thread_ts
        assert slack.views == {}

    async def test_the_message_was_changed(self, slack: SlackSandbox) -> None:
        """What it says now counts."""
        offer = await offered(slack, JANE)
        (ticket,) = (one for one in slack.screen if one.ts == offer.thread_ts)
        ticket.message = {"text": "solved"}
        assert (await self.press(slack, offer))["text"] == texts.MESSAGE_NAMES_NO_ONE

    async def test_the_message_is_gone(self, slack: SlackSandbox) -> None:
        """It names no one anymore."""
        offer = await offered(slack, JANE)
        (ticket,) = (one for one in slack.screen if one.ts == offer.thread_ts)
        slack.screen.remove(ticket)
        assert (await self.press(slack, offer))["text"] == texts.MESSAGE_NAMES_NO_ONE

    async def test_the_message_can_not_be_read(self, slack: SlackSandbox, logged: Logged) -> None:
        """It says so, and what else to do."""
        offer = await offered(slack, JANE)
        slack.api_errors["conversations.replies"] = "missing_scope"
        assert (await self.press(slack, offer))["text"].startswith("Slack isn't showing me")
        assert "jane" not in str(logged())

    async def test_slack_does_not_say_who_belongs_here(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """A process that has not heard yet shows nothing, rather than to anyone."""
        offer = await offered(slack, JANE)
        slack.api_errors["auth.test"] = "fatal_error"
        async with running(settings_for(slack, fullstory, support_channels=(TICKETS,))) as fresh:
            slack.request_url = f"http://127.0.0.1:{fresh.port}/slack/events"
            await self.press(slack, offer)
            await until(
                lambda: slack.screen[-1].message["text"] == denial(DenialReason.NOT_KNOWN).what
            )
            assert fullstory.received == []


async def test_direct_messages_get_no_offer(slack: SlackSandbox) -> None:
    """They get an answer."""
    await slack.write(JANE, channel=DIRECT)
    await until(lambda: len(slack.screen) == 2)
    assert JANE in slack.screen[1].message["text"]
