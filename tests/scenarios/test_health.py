"""`/readyz` tells the truth, before a person complains; `/healthz` only that the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.settings import settings_for
from bot.sandbox.slack import SlackSandbox
from bot.service import Service, running
from tests.conftest import QUICK, StartBot

SOON = replace(QUICK, health=0.02, reconnect_grace=0.3)


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[None]:
    """Serve as `fsessions serve` does."""
    stop = asyncio.Event()
    task = asyncio.create_task(service.serve_until(stop))
    yield
    stop.set()
    await task


async def ready(service: Service, query: str = "") -> tuple[int, dict[str, Any]]:
    """Return what `/readyz` answers."""
    url = f"http://127.0.0.1:{service.port}/readyz{query}"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status, await response.json()


async def becomes(service: Service, expected: tuple[int, dict[str, Any]]) -> None:
    """Wait until it answers this."""
    async with asyncio.timeout(20):
        while await ready(service) != expected:
            await asyncio.sleep(0.01)


READY = 200, {"status": "ready"}


async def test_a_revoked_token(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Found within a minute; and again when it works."""
    async with start_bot(SOON) as service, serving(service):
        await becomes(service, READY)
        slack.api_errors["auth.test"] = "token_revoked"
        reason = "SLACK_BOT_TOKEN is rejected: token_revoked"
        await becomes(service, (503, {"status": "not ready", "slack": reason}))
        del slack.api_errors["auth.test"]
        await becomes(service, READY)


async def test_a_refused_key(
    start_bot: StartBot, fullstory: FullstorySandbox, slack: SlackSandbox
) -> None:
    """A load balancer may go on sending requests: people are told what is wrong."""
    async with start_bot(SOON) as service, serving(service):
        await becomes(service, READY)
        fullstory.key = "another"
        reason = "FULLSTORY_API_KEY is rejected"
        await becomes(service, (503, {"status": "not ready", "fullstory": reason}))
        status, said = await ready(service, "?exclude=slack&exclude=fullstory")
        assert (status, said) == (200, {"status": "ready", "fullstory": reason})
        assert (await ready(service, "?exclude=slack"))[0] == 503
        exchange = await slack.command("/fsessions jane@example.com")
        assert "doesn't accept this bot's API key" in str(exchange.ack)


async def test_trouble_says_nothing_about_a_key(
    start_bot: StartBot, fullstory: FullstorySandbox, slack: SlackSandbox
) -> None:
    """A service that is down is no reason to be down, too."""
    async with start_bot(SOON) as service, serving(service):
        slack.api_errors["auth.test"] = ""
        fullstory.me = Scripted(503)
        await asyncio.sleep(0.2)
        assert await ready(service) == READY


async def test_a_connection_that_never_was(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """A closed firewall at the first start: it says why, and so does the metric."""
    slack.api_errors["apps.connections.open"] = "internal_error"
    settings = settings_for(slack, fullstory, slack_app_token=slack.app_token)
    async with running(settings, SOON) as service:
        reason = "not connected over Socket Mode"
        await becomes(service, (503, {"status": "starting", "slack": reason}))
        assert not service.health.is_connected


@pytest.mark.parametrize("transport", ["socket"])
async def test_a_dead_connection(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Slack refreshes connections, so there is a time of grace."""
    async with start_bot(replace(SOON, reconnect_grace=60.0)) as service, serving(service):
        await becomes(service, READY)
        await slack.close_sockets()
        assert await ready(service) == READY
    async with start_bot(SOON) as service, serving(service):
        await becomes(service, READY)
        slack.api_errors["apps.connections.open"] = "internal_error"
        await slack.close_sockets()
        reason = "not connected over Socket Mode"
        await becomes(service, (503, {"status": "not ready", "slack": reason}))
        del slack.api_errors["apps.connections.open"]
        await becomes(service, READY)
