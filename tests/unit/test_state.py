"""What is remembered: once, for a time, within bounds. A second implementation joins `STATES`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bot.state.cache import Cache
from bot.state.in_memory import MOST, InMemory
from bot.state.protocol import State


class Clock:
    """Seconds, in the hands of a test."""

    now = 1000.0

    def __call__(self) -> float:
        """The time now."""
        return self.now


STATES: dict[str, Callable[[Clock], State]] = {"memory": InMemory}
KEY = ("event", "C1", "1700000000.000100")


@pytest.fixture
def clock() -> Clock:
    """Time that passes when a test says so."""
    return Clock()


@pytest.fixture(params=STATES)
def state(request: pytest.FixtureRequest, clock: Clock) -> State:
    """Each implementation."""
    return STATES[request.param](clock)


async def test_a_claim_is_the_firsts(state: State, clock: Clock) -> None:
    """Until it expires, or is given up."""
    assert await state.claim(KEY, 60)
    assert not await state.claim(KEY, 60)
    assert await state.claim(("event", "C2", KEY[2]), 60)
    clock.now += 59
    assert not await state.claim(KEY, 60)
    clock.now += 1
    assert await state.claim(KEY, 60)
    await state.forget(KEY)
    assert await state.claim(KEY, 60)


async def test_claims_at_once(state: State) -> None:
    """One of many gets it."""
    claims = await asyncio.gather(*(state.claim(KEY, 60) for _ in range(50)))
    assert sum(claims) == 1


async def test_counting(state: State, clock: Clock) -> None:
    """So many in any minute; what was refused is not counted."""
    for _ in range(3):
        assert await state.count(KEY, 3, 60)
        clock.now += 10
    assert not await state.count(KEY, 3, 60)
    assert await state.count(("event", "another"), 3, 60)
    clock.now += 31  # the first of the three is more than a minute ago
    assert await state.count(KEY, 3, 60)
    assert not await state.count(KEY, 3, 60)


async def test_values(state: State, clock: Clock) -> None:
    """The latest one, while it is kept."""
    assert await state.get(KEY) is None
    await state.put(KEY, "one", 60)
    await state.put(KEY, "other", 60)
    assert await state.get(KEY) == "other"
    clock.now += 60
    assert await state.get(KEY) is None
    await state.put(KEY, "", 60)
    assert await state.get(KEY) == ""
    await state.forget(KEY)
    await state.forget(KEY)
    assert await state.get(KEY) is None


async def test_memory_is_bounded() -> None:
    """A flood of one kind forgets the oldest of that kind, and nothing of another."""
    state = InMemory()
    await state.put(("colleague", "U1"), "yes", 3600)
    for number in range(MOST + 1):
        await state.claim(("event", str(number)), 3600)
    assert await state.get(("colleague", "U1")) == "yes"
    assert await state.claim(("event", "0"), 3600)
    assert not await state.claim(("event", str(MOST)), 3600)


async def test_answers_are_asked_for_once(state: State) -> None:
    """By all who wait; one who gives up doesn't cost the others the answer."""
    answers, may_answer, asked = Cache(state, "colleague"), asyncio.Event(), 0

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


async def test_failures_are_not_kept(state: State) -> None:
    """Nor is an answer that is for no time."""
    answers, replies = Cache(state, "colleague"), ["down", "unknown", "yes"]

    async def ask() -> tuple[str, float]:
        reply = replies.pop(0)
        if reply == "down":
            raise ConnectionError
        return reply, 0

    with pytest.raises(ConnectionError):
        await answers.get("U1", ask)
    assert await answers.get("U1", ask) == "unknown"
    assert await answers.get("U1", ask) == "yes"
