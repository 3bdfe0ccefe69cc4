"""The app's Home."""

from __future__ import annotations

import asyncio
import json

import pytest

from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, DIRECT, TICKETS, USER
from bot.slack import texts
from tests.conftest import Logged, StartBot, until
from tests.scenarios.answers import labels


@pytest.mark.usefixtures("bot")
class TestHome:
    """Published when a person looks at it."""

    async def test_what_it_says(self, slack: SlackSandbox) -> None:
        """What it does, how to call it, who sees what."""
        await slack.open_home()
        await until(lambda: USER in slack.homes)
        said = json.dumps(slack.homes[USER])
        for word in ("/fsessions jane@example.com", "Search", "for you alone", "<@U0FSESSIONS>"):
            assert word in said

    async def test_once(self, slack: SlackSandbox) -> None:
        """What is there already is not published again, whichever process did it."""
        await slack.open_home()
        await until(lambda: USER in slack.homes)
        for _ in range(3):
            await slack.open_home()
        await slack.open_home(user="U0AGENT")
        await until(lambda: "U0AGENT" in slack.homes)
        assert slack.api_calls.count("views.publish") == 2

    async def test_a_new_person_is_greeted_once_in_the_messages_tab(
        self, slack: SlackSandbox
    ) -> None:
        """Where nothing was written yet; who has written before is not interrupted."""
        await asyncio.gather(*(slack.open_home(tab="messages") for _ in range(3)))
        await until(lambda: bool(slack.screen))
        await slack.open_home(tab="messages")
        await slack.write("Hello?", channel=slack.direct(AGENT), user=AGENT)
        await until(lambda: len(slack.screen) == 3)  # and what the bot answers
        await slack.open_home(user=AGENT, tab="messages")
        await slack.open_home()
        await until(lambda: USER in slack.homes)
        greeted = [one for one in slack.screen if one.message["text"] == texts.ASK_ME]
        assert [one.channel for one in greeted] == [DIRECT, slack.direct(AGENT)]
        assert labels(greeted[0]) == ["How to search"]

    async def test_who_may_not_search_is_not_greeted(
        self, start_bot: StartBot, slack: SlackSandbox
    ) -> None:
        """It would promise what it can't do."""
        async with start_bot(allowed_users=(AGENT,)):
            await slack.open_home(tab="messages")
            await slack.open_home(user=AGENT, tab="messages")
            await until(lambda: bool(slack.screen))
        assert [one.channel for one in slack.screen] == [slack.direct(AGENT)]

    async def test_other_tabs(self, slack: SlackSandbox) -> None:
        """Nothing to publish there."""
        await slack.open_home(tab="messages")
        await slack.open_home(user="U0AGENT")
        await until(lambda: "U0AGENT" in slack.homes)
        assert USER not in slack.homes

    async def test_search(self, slack: SlackSandbox) -> None:
        """The button opens the form."""
        await slack.open_home()
        await until(lambda: USER in slack.homes)
        await slack.press_in_view("search", slack.homes[USER]["id"])
        await until(lambda: bool(slack.views))
        ((_, view),) = slack.views.items()
        assert view["callback_id"] == "find_sessions_form"

    async def test_slack_refuses(self, slack: SlackSandbox, logged: Logged) -> None:
        """A line in the log, and the next time it is tried again."""
        slack.api_errors["views.publish"] = "not_enabled"
        await slack.open_home()
        await until(lambda: "Home not published" in str(logged()))
        del slack.api_errors["views.publish"]
        await slack.open_home()
        await until(lambda: USER in slack.homes)


async def test_published_again_when_it_changed(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Such as by a setting: the channels with the offer are named."""
    async with start_bot():
        await slack.open_home()
        await until(lambda: USER in slack.homes)
        assert TICKETS not in str(slack.homes[USER])
    async with start_bot(support_channels=(TICKETS,)):
        await slack.open_home()
        await until(lambda: f"<#{TICKETS}>" in str(slack.homes[USER]))
