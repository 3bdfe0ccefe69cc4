"""What *What happened?* costs: each window once, each press at most once, and so many a day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.access import Actor, EntryPoint
from bot.core.audit import Audit, PersonHashes
from bot.core.insight import FailedTogether, Insight, Insights, Interrupted, OverLimit, Told
from bot.core.outcomes import Crashed, Failed
from bot.core.sessions import Query, Session
from bot.core.story import Event, Excerpt, Window
from bot.errors import Unavailable
from bot.store.memory import InMemory

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
QUERY = Query("jane@example.com", None, 1)
ACTOR = Actor("T1", "U1", EntryPoint.BUTTON)


class Fullstory:
    """Counts what is paid; it answers once `may_answer` is set, or raises `error`."""

    timeout = 0.5

    def __init__(self) -> None:
        self.paid = 0
        self.error: Exception | None = None
        self.events = [Event("click", NOON, "/")]
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def context(self, session: Session, window: Window | None) -> Excerpt:
        """Answer, or fail."""
        del session, window
        self.paid += 1
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return Excerpt(self.events, browser=str(self.paid))


class Presses:
    """Presses at the time `now`; each session has an id and an age in hours."""

    def __init__(self, per_day: int = 30) -> None:
        self.now = NOON
        self.fullstory = Fullstory()
        self.memory = InMemory(lambda: self.now.timestamp())
        audit = Audit(PersonHashes(()))
        self.insights = Insights(
            self.fullstory, self.memory, audit, per_day, clock=lambda: self.now
        )

    async def press(
        self,
        window: Window | None = None,
        *,
        session: str = "1",
        age: float = 1,
        may_pay: bool = True,
    ) -> Insight:
        """Press once."""
        started = NOON - timedelta(hours=age)
        one = Session("1", session, started, None)
        return await self.insights.run(one, window, QUERY, ACTOR, may_pay=may_pay)


def window(minutes: float) -> Window:
    """Return the window around a moment so many minutes before noon."""
    moment = NOON - timedelta(minutes=minutes)
    return Window(moment - timedelta(minutes=3), moment + timedelta(minutes=3))


@pytest.mark.parametrize(
    ("part", "age", "events", "later", "is_paid_again"),
    [
        (window(10), 1, 1, timedelta(hours=23), False),  # a closed window never changes
        (window(10), 1, 1, timedelta(hours=25), True),  # it is kept for a day
        (window(2), 1, 1, timedelta(minutes=3), True),  # it was still open
        (window(2), 1, 1, timedelta(minutes=1), False),
        (window(10), 1, 0, timedelta(minutes=3), True),  # its events may arrive late
        (window(60), 1, 0, timedelta(hours=1), False),
        (None, 1, 1, timedelta(minutes=3), True),  # it may still go on
        (None, 9, 1, timedelta(hours=1), False),  # no session takes so long
    ],
)
async def test_the_same_is_paid_once(
    part: Window | None, age: float, events: int, later: timedelta, *, is_paid_again: bool
) -> None:
    """As long as Fullstory would tell the same."""
    presses = Presses()
    presses.fullstory.events = presses.fullstory.events[:events]
    assert await presses.press(part, age=age) == Told(
        Excerpt(presses.fullstory.events, browser="1"), is_paid=True
    )
    presses.now += later
    second = await presses.press(part, age=age)
    assert isinstance(second, Told)
    assert second.is_paid is is_paid_again
    assert presses.fullstory.paid == 1 + is_paid_again


async def test_parts_and_sessions_are_told_apart() -> None:
    """Each is paid for."""
    presses = Presses()
    for part, session in ((None, "1"), (window(10), "1"), (window(11), "1"), (None, "2")):
        await presses.press(part, session=session)
    assert presses.fullstory.paid == 4


async def test_the_limit_of_a_day_ends_at_midnight() -> None:
    """In UTC; what is known costs nothing, and the next day begins at once."""
    presses = Presses(per_day=1)
    presses.now = datetime(2026, 11, 28, 23, 59, 55, tzinfo=UTC)
    assert isinstance(await presses.press(age=20), Told)
    assert await presses.press(session="2") == OverLimit(5)
    assert await presses.press(session="2") == OverLimit(5)
    assert isinstance(await presses.press(age=20), Told)
    presses.now += timedelta(seconds=6)
    assert isinstance(await presses.press(session="2"), Told)
    assert presses.fullstory.paid == 2


@pytest.mark.parametrize(
    ("error", "outcome"), [(Unavailable(500), Failed), (ValueError("x"), Crashed)]
)
async def test_what_was_told_survives_a_failure(error: Exception, outcome: type) -> None:
    """The report is of what was paid for; and the next press may ask again, at once."""
    presses = Presses()
    await presses.press()
    presses.now += timedelta(minutes=3)
    presses.fullstory.error = error
    assert isinstance(await presses.press(), outcome)
    known = await presses.insights.known(Session("1", "1", None, None), None)
    assert known is not None
    assert known.browser == "1"
    presses.fullstory.error = None
    assert isinstance(await presses.press(), Told)
    assert presses.fullstory.paid == 3


async def test_who_waits_for_a_press_shares_its_end() -> None:
    """An answer or a failure, for one payment."""
    presses = Presses()
    for error, expected in ((None, Told), (Unavailable(500), FailedTogether)):
        presses.fullstory.error = error
        presses.fullstory.may_answer.clear()
        session = str(expected)
        running = [asyncio.create_task(presses.press(session=session)) for _ in range(3)]
        await asyncio.sleep(0.01)
        presses.fullstory.may_answer.set()
        outcomes = await asyncio.gather(*running)
        assert sum(isinstance(one, expected) for one in outcomes) >= 2
    assert presses.fullstory.paid == 2


async def test_a_press_that_was_resumed_is_not_paid_again() -> None:
    """What another process learned is told; nothing else."""
    presses = Presses()
    assert await presses.press(may_pay=False) == Interrupted()
    await presses.press()
    assert isinstance(await presses.press(may_pay=False), Told)
    assert presses.fullstory.paid == 1


async def test_a_press_whose_process_dies() -> None:
    """It leaves nothing: after a while, the next press asks itself."""
    presses = Presses()
    # What a dead process leaves: it has counted, and never said how it ended.
    await presses.memory.count({("asked", "insight 1", "1:1", ""): 1}, 5.5)
    waiting = asyncio.create_task(presses.press())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    waiting.cancel()
    presses.now += timedelta(seconds=6)
    assert isinstance(await presses.press(), Told)
    assert presses.fullstory.paid == 1
