"""The slash command, from Slack's request to what the person sees."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.core.access import DenialReason
from bot.core.outcomes import denial
from bot.sandbox.fullstory import KEY, FullstorySandbox, Scripted
from bot.sandbox.people import PEOPLE, Trouble
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import PARTNER
from bot.service import Service
from bot.slack import texts
from tests.conftest import Logged, StartBot, both_transports, until
from tests.scenarios.answers import final

pytestmark = pytest.mark.usefixtures("bot")


def links(message: dict[str, Any]) -> list[str]:
    """All addresses in a message's blocks."""
    return re.findall(r"https://[^|^>\"]*", json.dumps(message["blocks"]))


async def answer_to(slack: SlackSandbox, typed: str, **fields: str) -> dict[str, Any]:
    """Return what the ack shows."""
    exchange = await slack.command(typed, **fields)
    assert exchange.status == 200
    assert exchange.ack is not None
    return exchange.ack


def dates_in(block: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the times in a list of sessions, each with its link."""
    if isinstance(block, dict) and block.get("type") == "date":
        return [block] if "url" in block else []
    inside = block.values() if isinstance(block, dict) else block if isinstance(block, list) else ()
    return [date for one in inside for date in dates_in(one)]


@both_transports
async def test_links_come_in_the_ack(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """One command, one answer, three links, nothing more to send."""
    exchange = await slack.command("/fsessions jane@example.com 3")
    assert exchange.ack is not None
    assert len(links(exchange.ack)) == 3
    assert exchange.ack["response_type"] == "ephemeral"
    assert exchange.later == []
    (asked,) = fullstory.received
    assert asked.query == {"email": "jane@example.com", "limit": "20"}
    assert asked.headers["Authorization"] == f"Basic {KEY}"


@pytest.mark.parametrize(
    ("typed", "count"),
    [
        ("omar@example.com", 1),
        ("zoe@example.com", 0),
        ("12345", 5),
        ("12345 3", 3),
        ("user-42 3", 3),
        ('"a uid with spaces"', 3),
        ("uid:kim@legacy", 2),
        ("maria+vip@example.com", 2),
        ("jürgen@müller.example", 2),
        ("jane@example.com uid:user-42 9", 9),
        ("jane@example.com", 5),
        ("jane@example.com 20", 20),
        ("fan@example.com 100", 100),
        ("nobody@example.com", 0),
        ("uid:nobody", 0),
    ],
)
async def test_everyone_is_found(slack: SlackSandbox, typed: str, count: int) -> None:
    """By e-mail, by uid, by both; never more than asked for, never one twice."""
    found = links(await answer_to(slack, f"/fsessions {typed}"))
    assert len(found) == len(set(found)) == count


async def test_all_of_the_demos_people_can_be_looked_up(slack: SlackSandbox) -> None:
    """What `help` in the demo names works as it is typed there."""
    # Once Fullstory asks to wait, no one is looked up for a while.
    for person in sorted(PEOPLE, key=lambda one: one.trouble is Trouble.BUSY):
        exchange = await slack.command(f"/fsessions {person.typed}")
        is_down = person.trouble is Trouble.DOWN
        shown = await final(exchange) if is_down else exchange.ack or {}
        expected = {
            Trouble.SLOW: "This search takes longer",
            Trouble.DOWN: "trouble answering",
            Trouble.BUSY: "again",
        }
        assert expected.get(person.trouble, "ession") in shown["text"]
        assert "not sure" not in shown["text"]


async def test_as_slack_writes_it(slack: SlackSandbox) -> None:
    """A link made of the address, and entities."""
    shown = await answer_to(slack, "/fsessions <mailto:jane@example.com|jane@example.com> 2")
    assert len(links(shown)) == 2


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "I find a customer's latest Fullstory sessions"),
        ("help", "I find a customer's latest Fullstory sessions"),
        ("jane@", "complete e-mail address"),
        ("@jane", "can't tell which colleague"),
    ],
)
async def test_help_and_refusals(
    slack: SlackSandbox, fullstory: FullstorySandbox, typed: str, says: str
) -> None:
    """Answered at once, and Fullstory isn't asked."""
    assert says in (await answer_to(slack, f"/fsessions {typed}"))["text"]
    assert fullstory.received == []


@both_transports
@pytest.mark.parametrize(
    "fields",
    [
        {"channel_name": "payload"},
        {"user_name": "payload"},
        {"text": "payload=%7B%7D"},
        {"text": 'payload={"type":"block_actions"}'},
        {"channel_name": "{", "user_name": "&=;"},
        {"text": "ssl_check=1"},
    ],
)
async def test_words_that_confuse_bolt(slack: SlackSandbox, fields: dict[str, str]) -> None:
    """A channel's name is only a name: "payload" in it makes nothing else of the request."""
    typed = "" if "text" in fields else " jane@example.com 1"
    shown = await answer_to(slack, f"/fsessions{typed}", **fields)
    assert re.search(r"sessions? (of|found for)|not sure who that is", shown["text"])


async def test_a_renamed_command(slack: SlackSandbox) -> None:
    """A company may have given it another name in the manifest: examples have that name."""
    assert len(links(await answer_to(slack, "/replays jane@example.com 3"))) == 3
    assert "/replays" in json.dumps(await answer_to(slack, "/replays help"))


async def test_a_time_copied_from_the_list_finds_its_session(slack: SlackSandbox) -> None:
    """A time without seconds is the whole minute: the session that began in it comes first."""
    answer = await answer_to(slack, "/fsessions jane@example.com 20")
    items = [item for block in answer["blocks"] for item in dates_in(block)]
    inside = [item for item in items if item["timestamp"] % 60]
    assert inside
    for one in inside[:3]:
        started, url = datetime.fromtimestamp(one["timestamp"], UTC), one["url"]
        asked = f"/fsessions jane@example.com 3 at:{started:%Y-%m-%dT%H:%MZ}"
        blocks = (await answer_to(slack, asked))["blocks"]
        assert "Probably this one" in blocks[1]["text"]["text"]
        assert "started in that minute" in blocks[1]["text"]["text"]
        assert blocks[1]["accessory"]["url"].startswith(url)


async def test_the_button_that_opens_a_replay(slack: SlackSandbox) -> None:
    """Slack tells of the press; unacknowledged, it would show a warning."""
    await slack.command("/fsessions omar@example.com")
    exchange = await slack.press("watch_replay")
    assert exchange.status == 200
    assert exchange.ack is None


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Scripted(401), "doesn't accept this bot's API key"),
        (Scripted(403), "isn't allowed to list sessions"),
        (Scripted(400), "didn't accept the request"),
        (Scripted(429, headers={"Retry-After": "45"}), "try again in 45 seconds"),
        (Scripted(200, b"<html>"), "wasn't readable"),
        (Scripted(200, b"[1]"), "wasn't what this bot understands"),
        (Scripted(302, headers={"Location": "https://example.net/"}), "pointed to another address"),
        (Scripted(200, b" " * (5 * 1024 * 1024 + 1)), "too large"),
    ],
)
async def test_fullstorys_troubles(
    slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged, reply: Scripted, says: str
) -> None:
    """Each is told in its own sentence, at once; an administrator finds it in the log."""
    fullstory.always = reply
    exchange = await slack.command("/fsessions jane@example.com")
    assert exchange.ack is not None
    assert says in exchange.ack["text"]
    assert len(fullstory.received) == 1
    if reference := re.search(r"reference (\w+)", exchange.ack["text"]):
        assert [line["event"] for line in logged() if line.get("reference") == reference[1]] == [
            "lookup failed",
            "audit",
        ]


async def test_fullstory_that_is_down(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Retried, then told."""
    exchange = await slack.command("/fsessions down@example.com")
    shown = await final(exchange)
    assert "Fullstory has trouble answering" in shown["text"]
    assert len(fullstory.received) == 4


async def test_commands_at_once_do_not_wait_for_each_other(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """One person's slow lookup costs no one else theirs."""
    held = fullstory.hold()
    slow = asyncio.create_task(slack.command("/fsessions maria+vip@example.com"))
    await until(lambda: bool(fullstory.received))
    fullstory.held = None  # for everyone else
    quick = await asyncio.gather(
        *(slack.command("/fsessions jane@example.com 1") for _ in range(20))
    )
    await until(lambda: all("jane@example.com" in str([one.ack, one.later]) for one in quick))
    held.set()
    late = await slow
    await until(lambda: "2 sessions of maria" in str([late.ack, late.later]))


class TestLate:
    """A lookup that takes longer than the budget."""

    @pytest.fixture
    async def bot(self, start_bot: StartBot) -> Any:  # noqa: ANN401 - a generator of the service
        """Yield a bot that waits a tenth of a second."""
        async with start_bot(answer_budget_seconds=0.1) as service:
            yield service

    async def test_still_looking_then_the_answer(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """The ack says so; one message follows, after the ack."""
        fullstory.script.append(Scripted(200, b'{"sessions": []}', seconds=0.3))
        exchange = await slack.command("/fsessions jane@example.com")
        assert exchange.ack is not None
        assert exchange.ack["text"] == texts.STILL_LOOKING
        assert (await exchange.answer())["text"].startswith(
            "No sessions found for jane@example.com"
        )
        assert exchange.uses == 1

    @both_transports
    async def test_the_answer_never_overtakes_the_ack(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """Even where it is ready just after the budget."""
        order = []
        slack.on_message = lambda message, _: order.append(message["text"])
        for seconds in (0.09, 0.095, 0.1, 0.101, 0.105, 0.11):
            order.clear()
            fullstory.script.append(Scripted(200, b"[]", seconds=seconds))
            exchange = await slack.command("/fsessions jane@example.com")
            assert exchange.ack is not None
            if exchange.ack["text"] == texts.STILL_LOOKING:
                await exchange.answer()
                assert order[0] == texts.STILL_LOOKING

    async def test_no_answer_at_all(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """The deadline ends it, and the person is told."""
        fullstory.always = Scripted(seconds=300)
        async with start_bot(answer_budget_seconds=0.1, fullstory_timeout_seconds=1):
            exchange = await slack.command("/fsessions jane@example.com")
            assert "Fullstory took longer than 1 second" in (await exchange.answer())["text"]

    async def test_failure_after_the_budget(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """Errors too find their way to the response_url."""
        fullstory.script.append(Scripted(401, seconds=0.2))
        exchange = await slack.command("/fsessions jane@example.com")
        assert "API key" in (await exchange.answer())["text"]

    @pytest.mark.parametrize("statuses", [[500], [503, 500], [429]])
    async def test_response_url_that_stumbles(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, statuses: list[int]
    ) -> None:
        """It is tried again."""
        slack.response_statuses.extend(statuses)
        fullstory.script.append(Scripted(200, b"[]", seconds=0.2))
        exchange = await slack.command("/fsessions jane@example.com")
        await exchange.answer()
        assert exchange.uses == len(statuses) + 1

    @pytest.mark.parametrize(
        ("statuses", "uses"), [([404], 1), ([410], 1), ([400], 1), ([302], 1), ([500] * 5, 4)]
    )
    async def test_response_url_that_is_dead(
        self,
        slack: SlackSandbox,
        fullstory: FullstorySandbox,
        logged: Logged,
        statuses: list[int],
        uses: int,
    ) -> None:
        """Not tried beyond sense; logged with a reference and the status, without the address."""
        slack.response_statuses.extend(statuses)
        fullstory.script.append(Scripted(200, b"[]", seconds=0.2))
        exchange = await slack.command("/fsessions jane@example.com")
        await until(lambda: "answer not delivered" in str(logged()))
        (lost,) = [line for line in logged() if line["event"] == "answer not delivered"]
        assert exchange.uses == uses
        assert lost["reason"] == f"HTTP {statuses[0]}"
        assert lost["reference"]
        assert exchange.response_url not in str(logged())
        assert "jane" not in str(logged())

    async def test_response_url_after_half_an_hour(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
    ) -> None:
        """Slack has forgotten it: there is nothing to do but say so in the log."""
        now = slack.clock()
        fullstory.script.append(Scripted(200, b"[]", seconds=0.3))
        exchange = await slack.command("/fsessions jane@example.com")
        slack.clock = lambda: now + 31 * 60
        await until(lambda: "answer not delivered" in str(logged()))
        assert exchange.later == []


async def test_the_workspace_is_known_by_the_command(
    slack: SlackSandbox, start_bot: StartBot
) -> None:
    """Slack has signed it: while auth.test fails, the profile is enough."""
    slack.api_errors["auth.test"] = "internal_error"
    async with start_bot():
        assert len(links(await answer_to(slack, "/fsessions jane@example.com 3"))) == 3
        stranger = await answer_to(slack, "/fsessions jane@example.com", user_id=PARTNER)
        assert stranger["text"] == denial(DenialReason.STRANGER).what


async def test_bot_starts_while_slack_is_in_trouble(
    slack: SlackSandbox, fullstory: FullstorySandbox, start_bot: StartBot
) -> None:
    """Who asks is not known then: a kind no, and nothing is asked of Fullstory; later it works."""
    slack.api_errors["users.info"] = "internal_error"
    async with start_bot() as service:
        assert service.state() == "ready"
        exchange = await slack.command("/fsessions omar@example.com")
        await until(
            lambda: denial(DenialReason.NOT_KNOWN).what in str([exchange.ack, exchange.later])
        )
        assert fullstory.received == []
        slack.api_errors.clear()
        assert links(await answer_to(slack, "/fsessions omar@example.com"))


async def test_who_asks_is_asked_once(slack: SlackSandbox) -> None:
    """An ordinary command waits for Fullstory alone."""
    await answer_to(slack, "/fsessions omar@example.com")
    before = len(slack.api_calls)
    await asyncio.gather(*(answer_to(slack, "/fsessions jane@example.com 1") for _ in range(5)))
    assert len(slack.api_calls) == before
    assert slack.api_calls.count("users.info") == slack.api_calls.count("auth.test") == 1


@both_transports
def test_ready(bot: Service) -> None:
    """As soon as requests can come."""
    assert bot.state() == "ready"
