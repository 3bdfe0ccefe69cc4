"""What outlives its ack: never before it, never lost with it, never started at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from bot.connections import open_connections
from bot.core.access import Actor, EntryPoint
from bot.core.outcomes import RESTARTING
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import USER
from bot.settings import Settings
from bot.slack import texts
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import Renderer, always, note
from bot.slack.delivery import Delivery
from bot.slack.request import Acknowledged, Job, SlackRequest
from bot.slack.response_url import Posted, ResponseUrls
from bot.slack.targets import ResponseUrlTarget
from bot.store.memory import InMemory
from tests.conftest import QUICK, Logged, StartBot, both_transports, until

ANSWER = note("the answer")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield the session for response_urls."""
    async with open_connections() as connections:
        yield connections.response_urls


class Held:
    """A request whose ack is in the hands of the test."""

    def __init__(self) -> None:
        self.sent: Acknowledged = asyncio.get_running_loop().create_future()
        actor = Actor("T0SANDBOX", USER, EntryPoint.COMMAND)
        self.request = SlackRequest({}, actor, self.sent, Job(InMemory(), "command", {}))


async def answered() -> Renderer:
    """Return a lookup that is done at once."""
    return always(ANSWER)


async def answered_when(allowed: asyncio.Event) -> Renderer:
    """Return a lookup that is done when the test allows it."""
    await allowed.wait()
    return always(ANSWER)


def delivery_over(
    http: aiohttp.ClientSession,
    budget: float = 1.0,
    **timeouts: Any,  # noqa: ANN401
) -> tuple[Delivery, ResponseUrls, BackgroundTasks]:
    """With second attempts that come soon."""
    patience = replace(QUICK, **timeouts)
    background = BackgroundTasks(patience)
    settings = Settings(fullstory_api_key=SecretStr("key"), answer_budget_seconds=budget)
    return Delivery(background, settings, patience), ResponseUrls(http, patience), background


async def test_the_answer_waits_for_the_ack(
    slack: SlackSandbox, http: aiohttp.ClientSession
) -> None:
    """It is ready, and yet nothing is sent before the ack is on its way."""
    held, exchange, looked_up = Held(), slack.new_exchange(), asyncio.Event()
    late, urls, _ = delivery_over(http, budget=0.01)
    place = ResponseUrlTarget(urls, exchange.response_url, {})
    ack = await late.in_ack(answered_when(looked_up), held.request, place)
    assert ack
    assert ack["text"] == texts.STILL_LOOKING
    looked_up.set()
    # A message that is sent afterwards arrives, and still nothing else has.
    marker = slack.new_exchange()
    await urls.post(marker.response_url, ANSWER)
    assert (marker.uses, exchange.uses) == (1, 0)
    held.sent.set_result(True)
    assert (await exchange.answer())["text"] == "the answer"


@pytest.mark.parametrize(("arrived", "uses"), [(True, 0), (False, 1)])
async def test_an_answer_whose_ack_is_lost(
    slack: SlackSandbox,
    http: aiohttp.ClientSession,
    arrived: bool,  # noqa: FBT001
    uses: int,
) -> None:
    """It goes to the response_url instead; once is enough."""
    held, exchange = Held(), slack.new_exchange()
    delivery, urls, background = delivery_over(http)
    place = ResponseUrlTarget(urls, exchange.response_url, {})
    assert await delivery.in_ack(answered(), held.request, place) == ANSWER
    held.sent.set_result(arrived)
    await asyncio.sleep(0)  # who waits for it is told at the next turn of the loop
    await background.drain()
    assert exchange.uses == uses


async def test_retry_after(slack: SlackSandbox, http: aiohttp.ClientSession) -> None:
    """Slack's wish is heeded; the answer is not dropped because of it."""
    slack.response_statuses.append(429)
    slack.retry_after = "1"
    exchange, loop = slack.new_exchange(), asyncio.get_running_loop()
    started = loop.time()
    _, urls, _ = delivery_over(http)
    assert await urls.post(exchange.response_url, ANSWER) == "taken"
    assert exchange.uses == 2
    assert loop.time() - started >= 1.0  # no machine is too slow for this


async def test_a_long_wait_is_waited_for(slack: SlackSandbox, http: aiohttp.ClientSession) -> None:
    """Ten minutes, of the thirty that a response_url lives: the answer is still pending."""
    slack.response_statuses.append(429)
    slack.retry_after = "600"
    exchange = slack.new_exchange()
    _, urls, _ = delivery_over(http)
    sending = asyncio.create_task(urls.post(exchange.response_url, ANSWER))
    await until(lambda: exchange.uses == 1)
    await urls.post(slack.new_exchange().response_url, ANSWER)
    assert not sending.done()
    sending.cancel()


async def test_a_response_url_that_is_silent(
    slack: SlackSandbox, http: aiohttp.ClientSession
) -> None:
    """The message may be there already: it isn't sent a second time."""
    hangs = slack.hang()
    exchange = slack.new_exchange()
    _, urls, _ = delivery_over(http, response_url=0.2)
    assert await urls.post(exchange.response_url, ANSWER) == "unknown"
    assert exchange.uses == 1
    hangs.set()


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    """Yield a server that says one thing to everyone, or nothing and return its port."""
    closing = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        if not reply:
            await closing.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        closing.set()


class TestNothingWasSent:
    """Where no connection comes about, Slack knows nothing of the answer: another way is safe."""

    async def post(self, http: aiohttp.ClientSession, url: str) -> Posted:
        """Return what becomes of a message, where there is another way."""
        _, urls, _ = delivery_over(http, response_url=0.3)
        return await urls.post(url, ANSWER, has_other_way=True)

    async def test_refused(self, http: aiohttp.ClientSession) -> None:
        """Nothing listens there."""
        assert await self.post(http, "http://127.0.0.1:9/x") is Posted.NOT_SENT

    async def test_an_unknown_host(self, http: aiohttp.ClientSession) -> None:
        """Its name leads nowhere."""
        assert await self.post(http, "http://hooks.invalid/x") is Posted.NOT_SENT

    @pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
    async def test_tls_fails(self, http: aiohttp.ClientSession, reply: bytes) -> None:
        """The other side doesn't support TLS, or says nothing."""
        async with answering(reply) as port:
            assert await self.post(http, f"https://127.0.0.1:{port}/x") is Posted.NOT_SENT

    @pytest.mark.parametrize("reply", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b""])
    async def test_a_proxy_that_does_not_connect(
        self, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, reply: bytes
    ) -> None:
        """It refuses `CONNECT`, or says nothing."""
        monkeypatch.delenv("NO_PROXY")
        async with answering(reply) as port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
            assert await self.post(http, "https://hooks.example/x") is Posted.NOT_SENT


async def test_a_gateway_that_lost_the_reply(
    slack: SlackSandbox, http: aiohttp.ClientSession
) -> None:
    """502 says nothing of Slack: what is new is not sent again, what replaces something is."""
    _, urls, _ = delivery_over(http)
    for is_repeatable, uses, posted in ((False, 1, Posted.UNKNOWN), (True, 2, Posted.TAKEN)):
        slack.response_statuses.clear()
        slack.response_statuses.append(502)
        exchange = slack.new_exchange()
        url = exchange.response_url
        assert await urls.post(url, ANSWER, is_repeatable=is_repeatable) is posted
        assert exchange.uses == uses


async def test_hanging_response_urls_leave_room(
    slack: SlackSandbox, http: aiohttp.ClientSession
) -> None:
    """Two hundred answers wait for Slack, and the next one is sent all the same."""
    _, urls, _ = delivery_over(http, response_url=300)
    hangs, stuck = slack.hang(), [slack.new_exchange() for _ in range(200)]
    sending = [asyncio.create_task(urls.post(one.response_url, ANSWER)) for one in stuck]
    await until(lambda: all(one.uses == 1 for one in stuck), seconds=30)
    slack.hangs = None
    assert await urls.post(slack.new_exchange().response_url, ANSWER) == "taken"
    assert not any(task.done() for task in sending)
    hangs.set()
    assert set(await asyncio.gather(*sending)) == {"taken"}


class TestProgressMessages:
    """What is said meanwhile never delays an answer, takes its place, or uses its attempts up."""

    async def test_slack_hangs_meanwhile(
        self, slack: SlackSandbox, http: aiohttp.ClientSession
    ) -> None:
        """The answer doesn't wait for it."""
        hangs, exchange, looked_up = slack.hang(), slack.new_exchange(), asyncio.Event()
        delivery, urls, _ = delivery_over(http, budget=0.01, progress=30, progress_grace=0.01)
        held = Held()
        held.sent.set_result(True)
        place = ResponseUrlTarget(urls, exchange.response_url, {})
        delivery.after_ack(answered_when(looked_up), held.request, place)
        await until(lambda: exchange.uses == 1)
        slack.hangs = None  # it is fine again, but for what hangs already
        looked_up.set()
        assert (await exchange.answer())["text"] == "the answer"
        hangs.set()

    @pytest.mark.parametrize("status", [500, 429, 404])
    async def test_slack_refuses_it(
        self, slack: SlackSandbox, http: aiohttp.ClientSession, status: int
    ) -> None:
        """It has one attempt; the answer has all the others."""
        slack.response_statuses.extend([status, 500, 500, 500])
        exchange, looked_up = slack.new_exchange(), asyncio.Event()
        delivery, urls, background = delivery_over(http, budget=0.01)
        held = Held()
        held.sent.set_result(True)
        place = ResponseUrlTarget(urls, exchange.response_url, {})
        delivery.after_ack(answered_when(looked_up), held.request, place)
        await until(lambda: exchange.uses == 1)
        looked_up.set()
        assert (await exchange.answer())["text"] == "the answer"
        assert exchange.uses == 5
        await background.drain()
        assert len(exchange.later) == 1


class TestTheEnd:
    """SIGTERM, while people continue asking."""

    @both_transports
    async def test_new_commands_are_asked_to_come_back(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """At once, without a lookup; what was in flight before is finished."""
        looked_up = fullstory.hold()

        async with AsyncExitStack() as stack:
            bot = await stack.enter_async_context(start_bot(database_url=None))
            first = asyncio.create_task(slack.command("/fsessions jane@example.com"))
            await until(lambda: len(fullstory.received) == 1)
            ending = asyncio.create_task(stack.aclose())
            await until(lambda: bot.state() == "draining")
            later = await slack.command("/fsessions omar@example.com")
            looked_up.set()
            await ending
        answer = (await first).ack
        assert answer is not None
        assert answer["text"].startswith("Latest 5 sessions of jane")
        assert later.ack is not None
        assert later.ack["text"] == RESTARTING
        assert len(fullstory.received) == 1

    async def test_one_limit_for_all(
        self,
        start_bot: StartBot,
        slack: SlackSandbox,
        fullstory: FullstorySandbox,
    ) -> None:
        """However much is in flight and comes meanwhile, the end is not put off."""
        fullstory.always = Scripted(seconds=300)
        timeouts = replace(QUICK, drain=0.5)
        async with asyncio.timeout(60):
            settings = {"answer_budget_seconds": 0.1, "fullstory_timeout_seconds": 300}
            async with start_bot(timeouts, database_url=None, **settings):
                exchanges = [await slack.command("/fsessions jane@example.com") for _ in range(3)]
        assert [exchange.later[0]["text"] for exchange in exchanges] == [RESTARTING] * 3


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
        looked_up = fullstory.hold()
        slack.ack_seconds = 2.0  # none comes
        async with start_bot():
            asking = asyncio.create_task(slack.command("/fsessions zoe@example.com"))
            await until(lambda: bool(fullstory.received))
            await slack.close_sockets()
            looked_up.set()
            exchange = await asking
            assert exchange.ack is None
            assert (await exchange.answer())["text"].startswith("No sessions found for zoe")
        assert "acknowledgement lost" in str(logged())


class TestLostAcksOverHTTP:
    """The same where Slack itself hangs up."""

    async def test_http(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
    ) -> None:
        """The answer comes to the response_url; the request was not "refused"."""
        looked_up = fullstory.hold()
        async with start_bot():
            exchange = slack.new_exchange()
            asking = asyncio.create_task(
                slack.command("/fsessions zoe@example.com", response_url=exchange.response_url)
            )
            await until(lambda: bool(fullstory.received))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            looked_up.set()
            assert (await exchange.answer())["text"].startswith("No sessions found for zoe")
        assert "acknowledgement lost" in str(logged())
        assert "request refused" not in str(logged())
