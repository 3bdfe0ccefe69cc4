"""What people write to the bot in a channel, or in a direct message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.core.access import DenialReason
from bot.core.outcomes import denial
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, BOT_USER, DIRECT, PARTNER, TICKETS, USER, Shown
from bot.slack import texts
from tests.conftest import Logged, StartBot, both_transports, until
from tests.scenarios.answers import labels

JANE = "jane@example.com"


async def answer(slack: SlackSandbox, text: str, **fields: Any) -> Shown:  # noqa: ANN401
    """Return what the bot says to a message."""
    before = len(slack.screen)
    await slack.write(text, **fields)
    await until(lambda: len(slack.screen) > before + 1)
    return slack.screen[-1]


async def mentioned(slack: SlackSandbox, text: str, **fields: Any) -> Shown:  # noqa: ANN401
    """Return the answer to a mention in a channel: seen by who wrote, alone."""
    shown = await answer(slack, f"<@{BOT_USER}> {text}", **fields)
    assert (shown.user, shown.channel) == (fields.get("user", USER), TICKETS)
    return shown


@pytest.mark.usefixtures("bot")
class TestMention:
    """`@fsessions jane@example.com` in a channel."""

    async def test_answer(self, slack: SlackSandbox) -> None:
        """Like the command's, with buttons that work."""
        shown = await mentioned(slack, f"{JANE} 3")
        assert shown.message["text"].startswith(f"Latest 3 sessions of {JANE}")
        await slack.press("show_more", shown)
        await until(lambda: "20 sessions" in shown.message["text"])

    @pytest.mark.parametrize(
        ("text", "person"),
        [
            ("user-42", "user-42"),
            ("12345 3", "12345"),
            ("uid:kim@legacy", "kim@legacy"),
            ("can you look at jane@example.com please?", JANE),
            ("<mailto:jane@example.com|jane@example.com>, thanks", JANE),
            (f"<@{AGENT}>", "alex@example.org"),
            (f"{JANE} at:14:05", JANE),
        ],
    )
    async def test_whom(self, slack: SlackSandbox, text: str, person: str) -> None:
        """Amid other words, too."""
        assert f" {person}" in (await mentioned(slack, text)).message["text"]

    @pytest.mark.parametrize(
        "text",
        [
            "thanks!",
            "thanks 2",
            "ok-ok",
            "who are you?",
            "the checkout is broken",
            "in <#C0TICKETS|tickets>",
            "call 911",
            "give me 5 minutes",
        ],
    )
    async def test_anything_else(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, text: str
    ) -> None:
        """One line of help; nothing is looked up."""
        shown = await mentioned(slack, text)
        assert shown.message["text"] == texts.ASK_ME
        assert len(shown.message["blocks"]) == 1
        assert fullstory.received == []

    async def test_help(self, slack: SlackSandbox) -> None:
        """As for the command."""
        assert "I find a customer's" in (await mentioned(slack, "help")).message["text"]
        assert "I find a customer's" in (await mentioned(slack, "")).message["text"]

    async def test_wrong(self, slack: SlackSandbox) -> None:
        """As for the command: what was wrong, and a press for what was meant."""
        shown = await mentioned(slack, "jane@gmail,com")
        assert "Did you mean: Search jane@gmail.com?" in shown.message["text"]
        assert labels(shown) == ["Search jane@gmail.com", "Edit…"]

    async def test_in_a_thread(self, slack: SlackSandbox) -> None:
        """The answer is there."""
        shown = await mentioned(slack, JANE, thread_ts="1700000000.000100")
        assert shown.thread_ts == "1700000000.000100"

    @both_transports
    async def test_once(self, slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
        """Slack's second attempt is answered already."""
        await mentioned(slack, JANE)
        for event in slack.events_of(slack.screen[0]):
            await slack.event(event)
        await mentioned(slack, "thanks!")
        assert len(fullstory.received) == 1
        assert len(slack.screen) == 4

    async def test_another_organization(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """Shown a polite sentence, and nothing else."""
        shown = await mentioned(slack, JANE, user=PARTNER)
        assert shown.message["text"] == denial(DenialReason.STRANGER).what
        assert fullstory.received == []

    async def test_an_event_that_names_no_team(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """Slack's own examples do without: then the profile tells who belongs here."""
        slack.names_teams = False
        shown = await mentioned(slack, JANE, user=PARTNER)
        assert shown.message["text"] == denial(DenialReason.STRANGER).what
        assert fullstory.received == []
        assert JANE in (await mentioned(slack, JANE)).message["text"]
        slack.scopes = "chat:write,app_mentions:read"
        slack.users["U0NEW"] = slack.users[USER] | {"id": "U0NEW"}
        slack.members[TICKETS].add("U0NEW")
        shown = await mentioned(slack, "omar@example.com", user="U0NEW")
        assert shown.message["text"] == denial(DenialReason.NOT_READABLE).what

    async def test_slack_in_trouble(self, slack: SlackSandbox) -> None:
        """All who wait for the same are told at once, not one after the other."""
        slack.api_errors["auth.test"] = ""
        for _ in range(20):
            await slack.write(f"<@{BOT_USER}> {JANE}")
        told = texts.SLACK_TROUBLE
        await until(lambda: [one.message["text"] for one in slack.screen].count(told) == 20)
        # Each of the twenty alone would have asked four times.
        assert slack.api_calls.count("auth.test") <= 20 * 4 // 2

    async def test_slack_is_busy(self, slack: SlackSandbox) -> None:
        """By either of the two names that Slack has for it."""
        slack.api_errors["chat.postEphemeral"] = "rate_limited"
        await slack.write(f"<@{BOT_USER}> {JANE}")
        del slack.api_errors["chat.postEphemeral"]
        await until(lambda: len(slack.screen) == 2)
        assert slack.screen[1].channel == TICKETS

    async def test_not_in_the_channel(self, slack: SlackSandbox) -> None:
        """Where the channel can't take it, a direct message does."""
        slack.api_errors["chat.postEphemeral"] = "user_not_in_channel"
        shown = await answer(slack, f"<@{BOT_USER}> {JANE}")
        assert shown.channel == DIRECT
        assert JANE in shown.message["text"]

    async def test_nothing_gets_through(self, slack: SlackSandbox, logged: Logged) -> None:
        """A line in the log, that names no one."""
        slack.api_errors |= dict.fromkeys(("chat.postEphemeral", "chat.postMessage"), "is_archived")
        await slack.write(f"<@{BOT_USER}> {JANE}")
        await until(lambda: "answer not delivered" in str(logged()))
        assert "jane" not in str(logged())

    async def test_a_bot_that_mentions(self, slack: SlackSandbox) -> None:
        """There is no one to answer."""
        await slack.write(f"<@{BOT_USER}> {JANE}", bot_id="B0OTHER")
        await mentioned(slack, "help")
        assert len(slack.screen) == 3


@pytest.mark.usefixtures("bot")
class TestDirectMessage:
    """A message to the bot."""

    async def test_answer(self, slack: SlackSandbox) -> None:
        """In the same place; the bot doesn't answer itself."""
        shown = await answer(slack, f"{JANE} 3", channel=DIRECT)
        assert (shown.user, shown.channel) == ("", DIRECT)
        assert shown.message["text"].startswith(f"Latest 3 sessions of {JANE}")
        await answer(slack, "thanks", channel=DIRECT)
        assert len(slack.screen) == 4
        assert slack.screen[-1].message["text"] == texts.ASK_ME

    async def test_as_many_as_fit(self, slack: SlackSandbox) -> None:
        """chat.postMessage takes less than a response_url; the message says so."""
        shown = await answer(slack, "fan@example.com 100", channel=DIRECT)
        assert "didn't fit" in json.dumps(shown.message)

    async def test_edits(self, slack: SlackSandbox) -> None:
        """Are no questions."""
        await answer(slack, JANE, channel=DIRECT)
        await slack.edit(slack.screen[0], "omar@example.com")
        await answer(slack, "help", channel=DIRECT)
        assert len(slack.screen) == 4


async def test_slow(start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """It says that it is looking; the answer takes the place of that."""
    looked_up = fullstory.hold()
    async with start_bot(answer_budget_seconds=0.1):
        await slack.write("zoe@example.com", channel=DIRECT)
        await until(lambda: len(slack.screen) == 2)
        assert slack.screen[1].message["text"] == texts.STILL_LOOKING
        looked_up.set()
        await until(lambda: slack.screen[1].message["text"].startswith("No sessions found for zoe"))
    assert len(slack.screen) == 2


@pytest.mark.parametrize("error", ["message_not_found", "edit_window_closed"])
async def test_slow_and_slack_replaces_nothing(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, error: str
) -> None:
    """Then the answer is a message of its own."""
    looked_up = fullstory.hold()
    slack.api_errors["chat.update"] = error
    async with start_bot(answer_budget_seconds=0.1):
        await slack.write("zoe@example.com", channel=DIRECT)
        await until(lambda: len(slack.screen) == 2)
        looked_up.set()
        await until(lambda: len(slack.screen) == 3)
    assert slack.screen[2].message["text"].startswith("No sessions found for zoe")


async def test_slow_in_a_channel(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Slack replaces nothing that one person alone sees: the answer follows."""
    looked_up = fullstory.hold()
    async with start_bot(answer_budget_seconds=0.1):
        await slack.write(f"<@{BOT_USER}> zoe@example.com")
        await until(lambda: len(slack.screen) == 2)
        looked_up.set()
        await until(lambda: len(slack.screen) == 3)
    assert slack.screen[1].message["text"] == texts.STILL_LOOKING
    assert slack.screen[2].message["text"].startswith("No sessions found for zoe")


async def test_fullstory_down(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """As for the command, with a button to try again."""
    fullstory.always = Scripted(status=503)
    async with start_bot():
        await mentioned(slack, JANE)
        # On a slow machine, a progress message comes first.
        await until(lambda: "trouble answering" in slack.screen[-1].message["text"])
        shown = slack.screen[-1]
        fullstory.always = None
        await slack.press("refresh", shown)
        await until(lambda: "Latest 5" in shown.message["text"])
