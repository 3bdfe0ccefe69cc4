"""What all processes of one bot know, in their database; and in each one's memory while it is away.

A database that hangs costs a person some tenths of a second at most, and that once: until it
answers again, nothing waits for it. Meanwhile a process knows what it has done itself; what another
one has done, it may do once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.database.claims import SqlClaims
from bot.database.engine import TROUBLE
from bot.database.values import SqlValues
from bot.state.in_memory import InMemory
from bot.state.protocol import Key, Owed, Work
from bot.waits import Waits, end, within

_log = structlog.get_logger()
_T = TypeVar("_T")

_PURGE_ROUNDS: Final = 15  # between two times that what has expired is deleted
_NEVER: Final = float("-inf")


def open_shared(engine: AsyncEngine, bot: str, keys: Sequence[str], waits: Waits) -> SharedState:
    """What the processes of one bot share.

    `bot` tells it from others in the same database. `keys` are Fernet keys for what is owed.
    """
    seals = None
    if keys:
        from bot.state.sealing import Seals

        seals = Seals(keys)
    else:
        _log.warning("no STATE_KEYS: a late answer ends with the process that owes it")
    claims = SqlClaims(engine, bot, seals, waits)
    return SharedState(claims, SqlValues(engine, bot), waits, stores_work=bool(keys))


class _Away(Exception):
    """The database doesn't answer."""


class SharedState:
    """A `bot.state.protocol.Shared`; `run` renews, takes over, and notices that all is well again.

    `is_away` tells whether this process knows its own memory alone.
    """

    def __init__(
        self, claims: SqlClaims, values: SqlValues, waits: Waits, *, stores_work: bool
    ) -> None:
        self._claims = claims
        self._values = values
        self._waits = waits
        self._stores_work = stores_work
        self._memory = InMemory()
        # Of what is ours: until when, by our own clock, nobody else may have taken it. What was
        # claimed in memory alone is there with None: perhaps the database has heard of it.
        self._held: dict[str, float | None] = {}
        self._unmarked: dict[str, float] = {}
        self._failures = 0
        self._ending = asyncio.Event()
        self.is_away = False

    @property
    def durable(self) -> bool:
        """As the protocol says."""
        return self._stores_work and not self.is_away

    # -- State ------------------------------------------------------------------------------------

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """As the protocol says."""
        try:
            return await self._ask(lambda: self._values.count(limits, seconds))
        except _Away:
            return await self._memory.count(limits, seconds)

    async def put(self, key: Key, value: str, seconds: float) -> None:
        """As the protocol says."""
        self._memory.forget(key)
        try:
            await self._ask(lambda: self._values.put(key, value, seconds))
        except _Away:
            await self._memory.put(key, value, seconds)

    async def get(self, key: Key) -> str | None:
        """As the protocol says. What is in memory came later than what is in the database."""
        value = await self._memory.get(key)
        if value is None:
            with suppress(_Away):
                value = await self._ask(lambda: self._values.get(key))
        return value

    # -- Claims -----------------------------------------------------------------------------------

    async def take(self, claim: str, work: Work) -> str | None:
        """As the protocol says. What this process has is known without asking."""
        if await self._memory.take(claim, work) is None:
            return None
        asked = self._clock()
        try:
            step = await self._ask(lambda: self._claims.take(claim, work))
        except _Away:
            self._held[claim] = None
            return ""
        if step is None:
            self._memory.release(claim)  # should its owner die, it may be ours yet
        else:
            self._held[claim] = asked + self._waits.lease
        return step

    async def still_ours(self, claim: str, step: str = "") -> bool:
        """As the protocol says; while nobody can tell, it waits."""
        while (safe_until := self._held.get(claim, _NEVER)) is not None:
            asked = self._clock()
            try:
                ours = await self._ask(lambda: self._claims.renew([claim], step), self._waits.claim)
            except _Away:
                if self._clock() < safe_until:
                    return True
                await asyncio.sleep(self._waits.first_retry)
                continue
            if ours:
                self._held[claim] = asked + self._waits.lease
            return bool(ours)
        return True

    async def done(self, claim: str, seconds: float) -> None:
        """As the protocol says. It is told later, where it can't be told now."""
        await self._memory.done(claim, seconds)
        self._held.pop(claim, None)
        try:
            await self._ask(lambda: self._claims.done(claim, seconds), self._waits.claim)
        except _Away:
            self._unmarked[claim] = seconds

    async def hand_over(self, claim: str) -> bool:
        """As the protocol says."""
        try:
            handed = await self._ask(lambda: self._claims.hand_over(claim), self._waits.claim)
        except _Away:
            return False
        if handed:
            self._held.pop(claim, None)
        return handed

    # -- In the background ------------------------------------------------------------------------

    async def run(
        self, go_on: Callable[[Owed], Awaitable[None]], may_take_over: Callable[[], bool]
    ) -> None:
        """Until it is told to end. What is taken over goes to `go_on`, which returns soon."""
        rounds = 0
        while not self._ending.is_set():
            failures = self._failures
            try:
                await self._renew()
                if may_take_over():
                    await self._take_over(go_on)
                if rounds % _PURGE_ROUNDS == 0:
                    await self._purge()
            except TROUBLE as error:
                self._went_away(error)
            else:
                if failures == self._failures and not self._unmarked:
                    self._came_back()
            rounds += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(self._waits.lease_renewal):
                    await self._ending.wait()

    async def finish(self, running: asyncio.Task[None]) -> None:
        """Lets `running`, which does `run`, finish its round."""
        self._ending.set()
        await asyncio.wait({running}, timeout=self._waits.lease_renewal)
        await end(running)

    async def _renew(self) -> None:
        asked, held = self._clock(), list(self._held)
        for claim in await self._patiently(self._claims.renew(held)):
            if self._held.get(claim) is not None:
                self._held[claim] = asked + self._waits.lease
        for claim, seconds in list(self._unmarked.items()):
            await self._patiently(self._claims.done(claim, seconds))
            del self._unmarked[claim]

    async def _take_over(self, go_on: Callable[[Owed], Awaitable[None]]) -> None:
        asked = self._clock()
        for owed in await self._patiently(self._claims.take_over()):
            await self._memory.take(owed.claim, owed.work)
            self._held[owed.claim] = asked + self._waits.lease
            await go_on(owed)

    async def _purge(self) -> None:
        await self._patiently(self._values.purge())
        if lost := await self._patiently(self._claims.purge()):
            _log.error("answers lost: nobody could send them in time", count=lost)

    async def _patiently(self, work: Coroutine[Any, Any, _T]) -> _T:
        return await within(self._waits.lease_renewal, work)

    async def _ask(
        self, work: Callable[[], Coroutine[Any, Any, _T]], seconds: float | None = None
    ) -> _T:
        """What the database says, within the time of an ack, or so many `seconds`.

        Raises `_Away`.
        """
        if self.is_away:
            raise _Away
        try:
            # Not cancelled: it would only be less known what became of it.
            return await within(seconds or self._waits.state, work(), cancelling=False)
        except TROUBLE as error:
            self._went_away(error)
            raise _Away from error

    def _went_away(self, error: Exception) -> None:
        self._failures += 1
        if not self.is_away:
            _log.error("shared state is away: this process goes on alone", exc_info=error)
        self.is_away = True

    def _came_back(self) -> None:
        if self.is_away:
            _log.info("shared state is back")
        self.is_away = False

    def _clock(self) -> float:
        return asyncio.get_running_loop().time()
