"""*What happened?*: told to the person who presses, alone, and never paid twice."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.core import story_words
from bot.core.insight import OverLimit, explain_no_insight
from bot.features.insight import report, view
from bot.features.workflow_step import texts as step_texts
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.stories import TYPED
from bot.sandbox.workspace import AGENT, CHANNEL, TICKETS, USER
from bot.service import Service
from bot.slack import action_ids, sharing, texts
from tests.conftest import QUICK, Logged, StartBot, both_transports, migrated, until
from tests.programs import run
from tests.scenarios.answers import JANE, final, labels, public, settled

ROSA = "rosa@example.com"


@pytest.fixture
async def bot(start_bot: StartBot) -> AsyncIterator[Service]:
    """Yield the running bot with insights, over the transport."""
    async with start_bot(insights=True, support_channels=(TICKETS,)) as service:
        yield service


async def modal(slack: SlackSandbox, view_id: str) -> dict[str, Any]:
    """Return a modal once it is filled."""
    await until(lambda: view.ASKING not in str(slack.views[view_id]))
    return slack.views[view_id]


async def pressed(slack: SlackSandbox, person: str = f"{JANE} 3", **other: Any) -> dict[str, Any]:  # noqa: ANN401
    """Look a person up, press *What happened?*, and return the modal."""
    await final(await slack.command(f"/fsessions {person}"))
    return await press_again(slack, **other)


async def press_again(slack: SlackSandbox, **other: Any) -> dict[str, Any]:  # noqa: ANN401
    """Press it on the last answer."""
    before = set(slack.views)
    await slack.press(action_ids.INSIGHT, **other)
    await until(lambda: len(slack.views) > len(before))
    (view_id,) = set(slack.views) - before
    return await modal(slack, view_id)


def said(shown: dict[str, Any]) -> str:
    """Return the texts of a modal."""
    return "\n".join(
        str(element["text"] if isinstance(element.get("text"), str) else element["text"]["text"])
        for block in shown["blocks"]
        for element in [block, *block.get("elements", [])]
        if element.get("text")
    )


# -- What is told ---------------------------------------------------------------------------------


@both_transports
@pytest.mark.usefixtures("bot")
async def test_a_payment_that_fails(
    slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
) -> None:
    """The map, then the worst first, each with a link to that moment; one Activation."""
    shown = await pressed(slack)
    text = said(shown)
    assert "4 minutes · 3 pages · 2 errors" in text
    assert text.index("Error in the page") < text.index("Failed request")
    assert "1 s after a click on `Pay`" in text
    assert "`/checkout` 2 min" in text
    assert "Chrome 131 · Windows 11" in text
    assert len(re.findall(r"\^\{time_secs\}\^https://app\.fullstory\.com/\S+:\d{13}\|", text)) == 2
    for hidden in (TYPED, "4111", "8f14e45f", "campaign", JANE, "user-42", "input-change"):
        assert hidden not in text
    assert len(fullstory.paid) == 1
    audit = [line for line in logged() if line["event"] == "audit"]
    assert [(line["result"], line["count"]) for line in audit] == [("found", 3), ("insight", 1)]
    assert audit[0]["email_hash"] == audit[1]["email_hash"]


@pytest.mark.usefixtures("bot")
async def test_a_dead_button(slack: SlackSandbox) -> None:
    """A burst is one line."""
    text = said(await pressed(slack, ROSA))
    assert "1 rage click · 1 dead click" in text
    assert "*Rage click (19 times)* on `Save changes`" in text


@pytest.mark.usefixtures("bot")
async def test_nothing_at_all(slack: SlackSandbox) -> None:
    """Which is said, too."""
    assert story_words.NO_EVENTS in said(await pressed(slack, "noel@example.com"))


@pytest.mark.usefixtures("bot")
async def test_a_session_that_is_still_going_on(slack: SlackSandbox) -> None:
    """There may be more in a few minutes."""
    assert view.STILL_RUNNING in said(await pressed(slack, "rene@example.com"))


@pytest.mark.usefixtures("bot")
async def test_nothing_went_wrong(slack: SlackSandbox) -> None:
    """A visit without trouble."""
    text = said(await pressed(slack, "omar@example.com"))
    assert story_words.NOTHING_WRONG in text
    assert view.STILL_RUNNING not in text


@pytest.mark.usefixtures("bot")
async def test_earlier_and_later(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """The others of the list, in the same modal; coming back costs nothing."""
    shown = await pressed(slack)
    assert labels(shown) == [report.OPEN, view.SHOW_EARLIER]
    first = said(shown)
    for action, buttons in (
        (view.EARLIER, [report.OPEN, view.SHOW_EARLIER, view.SHOW_LATER]),
        (view.EARLIER, [report.OPEN, view.SHOW_LATER]),
        (view.LATER, [report.OPEN, view.SHOW_EARLIER, view.SHOW_LATER]),
    ):
        before = said(slack.views[shown["id"]])
        await slack.press_in_view(action, shown["id"])
        await until(lambda before=before: said(slack.views[shown["id"]]) != before)  # type: ignore[misc]
        other = await modal(slack, shown["id"])
        assert labels(other) == buttons
        assert said(other) != first
    assert len(slack.views) == 1
    assert len(fullstory.paid) == len(set(fullstory.paid)) == 3


@pytest.mark.usefixtures("bot")
async def test_the_moment_of_a_ticket(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Three minutes before to three after; then the end of the session, if that is wanted."""
    now = datetime.now(UTC)
    fullstory.clock = lambda: now
    # It began seven minutes ago; after a visit to the cart, the payment failed four minutes later.
    slack.clock = lambda: (now - timedelta(minutes=2)).timestamp()
    ticket = await slack.write(f"The checkout is broken, {JANE}", channel=CHANNEL)
    slack.clock = lambda: now.timestamp()
    await slack.message_shortcut(
        "find_sessions_from_message", ticket.as_slack_tells(), channel=CHANNEL
    )
    await until(lambda: bool(slack.screen) and action_ids.INSIGHT in str(slack.screen[-1].message))
    shown = await press_again(slack)
    assert "around the message" in said(shown)
    assert "/cart" not in said(shown)
    assert view.SHOW_END in labels(shown)
    await slack.press_in_view(view.END, shown["id"])
    await until(lambda: "/cart" in said(slack.views[shown["id"]]))
    assert len(fullstory.paid) == 2


# -- Where it is pressed --------------------------------------------------------------------------


async def test_it_is_off_unless_it_is_on(start_bot: StartBot, slack: SlackSandbox) -> None:
    """No one sees a button that can't work."""
    async with start_bot():
        exchange = await slack.command(f"/fsessions {JANE}")
        assert action_ids.INSIGHT not in str(await final(exchange))
        assert texts.WHAT_HAPPENED not in str(slack.screen[-1].message)


@pytest.mark.usefixtures("bot")
async def test_in_the_window_of_a_search(slack: SlackSandbox) -> None:
    """The modal goes on top of it."""
    await slack.shortcut("find_sessions")
    await until(lambda: bool(slack.views))
    (form,) = slack.views
    await slack.submit(form, {"person": {"value": f"{JANE} 3"}})
    await until(lambda: action_ids.INSIGHT in str(slack.views[form]))
    await slack.press_in_view(action_ids.INSIGHT, form)
    await until(lambda: len(slack.views) == 2)
    (above,) = set(slack.views) - {form}
    assert "2 errors" in said(await modal(slack, above))


@pytest.mark.usefixtures("bot")
async def test_in_a_direct_message(slack: SlackSandbox) -> None:
    """The answer there has the button, too."""
    await slack.write(JANE, channel=slack.direct(USER))
    await until(lambda: action_ids.INSIGHT in str(slack.screen[-1].message))
    assert "2 errors" in said(await press_again(slack))


@pytest.mark.usefixtures("bot")
async def test_on_an_offer(slack: SlackSandbox) -> None:
    """In the thread of a ticket."""
    await slack.write(f"It is broken: {JANE}", channel=TICKETS)
    await until(lambda: action_ids.OFFER in str(slack.screen[-1].message))
    await slack.press(action_ids.OFFER)
    await until(lambda: action_ids.INSIGHT in str(slack.screen[-1].message))
    assert "Started <!date" in said(await press_again(slack))


@pytest.mark.usefixtures("bot")
async def test_a_modal_that_slack_does_not_open(slack: SlackSandbox) -> None:
    """Then it is a message, with the same buttons."""
    await final(await slack.command(f"/fsessions {JANE} 3"))
    slack.api_errors["views.open"] = "internal_error"
    await slack.press(action_ids.INSIGHT)
    await until(lambda: "2 errors" in str(slack.screen[-1].message))
    assert slack.screen[-1].user == USER


# -- What it costs --------------------------------------------------------------------------------


@pytest.mark.usefixtures("bot")
async def test_the_same_is_paid_once(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """For several presses, and several people."""
    first = said(await pressed(slack))
    assert said(await press_again(slack)) == first
    await slack.command(f"/fsessions {JANE} 3", user_id=AGENT)
    assert said(await press_again(slack, user=AGENT)) == first
    assert len(fullstory.paid) == 1


async def test_what_is_spent_is_counted(
    start_bot: StartBot, slack: SlackSandbox, logged: Logged
) -> None:
    """In the metrics, by what came of each press."""
    async with start_bot(insights=True, metrics_port=0), aiohttp.ClientSession() as http:
        await pressed(slack)
        await press_again(slack)
        (port,) = [line["port"] for line in logged() if line["event"] == "metrics"]
        async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
            text = await response.text()
    assert 'fsessions_insights_total{outcome="paid"} 1.0' in text
    assert 'fsessions_insights_total{outcome="kept"} 1.0' in text


@pytest.mark.usefixtures("bot")
async def test_presses_at_once(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """They share one request."""
    await slack.command(f"/fsessions {JANE} 3")
    held = fullstory.hold()
    presses = [asyncio.create_task(slack.press(action_ids.INSIGHT)) for _ in range(5)]
    await asyncio.gather(*presses)
    await until(lambda: len(slack.views) == 5)
    held.set()
    for view_id in slack.views:
        assert "2 errors" in said(await modal(slack, view_id))
    assert len(fullstory.paid) == 1


async def test_the_limit_of_a_day(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
) -> None:
    """Said kindly, with when there will be more; what is known already is still told."""
    async with start_bot(insights=True, insights_per_day=1, database_url=None):
        await pressed(slack)
        text = said(await pressed(slack, ROSA))
        assert "reached today's limit" in text
        assert re.search(r"There will be more in \d+ (minutes|seconds|hours)", text)
        await slack.command(f"/fsessions {JANE} 3")
        assert "2 errors" in said(await press_again(slack))
    assert len(fullstory.paid) == 1
    audit = [line for line in logged() if line["event"] == "audit"]
    assert [line["result"] for line in audit if line["result"] != "found"] == [
        "insight",
        "failed",
        "insight",
    ]


@pytest.mark.parametrize(
    ("status", "sentence", "can_retry"),
    [
        (402, "plan has none left", False),
        (403, "level is too low, or your plan doesn't include", False),
        (404, "it may have been deleted", False),
        (429, "or your plan's Activations are used up", True),
        (500, "has trouble answering", True),
        (200, "wasn't readable", True),
    ],
)
@pytest.mark.usefixtures("bot")
async def test_errors(
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    status: int,
    sentence: str,
    *,
    can_retry: bool,
) -> None:
    """Each has its sentence; none is tried again without a press."""
    fullstory.script_of_contexts.append(Scripted(status, b"<html>"))
    shown = await pressed(slack, "omar@example.com")
    assert sentence in said(shown)
    assert (texts.TRY_AGAIN in labels(shown)) is can_retry
    assert len(fullstory.paid) == 1


@pytest.mark.usefixtures("bot")
async def test_a_plan_without_activations_left(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The sessions are still shown."""
    fullstory.activations = 0
    assert "plan has none left" in said(await pressed(slack))
    assert not fullstory.paid


@pytest.mark.parametrize(("seconds", "said"), [(30.0, "30 seconds"), (18_000.0, "5 hours")])
def test_when_there_will_be_more(seconds: float, said: str) -> None:
    """In words, in any time zone."""
    assert said in explain_no_insight(OverLimit(seconds)).in_one_line("")


@pytest.mark.usefixtures("bot")
async def test_trying_again_after_a_failure(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Asks Fullstory again, at once."""
    fullstory.script_of_contexts.append(Scripted(500))
    shown = await pressed(slack)
    assert texts.TRY_AGAIN in labels(shown)
    await slack.press_in_view(view.AGAIN, shown["id"])
    await until(lambda: "2 errors" in said(slack.views[shown["id"]]))
    assert len(fullstory.paid) == 2


@pytest.mark.usefixtures("bot")
async def test_who_waits_for_a_press_that_fails(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Is told so, without paying."""
    fullstory.script_of_contexts.append(Scripted(500))
    await slack.command(f"/fsessions {JANE} 3")
    may_answer = fullstory.hold_contexts()
    for _ in range(2):
        await slack.press(action_ids.INSIGHT)
    await until(lambda: len(slack.views) == 2 and bool(fullstory.paid))
    may_answer.set()
    told = [said(await modal(slack, view_id)) for view_id in slack.views]
    assert sum("has trouble answering" in one for one in told) == 1
    assert sum("couldn't say what happened" in one for one in told) == 1
    assert len(fullstory.paid) == 1


@pytest.mark.usefixtures("bot")
async def test_a_progress_message_never_replaces_what_was_told(slack: SlackSandbox) -> None:
    """Also if Slack asks to wait before it takes an update."""
    shown = await pressed(slack)
    slack.api_retry_after = 1
    slack.api_busy["views.update"] = 1
    await slack.press_in_view(view.EARLIER, shown["id"])
    await until(lambda: view.SHOW_LATER in labels(slack.views[shown["id"]]))
    await settled(slack)
    assert view.SHOW_LATER in labels(slack.views[shown["id"]])


@pytest.mark.usefixtures("bot")
async def test_the_latest_press_in_the_modal_counts(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """An earlier one that takes longer is not shown anymore."""
    shown = await pressed(slack)
    await slack.press_in_view(view.EARLIER, shown["id"])
    await until(lambda: view.SHOW_LATER in labels(slack.views[shown["id"]]))
    middle = said(slack.views[shown["id"]])
    may_answer = fullstory.hold_contexts()
    await slack.press_in_view(view.EARLIER, shown["id"])
    await until(lambda: len(fullstory.paid) == 3)
    held = slack.views[shown["id"]]
    slack.views[shown["id"]] = shown  # the button *Earlier* is still on the screen
    await slack.press_in_view(view.EARLIER, shown["id"])
    await until(lambda: said(slack.views[shown["id"]]) == middle)
    may_answer.set()
    await settled(slack)
    assert said(slack.views[shown["id"]]) == middle
    assert held


async def test_it_was_turned_off(start_bot: StartBot, slack: SlackSandbox) -> None:
    """The buttons of earlier answers say so."""
    async with start_bot(insights=True):
        await slack.command(f"/fsessions {JANE} 3")
    async with start_bot():
        exchange = await slack.press(action_ids.INSIGHT)
        assert (await exchange.answer())["text"] == view.IS_OFF


# -- Access ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("bot")
async def test_the_button_of_another_person(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """It opens nothing, and Fullstory is not asked."""
    await slack.command(f"/fsessions {JANE} 3")
    asked = len(fullstory.received)
    await slack.press(action_ids.INSIGHT, user=AGENT)
    await until(lambda: len(slack.screen) == 2)
    assert not slack.views
    assert len(fullstory.received) == asked


async def test_who_may_not_see_sessions_anymore(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The button of an answer that is still on the screen tells nothing, and nothing is paid."""
    async with start_bot(insights=True):
        await slack.command(f"/fsessions {JANE} 3")
    async with start_bot(insights=True, allowed_users=(AGENT,)):
        shown = await press_again(slack)
    assert "aren't one of the people" in said(shown)
    assert not labels(shown)
    assert not fullstory.paid


async def test_it_is_recorded_or_not_told(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, tmp_path: Path
) -> None:
    """With AUDIT_REQUIRED and a database that hangs, nothing is shown, nor paid for."""
    file = tmp_path / "audit.db"
    await migrated(f"sqlite:///{file}")
    hasty = replace(QUICK, state=0.2, job=0.2, audit=0.3)
    settings = {"insights": True, "database_url": f"sqlite:///{file}", "audit_required": True}
    async with start_bot(hasty, **settings):
        await final(await slack.command(f"/fsessions {JANE} 3"))
        with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as locking:
            locking.execute("BEGIN EXCLUSIVE")
            shown = await press_again(slack)
    assert "could not be recorded" in said(shown)
    assert "errors" not in said(shown)
    assert not fullstory.paid


# -- Bug reports ----------------------------------------------------------------------------------


async def preview(slack: SlackSandbox, shown: dict[str, Any]) -> dict[str, Any]:
    """Press *Bug report…* in the modal, and return the preview."""
    before = set(slack.views)
    await slack.press_in_view(view.REPORT, shown["id"])
    await until(lambda: len(slack.views) > len(before))
    (view_id,) = set(slack.views) - before
    await until(lambda: sharing.PREPARING not in str(slack.views[view_id]))
    return slack.views[view_id]


def written(form: dict[str, Any]) -> str:
    """Return the text of a preview."""
    return str(form["blocks"][0]["element"]["initial_value"])


@pytest.mark.usefixtures("bot")
async def test_a_bug_report_in_the_channel(
    slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
) -> None:
    """It is previewed, changed, and posted once; it costs nothing more, and names no one."""
    form = await preview(slack, await pressed(slack))
    text = written(form)
    assert "On /checkout, pressed “Pay”" in text
    assert "Failed request (2 times): POST shop.example.net/api/payments 502" in text
    assert re.search(r"Replay: https://app\.fullstory\.com/\S+:\d{13}$", text, re.MULTILINE)
    assert JANE not in text
    assert public(slack) == []
    values = {report.TEXT: {"value": f"{text}\n<!channel> also @here https://evil.example/x"}}
    await slack.submit(form["id"], values)
    await until(lambda: bool(public(slack)))
    (posted,) = public(slack)
    assert f"<@{USER}> posted a bug report" in str(posted.message)
    assert "<!channel>" not in posted.message["text"]
    elements = posted.message["blocks"][1]["elements"][0]["elements"]
    assert {one["type"] for one in elements} == {"text", "link"}
    assert [one["url"] for one in elements if one["type"] == "link"] == [
        text.split("Replay: ")[1].split("\n")[0]
    ]
    await until(lambda: "posted in" in str(slack.screen[-1].message))
    assert len(fullstory.paid) == 1
    await until(
        lambda: [one["result"] for one in logged() if one["event"] == "audit"][-1] == "shared"
    )


@pytest.mark.usefixtures("bot")
async def test_a_bug_report_in_the_thread_of_a_ticket(slack: SlackSandbox) -> None:
    """The message from whose menu the sessions were looked up is the ticket."""
    ticket = await slack.write(f"The checkout is broken, {JANE}", channel=CHANNEL)
    await slack.message_shortcut(
        "find_sessions_from_message", ticket.as_slack_tells(), channel=CHANNEL
    )
    await until(lambda: action_ids.INSIGHT in str(slack.screen[-1].message))
    form = await preview(slack, await press_again(slack))
    values: dict[str, dict[str, Any]] = {
        report.TEXT: {"value": written(form)},
        sharing.WHERE: {"selected_option": {"value": sharing.IN_THREAD}},
    }
    await slack.submit(form["id"], values)
    await until(lambda: "posted a bug report" in str(public(slack)[-1].message))
    assert public(slack)[-1].thread_ts == ticket.ts


@pytest.mark.usefixtures("bot")
async def test_a_forwarded_ticket_is_in_no_thread_here(slack: SlackSandbox) -> None:
    """When it was written is not the name of a message in this channel."""
    ticket = await slack.write("Can you look?", channel=CHANNEL)
    forward = {"is_share": True, "ts": "1700000000.000100", "text": f"It is broken, {JANE}"}
    message = ticket.as_slack_tells() | {"attachments": [forward]}
    await slack.message_shortcut("find_sessions_from_message", message, channel=CHANNEL)
    await until(lambda: action_ids.INSIGHT in str(slack.screen[-1].message))
    form = await preview(slack, await press_again(slack))
    assert sharing.WHERE not in str(form)


@pytest.mark.usefixtures("bot")
async def test_a_bug_report_of_the_end_stays_in_the_thread(slack: SlackSandbox) -> None:
    """Whatever part of whichever session it tells of."""
    ticket = await slack.write(f"The checkout is broken, {JANE}", channel=CHANNEL)
    await slack.message_shortcut(
        "find_sessions_from_message", ticket.as_slack_tells(), channel=CHANNEL
    )
    await until(lambda: action_ids.INSIGHT in str(slack.screen[-1].message))
    shown = await press_again(slack)
    await slack.press_in_view(view.END, shown["id"])
    await until(lambda: view.SHOW_END not in labels(slack.views[shown["id"]]))
    assert sharing.WHERE in str(await preview(slack, slack.views[shown["id"]]))


@pytest.mark.usefixtures("bot")
async def test_a_preview_that_slack_does_not_show(slack: SlackSandbox) -> None:
    """The person is told, and may press again."""
    shown = await pressed(slack)
    slack.api_errors["views.update"] = "internal_error"
    await slack.press_in_view(view.REPORT, shown["id"])
    await until(lambda: slack.screen[-1].message["text"] == texts.MODAL_NOT_OPENED)


@pytest.mark.usefixtures("bot")
async def test_a_bug_report_from_a_direct_message(slack: SlackSandbox) -> None:
    """It asks for a channel."""
    await slack.write(JANE, channel=slack.direct(USER))
    await until(lambda: action_ids.INSIGHT in str(slack.screen[-1].message))
    form = await preview(slack, await press_again(slack))
    text: dict[str, Any] = {report.TEXT: {"value": "It is broken"}}
    exchange = await slack.submit(form["id"], text)
    assert exchange.ack
    assert exchange.ack["errors"] == {sharing.WHERE: sharing.NO_CHANNEL}
    where = {sharing.WHERE: {"selected_conversation": CHANNEL}}
    await slack.submit(form["id"], text | where)
    await until(lambda: any(one.channel == CHANNEL for one in public(slack)))
    (posted,) = [one for one in public(slack) if one.channel == CHANNEL]
    assert "It is broken" in str(posted.message)


# -- Steps and the terminal ------------------------------------------------------------------------


async def step(slack: SlackSandbox, **inputs: Any) -> str:  # noqa: ANN401
    """Run the step of a workflow, and return its bug report."""
    run = await slack.run_step("find_sessions_step", **inputs)
    how, outputs = await run.end()
    assert how == "success"
    assert ("report" in outputs) is ("with_report" in inputs)
    return str(outputs.get("report", ""))


@pytest.mark.usefixtures("bot")
async def test_the_report_of_a_workflow(
    slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
) -> None:
    """Only if its author wants one."""
    assert not await step(slack, person=JANE)
    assert not fullstory.paid
    text = await step(slack, person=JANE, with_report=True)
    assert "On /checkout, pressed “Pay”" in text
    assert JANE not in text
    assert await step(slack, person=JANE, with_report="true") == text
    assert len(fullstory.paid) == 1
    assert not await step(slack, person="zoe@example.com", with_report=True)
    audit = [line for line in logged() if line["event"] == "audit"]
    assert [line["entry_point"] for line in audit if line["result"] == "insight"] == [
        "workflow step",
        "workflow step",
    ]


@pytest.mark.usefixtures("bot")
async def test_a_workflow_without_a_report(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The run succeeds, and the report says why there is none."""
    fullstory.activations = 0
    assert "No bug report: This needs an Activation" in await step(
        slack, person=JANE, with_report=True
    )


async def test_a_workflow_while_insights_are_off(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Nothing is paid."""
    async with start_bot():
        text = await step(slack, person=JANE, with_report=True)
    assert text == step_texts.INSIGHTS_OFF
    assert not fullstory.paid


async def test_a_workflow_that_may_not_have_the_sessions(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Its report is empty, and nothing is paid for it."""
    async with start_bot(insights=True, allowed_users=(USER,)):
        assert not await step(slack, person=JANE, with_report=True, show_to=USER)
    assert not fullstory.paid


async def test_on_the_terminal(fullstory: FullstorySandbox) -> None:
    """A report below the table, or in the JSON; only if insights are on."""
    env = {"FULLSTORY_API_KEY": fullstory.key, "FULLSTORY_API_URL": fullstory.url}
    arguments = ("lookup", JANE, "2", "--what-happened")
    code, out, err = await run(*arguments, env=env)
    assert (code, out) == (2, "")
    assert "INSIGHTS=true" in err
    env["INSIGHTS"] = "true"
    code, out, err = await run(*arguments, env=env)
    assert (code, err) == (0, "")
    assert "4 minutes · 3 pages · 2 errors" in out
    assert "- On /checkout, pressed “Pay”" in out
    code, out, err = await run(*arguments, "--json", env=env)
    first, second = json.loads(out)
    assert [one["type"] for one in first["what_happened"]["findings"]] == [
        "exception",
        "network-error",
    ]
    assert TYPED not in out
    assert "what_happened" not in second
    assert len(fullstory.paid) == 2
    fullstory.activations = 0
    code, out, err = await run(*arguments, env=env)
    assert code == 1
    assert "Latest 2 sessions" in out
    assert "plan has none left" in err
    code, out, _ = await run("lookup", "zoe@example.com", "--what-happened", env=env)
    assert (code, out.startswith("No sessions")) == (0, True)


# -- Hostile pages --------------------------------------------------------------------------------


HOSTILE = (
    "<!channel> <@U1> <https://evil.example|Pay> `x` *bold* :fire: \u202egnp.exe \x00"
    " bob@customer.example?token=s3cret&x=<b>"
)


@pytest.mark.usefixtures("bot")
async def test_a_hostile_page(
    slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
) -> None:
    """Every field of the reply is hostile: only the allow-list is shown, escaped."""
    secret = "s3cret-5550100"
    kinds = ("click", "exception", "network-error", "rage-click", "custom", "input-change")
    events = [
        {
            "type": kind,
            "timestamp": f"2026-11-28T12:00:0{number}Z",
            "description": HOSTILE,
            "content": secret,
            "screenshot_url": secret,
            "properties": {
                "fs-button-name": HOSTILE,
                "fs-input-value": secret,
                "email": secret,
                "other": {"deep": secret},
            },
        }
        for number, kind in enumerate(kinds)
    ]
    reply = {
        "context_data": {
            "context": {
                "user_context": {"email": secret, "display_name": secret},
                "location_context": {"city": secret},
                "device_context": {"browser": HOSTILE, "operating_system": HOSTILE},
            },
            "pages": [{"url": f"https://x/{HOSTILE}?{secret}", "title": secret, "events": events}],
        }
    }
    fullstory.script_of_contexts.append(Scripted(body=json.dumps(reply).encode()))
    shown = await pressed(slack, "omar@example.com")
    form = await preview(slack, shown)
    for text in (json.dumps(shown), json.dumps(form), json.dumps(logged())):
        for hidden in (secret, "bob@", "s3cret", "\\u202e"):
            assert hidden not in text
    markup = said(shown)
    assert not re.search(r"<(?!!date\^)", markup)
    assert "&lt;!channel&gt;" in markup
