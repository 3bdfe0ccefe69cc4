"""`GET /metrics`, where it was asked for."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import PARTNER, USER
from tests.conftest import QUICK, Logged, StartBot, migrated
from tests.databases import postgres_server


async def test_lookups_are_counted(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
) -> None:
    """By outcome, on a port of their own, without anyone's name."""
    async with start_bot(metrics_port=0), aiohttp.ClientSession() as http:
        await slack.command("/fsessions jane@example.com")
        await slack.command("/fsessions zoe@example.com")
        fullstory.script.append(Scripted(401))
        await slack.command("/fsessions jane@example.com")
        await slack.command("/fsessions help")
        await slack.command("/fsessions jane@example.com", user_id=PARTNER)  # refused
        slack.users["U0MUTE"] = slack.users[USER] | {"id": "U0MUTE", "profile": {}}
        await slack.command("/fsessions <@U0MUTE>")  # a profile without an address
        (port,) = [line["port"] for line in logged() if line["event"] == "metrics"]
        async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
            text = await response.text()
    samples: dict[tuple[str, str | None], float] = {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["fsessions_lookups_total", "found"] == 1
    assert samples["fsessions_lookups_total", "none"] == 1
    assert samples["fsessions_lookups_total", "KeyRejected"] == 1
    assert samples["fsessions_lookup_seconds_count", None] == 3
    outcomes = {
        outcome
        for (name, outcome), value in samples.items()
        if name == "fsessions_lookups_total" and value
    }
    assert outcomes == {"found", "none", "KeyRejected"}
    assert "jane" not in text


async def test_the_database_is_unavailable(start_bot: StartBot, logged: Logged) -> None:
    """It is counted and said: the process serves all the same."""
    with postgres_server() as server:
        url = server.new_database()
        await migrated(url)
        timeouts = replace(QUICK, lease_renewal=0.05)
        async with (
            start_bot(timeouts, database_url=url, metrics_port=0) as service,
            aiohttp.ClientSession() as http,
        ):
            (metrics,) = [line["port"] for line in logged() if line["event"] == "metrics"]

            async def said() -> tuple[int, dict[str, str], str]:
                async with http.get(f"http://127.0.0.1:{service.port}/readyz") as ready:
                    told = await ready.json()
                async with http.get(f"http://127.0.0.1:{metrics}/metrics") as response:
                    text = await response.text()
                (line,) = re.findall(r"^fsessions_database_up .*$", text, re.MULTILINE)
                return ready.status, told, line

            assert await said() == (200, {"status": "ready"}, "fsessions_database_up 1.0")
            server.stop()
            unavailable = "unavailable; using in-process state"
            async with asyncio.timeout(30):
                while "database" not in (await said())[1]:
                    await asyncio.sleep(0.02)
            status, told, line = await said()
            assert (status, told["database"], line[-3:]) == (200, unavailable, "0.0")
            server.start()
            async with asyncio.timeout(60):
                while "database" in (await said())[1]:
                    await asyncio.sleep(0.02)


async def test_none_unless_asked_for(start_bot: StartBot, logged: Logged) -> None:
    """The bot's own port doesn't serve them."""
    async with (
        start_bot() as service,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{service.port}/metrics") as response,
    ):
        assert response.status == 404
    assert "metrics" not in [line["event"] for line in logged()]
