"""The benchmarks work: a very short run, whose figures say nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import pytest

from benchmarks import bench, parts, processes
from benchmarks.outside import Outside
from benchmarks.report import BOT, FLOOR, picture, report, targets
from bot.database.audit import AuditEvents
from bot.database.engine import open_engine
from bot.lookup.events import AuditQuery
from bot.sandbox.postgres import programs
from bot.sandbox.settings import temporary_database
from bot.waits import Waits
from tests.databases import is_installed

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="they are for Linux")


async def test_a_short_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor and the bot, once through all of one process; and what is written about it."""
    monkeypatch.setenv("PEERS", "bot")
    said: list[str] = []
    measured = await bench.measure(bench.SMOKE, said.append)
    assert said == ["round 1 of 1"]
    assert set(measured) == set(bench.SCENARIOS)
    assert set(measured["saturation"]) == {FLOOR, BOT}
    assert measured["burst"][BOT][0]["lost"] == 0
    named = {name: value for name, _, value, _ in targets(measured)}
    assert math.isnan(named["throughput, to Bolt JS"])
    text = report(measured, 1, bench.versions())
    assert "| throughput, to Bolt JS | ≥ 1.6 | nan | not measured |" in text
    assert "## saturation" in text
    assert picture(measured).count("<rect") == 3


async def test_parts_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot without any of them answers, asks once, and records nothing."""
    monkeypatch.setenv("PEERS", BOT)
    async with temporary_database() as database:
        peer = parts.bot_without(bench.peers(database)[BOT], ",".join(parts.PARTS))
        async with Outside().running() as outside, bench.running(peer, outside) as one:
            for _ in range(5):
                await outside.ask(one.port)
            assert outside.asked == 1
        async with open_engine(database) as engine:
            assert await AuditEvents(engine, Waits()).count(AuditQuery()) == 0


@pytest.mark.skipif(not is_installed(), reason="needs PostgreSQL")
async def test_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them serves, and has a connection to the database."""
    monkeypatch.setattr(processes, "COMMANDS", 64)
    ((figures,),) = (await processes.measure(cast(Path, programs()), (2,), 1)).values()
    assert figures["connections"] >= 2


async def test_what_is_asked_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor answers what the outside asks, and no more than that."""
    monkeypatch.setenv("PEERS", FLOOR)
    async with Outside().running() as outside:
        peer = bench.peers("")[FLOOR]
        async with bench.running(peer, outside) as one:
            before = outside.asked
            acked, answered = await outside.ask(one.port)
            assert 0 < acked <= answered
            assert outside.asked == before + 1
