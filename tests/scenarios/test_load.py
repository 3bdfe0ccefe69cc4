"""Many at once: what is too much is refused at once, and no one waits for what others asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.core.outcomes import Busy, TooMany, explain
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.people import Person
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, USER
from bot.slack import texts
from tests.conftest import QUICK, StartBot, until
from tests.scenarios.answers import JANE, final, refresh, share_window

BUSY = explain(Busy()).what
LIMITS = {"lookups_per_minute": 10_000}


async def test_too_many_in_flight(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Told at once, with a button; the others are answered, and then there is room again."""
    async with start_bot(max_lookups_in_flight=3, answer_budget_seconds=0.2, **LIMITS):
        held = fullstory.hold()
        waiting = [await slack.command(f"/fsessions user-{number}") for number in range(3)]
        refused = await slack.command(f"/fsessions {JANE}")
        assert refused.ack
        assert BUSY in refused.ack["text"]
        held.set()
        for exchange in waiting:
            assert texts.STILL_LOOKING not in (await exchange.answer())["text"]
        shown = await refresh(slack, slack.screen[3])
        assert JANE in (await shown.answer())["text"]


async def test_too_many_in_a_minute(start_bot: StartBot, slack: SlackSandbox) -> None:
    """For each person; a workflow has no such limit."""
    async with start_bot(lookups_per_minute=2):
        said = [await final(await slack.command(f"/fsessions {JANE}")) for _ in range(3)]
        assert explain(TooMany(2)).what in said[2]["text"]
        assert explain(TooMany(2)).what not in said[1]["text"]
        other = await final(await slack.command(f"/fsessions {JANE}", user_id=AGENT))
        assert JANE in other["text"]
        for shown_to in ("", AGENT, "", AGENT):
            run = await slack.run_step("find_sessions_step", person=JANE, show_to=shown_to)
            assert (await run.end())[0] == "success"
        assert (
            JANE in (await final(await slack.command(f"/fsessions {JANE}", user_id=AGENT)))["text"]
        )


async def test_the_same_is_asked_once(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """At the same time, and within seconds, by anyone who may; *Refresh* asks again."""
    async with start_bot(replace(QUICK, sessions_kept=60.0), **LIMITS):
        held = fullstory.hold()
        first = [asyncio.create_task(slack.command(f"/fsessions {JANE}")) for _ in range(5)]
        await until(lambda: len(fullstory.received) == 1)
        held.set()
        answers = [await final(one) for one in await asyncio.gather(*first)]
        assert len({str(one["text"]) for one in answers}) == 1
        await final(await slack.command(f"/fsessions {JANE}", user_id=AGENT))
        assert len(fullstory.received) == 1
        await (await refresh(slack, slack.screen[0])).answer()
        assert len(fullstory.received) == 2
        await final(await slack.command(f"/fsessions {JANE} 100"))  # more than were fetched
        assert len(fullstory.received) == 3
        await final(await slack.command(f"/fsessions {JANE} 5"))
        assert len(fullstory.received) == 3


async def test_a_refreshed_answer_can_be_shared(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """What is kept for one question is not older than what is kept for another."""
    now = fullstory.clock()
    async with start_bot(replace(QUICK, sessions_kept=60.0)):
        await final(await slack.command("/fsessions omar@example.com"))
        answer = slack.screen[-1]
        await share_window(slack, answer)
        fullstory.people = tuple(
            replace(one, sessions=2) if one.email == "omar@example.com" else one
            for one in fullstory.people
        )
        assert now == fullstory.clock()
        await (await refresh(slack, answer)).answer()
        view_id = await share_window(slack, answer)
        assert "have changed" not in str(slack.views[view_id])
        assert "All 2 sessions" in str(slack.views[view_id])


async def test_who_may_not_see_is_shown_nothing_that_is_kept(
    start_bot: StartBot, slack: SlackSandbox
) -> None:
    """Access is decided for each person."""
    async with start_bot(replace(QUICK, sessions_kept=60.0), allowed_users=(USER,)):
        assert JANE in (await final(await slack.command(f"/fsessions {JANE}")))["text"]
        denied = await final(await slack.command(f"/fsessions {JANE}", user_id=AGENT))
        assert "aren't one of the people" in denied["text"]


async def test_a_failure_is_not_kept(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The next one asks again."""
    async with start_bot(replace(QUICK, sessions_kept=60.0), **LIMITS):
        fullstory.script.append(Scripted(401))
        assert "API key" in (await final(await slack.command(f"/fsessions {JANE}")))["text"]
        assert JANE in (await final(await slack.command(f"/fsessions {JANE}")))["text"]


async def test_fullstory_asks_to_wait(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Meanwhile no one asks it, and everyone is told for how long."""
    async with start_bot(**LIMITS):
        fullstory.script.append(Scripted(429, headers={"Retry-After": "40"}))
        for person in (JANE, "omar@example.com"):
            said = (await final(await slack.command(f"/fsessions {person}")))["text"]
            seconds = int(said.split("try again in ")[1].split()[0])
            assert 30 <= seconds <= 40
        assert len(fullstory.received) == 1


async def test_a_short_wait_is_waited_for(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Then everyone gets an answer."""
    async with start_bot(**LIMITS):
        fullstory.script.append(Scripted(429, headers={"Retry-After": "1"}))
        both = (f"/fsessions {JANE}", "/fsessions omar@example.com")
        exchanges = await asyncio.gather(*map(slack.command, both))
        for exchange in exchanges:
            assert "session" in (await final(exchange))["text"]


def memory() -> int:
    """Return what this process has in memory now, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


@pytest.mark.chaos
async def test_two_thousand_while_fullstory_hangs(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Two hundred wait and the others are told; the process stays healthy and small."""
    fullstory.people += tuple(
        Person(f"c{n}@example.com", "one of many", email=f"c{n}@example.com", sessions=1)
        for n in range(2_000)
    )
    async with (
        start_bot(answer_budget_seconds=0.5, fullstory_timeout_seconds=300, **LIMITS) as service,
        aiohttp.ClientSession() as http,
    ):
        held = fullstory.hold()
        before = memory()
        room = asyncio.Semaphore(100)  # Slack's own connections

        async def ask(number: int) -> dict[str, Any]:
            async with room:
                exchange = await slack.command(f"/fsessions c{number}@example.com")
                return exchange.ack or {}

        asking = asyncio.gather(*map(ask, range(2_000)))
        while not asking.done():
            async with http.get(f"http://127.0.0.1:{service.port}/healthz") as response:
                assert response.status == 200
            await asyncio.sleep(0.05)
        acks = await asking
        assert sum(BUSY in str(one.get("text")) for one in acks) == 1_800
        assert len(fullstory.received) == 200
        # Both stand-ins live in this process, too: what the bot itself takes is less.
        assert memory() - before < 300 * 1024
        held.set()
        fullstory.held = None
        assert JANE in (await final(await slack.command(f"/fsessions {JANE}")))["text"]
