"""The Home of who may not be shown sessions; and what is remembered of who may.

That each entry point refuses whom it should is shown in `test_entry_points.py`.
"""

from __future__ import annotations

import pytest

from bot.lookup.access import Actor, EntryPoint, Refusal
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import TEAM, USER
from bot.service import Service
from bot.slack.api.client import SlackClient
from bot.slack.api.colleagues import NO_SECONDS, YES_SECONDS, Colleagues
from bot.slack.api.identity import Workspace
from bot.slack.api.profiles import Profiles
from bot.slack.ui import wording
from bot.state.in_memory import InMemory
from tests.conftest import QUICK, Logged, until
from tests.scenarios.answers import final

ASKER = "U0ASKER"


@pytest.fixture(autouse=True)
def asker(slack: SlackSandbox) -> None:
    """Somebody in the workspace."""
    slack.users[ASKER] = slack.users[USER] | {"id": ASKER}


@pytest.mark.usefixtures("bot")
async def test_home(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """A stranger's Home has no button that opens the form."""
    slack.users[ASKER] |= {"team_id": "T0OTHER"}
    await slack.open_home(user=ASKER)
    await until(lambda: ASKER in slack.homes)
    assert wording.NOT_OF_THIS_WORKSPACE in str(slack.homes[ASKER])
    assert "Search" not in str(slack.homes[ASKER])
    assert fullstory.received == []


async def test_remembered(slack: SlackSandbox) -> None:
    """An hour for a yes, a minute for a no; Slack is asked once by all who wait."""
    client = SlackClient(slack.bot_token, slack.api_url)
    now = 0.0
    actor = Actor(TEAM, ASKER, EntryPoint.COMMAND)
    state = InMemory(clock=lambda: now)
    colleagues = Colleagues(Profiles(client, QUICK), Workspace(client, state), state)

    async def asked() -> int:
        before = slack.api_calls.count("users.info")
        await colleagues.refusal(actor)
        return slack.api_calls.count("users.info") - before

    assert await asked() == 1
    now = YES_SECONDS - 1
    assert await asked() == 0
    slack.users[ASKER] |= {"is_restricted": True}
    now = YES_SECONDS
    assert await asked() == 1
    assert await colleagues.refusal(actor) is Refusal.GUEST
    now += NO_SECONDS - 1
    assert await asked() == 0
    now += 1
    slack.api_errors["users.info"] = "fatal_error"
    assert await colleagues.refusal(actor) is Refusal.NOT_KNOWN
    slack.api_errors.clear()
    assert await asked() == 1


async def test_slack_is_asked_once_for_a_refusal(
    bot: Service,  # noqa: ARG001
    slack: SlackSandbox,
    logged: Logged,
) -> None:
    """Nothing more is looked up for somebody who is shown nothing."""
    slack.api_errors["users.info"] = "internal_error"
    exchange = await slack.command("/fsessions jane@example.com")
    assert "member" in (await final(exchange))["text"]
    assert [one["event"] for one in logged()].count("not known who asks") == 1
