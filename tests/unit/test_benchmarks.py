"""The benchmarks work: a very short run, whose figures say nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks import bench, parts
from benchmarks.outside import Outside
from benchmarks.report import BOT, FLOOR, picture, report, targets

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="they are for Linux")


async def test_a_short_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor and the bot, once through all of one process; and what is written about it."""
    alone = {name for name, one in bench.SCENARIOS.items() if not one.world.processes}
    monkeypatch.setenv("SCENARIOS", ",".join(alone))
    monkeypatch.setenv("PEERS", "bot")
    said: list[str] = []
    measured = await bench.measure(bench.SMOKE, said.append)
    assert said == ["round 1 of 1"]
    assert set(measured) == alone
    assert set(measured["saturation"]) == {FLOOR, BOT}
    assert measured["burst"][BOT][0]["lost"] == 0
    named = {name: value for name, _, value, _ in targets(measured)}
    assert math.isnan(named["throughput, to Bolt JS"])
    text = report(measured, 1)
    assert "| throughput, to Bolt JS | ≥ 1.6 | nan | not measured |" in text
    assert "## saturation" in text
    assert picture(measured).count("<rect") == 3


async def test_parts_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot answers without each of them."""
    monkeypatch.setenv("PEERS", BOT)
    (choice, figures), *others = (
        await parts.measure(bench.SMOKE, 1, [",".join(parts.PARTS)])
    ).items()
    assert (choice, len(figures), others) == (",".join(parts.PARTS), 1, [])


async def test_what_is_asked_is_answered() -> None:
    """The floor answers what the outside asks, and no more than that."""
    async with Outside().running() as outside:
        peer = bench.peers(Path())[FLOOR]
        async with bench.running(peer, outside) as one:
            before = outside.asked
            acked, answered = await outside.ask(one.port)
            assert 0 < acked <= answered
            assert outside.asked == before + 1
