"""Socket Mode's connection: renewed, lost, refused; and no ack is lost with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.errors import SettingsError
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.settings import settings_for
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import Exchange
from bot.service import Service, running
from tests.conftest import QUICK, StartBot, until


@pytest.fixture
def transport() -> str:
    """Only this edge."""
    return "socket"


async def answers(slack: SlackSandbox) -> bool:
    """Tell whether a command gets its links."""
    exchange = await slack.command("/fsessions omar@example.com")
    return exchange.ack is not None and "1 session of" in exchange.ack["text"]


async def test_slack_renews_the_connection(bot: Service, slack: SlackSandbox) -> None:
    """As it does every few hours: the new connection stands before the old one goes."""
    await slack.announce_disconnect()
    await slack.connected()
    assert slack.api_calls.count("apps.connections.open") == 2
    await until(lambda: bot.state() == "ready")
    assert await answers(slack)


async def test_an_ack_goes_where_its_request_came_from(
    bot: Service, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """A renewal in the middle of a lookup costs no one the answer."""
    fullstory.script.append(Scripted(200, b"[]", seconds=0.5))
    asking = asyncio.create_task(slack.command("/fsessions jane@example.com"))
    await until(lambda: bool(fullstory.received))
    await slack.announce_disconnect()
    await slack.connected()
    exchange = await asking
    assert exchange.ack is not None
    assert "No sessions found for jane" in exchange.ack["text"]
    assert bot.state() == "ready"


async def test_a_lost_connection_is_made_anew(bot: Service, slack: SlackSandbox) -> None:
    """Without a word from Slack, and within the time of grace."""
    await slack.close_sockets()
    await slack.connected()
    assert bot.state() == "ready"
    assert await answers(slack)


@pytest.mark.parametrize("trouble", ["internal_error", ""])
async def test_slack_in_trouble_at_the_start(
    slack: SlackSandbox, fullstory: FullstorySandbox, trouble: str
) -> None:
    """The bot starts, isn't ready, tries again, and is; also where Slack answers with a page."""
    slack.api_errors["apps.connections.open"] = trouble
    async with running(settings_for(slack, fullstory, slack_app_token=slack.app_token)) as started:
        await until(lambda: len(slack.api_calls) > 1)
        assert started.state() == "starting"
        del slack.api_errors["apps.connections.open"]
        await until(lambda: started.state() == "ready")
        assert await answers(slack)


@pytest.mark.usefixtures("bot")
async def test_a_ticket_is_used_once(slack: SlackSandbox) -> None:
    """Each connection asks for an address of its own."""
    for _ in range(3):
        await slack.close_sockets()
        await slack.connected()
    assert slack.api_calls == ["apps.connections.open"] * 4


async def test_a_connection_without_a_greeting(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Closed after a while, and opened again; until then the bot doesn't say that it is ready."""
    slack.greets = False
    settings = settings_for(slack, fullstory, slack_app_token=slack.app_token)
    async with running(settings, replace(QUICK, hello=0.2)) as started:
        await slack.connected()
        assert started.state() == "starting"
        await until(lambda: len(slack.api_calls) > 1)
        slack.greets = True
        await until(lambda: started.state() == "ready")
        assert await answers(slack)


async def test_a_slack_that_keeps_sending_us_away(start_bot: StartBot, slack: SlackSandbox) -> None:
    """New connections are asked for at a decent pace."""
    async with start_bot(replace(QUICK, reconnect=0.1)):
        slack.sends_away = True
        started = asyncio.get_running_loop().time()
        await slack.announce_disconnect()
        await until(lambda: slack.api_calls.count("apps.connections.open") == 4)
        # Two waits lie between the second connection and the fourth, one twice the other.
        assert asyncio.get_running_loop().time() - started >= 0.3


@pytest.mark.parametrize("reason", ["invalid_auth", "not_allowed_token_type", "missing_scope"])
async def test_a_token_that_is_no_good(
    slack: SlackSandbox, fullstory: FullstorySandbox, reason: str
) -> None:
    """Waiting won't help: the program ends, and says which setting it is."""
    slack.api_errors["apps.connections.open"] = reason
    async with running(settings_for(slack, fullstory, slack_app_token=slack.app_token)) as started:
        with pytest.raises(SettingsError) as caught:
            await started.serve_until(asyncio.Event())
    assert caught.value.problems == (f"SLACK_APP_TOKEN: Slack says {reason}",)


async def test_a_token_that_was_good_once(bot: Service, slack: SlackSandbox) -> None:
    """One passing refusal is not the end."""
    slack.api_errors["apps.connections.open"] = "invalid_auth"
    before = len(slack.api_calls)
    await slack.close_sockets()
    await until(lambda: len(slack.api_calls) > before)
    del slack.api_errors["apps.connections.open"]
    await until(lambda: bot.state() == "ready")
    assert await answers(slack)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "5",
        "{}",
        '{"type": 1}',
        '{"type": "hello"}',
        '{"type": "x", "payload": 1}',
        '{"type": "slash_commands", "envelope_id": 5, "payload": {}}',
        '{"type": "slash_commands", "envelope_id": "e", "payload": {}}',
        '{"type": "slash_commands", "envelope_id": "e", "payload": {"user": 5}}',
        "[" * 100000,
    ],
)
async def test_frames_that_make_no_sense(bot: Service, slack: SlackSandbox, frame: str) -> None:
    """They are passed over, and the connection stands."""
    await slack.send_frame(frame)
    assert await answers(slack)
    assert bot.state() == "ready"


async def test_http_serves_health_alone(bot: Service) -> None:
    """In Socket Mode no one is let in over HTTP, signed or not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bot.port)
    writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert b" 404 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.fixture
async def slow_answer(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> Exchange:
    """Send a command whose answer takes half a second, then stop the bot."""
    fullstory.script.append(Scripted(200, b"[]", seconds=0.5))
    async with start_bot():
        asking = asyncio.create_task(slack.command("/fsessions jane@example.com"))
        await until(lambda: bool(fullstory.received))
    return await asking


async def test_acks_in_flight_are_sent_before_the_end(slow_answer: Exchange) -> None:
    """Not lost with the connection."""
    assert slow_answer.ack is not None
    assert "No sessions found for jane" in slow_answer.ack["text"]


async def test_the_limit_of_patience(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """What takes too long at the end is dropped; the person is told to ask again."""
    fullstory.always = Scripted(seconds=300)
    async with start_bot(replace(QUICK, drain=0.2), answer_budget_seconds=0.1, database_url=None):
        exchange = await slack.command("/fsessions jane@example.com")
    assert "restarting right now" in exchange.later[0]["text"]
