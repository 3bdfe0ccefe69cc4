"""What is not typed exactly: understood all the same, said, or proposed as a press."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.slack import action_ids, texts
from bot.slack.blocks import context
from tests.conftest import until
from tests.scenarios.answers import labels

pytestmark = pytest.mark.usefixtures("bot")


async def answer(slack: SlackSandbox, text: str) -> dict[str, Any]:
    """Return the answer to a command."""
    exchange = await slack.command(f"/fsessions {text}")
    return exchange.ack if exchange.ack and "text" in exchange.ack else await exchange.answer()


def last_line(shown: dict[str, Any]) -> str:
    """Return the small line below an answer."""
    text: str = shown["blocks"][-1]["elements"][0]["text"]
    return text


async def test_words_that_are_not_understood_are_named(slack: SlackSandbox) -> None:
    """Below the sessions; polite words are not."""
    shown = await answer(slack, "please show me ticket #4711 of jane@example.com last 5")
    assert shown["text"].startswith("Latest 5 sessions of jane@example.com")
    assert last_line(shown) == "I didn't use: ticket #4711"
    shown = await answer(slack, "show me jane@example.com sessions please")
    assert shown["blocks"][-1]["type"] == "actions"


async def test_capitals(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Nothing is found as typed; the address in small letters is tried, and that is said."""
    shown = await answer(slack, "Jane@Example.com 3")
    assert shown["text"].startswith("Latest 3 sessions of jane@example.com")
    assert "as typed; these are of the address jane@example.com" in last_line(shown)
    assert len(fullstory.received) == 3


async def test_an_address_that_is_a_uid(slack: SlackSandbox) -> None:
    """The other way round is tried as well."""
    shown = await answer(slack, "uid:jane@example.com 3")
    assert shown["text"].startswith("Latest 3 sessions of jane@example.com")


async def test_other_spellings_that_fail(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """The answer is that nothing was found as typed."""
    fullstory.script.append(Scripted(200, b'{"sessions":[]}'))
    fullstory.always = Scripted(401, b"{}")
    shown = await answer(slack, "Zoe@example.com")
    assert shown["text"].startswith("No sessions found for Zoe@example.com")


async def test_a_slip_in_the_domain(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """What was typed is looked up; what was probably meant is a press."""
    shown = await answer(slack, "lee@gmial.com")
    assert "Did you mean: lee@gmail.com?" in shown["text"]
    assert labels(slack.screen[-1])[0] == "Search lee@gmail.com"
    pressed = await slack.press(f"{action_ids.CHOOSE}:0", slack.screen[-1])
    await pressed.answer()
    assert {"email": "lee@gmail.com", "limit": "20"} in [one.query for one in fullstory.received]


async def test_a_proposal_is_a_press(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Nothing is looked up before."""
    await answer(slack, "customer user-42 can't pay")
    assert labels(slack.screen[-1]) == ["Search uid user-42", "Edit…"]
    assert fullstory.received == []
    pressed = await slack.press(f"{action_ids.CHOOSE}:0", slack.screen[-1])
    assert "user-42" in (await pressed.answer())["text"]


async def test_edit_opens_the_form_with_what_was_typed(slack: SlackSandbox) -> None:
    """So that no one types it again on a phone."""
    await answer(slack, "jane@exam")
    await slack.press(action_ids.EDIT, slack.screen[-1])
    await until(lambda: bool(slack.views))
    assert '"initial_value": "jane@exam"' in json.dumps(list(slack.views.values()))


async def test_a_link_to_a_session(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """It is that session; of other links no one is guessed."""
    link = "https://app.fullstory.com/ui/ORG/session/1%3A2"
    shown = await answer(slack, f"<{link}>")
    assert shown["blocks"][-1]["elements"][0]["url"] == link
    shown = await answer(slack, "<https://acme.zendesk.com/agent/tickets/4711>")
    assert "I can't read tickets" in shown["text"]
    assert fullstory.received == []


async def test_two_people(slack: SlackSandbox) -> None:
    """A press for each, with the limit and the time that were typed."""
    shown = await answer(slack, "jane@example.com omar@example.com 1")
    assert shown["text"] == texts.CHOOSE
    assert labels(slack.screen[-1]) == ["jane@example.com", "omar@example.com"]
    pressed = await slack.press(f"{action_ids.CHOOSE}:1", slack.screen[-1])
    assert (await pressed.answer())["text"].startswith("Latest session of omar@example.com")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("jane@example.com or omar@example.com frob", texts.not_used("frob")),
        (
            "jane@example.com or omar@example.com frob yesterday at 9",
            texts.not_used("frob yesterday at 9"),
        ),
        ("jane@example.com or omar@example.com at:banana", texts.unclear_time("banana")),
        ("jane@example.com yesterday at 9 frob", texts.not_used("frob")),
    ],
)
async def test_a_choice_names_what_it_does_not_use(
    slack: SlackSandbox, typed: str, said: str
) -> None:
    """Nothing that was typed is dropped without a word."""
    shown = await answer(slack, typed)
    assert shown["blocks"][-1] == context(said)
