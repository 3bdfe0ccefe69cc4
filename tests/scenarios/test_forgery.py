"""Buttons and windows that are another person's, forged, changed, or of another kind.

Each is refused in words, and recorded.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from bot.core.access import DenialReason
from bot.core.outcomes import denial
from bot.features import search_form as form_feature
from bot.features import share as share_feature
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, PARTNER, USER, Shown
from bot.service import Service
from bot.slack import action_ids
from bot.slack.search_modal import FORM
from tests.conftest import Logged, StartBot, until
from tests.scenarios.answers import JANE, asked, public, share_window


@pytest.fixture
async def answer(slack: SlackSandbox, fullstory: FullstorySandbox, bot: Service) -> Shown:
    """Return an answer; from now on, nothing more is asked of Fullstory."""
    assert bot.state() == "ready"
    shown = await asked(slack)
    fullstory.received.clear()
    return shown


@pytest.fixture
async def refused(
    slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
) -> AsyncIterator[list[tuple[str, str]]]:
    """Fill in who was refused for what: it must be recorded, and nothing looked up or shared."""
    expected: list[tuple[str, str]] = []
    yield expected
    recorded = [
        (line["user"], line["reason"])
        for line in logged()
        if line["event"] == "audit" and line["result"] == "refused"
    ]
    assert recorded == expected
    assert fullstory.received == []
    assert public(slack) == []


def with_value(shown: Shown, action_id: str, value: str) -> None:
    """Put another value into a button."""
    for block in shown.message["blocks"]:
        for element in block.get("elements", []):
            if element.get("action_id") == action_id:
                element["value"] = value


def value_of(shown: Shown, action_id: str) -> str:
    """Return the value of a button."""
    return next(
        str(element["value"])
        for block in shown.message["blocks"]
        for element in block.get("elements", [])
        if element.get("action_id") == action_id
    )


def told(slack: SlackSandbox) -> str:
    """All messages and windows, as they are now."""
    return json.dumps([[one.message for one in slack.screen], slack.views], ensure_ascii=False)


@pytest.mark.parametrize("presser", [AGENT, PARTNER])
@pytest.mark.parametrize("action", [action_ids.SHOW_MORE, action_ids.SHARE])
async def test_a_press_by_another_person(
    slack: SlackSandbox,
    answer: Shown,
    refused: list[tuple[str, str]],
    action: str,
    presser: str,
) -> None:
    """A colleague or a stranger: the answer belongs to who asked."""
    await slack.press(action, answer, user=presser)
    await until(lambda: denial(DenialReason.WRONG_USER).what in told(slack))
    refused.append((presser, "wrong_user"))


@pytest.mark.parametrize(
    ("action", "source"),
    [
        (action_ids.SHARE, action_ids.SHOW_MORE),
        (action_ids.SHOW_MORE, action_ids.SHARE),
    ],
)
async def test_a_value_of_another_kind_of_button(
    slack: SlackSandbox,
    answer: Shown,
    refused: list[tuple[str, str]],
    action: str,
    source: str,
) -> None:
    """What was made to look again shares nothing, and the reverse."""
    with_value(answer, action, value_of(answer, source))
    await slack.press(action, answer)
    await until(lambda: denial(DenialReason.OUTDATED).what in told(slack))
    refused.append((USER, "outdated"))


@pytest.mark.parametrize(
    ("old", "new"), [(JANE, "omar@example.com"), ("[20,", "[99,"), ("148.", "999.")]
)
async def test_a_changed_value(
    slack: SlackSandbox, answer: Shown, refused: list[tuple[str, str]], old: str, new: str
) -> None:
    """Another person, another number, another age."""
    value = value_of(answer, action_ids.SHOW_MORE)
    if old == "148.":
        old = value[32:].partition(".")[0] + "."
    assert old in value
    with_value(answer, action_ids.SHOW_MORE, value.replace(old, new))
    await slack.press(action_ids.SHOW_MORE, answer)
    await until(lambda: denial(DenialReason.OUTDATED).what in told(slack))
    refused.append((USER, "outdated"))


@pytest.mark.usefixtures("bot")
async def test_a_form_with_changed_metadata(
    slack: SlackSandbox, refused: list[tuple[str, str]]
) -> None:
    """Such as another channel."""
    await slack.shortcut("find_sessions")
    await until(lambda: bool(slack.views))
    ((view_id, view),) = slack.views.items()
    view["private_metadata"] += "C0OTHER"
    await slack.submit(view_id, {"person": {"value": JANE}})
    assert form_feature.OUTDATED in str(slack.views[view_id])
    refused.append((USER, "outdated"))


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("sender", [AGENT, PARTNER])
async def test_a_form_of_another_person(
    slack: SlackSandbox, refused: list[tuple[str, str]], sender: str
) -> None:
    """A window is for who opened it."""
    await slack.shortcut("find_sessions")
    await until(lambda: bool(slack.views))
    (view_id,) = slack.views
    await slack.submit(view_id, {"person": {"value": JANE}}, user=sender)
    assert form_feature.OUTDATED in str(slack.views[view_id])
    refused.append((sender, "wrong_user"))


@pytest.mark.usefixtures("bot")
async def test_a_new_search_in_another_persons_window(
    slack: SlackSandbox, fullstory: FullstorySandbox, refused: list[tuple[str, str]]
) -> None:
    """They get no form."""
    await slack.shortcut("find_sessions")
    await until(lambda: bool(slack.views))
    (view_id,) = slack.views
    await slack.submit(view_id, {"person": {"value": JANE}})
    fullstory.received.clear()
    await slack.press_in_view(action_ids.NEW_SEARCH, view_id, user=AGENT)
    await until(lambda: form_feature.OUTDATED in str(slack.views[view_id]))
    refused.append((AGENT, "wrong_user"))


@pytest.mark.parametrize("number", ["99", "-1", "abc", "999999999999"])
async def test_a_session_that_is_not_in_the_window(
    slack: SlackSandbox, answer: Shown, number: str
) -> None:
    """Nothing is shared, and the person is told so."""
    view_id = await share_window(slack, answer)
    which = {"selected_option": {"value": number}}
    await slack.submit(view_id, {"which": which})
    await until(lambda: share_feature.SESSIONS_CHANGED in told(slack))
    assert public(slack) == []


async def test_a_share_window_in_the_place_of_a_form(
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    answer: Shown,
    refused: list[tuple[str, str]],
) -> None:
    """What one window remembers is of no use in another."""
    view_id = await share_window(slack, answer)
    fullstory.received.clear()
    slack.views[view_id]["callback_id"] = FORM
    await slack.submit(view_id, {"person": {"value": JANE}})
    assert form_feature.OUTDATED in str(slack.views[view_id])
    refused.append((USER, "outdated"))


async def test_a_new_token_kills_no_answer(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Buttons are signed with another secret."""
    async with start_bot():
        shown = await asked(slack)
    slack.bot_token = "xoxb-a-new-one"
    async with start_bot():
        await slack.press(action_ids.SHOW_MORE, shown)
        await until(lambda: "20 sessions" in str(shown.message) or "20" in str(shown.message))


@pytest.mark.parametrize("again", ["one", "new,one", "new"])
async def test_a_rotated_key(
    start_bot: StartBot, slack: SlackSandbox, again: str, logged: Logged
) -> None:
    """Buttons work while their key is in `SECRET_KEYS`, at any place."""
    keys = {"one": "1" * 32, "new": "2" * 32}
    async with start_bot(secret_keys=keys["one"]):
        shown = await asked(slack)
    async with start_bot(secret_keys=",".join(keys[one] for one in again.split(","))):
        await slack.press(action_ids.SHOW_MORE, shown)
        expected = denial(DenialReason.OUTDATED).what if again == "new" else "*jane@example.com*"
        await until(lambda: expected in told(slack))
    assert ("outdated" in str(logged())) == (again == "new")
