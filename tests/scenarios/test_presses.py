"""Presses that meet one another, a restart, or a Slack in trouble."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from bot.core.access import DenialReason
from bot.core.outcomes import RESTARTING, denial
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import DIRECT, TICKETS, USER, Shown
from bot.service import Service
from bot.slack import action_ids, texts
from tests.conftest import QUICK, Logged, StartBot, both_transports, until
from tests.scenarios.answers import (
    JANE,
    asked,
    labels,
    links,
    refresh,
    settled,
    share_window,
    submit_share,
)


@pytest.fixture
async def answer(bot: Service, slack: SlackSandbox) -> Shown:  # noqa: ARG001
    """Return an answer on the asker's screen."""
    return await asked(slack)


class TestLaterPresses:
    """What is pressed later counts."""

    async def test_refresh_then_share(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """That it was shared stays: the refreshed answer comes too late."""
        view_id = await share_window(slack, answer)
        held = fullstory.hold()
        await refresh(slack, answer)
        await until(lambda: len(fullstory.received) == 3)
        fullstory.held = None
        await submit_share(slack, view_id)
        await until(lambda: "Shared in" in str(answer.message))
        held.set()
        await settled(slack)
        assert "Shared in" in str(answer.message)

    @pytest.mark.usefixtures("bot")
    async def test_refresh_then_dismiss(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """A dismissed answer does not come back when the refresh ends."""
        question = await slack.write(JANE, channel=DIRECT)
        await until(lambda: len(slack.screen) == 2)
        answer = slack.screen[1]
        held = fullstory.hold()
        await refresh(slack, answer)
        await until(lambda: len(fullstory.received) == 2)
        await slack.press(action_ids.ANSWER_MENU, answer, option="dismiss")
        await until(lambda: answer not in slack.screen)
        held.set()
        await settled(slack)
        assert [shown for shown in slack.screen if JANE in str(shown.message)] == [question]

    async def test_refresh_then_more(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """The answer to the first press doesn't replace that to the second."""
        more = answer.message
        fullstory.script.append(Scripted(500, seconds=1.0))  # so that the first comes later
        await refresh(slack, answer)
        answer.message = more
        await slack.press(action_ids.SHOW_MORE, answer)
        await until(lambda: len(links(answer)) == 20)
        await settled(slack)
        assert len(links(answer)) == 20


async def test_a_slow_progress_message(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """What the first press is told meanwhile doesn't come after the answer to the second."""
    timeouts = replace(QUICK, progress=60)
    async with start_bot(timeouts, answer_budget_seconds=0.05, fullstory_timeout_seconds=60):
        await slack.command(f"/fsessions {JANE} 20")
        await until(lambda: JANE in str(slack.screen[-1].message))
        answer = slack.screen[-1]
        held, hangs = fullstory.hold(), slack.hang()
        first = await refresh(slack, answer)
        await until(lambda: first.uses == 1)
        fullstory.held = slack.hangs = None
        second = await slack.press(action_ids.SHOW_MORE, answer)
        await settled(slack)
        assert "28 sessions" not in str(second.later)  # the answer waits
        hangs.set()
        await until(lambda: len(links(answer)) == 28)
        held.set()
        await settled(slack)
        assert len(links(answer)) == 28


async def test_a_retry_of_what_is_not_wanted_any_more(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The first press's answer is refused once; the second press's is there before its retry."""
    async with start_bot(replace(QUICK, first_retry=1.0)):
        answer = await asked(slack)
        slack.response_statuses.append(500)
        first = await refresh(slack, answer)
        await until(lambda: first.uses == 1)
        await slack.press(action_ids.SHOW_MORE, answer)
        await until(lambda: len(links(answer)) == 20)
        await settled(slack)
        assert first.uses == 1
        assert len(fullstory.received) >= 3


class TestRestarts:
    """The process ends in the middle: people have a way back, and are told the truth."""

    async def test_refresh(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """The sessions are gone from the screen, and a press brings them back."""
        async with start_bot(
            replace(QUICK, drain=0.2), database_url=None, fullstory_timeout_seconds=300
        ):
            answer = await asked(slack)
            held = fullstory.hold()
            await refresh(slack, answer)
            await until(lambda: len(fullstory.received) == 2)
        assert answer.message["text"] == RESTARTING
        assert labels(answer) == ["Try again"]
        held.set()
        async with start_bot():
            await refresh(slack, answer)
            await until(lambda: len(links(answer)) == 3)

    async def test_refresh_while_draining(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """The same where the press comes when the end has begun."""
        async with AsyncExitStack() as stack:
            bot = await stack.enter_async_context(start_bot(database_url=None))
            answer = await asked(slack)
            held = fullstory.hold()
            pending = asyncio.create_task(slack.command("/fsessions omar@example.com"))
            await until(lambda: len(fullstory.received) == 2)
            ending = asyncio.create_task(stack.aclose())
            await until(lambda: bot.state() == "draining")
            await refresh(slack, answer)
            await until(lambda: answer.message["text"] == RESTARTING)
            assert labels(answer) == ["Try again"]
            held.set()
            await ending
            await pending


class TestTrouble:
    """What goes wrong is told."""

    async def test_a_listener_that_fails_on_a_press(
        self, slack: SlackSandbox, answer: Shown, logged: Logged
    ) -> None:
        """The person hears of it, with a reference that is in the log."""
        for block in answer.message["blocks"]:
            for button in block.get("elements", []):
                button.pop("value", None)
        exchange = await slack.press(action_ids.SHOW_MORE, answer)
        said = (await exchange.answer())["text"]
        (line,) = [line for line in logged() if line["event"] == "listener failed"]
        assert line["reference"] in said
        assert len(links(answer)) == 3

    @both_transports
    async def test_a_crash_that_no_one_has_foreseen(
        self, bot: Service, slack: SlackSandbox, logged: Logged
    ) -> None:
        """Such as by a profile that is unlike any: whoever asked hears of it."""
        assert bot
        slack.users[USER]["enterprise_user"] = {"teams": 5}
        await slack.write("<@U0FSESSIONS> thanks!")
        await until(lambda: "Something went wrong" in slack.screen[-1].message["text"])
        (line,) = [line for line in logged() if line["event"] == "answer crashed"]
        assert line["reference"] in slack.screen[-1].message["text"]

    @both_transports
    async def test_a_form_that_fails(self, bot: Service, slack: SlackSandbox) -> None:
        """In its window."""
        assert bot
        await slack.shortcut("find_sessions")
        await until(lambda: bool(slack.views))
        (view_id,) = slack.views
        moment = {"selected_date_time": "no number"}
        await slack.submit(view_id, {"person": {"value": JANE}, "moment": moment})
        assert "Something went wrong" in str(slack.views[view_id])

    async def test_notes_in_a_thread(self, slack: SlackSandbox, answer: Shown) -> None:
        """Stand where the button is."""
        answer.thread_ts = "1700000000.000100"
        exchange = await refresh(slack, answer, user="U0AGENT")
        note = await exchange.answer()
        assert (note["text"], note["thread_ts"]) == (
            denial(DenialReason.WRONG_USER).what,
            answer.thread_ts,
        )

    async def test_markup_in_a_uid(self, bot: Service, slack: SlackSandbox) -> None:
        """A customer's name is rendered as it is."""
        assert bot
        await slack.command('/fsessions "user-42 *a* _b_" 3')
        (answer,) = slack.screen
        first = answer.message["blocks"][0]["text"]["text"].partition("\n")[0]
        assert first == "No sessions found for `user-42 *a* _b_`"


@pytest.mark.parametrize("where", ["container", "message", "nowhere"])
async def test_the_thread_of_an_offer(start_bot: StartBot, slack: SlackSandbox, where: str) -> None:
    """It is in two places of a press; without it the person is told so."""
    async with start_bot(support_channels=(TICKETS,)):
        await slack.write(f"Broken! {JANE}")
        await until(lambda: action_ids.OFFER in str(slack.screen[-1].message))
        offer = slack.screen[-1]
        fields: dict[str, Any] = {"container": {"message_ts": offer.ts}, "message": {}}
        if where != "nowhere":
            fields[where]["thread_ts"] = offer.thread_ts
        exchange = await slack.press(action_ids.OFFER, offer, **fields)
        said = (await exchange.answer())["text"]
        assert said == texts.MESSAGE_NOT_READ if where == "nowhere" else JANE in said
        assert USER


@pytest.mark.parametrize(
    "text", [f"Email: {JANE}\nUser ID: user-42", f"*User ID:* `user-42` {JANE}"]
)
async def test_a_ticket_with_both(bot: Service, slack: SlackSandbox, text: str) -> None:
    """One e-mail and one user id are one person."""
    assert bot
    exchange = await slack.message_shortcut(
        "find_sessions_from_message", {"text": text, "ts": slack.new_ts()}
    )
    assert f"{JANE} / user-42" in (await exchange.answer())["text"]


async def test_our_own_addresses_in_a_message(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Are no one's whose sessions are wanted, on a message as in a support channel."""
    async with start_bot(internal_domains=("example.org",)):
        message = {"text": f"support@example.org writes of {JANE}", "ts": slack.new_ts()}
        exchange = await slack.message_shortcut("find_sessions_from_message", message)
        assert f"of {JANE}" in (await exchange.answer())["text"]


@both_transports
async def test_a_form_whose_ack_is_lost(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, transport: str
) -> None:
    """The results come into the window all the same."""
    async with start_bot():
        await slack.shortcut("find_sessions")
        await until(lambda: bool(slack.views))
        (view_id,) = slack.views
        held = fullstory.hold()
        submitting = asyncio.create_task(
            slack.submit(view_id, {"person": {"value": "zoe@example.com"}})
        )
        await until(lambda: bool(fullstory.received))
        if transport == "socket":
            await slack.close_sockets()
        else:
            submitting.cancel()
            await asyncio.gather(submitting, return_exceptions=True)
        held.set()
        await until(lambda: "No sessions found for *zoe" in str(slack.views[view_id]))
        submitting.cancel()


async def test_a_busy_slack_and_a_run(start_bot: StartBot, slack: SlackSandbox) -> None:
    """One 429 of users.info is waited for: a run has time."""
    slack.api_busy["users.info"] = 1
    async with start_bot():
        run = await slack.run_step("find_sessions_step", person="<@U0AGENT>")
        how, outputs = await run.end()
    assert (how, outputs["person"]) == ("success", "alex@example.org")


async def test_an_offer_outlasts_slacks_trouble(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Slack doesn't send an acknowledged message again, so the bot tries again by itself."""
    slack.api_errors["auth.test"] = "internal_error"
    timeouts = replace(QUICK, offer_retries=(0.05,) * 50)
    async with start_bot(timeouts, support_channels=(TICKETS,)):
        await slack.write(f"Broken! {JANE}")
        await until(lambda: slack.api_calls.count("auth.test") >= 8)
        slack.api_errors.clear()
        await until(lambda: len(slack.screen) == 2)
    assert slack.screen[1].thread_ts == slack.screen[0].ts
