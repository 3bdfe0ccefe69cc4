"""The app's Home."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.core.access import DenialReason
from bot.core.outcomes import denial
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, CHANNEL, DIRECT, MANAGER, TICKETS, USER
from bot.slack import action_ids, texts
from bot.store.engine import open_engine
from bot.store.tables import SHARED_VALUES
from tests.conftest import Logged, StartBot, both_transports, migrated, until
from tests.scenarios.answers import JANE, labels


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
        async with start_bot(allowed_channels=(CHANNEL,)):
            await slack.open_home(user=MANAGER, tab="messages")
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


@pytest.fixture
async def database(tmp_path: Path) -> str:
    """Return the URL of a database of the test's own."""
    url = f"sqlite:///{tmp_path}/home.db"
    await migrated(url)
    return url


CIPHERTEXT = "gAAAAA"
"""How Fernet's tokens begin."""


class TestRecentLookups:
    """The Home has a person's latest lookups, for who was interrupted."""

    async def recents(self, slack: SlackSandbox, user: str = USER) -> list[str]:
        """Open the Home, and return whose sessions can be shown again."""
        slack.homes.pop(user, None)
        await slack.open_home(user=user)
        await until(lambda: user in slack.homes)
        return [
            block["text"]["text"].partition("\n")[0].strip("*")
            for block in slack.homes[user]["blocks"]
            if block.get("accessory", {}).get("action_id", "").startswith(action_ids.RECENT)
        ]

    @both_transports
    async def test_each_is_a_press(self, start_bot: StartBot, slack: SlackSandbox) -> None:
        """The latest first, each customer once, with the moment that was meant."""
        async with start_bot():
            await slack.command(f"/fsessions {JANE} 1 hour ago")
            await slack.command("/fsessions omar@example.com")
            await slack.command("/fsessions zoe@example.com")  # without sessions
            await slack.command(f"/fsessions {JANE} 2 hours ago")
            await until(lambda: len(slack.screen) == 4)
            assert await self.recents(slack) == [JANE, "omar@example.com"]
            assert await self.recents(slack, AGENT) == []
            home = slack.homes[USER]
            await slack.press_in_view(f"{action_ids.RECENT}:0", home["id"])
            await until(lambda: texts.PROBABLY_THIS_ONE in str(slack.views))
            ((_, view),) = slack.views.items()
            assert labels(view) == ["Show all 28", "Share…", "New search"]

    async def test_of_another_person(self, start_bot: StartBot, slack: SlackSandbox) -> None:
        """A press on someone else's is refused."""
        async with start_bot():
            await slack.command(f"/fsessions {JANE}")
            await until(lambda: bool(slack.screen))
            await self.recents(slack)
            home = slack.homes[USER]
            slack.homes[AGENT] = home
            await slack.press_in_view(f"{action_ids.RECENT}:0", home["id"], user=AGENT)
            refusal = denial(DenialReason.WRONG_USER).what
            await until(lambda: refusal in str(slack.screen[-1].message))
            assert slack.views == {}

    async def test_ten_at_most(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """The eleventh gives way."""
        fullstory.always = Scripted(200, b'{"sessions":[{"userId":"1","sessionId":"2"}]}')
        fans = [f"fan+{number}@example.com" for number in range(12)]
        async with start_bot():
            for fan in fans:
                await slack.command(f"/fsessions {fan}")
            await until(lambda: len(slack.screen) == len(fans))
            assert await self.recents(slack) == fans[:1:-1]

    async def test_after_a_restart(
        self, start_bot: StartBot, slack: SlackSandbox, database: str
    ) -> None:
        """They come from the database, which shows no one's name; both processes' are there."""
        store = {"database_url": database}
        async with start_bot(**store):
            await slack.command(f"/fsessions {JANE}")
            await until(lambda: bool(slack.screen))
        async with start_bot(**store):
            await slack.command("/fsessions omar@example.com")
            await until(lambda: len(slack.screen) == 2)
            assert await self.recents(slack) == ["omar@example.com", JANE]
        assert CIPHERTEXT in await texts_in(database)
        assert JANE not in await texts_in(database)

    async def test_with_another_key(
        self, start_bot: StartBot, slack: SlackSandbox, database: str, logged: Logged
    ) -> None:
        """What can't be read is not there, and the log says so."""
        async with start_bot(database_url=database, secret_keys="1" * 32):
            await slack.command(f"/fsessions {JANE}")
            await until(lambda: bool(slack.screen))
        async with start_bot(database_url=database, secret_keys="2" * 32):
            assert await self.recents(slack) == []
        assert "stored value not readable" in str(logged())

    async def test_turned_off(self, start_bot: StartBot, slack: SlackSandbox) -> None:
        """With RECENT_HOURS=0, none are kept."""
        async with start_bot(recent_hours=0):
            await slack.command(f"/fsessions {JANE}")
            await until(lambda: bool(slack.screen))
            assert await self.recents(slack) == []

    async def test_where_sessions_are_only_shown_in_channels(
        self, start_bot: StartBot, slack: SlackSandbox, database: str
    ) -> None:
        """There is nothing to press, so nothing is stored."""
        async with start_bot(database_url=database, allowed_channels=(CHANNEL,)):
            await slack.command(f"/fsessions {JANE}")
            await until(lambda: bool(slack.screen))
            assert await self.recents(slack) == []
        assert CIPHERTEXT not in await texts_in(database)


async def texts_in(database: str) -> str:
    """Return every value in the table of shared values."""
    async with open_engine(database) as engine, engine.connect() as connection:
        rows = await connection.execute(select(SHARED_VALUES.c.value))
        return "".join(rows.scalars())


async def test_published_again_when_it_changed(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Such as by a setting: the channels with the offer are named."""
    async with start_bot():
        await slack.open_home()
        await until(lambda: USER in slack.homes)
        assert TICKETS not in str(slack.homes[USER])
    async with start_bot(support_channels=(TICKETS,)):
        await slack.open_home()
        await until(lambda: f"<#{TICKETS}>" in str(slack.homes[USER]))
