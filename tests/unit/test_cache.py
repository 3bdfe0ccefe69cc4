"""Cached answers."""

from __future__ import annotations

import asyncio

import pytest

from bot.cache import Cache


async def test_answers_are_asked_for_once() -> None:
    """By all who wait; one who gives up doesn't cost the others the answer."""
    answers, may_answer, asked = Cache[str](), asyncio.Event(), 0

    async def ask() -> tuple[str, float]:
        nonlocal asked
        asked += 1
        await may_answer.wait()
        return "yes", 60

    waiting = [asyncio.create_task(answers.get("U1", ask)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    may_answer.set()
    assert await asyncio.gather(*waiting[1:]) == ["yes", "yes"]
    assert await answers.get("U1", ask) == "yes"
    assert asked == 1


async def test_failures_are_not_kept() -> None:
    """Nor is an answer that is for no time."""
    answers, replies = Cache[str](), ["down", "unknown", "yes"]

    async def ask() -> tuple[str, float]:
        reply = replies.pop(0)
        if reply == "down":
            raise ConnectionError
        return reply, 0

    with pytest.raises(ConnectionError):
        await answers.get("U1", ask)
    assert await answers.get("U1", ask) == "unknown"
    assert await answers.get("U1", ask) == "yes"
