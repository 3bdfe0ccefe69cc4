"""`GET /metrics`, where it was asked for."""

from __future__ import annotations

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from tests.conftest import Logged, StartBot


@pytest.fixture
def transport() -> str:
    """One is enough: both lead to the same finder."""
    return "http"


async def test_lookups_are_counted(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
) -> None:
    """By outcome, on a port of their own, without anybody's name."""
    async with start_bot(metrics_port=0), aiohttp.ClientSession() as http:
        await slack.command("/fsessions jane@example.com")
        await slack.command("/fsessions zoe@example.com")
        fullstory.script.append(Scripted(401))
        await slack.command("/fsessions jane@example.com")
        await slack.command("/fsessions help")
        (port,) = [line["port"] for line in logged() if line["event"] == "metrics"]
        async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
            text = await response.text()
    samples = {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["fsessions_lookups_total", "found"] == 1
    assert samples["fsessions_lookups_total", "none"] == 1
    assert samples["fsessions_lookups_total", "KeyRejected"] == 1
    assert samples["fsessions_lookup_seconds_count", None] == 3
    assert "jane" not in text


async def test_none_unless_asked_for(start_bot: StartBot, logged: Logged) -> None:
    """The bot's own port doesn't serve them."""
    async with (
        start_bot() as service,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{service.port}/metrics") as response,
    ):
        assert response.status == 404
    assert "metrics" not in [line["event"] for line in logged()]
