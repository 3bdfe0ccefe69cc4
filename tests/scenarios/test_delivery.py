"""What outlives its ack: never before it, never lost with it, never started at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot import service
from bot.connections import open_connections
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import Exchange
from bot.slack import blocks, delivery, wording
from bot.slack.delivery import Acknowledged, Delivery, InFlight
from tests.conftest import Logged, StartBot, until

ANSWER = blocks.note("the answer")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """The session for response_urls."""
    async with open_connections() as connections:
        yield connections.response_urls


class Held:
    """An ack in the hands of the test."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.sent: Acknowledged = asyncio.get_running_loop().create_future()

    async def take(self, message: dict[str, Any]) -> None:
        """Acknowledges, and keeps the message."""
        self.messages.append(message)


async def answered_after(seconds: float) -> dict[str, Any]:
    """A lookup."""
    await asyncio.sleep(seconds)
    return ANSWER


async def test_the_answer_waits_for_the_ack(
    slack: SlackSandbox, http: aiohttp.ClientSession
) -> None:
    """It is ready, and yet nothing is sent before the ack is on its way."""
    ack, in_flight, exchange = Held(), InFlight(), slack.new_exchange()
    late = Delivery(http, in_flight, budget=0.01)
    await late.answer(
        answered_after(0.05),
        acknowledge=ack.take,
        acknowledged=ack.sent,
        response_url=exchange.response_url,
    )
    assert ack.messages[0]["text"] == wording.STILL_LOOKING
    await asyncio.sleep(0.3)
    assert exchange.uses == 0
    ack.sent.set_result(True)
    assert (await exchange.answer())["text"] == "the answer"


@pytest.mark.parametrize(("arrived", "uses"), [(True, 0), (False, 1)])
async def test_an_answer_whose_ack_is_lost(
    slack: SlackSandbox,
    http: aiohttp.ClientSession,
    arrived: bool,  # noqa: FBT001
    uses: int,
) -> None:
    """It goes to the response_url instead; once is enough."""
    ack, in_flight, exchange = Held(), InFlight(), slack.new_exchange()
    await Delivery(http, in_flight, budget=1.0).answer(
        answered_after(0),
        acknowledge=ack.take,
        acknowledged=ack.sent,
        response_url=exchange.response_url,
    )
    assert ack.messages == [ANSWER]
    ack.sent.set_result(arrived)
    await in_flight.drain(5)
    assert exchange.uses == uses


@pytest.mark.parametrize(("seconds", "uses"), [("1", 2), ("600", 1)])
async def test_retry_after(
    slack: SlackSandbox, http: aiohttp.ClientSession, seconds: str, uses: int
) -> None:
    """Slack's wish is heeded, if it is no long one."""
    slack.response_statuses.append(429)
    slack.retry_after = seconds
    exchange = slack.new_exchange()
    started = asyncio.get_running_loop().time()
    sent = await Delivery(http, InFlight(), 1.0).post(exchange.response_url, ANSWER)
    assert sent == ("taken" if uses == 2 else "refused")
    assert exchange.uses == uses
    assert asyncio.get_running_loop().time() - started >= (1.0 if uses == 2 else 0.0)


async def test_a_response_url_that_is_silent(
    slack: SlackSandbox, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up after a while, and tried again."""
    monkeypatch.setattr(delivery, "_SEND_TIMEOUT", 0.2)
    slack.response_seconds = 0.5
    exchange = slack.new_exchange()
    sending = asyncio.create_task(Delivery(http, InFlight(), 1).post(exchange.response_url, ANSWER))
    await until(lambda: exchange.uses == 1)
    slack.response_seconds = 0
    assert await sending == "taken"
    assert exchange.uses == 2


class TestTheEnd:
    """SIGTERM, while people go on asking."""

    async def test_new_commands_are_asked_to_come_back(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """At once, without a lookup; what was in flight before is finished."""
        fullstory.script.append(Scripted(200, b"[]", seconds=0.6))
        later: list[Exchange] = []

        async def ask() -> None:
            await until(lambda: len(fullstory.received) == 1)
            await asyncio.sleep(0.2)
            later.append(await slack.command("/fsessions omar@example.com"))

        async with start_bot():
            first = asyncio.create_task(slack.command("/fsessions jane@example.com"))
            asking = asyncio.create_task(ask())
            await until(lambda: len(fullstory.received) == 1)
        await asking
        answer = (await first).ack
        assert answer is not None
        assert answer["text"].startswith("No sessions of jane")
        assert later[0].ack is not None
        assert later[0].ack["text"] == wording.RESTARTING
        assert len(fullstory.received) == 1

    async def test_one_limit_for_all(
        self,
        start_bot: StartBot,
        slack: SlackSandbox,
        fullstory: FullstorySandbox,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """However much is in flight and comes meanwhile, the end is not put off."""
        monkeypatch.setattr(service, "DRAIN_SECONDS", 0.5)
        fullstory.always = Scripted(seconds=30)
        async with start_bot(answer_budget_seconds=0.1, fullstory_timeout_seconds=60):
            exchanges = [await slack.command("/fsessions jane@example.com") for _ in range(3)]
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < 1.5
        assert [exchange.later[0]["text"] for exchange in exchanges] == [wording.RESTARTING] * 3


class TestLostAcks:
    """The connection goes while the answer is being looked up."""

    @pytest.fixture
    def transport(self) -> str:
        """Each has its own way of getting lost."""
        return "socket"

    async def test_socket(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
    ) -> None:
        """The answer comes to the response_url."""
        fullstory.script.append(Scripted(200, b"[]", seconds=0.5))
        async with start_bot():
            asking = asyncio.create_task(slack.command("/fsessions jane@example.com"))
            await until(lambda: bool(fullstory.received))
            await slack.close_sockets()
            exchange = await asking
            assert exchange.ack is None
            assert (await exchange.answer())["text"].startswith("No sessions of jane")
        assert "acknowledgement lost" in str(logged())


class TestLostAcksOverHTTP:
    """The same where Slack itself hangs up."""

    @pytest.fixture
    def transport(self) -> str:
        """Each has its own way of getting lost."""
        return "http"

    async def test_http(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
    ) -> None:
        """The answer comes to the response_url; the request was not "refused"."""
        fullstory.script.append(Scripted(200, b"[]", seconds=0.5))
        async with start_bot():
            exchange = slack.new_exchange()
            asking = asyncio.create_task(
                slack.command("/fsessions jane@example.com", response_url=exchange.response_url)
            )
            await until(lambda: bool(fullstory.received))
            asking.cancel()
            assert (await exchange.answer())["text"].startswith("No sessions of jane")
        assert "acknowledgement lost" in str(logged())
        assert "request refused" not in str(logged())
