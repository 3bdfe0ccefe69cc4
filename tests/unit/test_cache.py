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


async def test_no_one_waits_for_what_was_given_up() -> None:
    """The last caller leaves: the request is cancelled, and who comes right after asks anew."""
    cache: Cache[int] = Cache()
    asked: list[asyncio.Event] = []

    async def ask() -> tuple[int, float]:
        asked.append(asyncio.Event())
        await asked[-1].wait()
        return len(asked), 0.0

    first = asyncio.create_task(cache.get("x", ask))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    second = asyncio.create_task(cache.get("x", ask))
    await asyncio.sleep(0.01)
    for event in asked:
        event.set()
    assert await second == 2
    assert first.cancelled()


async def test_what_has_expired_is_not_kept() -> None:
    """It may be about a person."""
    now = 0.0
    cache: Cache[str] = Cache(lambda: now)

    async def ask() -> tuple[str, float]:
        return "jane", 15.0

    async def fail() -> tuple[str, float]:
        raise LookupError

    await cache.get("x", ask)
    now = 16.0
    with pytest.raises(LookupError):
        await cache.get("y", fail)
    assert not cache.has("x")
    assert len(cache._answers) == 0
