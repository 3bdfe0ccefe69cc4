"""Real messages and texts, and the people each names: `tests/corpus`, through every way to ask.

A case has a `name`, its `source`, and the people it `names`: e-mails, and uids as `uid:…`. It is a
`message` as Slack sends it, or a message's `text`, or a text that is `typed` for the bot. A typed
text may have a `limit` and a time, `at`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest

from bot.cli.lookup import run as run_lookup
from bot.core.query import Limits, Search, Several
from bot.core.words import plain_text
from bot.features.message_shortcut import FIND_SESSIONS_FROM_MESSAGE
from bot.features.workflow_step import FIND_SESSIONS_STEP
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.settings import settings_for
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import BOT_USER, TICKETS, USER
from bot.slack import action_ids, texts
from bot.slack.typed_text import parse
from tests.conftest import StartBot, until
from tests.scenarios.answers import labels

Case = dict[str, Any]

CASES: Final[list[Case]] = [
    case
    for file in sorted((Path(__file__).parents[1] / "corpus").glob("*.json"))
    for case in json.loads(file.read_text())
]
MESSAGES: Final = [case for case in CASES if "message" in case or "text" in case]
TYPED: Final = [case for case in CASES if "typed" in case]
CHANNELS: Final = [f"C0CORPUS{number}" for number in range(len(MESSAGES))]
"""A support channel for each message: there are ten offers a minute in one."""
INTERNAL: Final = ("ourcompany.example",)
USERS: Final = [f"U0CORPUS{number}" for number in range(len(CASES))]
"""A user for each case: Slack takes one direct message a second to one person."""


class Reader:
    """A bot, and what comes of a case: who it asks Fullstory for, or lets people choose from."""

    def __init__(self, slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
        self._slack = slack
        self._fullstory = fullstory

    async def read(self, case: Case, way: str) -> list[str]:
        """Ask in a way, such as `offer`; gives the names, sorted."""
        self.said = ""
        self._slack.screen.clear()
        self._slack.views.clear()
        self._fullstory.received.clear()
        await getattr(self, way)(case)
        if way == "terminal" and texts.CHOOSE_TIME in self.said:
            return sorted(case["names"])  # it asks for one of the times
        if texts.CHOOSE_TIME in self._shown():
            await self._choose_first()
        asked = [one.query for one in self._fullstory.received]
        if asked:
            emails = [one["email"] for one in asked if "email" in one]
            return sorted(emails + [f"uid:{one['uid']}" for one in asked if "uid" in one])
        choices = self._choices() if texts.CHOOSE in self._shown() else []
        return sorted(re.sub(r"^uid ", "uid:", choice) for choice in choices)

    def _shown(self) -> str:
        """Return what is on the screen, in the window or on the terminal."""
        return str([one.message for one in self._slack.screen]) + str(self._slack.views) + self.said

    async def _choose_first(self) -> None:
        action_id = f"{action_ids.CHOOSE}:0"
        if self._slack.views:
            await self._slack.press_in_view(action_id, next(iter(self._slack.views)))
        else:
            shown = self._slack.screen[-1]
            people = {shown.user} if shown.user else self._slack.members[shown.channel]
            (user,) = people - {BOT_USER}
            await self._slack.press(action_id, shown, user=user)
        await until(lambda: texts.CHOOSE_TIME not in self._shown())

    def _choices(self) -> list[str]:
        if self.said:
            others = (shlex.split(one)[2] for one in self.said.splitlines()[1:])
            return [one.removeprefix("email:").replace('"', "") for one in others]
        shown = [*self._slack.views.values(), *(one.message for one in self._slack.screen)][-1]
        return [one for one in labels(shown) if one != texts.NEW_SEARCH]

    async def shortcut(self, case: Case) -> None:
        """*Find sessions* on a message: an answer, a choice, or the form."""
        message = _message(case) | {"ts": "1795199993.000100"}
        exchange = await self._slack.message_shortcut(FIND_SESSIONS_FROM_MESSAGE, message)
        await until(lambda: bool(exchange.later or self._slack.views))

    async def offer(self, case: Case) -> None:
        """Post it as a tool in a support channel, and press the offer if there is one."""
        channel = CHANNELS[MESSAGES.index(case)]
        await self._write(case, channel, bot_id="B0TOOL")
        # Whether there is one is known before the event is acknowledged.
        if self._fullstory.received or case["names"]:
            await until(lambda: len(self._slack.screen) > 1)
            await (await self._slack.press(action_ids.OFFER)).answer()

    async def direct_message(self, case: Case) -> None:
        """Sent to the bot."""
        user = USERS[CASES.index(case)]
        await self._write(case, self._slack.direct(user), user=user)
        await until(lambda: len(self._slack.screen) > 1)

    async def mention(self, case: Case) -> None:
        """Sent to a channel, with the bot's name before it."""
        await self._write(case, TICKETS, before=f"<@{BOT_USER}> ")
        await until(lambda: len(self._slack.screen) > 1)

    async def command(self, case: Case) -> None:
        """Typed behind the command."""
        exchange = await self._slack.command(f"/fsessions {case['typed']}")
        if exchange.ack and exchange.ack.get("text") == texts.STILL_LOOKING:  # a busy machine
            await exchange.answer()

    async def typed_message(self, case: Case) -> None:
        """Typed in a direct message."""
        user = USERS[CASES.index(case)]
        await self._slack.write(case["typed"], user=user, channel=self._slack.direct(user))
        await until(lambda: len(self._slack.screen) > 1)

    async def typed_mention(self, case: Case) -> None:
        """Typed behind the bot's name in a channel."""
        await self._slack.write(f"<@{BOT_USER}> {case['typed']}", channel=TICKETS)
        await until(lambda: len(self._slack.screen) > 1)

    async def form(self, case: Case) -> None:
        """Typed into the search form, which shows an error beside the field if it names no one."""
        await self._slack.shortcut("find_sessions")
        await until(lambda: bool(self._slack.views))
        (view_id,) = self._slack.views
        typed = plain_text(case["typed"])
        await self._slack.submit(view_id, {"person": {"value": typed}})

    async def terminal(self, case: Case) -> None:
        """Typed behind `fsessions lookup`, which names the choice on standard error."""
        settings = settings_for(self._slack, self._fullstory, internal_domains=INTERNAL)
        said = StringIO()
        with redirect_stdout(StringIO()), redirect_stderr(said):
            await run_lookup(
                settings, plain_text(case["typed"]), None, as_json=True, what_happened=False
            )
        self.said = said.getvalue()

    async def step(self, case: Case) -> None:
        """Pass it to the step, like a workflow that passes a form's answer."""
        text = case["typed"] if "typed" in case else case["text"]
        await (await self._slack.run_step(FIND_SESSIONS_STEP, person=text)).end()

    async def _write(self, case: Case, channel: str, before: str = "", **fields: Any) -> None:  # noqa: ANN401
        message = _message(case)
        text = before + str(message.pop("text"))
        await self._slack.write(text, channel=channel, **message, **fields)


def _message(case: Case) -> dict[str, Any]:
    """Return a message with blocks, so that the stand-in makes none of its text."""
    return {"blocks": [], **(case.get("message") or {"text": case["text"]})}


def _is_one_person(case: Case) -> bool:
    uids = [name for name in case["names"] if name.startswith("uid:")]
    return len(uids) <= 1 and len(case["names"]) - len(uids) <= 1


@pytest.fixture
async def reader(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> AsyncIterator[Reader]:
    """Yield a running bot with many support channels."""
    slack.members |= {channel: {USER, BOT_USER} for channel in CHANNELS}
    slack.users |= {user: slack.users[USER] | {"id": user} for user in USERS}
    # Where there are sessions, no other spelling is tried.
    fullstory.always = Scripted(200, b'{"sessions":[{"userId":"1","sessionId":"2"}]}')
    async with start_bot(support_channels=CHANNELS, internal_domains=INTERNAL):
        yield Reader(slack, fullstory)


async def assert_read(reader: Reader, way: str, cases: list[Case]) -> None:
    """Fail with every case that is read as another person, and with what is expected."""
    read = [(case["name"], await reader.read(case, way), sorted(case["names"])) for case in cases]
    wrong = [f"{name}: {found}, not {names}" for name, found, names in read if found != names]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("way", ["shortcut", "offer", "direct_message", "mention"])
async def test_the_people_a_message_names(reader: Reader, way: str) -> None:
    """The same people, whichever way the message comes."""
    await assert_read(reader, way, MESSAGES)


@pytest.mark.parametrize(
    "way", ["command", "typed_message", "typed_mention", "form", "step", "terminal"]
)
async def test_the_people_a_typed_text_names(reader: Reader, way: str) -> None:
    """The same person, wherever it is typed; the step asks for one of several."""
    takes_one = way == "step"
    cases = [
        case | {"names": []} if takes_one and not _is_one_person(case) else case
        for case in TYPED
        if way not in ("form", "terminal")
        or "<" not in case["typed"]  # markup can't be typed there
    ]
    await assert_read(reader, way, cases)


def test_how_many_and_when() -> None:
    """Each typed text says so in the same way at every door."""
    wrong = []
    for case in TYPED:
        parsed = parse(case["typed"], Limits(20, 100))
        one = parsed.searches[0] if isinstance(parsed, Several) else parsed
        expected = case.get("limit", 20), case.get("at", getattr(one, "at", ""))
        if isinstance(one, Search) and (one.limit, one.at) != expected:
            wrong.append(f"{case['typed']}: {one}")
    assert not wrong, "\n".join(wrong)


async def test_the_people_a_forms_answer_names(reader: Reader) -> None:
    """The step reads a text as a message; of several people it says so instead."""
    texts = [case for case in MESSAGES if "text" in case]
    await assert_read(reader, "step", [case for case in texts if _is_one_person(case)])
    several = [case | {"names": []} for case in texts if not _is_one_person(case)]
    await assert_read(reader, "step", several)


def test_each_case_has_a_source() -> None:
    """Whoever doubts a case can look it up; and there are many."""
    assert [case["name"] for case in CASES if not case.get("source")] == []
    assert len(CASES) > 120
    assert len(TYPED) > 300
