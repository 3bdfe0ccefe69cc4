"""The buttons on an answer and its menu: more, again, away, help."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bot.core.access import DenialReason
from bot.core.outcomes import denial
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import DIRECT, USER, Shown
from bot.slack import action_ids, texts
from tests.conftest import StartBot, until
from tests.scenarios.answers import JANE, labels, links, refresh

pytestmark = pytest.mark.usefixtures("bot")
MENU = ["⋯ Refresh", "⋯ How to search"]


@pytest.fixture
async def answer(bot: Any, slack: SlackSandbox) -> Shown:  # noqa: ANN401, ARG001
    """Return an answer on the asker's screen."""
    await slack.command("/fsessions jane@example.com 3")
    await until(lambda: len(links(slack.screen[-1])) == 3)
    # On a slow machine, a progress message is above it.
    slack.screen[:] = slack.screen[-1:]
    assert slack.screen[0].user == USER
    return slack.screen[0]


async def test_what_an_answer_offers(slack: SlackSandbox, answer: Shown) -> None:
    """More only where there may be more; a new search where there is nothing."""
    assert labels(answer) == ["Show all 20", "Share…", *MENU]
    await slack.command("/fsessions omar@example.com 3")
    assert labels(slack.screen[-1]) == ["Share…", *MENU]
    await slack.command("/fsessions zoe@example.com")
    assert labels(slack.screen[-1]) == ["Search again", "Why?"]
    await slack.command("/fsessions fan@example.com 100")
    assert labels(slack.screen[-1]) == ["Share…", *MENU]


async def test_a_person_whose_name_is_too_long_for_a_menu(slack: SlackSandbox) -> None:
    """Its values hold 150 characters: what doesn't fit is a button."""
    long = f"{'j' * 60}@{'example.' * 15}com"
    await slack.command(f"/fsessions {long} uid:user-42 3")
    assert labels(slack.screen[-1]) == ["Show all 20", "Share…", "Refresh", "⋯ How to search"]
    await refresh(slack, slack.screen[-1])
    await until(lambda: slack.screen[-1].message.get("replace_original", False))
    assert len(links(slack.screen[-1])) == 3


async def test_show_more(slack: SlackSandbox, answer: Shown) -> None:
    """In the place of the answer, up to the maximum."""
    await slack.press("show_more", answer)
    await until(lambda: len(links(answer)) == 20)
    assert labels(answer) == ["Show more", "Share…", *MENU]
    await slack.press("show_more", answer)
    await until(lambda: len(links(answer)) == 28)
    assert labels(answer) == ["Share…", *MENU]
    assert slack.screen == [answer]


async def test_refresh(slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown) -> None:
    """Asks Fullstory again."""
    await refresh(slack, answer)
    await until(lambda: len(fullstory.received) == 2)
    await until(lambda: answer.message.get("replace_original", False))
    assert len(links(answer)) == 3
    assert slack.screen == [answer]


async def test_dismiss(slack: SlackSandbox) -> None:
    """In direct messages, where Slack has no such thing; it is gone, however old it is."""
    await slack.write(JANE, channel=DIRECT)
    await until(lambda: len(slack.screen) == 2)
    shown = slack.screen[1]
    assert labels(shown) == ["Show all 20", "Share…", "⋯ Refresh", "⋯ Dismiss", "⋯ How to search"]
    shown.ts = f"{slack.clock() - 7200:.6f}"
    await slack.press(action_ids.ANSWER_MENU, shown, option="dismiss")
    await until(lambda: len(slack.screen) == 1)


@pytest.mark.parametrize("status", [404, 500])
async def test_dismiss_where_a_response_url_fails(slack: SlackSandbox, status: int) -> None:
    """The message is deleted another way."""
    await slack.write(JANE, channel=DIRECT)
    await until(lambda: len(slack.screen) == 2)
    slack.response_status = status
    await slack.press(action_ids.ANSWER_MENU, slack.screen[1], option="dismiss")
    await until(lambda: len(slack.screen) == 1)
    assert "chat.delete" in slack.api_calls


async def test_a_refreshed_direct_message_can_still_be_dismissed(slack: SlackSandbox) -> None:
    """It stays a direct message."""
    await slack.write(JANE, channel=DIRECT)
    await until(lambda: len(slack.screen) == 2)
    await refresh(slack, slack.screen[1])
    await until(lambda: slack.screen[1].message.get("replace_original", False))
    assert "⋯ Dismiss" in labels(slack.screen[1])


async def test_how_to_ask(slack: SlackSandbox, answer: Shown) -> None:
    """A window with all that can be typed; the answer stays."""
    await slack.press(action_ids.ANSWER_MENU, answer, option="help")
    await until(lambda: bool(slack.views))
    assert "uid:user-42" in str(slack.views)
    assert slack.screen == [answer]


async def test_no_sessions(slack: SlackSandbox) -> None:
    """Why that can be, and the form with the person filled in."""
    await slack.command("/fsessions zoe@example.com")
    await slack.press(action_ids.WHY)
    await until(lambda: len(slack.views) == 1)
    assert "another spelling" in str(slack.views)
    slack.views.clear()
    await slack.press(action_ids.SEARCH_AGAIN)
    await until(lambda: bool(slack.views))
    (view,) = slack.views.values()
    fields = {block["block_id"]: block["element"] for block in view["blocks"]}
    assert fields["person"]["initial_value"] == "zoe@example.com"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("hepl", texts.MEANT_HELP),
        ("janeexample.com", "There is no @ in janeexample.com"),
        ("banana", "I searched for the uid “banana”"),
        ("user-9999", texts.NONE_FOUND),
    ],
)
async def test_slips(slack: SlackSandbox, typed: str, said: str) -> None:
    """What was typed is looked up; where there is nothing, the likely typo is asked about."""
    exchange = await slack.command(f"/fsessions {typed}")
    assert said in json.dumps(exchange.ack, ensure_ascii=False)


async def test_a_failure_can_be_tried_again(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
) -> None:
    """The answer is a press away, when Fullstory is back."""
    fullstory.script.extend([Scripted(503)] * 10)
    await refresh(slack, answer)
    await until(lambda: "trouble answering" in answer.message["text"])
    assert labels(answer) == ["Try again"]
    fullstory.script.clear()
    await refresh(slack, answer)
    await until(lambda: len(links(answer)) == 3)


async def test_where_trying_again_cannot_help(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
) -> None:
    """There is no button that says so."""
    fullstory.script.append(Scripted(403))
    await refresh(slack, answer)
    await until(lambda: "isn't allowed" in answer.message["text"])
    assert labels(answer) == []


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        ("U0ADMIN123", "please tell <@U0ADMIN123>."),
        ("<#C0HELP1|help>", "please tell <#C0HELP1>."),
        ("the help desk (ext. 42) & co", "please tell the help desk (ext. 42) &amp; co."),
    ],
)
async def test_errors_name_who_can_fix_them(
    start_bot: StartBot,
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    contact: str,
    said: str,
) -> None:
    """Is named where it needs a person (`ADMIN_CONTACT`)."""
    fullstory.always = Scripted(401)
    async with start_bot(admin_contact=contact):
        exchange = await slack.command(f"/fsessions {JANE}")
    assert exchange.ack
    assert said in exchange.ack["blocks"][0]["text"]["text"]


async def test_an_old_answer(slack: SlackSandbox, answer: Shown) -> None:
    """Its buttons work for a month: each press brings a response_url of its own."""
    answer.ts = f"{slack.clock() - 29 * 24 * 3600:.6f}"
    await refresh(slack, answer)
    await until(lambda: answer.message.get("replace_original", False))
    assert len(links(answer)) == 3


@pytest.mark.parametrize("value", ["", "x", "0" * 32 + '[3,"jane@example.com"]', "\ud800"])
async def test_a_value_of_another_version(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown, value: str
) -> None:
    """Or one that was signed with another secret: the person is told what to do."""
    for block in answer.message["blocks"]:
        for button in block.get("elements", []):
            button["value"] = value
    exchange = await slack.press("show_more", answer)
    assert (await exchange.answer())["text"] == denial(DenialReason.OUTDATED).what
    assert len(links(answer)) == 3
    assert len(fullstory.received) == 1


@pytest.mark.parametrize("button", ["answer_menu", "show_more", "share"])
async def test_another_persons_answer(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown, button: str
) -> None:
    """Who did not ask is told to ask for themselves; the answer stays as it is."""
    before = answer.message
    exchange = await slack.press(button, answer, user="U0OTHER")
    assert (await exchange.answer())["text"] == denial(DenialReason.WRONG_USER).what
    assert answer.message is before
    assert len(fullstory.received) == 1


async def test_a_value_that_was_tampered_with(slack: SlackSandbox, answer: Shown) -> None:
    """The seal is over whose sessions it is."""
    text = json.dumps(answer.message).replace("jane@", "omar@")
    answer.message = json.loads(text)
    exchange = await refresh(slack, answer)
    assert (await exchange.answer())["text"] == denial(DenialReason.OUTDATED).what


async def test_nothing_hides_in_a_button(answer: Shown) -> None:
    """Its value names the people in the message, and not who asked."""
    (row,) = [block["elements"] for block in answer.message["blocks"] if block["type"] == "actions"]
    values = [button["value"] for button in row]
    menu = answer.message["blocks"][0]["accessory"]["options"]
    values.append(menu[0]["value"].removeprefix("refresh "))
    shown = r',null,null,\[\d+(?:\.\d+)?,"[0-9a-f]{16}"\]'
    for value in values:
        fields = rf'\[\d+,"jane@example.com"(?:{shown})?\]'
        assert re.fullmatch(rf"[\w-]{{32}}[0-9a-f]+\.{fields}", value)


class TestSlow:
    """A press whose lookup takes longer than the budget."""

    @pytest.fixture
    async def bot(self, start_bot: StartBot) -> Any:  # noqa: ANN401 - a generator of the service
        """Yield a bot that waits a tenth of a second."""
        async with start_bot(answer_budget_seconds=0.1) as service:
            yield service

    async def test_the_message_says_so_meanwhile(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """In the same place, all the time."""
        held = fullstory.hold()
        await refresh(slack, answer)
        await until(lambda: answer.message["text"] == texts.STILL_LOOKING)
        held.set()
        await until(lambda: len(links(answer)) == 3)
        assert slack.screen == [answer]
