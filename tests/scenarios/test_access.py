"""Only colleagues are shown sessions, through every entry point; over both transports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bot.lookup.access import Actor, EntryPoint, Refusal
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import BOT_USER, CHANNEL, TEAM, TICKETS, USER, Shown
from bot.service import Service
from bot.sessions import Query
from bot.slack.api.client import SlackClient
from bot.slack.api.colleagues import NO_SECONDS, YES_SECONDS, Colleagues
from bot.slack.api.identity import Workspace
from bot.slack.api.profiles import Profiles
from bot.slack.ui import button_values, wording
from bot.slack.ui import listing as blocks
from tests.conftest import QUICK, StartBot, until

JANE = "jane@example.com"
ASKER = "U0ASKER"
STRANGERS: dict[str, dict[str, Any]] = {
    "of another organisation": {"team_id": "T0OTHER"},
    "a stranger in a shared channel": {"is_stranger": True},
    "a bot": {"is_bot": True},
    "deactivated": {"deleted": True},
    "of another workspace of the Grid": {
        "team_id": "E0GRID",
        "enterprise_user": {"enterprise_id": "E0GRID", "teams": ["T0ELSEWHERE"]},
    },
    "of no workspace that Slack names": {"team_id": None},
}
GUESTS: dict[str, dict[str, Any]] = {
    "a guest": {"is_restricted": True},
    "a guest of one channel": {"is_restricted": True, "is_ultra_restricted": True},
}
COLLEAGUES: dict[str, dict[str, Any]] = {
    "a member": {},
    "a member, in a Grid": {
        "team_id": "T0ELSEWHERE",
        "enterprise_user": {"enterprise_id": "E0GRID", "teams": ["T0ELSEWHERE", TEAM]},
    },
    "a member, in a Grid, without a team": {
        "team_id": None,
        "enterprise_user": {"enterprise_id": "E0GRID", "teams": [TEAM]},
    },
}


@pytest.fixture
async def bot(start_bot: StartBot, slack: SlackSandbox) -> AsyncIterator[Service]:
    """The bot in a support channel, and the asker wherever it is."""
    slack.users[ASKER] = slack.users[USER] | {"id": ASKER}
    for channel in (TICKETS, CHANNEL, "D0ASKER"):
        slack.members.setdefault(channel, {BOT_USER}).add(ASKER)
    async with start_bot(support_channels=(TICKETS,)) as service:
        yield service


pytestmark = pytest.mark.usefixtures("bot")


async def by_command(slack: SlackSandbox) -> str:
    """Typed."""
    exchange = await slack.command(f"/fsessions {JANE}", user_id=ASKER)
    return str(exchange.ack)


async def by_command_with_a_time(slack: SlackSandbox) -> str:
    """Typed, with a time in their own zone."""
    exchange = await slack.command(f'/fsessions {JANE} at:"yesterday 5pm"', user_id=ASKER)
    return str(exchange.ack)


async def by_shortcut(slack: SlackSandbox) -> str:
    """From a message's menu."""
    return await _on_message(slack, JANE)


async def by_shortcut_with_a_choice(slack: SlackSandbox) -> str:
    """From a message that names two people."""
    return await _on_message(slack, f"{JANE} omar@example.com")


async def _on_message(slack: SlackSandbox, text: str) -> str:
    message = {"text": text, "ts": slack.new_ts()}
    name = "find_sessions_from_message"
    exchange = await slack.message_shortcut(name, message, user=ASKER)
    return str(await exchange.answer())


async def by_form(slack: SlackSandbox) -> str:
    """By the form, in its window."""
    await slack.shortcut("find_sessions", user=ASKER)
    await until(lambda: bool(slack.views))
    (view_id,) = slack.views
    await slack.submit(view_id, {"person": {"value": JANE}}, user=ASKER)
    return json.dumps(slack.views[view_id], ensure_ascii=False)


async def by_refresh(slack: SlackSandbox) -> str:
    """*Refresh*, on an answer of theirs."""
    return await _press(slack, blocks.REFRESH)


async def by_more(slack: SlackSandbox) -> str:
    """*Show more*."""
    return await _press(slack, blocks.SHOW_MORE)


async def by_choice(slack: SlackSandbox) -> str:
    """A choice between people."""
    return await _press(slack, f"{blocks.CHOOSE}:0")


async def by_sharing(slack: SlackSandbox) -> str:
    """*Share with the name*."""
    shown = _holding(slack, blocks.SHARE_NAMED)
    await slack.press(blocks.SHARE_NAMED, shown, user=ASKER)
    await until(lambda: shown.message.get("text") not in ("", wording.SHARING, "an answer"))
    return str([one.message for one in slack.screen])


async def by_offer(slack: SlackSandbox) -> str:
    """The button under a ticket."""
    await slack.write(f"Broken! {JANE}")
    await until(lambda: blocks.SHOW_SESSIONS in str(slack.screen[-1].message))
    exchange = await slack.press(blocks.SHOW_SESSIONS, user=ASKER)
    return str(await exchange.answer())


async def by_mention(slack: SlackSandbox) -> str:
    """By mentioning the bot in a channel."""
    await slack.write(f"<@{BOT_USER}> {JANE}", user=ASKER)
    await until(lambda: any(one.user == ASKER for one in slack.screen))
    return str(slack.screen[-1].message)


async def by_direct_message(slack: SlackSandbox) -> str:
    """By writing to the bot."""
    await slack.write(JANE, user=ASKER, channel="D0ASKER")
    await until(lambda: len(slack.screen) == 2)
    return str(slack.screen[-1].message)


async def by_step(slack: SlackSandbox) -> str:
    """By a workflow that is to show them the sessions."""
    run = await slack.run_step("find_sessions_step", person=JANE, show_to=ASKER)
    return str(await run.end())


def _holding(slack: SlackSandbox, action_id: str) -> Shown:
    """An answer that the asker was once shown, with a value that was made for them."""
    value = button_values.sign(Query(JANE, None, 20), ASKER, slack.bot_token)
    button = {"type": "button", "action_id": action_id, "value": value}
    actions = {"type": "actions", "elements": [button]}
    shown = Shown({"text": "an answer", "blocks": [actions]}, slack.new_ts(), ASKER)
    slack.screen.append(shown)
    return shown


async def _press(slack: SlackSandbox, action_id: str) -> str:
    exchange = await slack.press(action_id, _holding(slack, action_id), user=ASKER)
    return str(await exchange.answer())


Ask = Callable[[SlackSandbox], Awaitable[str]]
ENTRY_POINTS: list[Ask] = [
    by_command,
    by_command_with_a_time,
    by_shortcut,
    by_shortcut_with_a_choice,
    by_form,
    by_refresh,
    by_more,
    by_choice,
    by_sharing,
    by_offer,
    by_mention,
    by_direct_message,
    by_step,
]


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
@pytest.mark.parametrize("who", [*STRANGERS, *GUESTS])
async def test_refused(
    slack: SlackSandbox, fullstory: FullstorySandbox, entry_point: Ask, who: str
) -> None:
    """With a polite sentence, before anything is asked of Fullstory."""
    slack.users[ASKER] |= STRANGERS.get(who) or GUESTS[who]
    said = await entry_point(slack)
    if entry_point is by_step:
        assert wording.STEP_STRANGER in said
    else:
        expected = wording.NOT_OF_THIS_WORKSPACE if who in STRANGERS else wording.NOT_FOR_GUESTS
        assert expected in said
    assert fullstory.received == []
    assert "fullstory.com" not in str([one.message for one in slack.screen])


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
async def test_not_known(
    slack: SlackSandbox, fullstory: FullstorySandbox, entry_point: Ask
) -> None:
    """Where Slack doesn't say who asks, the answer is no, with a hint to try again."""
    slack.api_errors["users.info"] = "user_is_bot_or_so"
    said = await entry_point(slack)
    assert "again" in said
    assert "fullstory.com" not in str([said, *(one.message for one in slack.screen)])
    assert fullstory.received == []


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
@pytest.mark.parametrize("who", COLLEAGUES)
async def test_shown(slack: SlackSandbox, entry_point: Ask, who: str) -> None:
    """Members of the workspace, also where Slack tells it in the ways of an Enterprise Grid."""
    slack.users[ASKER] |= COLLEAGUES[who]
    said = await entry_point(slack)
    assert JANE in said
    assert "Sorry" not in said


async def test_home(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """A stranger's Home has no button that opens the form."""
    slack.users[ASKER] |= {"team_id": "T0OTHER"}
    await slack.open_home(user=ASKER)
    await until(lambda: ASKER in slack.homes)
    assert wording.NOT_OF_THIS_WORKSPACE in str(slack.homes[ASKER])
    assert "Search" not in str(slack.homes[ASKER])
    assert fullstory.received == []


@pytest.mark.parametrize("transport", ["http"])
async def test_remembered(slack: SlackSandbox) -> None:
    """An hour for a yes, a minute for a no; Slack is asked once by all who wait."""
    client = SlackClient(slack.bot_token, slack.api_url)
    now = 0.0
    actor = Actor(TEAM, ASKER, EntryPoint.COMMAND)
    workspace = Workspace(client)
    colleagues = Colleagues(Profiles(client, QUICK), workspace, clock=lambda: now)

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
