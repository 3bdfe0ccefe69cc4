"""The stand-in Slack is as awkward as the real one, seen through Slack's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.connections import open_connections
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.web_api import BURST
from bot.sandbox.workspace import BOT_USER, CHANNEL, DIRECT, TICKETS, USER, Shown
from bot.service import Service
from bot.slack.ui import windows
from bot.typed.query import Limits
from tests.conftest import until


@pytest.fixture
async def client(slack: SlackSandbox) -> AsyncIterator[AsyncWebClient]:
    """The bot's token in hand."""
    async with open_connections() as connections:
        yield AsyncWebClient(slack.bot_token, slack.api_url, session=connections.slack)


async def error_of(call: Any) -> str:  # noqa: ANN401 - a coroutine of slack_sdk's
    """What Slack says is wrong."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_membership(slack: SlackSandbox, client: AsyncWebClient) -> None:
    """Messages that don't go through a response_url need the bot and the person in the channel."""
    assert await error_of(client.chat_postMessage(channel="D0", text="x")) == "channel_not_found"
    assert await error_of(client.chat_postMessage(channel=CHANNEL, text="x")) == "not_in_channel"
    slack.members[CHANNEL].add(BOT_USER)
    await client.chat_postMessage(channel=CHANNEL, text="x")
    await client.chat_postEphemeral(channel=CHANNEL, user=USER, text="x")
    stranger = client.chat_postEphemeral(channel=CHANNEL, user="U0OTHER", text="x")
    assert await error_of(stranger) == "user_not_in_channel"
    assert [shown.user for shown in slack.screen] == ["", USER]


async def test_invalid_blocks(slack: SlackSandbox, client: AsyncWebClient) -> None:
    """Refused, as everywhere."""
    slack.members[CHANNEL].add(BOT_USER)
    many = [{"type": "divider"}] * 51
    call = client.chat_postMessage(channel=CHANNEL, text="x", blocks=many)
    assert await error_of(call) == "invalid_blocks"


async def test_triggers(slack: SlackSandbox, client: AsyncWebClient) -> None:
    """Three seconds, once."""
    view = windows.form(Limits(20, 100))
    exchange = slack.new_exchange()
    await client.views_open(trigger_id=exchange.trigger_id, view=view)
    again = client.views_open(trigger_id=exchange.trigger_id, view=view)
    assert await error_of(again) == "exchanged_trigger_id"
    late, now = slack.new_exchange(), slack.clock()
    slack.clock = lambda: now + 3.5
    call = client.views_open(trigger_id=late.trigger_id, view=view)
    assert await error_of(call) == "expired_trigger_id"


async def test_a_response_url_is_used_five_times(slack: SlackSandbox) -> None:
    """The sixth message is refused."""
    exchange = slack.new_exchange()
    async with open_connections() as connections:
        for used in range(6):
            async with connections.response_urls.post(
                exchange.response_url, json={"text": "x"}
            ) as response:
                assert response.status == (200 if used < 5 else 404)
    assert len(exchange.later) == 5


async def test_a_commands_response_url_replaces_nothing(slack: SlackSandbox) -> None:
    """It only adds."""
    exchange = slack.new_exchange()
    async with open_connections() as connections:
        for _ in range(2):
            message = {"text": "x", "replace_original": True}
            async with connections.response_urls.post(
                exchange.response_url, json=message
            ) as response:
                assert response.status == 200
    assert len(slack.screen) == 2


async def test_tokens(slack: SlackSandbox, client: AsyncWebClient) -> None:
    """Each method wants its own kind."""
    assert await error_of(client.auth_test(token="xoxb-other")) == "invalid_auth"
    assert await error_of(client.apps_connections_open(app_token=slack.bot_token)) == "invalid_auth"
    assert await error_of(client.api_call("no.method")) == "unknown_method"


async def test_posts_have_less_room(slack: SlackSandbox, client: AsyncWebClient) -> None:
    """Than what goes to a response_url."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}
    call = client.chat_postMessage(channel=TICKETS, text="x", blocks=[section] * 5)
    assert await error_of(call) == "msg_blocks_too_long"
    await client.chat_postMessage(channel=TICKETS, text="x", blocks=[section] * 4)
    assert len(slack.screen) == 1


async def test_threads(slack: SlackSandbox, client: AsyncWebClient) -> None:
    """What a thread hangs on comes first; what one person alone sees is in no history."""
    slack.request_url = "http://127.0.0.1:9/nobody-listens"
    slack.event_retries = ()
    parent = await slack.write("the first")
    await client.chat_postMessage(channel=TICKETS, text="a reply", thread_ts=parent.ts)
    await client.chat_postEphemeral(channel=TICKETS, text="x", user=USER, thread_ts=parent.ts)
    answer = await client.conversations_replies(channel=TICKETS, ts=parent.ts)
    assert [one["text"] for one in answer["messages"]] == ["the first", "a reply"]
    call = client.conversations_replies(channel=TICKETS, ts="1.1")
    assert await error_of(call) == "thread_not_found"
    slack.scopes = "chat:write"
    call = client.conversations_replies(channel=TICKETS, ts=parent.ts)
    assert await error_of(call) == "missing_scope"
    await slack.told()


async def test_a_run_ends_once(slack: SlackSandbox, client: AsyncWebClient) -> None:
    """With its own token, for 15 minutes, and outputs of the declared types."""
    run = await slack.run_step("find_sessions_step", told=False)
    bad = client.functions_completeSuccess(
        function_execution_id=run.id, outputs={"count": "1"}, token=run.token
    )
    assert await error_of(bad) == "parameter_validation_failed"
    await client.functions_completeError(function_execution_id=run.id, error="x", token=run.token)
    again = client.functions_completeError(function_execution_id=run.id, error="x")
    assert await error_of(again) == "execution_not_in_running_state"
    now = slack.clock()
    slack.clock = lambda: now + 16 * 60
    late = client.functions_completeError(function_execution_id=run.id, error="x", token=run.token)
    assert await error_of(late) == "token_expired"


async def test_events_come_again(slack: SlackSandbox) -> None:
    """Where nobody acknowledges, with a count and a reason."""
    slack.request_url = "http://127.0.0.1:9/nobody-listens"
    slack.event_retries = (0.0, 0.01, 0.01)
    assert await slack.event({"type": "message"}) == [0, 0, 0, 0]


@pytest.mark.parametrize("transport", ["socket"])
async def test_messages_as_clients_write_them(bot: Service, slack: SlackSandbox) -> None:
    """Addresses are links, and rich text stands beside the text."""
    assert bot
    shown = await slack.write("Hi <@U0AGENT>, jane@example.com &amp; others", channel=CHANNEL)
    told = shown.as_slack_tells()
    address = "<mailto:jane@example.com|jane@example.com>"
    assert told["text"] == f"Hi <@U0AGENT>, {address} &amp; others"
    (section,) = told["blocks"][0]["elements"]
    assert [one["type"] for one in section["elements"]] == ["text", "user", "text", "link", "text"]
    assert section["elements"][-1]["text"] == " & others"


async def test_a_deleted_ticket_leaves_a_tombstone(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    """Where it has replies."""
    ticket = await slack.write("jane@example.com", channel=CHANNEL)  # the bot isn't told
    slack.screen.append(Shown({"text": "x"}, slack.new_ts(), "", ticket.ts, CHANNEL))
    slack.event_retries = ()
    slack.request_url = slack.url  # nobody who takes events
    await slack.delete(ticket)
    slack.members[CHANNEL].add(BOT_USER)
    slack.scopes += ",channels:history"
    thread = await client.conversations_replies(channel=CHANNEL, ts=ticket.ts)
    assert [one.get("subtype") for one in thread["messages"]] == ["tombstone", None]


@pytest.mark.parametrize("transport", ["socket"])
async def test_an_announced_disconnect_closes_the_old_connection(
    bot: Service, slack: SlackSandbox
) -> None:
    """When the new one stands."""
    await slack.announce_disconnect()
    await slack.connected()
    await until(lambda: len(slack.sockets) == 1)
    await until(lambda: bot.state() == "ready")


async def test_a_channel_takes_so_many_posts(slack: SlackSandbox, client: AsyncWebClient) -> None:
    """A burst, then one a second; other channels have their own count."""
    now = slack.clock()
    slack.clock = lambda: now
    for _ in range(BURST):
        await client.chat_postMessage(channel=TICKETS, text="x")
    assert await error_of(client.chat_postMessage(channel=TICKETS, text="x")) == "ratelimited"
    await client.chat_postMessage(channel=DIRECT, text="x")
    slack.clock = lambda: now + 1
    await client.chat_postMessage(channel=TICKETS, text="x")
    assert await error_of(client.chat_postMessage(channel=TICKETS, text="x")) == "ratelimited"


async def test_sessions_stay_where_they_were(fullstory: FullstorySandbox) -> None:
    """However long the demo runs: messages don't move either."""
    url = f"{fullstory.url}/sessions/v2?email=jane@example.com"
    headers = {"Authorization": f"Basic {fullstory.key}"}
    replies = []
    async with aiohttp.ClientSession(headers=headers) as http:
        for _ in range(2):
            async with http.get(url) as response:
                assert response.status == 200
                replies.append(await response.text())
    assert replies[0] == replies[1]
    assert "createdTime" in replies[0]
    assert fullstory.clock() == fullstory.clock()
