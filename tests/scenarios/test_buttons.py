"""The buttons on an answer: more, again, share, away; over both transports."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import USER, Shown
from bot.slack.ui import wording
from tests.conftest import StartBot, until

pytestmark = pytest.mark.usefixtures("bot")


def links(shown: Shown) -> list[str]:
    """All addresses in a message's blocks."""
    return re.findall(r"https://[^|^>\"]*", json.dumps(shown.message["blocks"]))


def labels(shown: Shown) -> list[str]:
    """What its buttons say."""
    rows = [block["elements"] for block in shown.message["blocks"] if block["type"] == "actions"]
    return [button["text"]["text"] for row in rows for button in row]


@pytest.fixture
async def answer(bot: Any, slack: SlackSandbox) -> Shown:  # noqa: ANN401, ARG001
    """An answer on the asker's screen."""
    await slack.command("/fsessions jane@example.com 3")
    (shown,) = slack.screen
    assert shown.user == USER
    return shown


async def test_what_an_answer_offers(slack: SlackSandbox, answer: Shown) -> None:
    """More only where there may be more; sharing only where there is something to share."""
    assert labels(answer) == ["Show more", "Refresh", "Share…", "Dismiss"]
    await slack.command("/fsessions omar@example.com 3")
    assert labels(slack.screen[-1]) == ["Refresh", "Share…", "Dismiss"]
    await slack.command("/fsessions zoe@example.com")
    assert labels(slack.screen[-1]) == ["Refresh", "Dismiss"]
    await slack.command("/fsessions fan@example.com 100")
    assert labels(slack.screen[-1]) == ["Refresh", "Share…", "Dismiss"]


async def test_show_more(slack: SlackSandbox, answer: Shown) -> None:
    """In the place of the answer, up to the maximum."""
    await slack.press("show_more", answer)
    await until(lambda: len(links(answer)) == 23)
    await slack.press("show_more", answer)
    await until(lambda: len(links(answer)) == 28)
    assert labels(answer) == ["Refresh", "Share…", "Dismiss"]
    assert slack.screen == [answer]


async def test_refresh(slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown) -> None:
    """Asks Fullstory once more."""
    await slack.press("refresh", answer)
    await until(lambda: len(fullstory.received) == 2)
    await until(lambda: len(links(answer)) == 3)
    assert slack.screen == [answer]


async def test_dismiss(slack: SlackSandbox, answer: Shown) -> None:
    """It is gone, however old it is."""
    now = slack.clock()
    answer.ts = f"{now - 7200:.6f}"
    await slack.press("dismiss", answer)
    await until(lambda: slack.screen == [])


@pytest.mark.parametrize(("button", "named"), [("share_named", True), ("share_unnamed", False)])
async def test_share(slack: SlackSandbox, answer: Shown, button: str, named: bool) -> None:  # noqa: FBT001
    """Asks first, in place; then posts once, for everybody, by whom it was shared."""
    await slack.press("share", answer)
    await until(lambda: "Everyone in" in answer.message["text"])
    question = json.dumps(answer.message)
    assert "<#C0SUPPORT>" in question
    assert "jane@example.com" in question
    assert labels(answer) == ["Share with the name", "Share without the name", "Don't share"]
    assert slack.screen == [answer]
    await slack.press(button, answer)
    await until(lambda: len(slack.screen) == 2)
    post = slack.screen[1]
    assert post.user == ""
    assert len(links(post)) == 3
    assert ("jane@example.com" in json.dumps(post.message)) == named
    assert f"Shared by <@{USER}>" in json.dumps(post.message)
    assert labels(post) == []
    await until(lambda: "are shared" in answer.message["text"])
    assert labels(answer) == ["Back to the sessions"]
    await slack.press("refresh", answer)
    await until(lambda: len(links(answer)) == 3)
    assert len(slack.screen) == 2


async def test_what_is_shared_names_the_time(slack: SlackSandbox) -> None:
    """In a shared answer, "this message" would be the answer itself."""
    written = slack.clock() - 3600
    message = {"text": "jane@example.com", "ts": f"{written:.6f}"}
    exchange = await slack.message_shortcut("find_sessions_from_message", message)
    await exchange.answer()
    (shown,) = slack.screen
    assert "before this message" in json.dumps(shown.message)
    await slack.press("share", shown)
    await until(lambda: "Don't share" in labels(shown))
    await slack.press("share_named", shown)
    await until(lambda: len(slack.screen) == 2)
    assert f"before <!date^{int(written)}^" in json.dumps(slack.screen[1].message)


async def test_not_sharing_after_all(slack: SlackSandbox, answer: Shown) -> None:
    """The answer comes back."""
    await slack.press("share", answer)
    await until(lambda: "Don't share" in labels(answer))
    await slack.press("refresh", answer)
    await until(lambda: len(links(answer)) == 3)
    assert slack.screen == [answer]


async def test_share_in_a_thread(slack: SlackSandbox, answer: Shown) -> None:
    """Where the answer stood."""
    answer.thread_ts = "1700000000.000100"
    await slack.press("share", answer)
    await until(lambda: "Don't share" in labels(answer))
    await slack.press("share_named", answer)
    await until(lambda: len(slack.screen) == 2)
    assert slack.screen[1].thread_ts == "1700000000.000100"


async def test_share_in_a_direct_message(slack: SlackSandbox, answer: Shown) -> None:
    """It has no name: "this conversation"."""
    await slack.press("share", answer, channel="D0BETWEEN")
    await until(lambda: "Everyone in this conversation" in answer.message["text"])


async def test_a_double_press_shares_once(slack: SlackSandbox, answer: Shown) -> None:
    """Two presses at the same time, and one later."""
    await slack.press("share", answer)
    await until(lambda: "Don't share" in labels(answer))
    question = Shown(answer.message, answer.ts, answer.user)
    slack.screen.append(question)
    await asyncio.gather(*(slack.press("share_named", question) for _ in range(3)))
    await until(lambda: "are shared" in str(slack.screen))
    await asyncio.sleep(0.2)
    assert len([one for one in slack.screen if one.user == ""]) == 1


async def test_a_share_that_slack_may_have_taken(slack: SlackSandbox, answer: Shown) -> None:
    """Not sent again: the person is asked to look."""
    await slack.press("share", answer)
    await until(lambda: "Don't share" in labels(answer))
    slack.response_statuses.extend([200, 500])
    exchange = await slack.press("share_named", answer)
    await until(lambda: answer.message["text"] == wording.MAYBE_SHARED)
    assert exchange.uses == 3


async def test_a_share_that_slack_refused(slack: SlackSandbox, answer: Shown) -> None:
    """Told as what it is."""
    await slack.press("share", answer)
    await until(lambda: "Don't share" in labels(answer))
    slack.response_statuses.extend([200, 400])
    await slack.press("share_named", answer)
    await until(lambda: answer.message["text"] == wording.NOT_SHARED)


async def test_nothing_can_be_pressed_while_it_is_being_shared(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
) -> None:
    """And who pressed "Share…" a second time meanwhile does not share twice."""
    old = Shown(answer.message, answer.ts, answer.user)
    slack.screen.append(old)
    await slack.press("share", answer)
    await until(lambda: "Don't share" in labels(answer))
    looked_up = fullstory.hold()
    await slack.press("share_named", answer)
    await until(lambda: answer.message["text"] == wording.SHARING)
    assert labels(answer) == []
    await slack.press("share", old)
    looked_up.set()
    await until(lambda: "are shared" in answer.message["text"])
    assert len([one for one in slack.screen if one.user == ""]) == 1


async def test_a_failure_can_be_tried_again(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
) -> None:
    """The answer is a press away, when Fullstory is back."""
    fullstory.script.append(Scripted(403))
    await slack.press("refresh", answer)
    await until(lambda: "isn't allowed" in answer.message["text"])
    assert labels(answer) == ["Try again", "Dismiss"]
    await slack.press("refresh", answer)
    await until(lambda: len(links(answer)) == 3)


async def test_fullstory_fails_while_sharing(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
) -> None:
    """Nothing is posted; the reason is for the one who pressed, who may try again."""
    await slack.press("share", answer)
    await until(lambda: "Don't share" in labels(answer))
    question = answer.message
    fullstory.script.append(Scripted(403))
    await slack.press("share_named", answer)
    await until(lambda: "isn't allowed" in answer.message["text"])
    assert slack.screen == [answer]
    answer.message = question
    await slack.press("share_named", answer)
    await until(lambda: len([one for one in slack.screen if one.user == ""]) == 1)


async def test_an_old_answer(slack: SlackSandbox, answer: Shown) -> None:
    """Its buttons work: each press brings a response_url of its own, however old the message is."""
    answer.ts = f"{slack.clock() - 40 * 24 * 3600:.6f}"
    await slack.press("refresh", answer)
    await until(lambda: answer.message.get("replace_original", False))
    assert len(links(answer)) == 3


@pytest.mark.parametrize(
    "value", ["", "x", "0" * 16 + '["jane@example.com",null,3,null]', "\ud800"]
)
async def test_a_value_of_another_version(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown, value: str
) -> None:
    """Or one that was sealed with another secret: the person is told what to do."""
    for block in answer.message["blocks"]:
        for button in block.get("elements", []):
            button["value"] = value
    exchange = await slack.press("refresh", answer)
    assert (await exchange.answer())["text"] == wording.OUTDATED
    assert len(links(answer)) == 3
    assert len(fullstory.received) == 1


@pytest.mark.parametrize("button", ["refresh", "show_more", "share"])
async def test_somebody_elses_answer(
    slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown, button: str
) -> None:
    """Who did not ask is told to ask for themselves; the answer stays as it is."""
    before = answer.message
    exchange = await slack.press(button, answer, user="U0OTHER")
    assert (await exchange.answer())["text"] == wording.NOT_YOURS
    assert answer.message is before
    assert len(fullstory.received) == 1


async def test_a_value_that_was_tampered_with(slack: SlackSandbox, answer: Shown) -> None:
    """The seal is over whose sessions it is."""
    text = json.dumps(answer.message).replace("jane@", "omar@")
    answer.message = json.loads(text)
    exchange = await slack.press("refresh", answer)
    assert (await exchange.answer())["text"] == wording.OUTDATED


async def test_nothing_hides_in_a_button(answer: Shown) -> None:
    """Its value names whom the message names, and not who asked."""
    rows = [block["elements"] for block in answer.message["blocks"] if block["type"] == "actions"]
    for button in rows[0]:
        fields = r'\["jane@example.com",null,\d+,null,(?:null|\[\d+(?:\.\d+)?,"[0-9a-f]{16}"\])\]'
        assert re.fullmatch(rf"[0-9a-f]{{32}}{fields}", button["value"])


class TestSlow:
    """A press whose lookup takes longer than the budget."""

    @pytest.fixture
    async def bot(self, start_bot: StartBot) -> Any:  # noqa: ANN401 - a generator of the service
        """A bot that waits a tenth of a second."""
        async with start_bot(answer_budget_seconds=0.1) as service:
            yield service

    async def test_the_message_says_so_meanwhile(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """In the same place, all the time."""
        fullstory.script.append(Scripted(200, b"[]", seconds=0.5))
        await slack.press("refresh", answer)
        await until(lambda: answer.message["text"] == wording.STILL_LOOKING)
        await until(lambda: "No sessions of" in answer.message["text"])
        assert slack.screen == [answer]
