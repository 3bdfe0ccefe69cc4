"""What all processes of one bot know, in their database; and in each one's memory while it is away.

A database that hangs costs a person some tenths of a second at most, and that once: until it
answers again, nothing waits for it. Meanwhile a process knows what it has done itself; what another
one has done, it may do once more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.store.encryption import Sealed
from bot.store.engine import TROUBLE
from bot.store.jobs import SqlJobs
from bot.store.memory import MOST, InMemory
from bot.store.protocol import Key, NotStored, PendingJob, Work
from bot.store.values import SqlValues, Value
from bot.timeouts import Timeouts, end, within

_log = structlog.get_logger()
_T = TypeVar("_T")

_PURGE_ROUNDS: Final = 15  # between two times that what has expired is deleted
_MOST_UNANSWERED: Final = 50  # questions that nobody waits for, while the database is away
_LONGEST_QUESTION: Final = 10.0  # seconds
_AT_ONCE: Final = 500  # rows that are written together


def open_shared(
    engine: AsyncEngine, bot: str, keys: Sequence[str], timeouts: Timeouts
) -> SharedState:
    """What the processes of one bot share.

    `bot` tells it from others in the same database. `keys` are Fernet keys for what is owed.
    """
    seals = None
    if keys:
        from bot.store.encryption import Seals

        seals = Seals(keys)
    else:
        _log.warning("no STATE_KEYS: a late answer ends with the process that owes it")
    jobs = SqlJobs(engine, bot, seals, timeouts)
    return SharedState(jobs, SqlValues(engine, bot), timeouts, stores_work=bool(keys))


class _Unavailable(Exception):
    """The database doesn't answer."""


@dataclass
class _Held:
    """A claim of ours. Until `safe_until`, by our own clock, nobody else can have taken it.

    What was claimed `alone`, while the database was away, nobody else knows of.
    """

    sealed: Sealed
    safe_until: float
    alone: bool = False


class _Unwritten(NamedTuple):
    """A value that the database has yet to be told, and when it expires, by our own clock."""

    text: str
    expires: float
    if_greater: bool


class SharedState:
    """A `bot.store.protocol.Shared`; `run` renews, takes over, and notices that all is well again.

    `is_unavailable` tells whether this process knows its own memory alone.
    """

    def __init__(
        self, jobs: SqlJobs, values: SqlValues, timeouts: Timeouts, *, stores_work: bool
    ) -> None:
        self._jobs = jobs
        self._values = values
        self._timeouts = timeouts
        self._stores_work = stores_work
        self._memory = InMemory()
        self._held: dict[str, _Held] = {}
        # What the database has yet to be told: claims that are done, with when that can be
        # forgotten, and values.
        self._unmarked: dict[str, float] = {}
        self._unwritten: dict[Key, _Unwritten] = {}
        self._failures = 0
        self._unanswered = 0
        self._others_first_until = 0.0
        self._ending = asyncio.Event()
        self._woken = asyncio.Event()
        self.is_unavailable = False

    @property
    def durable(self) -> bool:
        """See the protocol."""
        return self._stores_work and not self.is_unavailable

    # -- State ------------------------------------------------------------------------------------

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """See the protocol."""
        try:
            return await self._ask(lambda: self._values.count(limits, seconds))
        except _Unavailable:
            return await self._memory.count(limits, seconds)

    async def put(self, key: Key, value: str, seconds: float, *, if_greater: bool = False) -> None:
        """See the protocol."""
        earlier = self._unwritten.get(key)
        if if_greater and earlier and earlier.text >= value:
            return
        self._unwritten.pop(key, None)
        try:
            await self._ask(lambda: self._values.put([Value(key, value, seconds, if_greater)]))
        except _Unavailable:
            if len(self._unwritten) < MOST:
                self._unwritten[key] = _Unwritten(value, self._clock() + seconds, if_greater)

    async def get(self, key: Key) -> str | None:
        """See the protocol."""
        if key in self._unwritten:
            return self._unwritten[key].text
        with suppress(_Unavailable):
            return await self._ask(lambda: self._values.get(key))
        return None

    # -- Claims -----------------------------------------------------------------------------------

    async def take(self, job: str, work: Work) -> str | None:
        """As the protocol says. What this process has is known without asking."""
        if await self._memory.take(job, work) is None:
            return None
        sealed = Sealed(job, work, step="", attempts=0, made=time.time())
        held = self._held[job] = _Held(sealed, self._clock(), alone=True)
        if self.is_unavailable:
            await self._ask_without_waiting(self._take(held))
            return ""
        try:
            step = await self._ask(lambda: self._take(held))
        except _Unavailable:
            return ""
        if step is None:
            self._memory.release(job)  # should its owner die, it may be ours yet
            self._held.pop(job, None)
        return step

    async def _take(self, held: _Held) -> str | None:
        """Stores it, also where nobody waits for that any more."""
        asked = self._clock()
        step = await self._jobs.take(held.sealed)
        if step is not None:
            held.safe_until, held.alone = asked + self._timeouts.lease, False
        return step

    async def still_ours(
        self, job: str, step: str | None = None, *, recorded: bool = False
    ) -> bool:
        """Ask the database, for some seconds if need be, as `Jobs` says."""
        held = self._held.get(job)
        give_up = self._clock() + self._timeouts.certainty
        while recorded or not (held and held.alone):
            asked = self._clock()
            try:
                if held and held.alone and await self._ask_patiently(self._take(held)) is None:
                    return False
                is_ours = await self._ask_patiently(self._renew_one(job, step, held))
            except _Unavailable:
                if not recorded and held and self._clock() < held.safe_until:
                    return True
                if self._clock() >= give_up:
                    # A person waits: two answers are better than none, and a second share is not.
                    if recorded:
                        raise NotStored from None
                    return True
                await asyncio.sleep(self._timeouts.first_retry)
                continue
            if is_ours and held:
                held.safe_until = asked + self._timeouts.lease
            elif not is_ours:
                self._held.pop(job, None)  # another one has it: it is not to be renewed
            return is_ours
        return True

    async def _renew_one(self, job: str, step: str | None, held: _Held | None) -> bool:
        if step is None:
            return bool(await self._jobs.renew([job]))
        return await self._jobs.advance(job, step, held.sealed if held else None)

    async def done(self, job: str, seconds: float) -> None:
        """As the protocol says. It is told later, where it can't be told now."""
        await self._memory.done(job, seconds)
        self._held.pop(job, None)
        try:
            await self._ask_patiently(self._jobs.done({job: seconds}))
        except _Unavailable:
            if len(self._unmarked) < MOST:
                self._unmarked[job] = self._clock() + seconds

    async def hand_over(self, job: str) -> bool:
        """See the protocol."""
        self._held.pop(job, None)  # it must not be renewed meanwhile
        try:
            return await self._ask_patiently(self._jobs.hand_over(job))
        except _Unavailable:
            return False

    # -- In the background ------------------------------------------------------------------------

    async def run(
        self, resume_jobs: Callable[[PendingJob], None], may_take_over: Callable[[], bool]
    ) -> None:
        """Until it is told to end. `resume_jobs` starts the work that is taken over."""
        rounds = 0
        while not self._ending.is_set():
            failures = self._failures
            try:
                is_quick = await self._can_write()
                await self._renew()
                await self._write_down()
                if may_take_over() and self._clock() > self._others_first_until:
                    await self._take_over(resume_jobs)
                if rounds % _PURGE_ROUNDS == 0:
                    await self._purge()
            except Exception as error:  # noqa: BLE001 - whatever it is, there are later rounds
                self._became_unavailable(error)
            else:
                if is_quick and failures == self._failures:
                    self._became_available()
            rounds += 1
            await self._until_next_round()

    async def _until_next_round(self) -> None:
        """A pause; a short one while the database is away, so that little is missed."""
        self._woken.clear()
        if not self._ending.is_set():
            pause = (
                self._timeouts.first_retry if self.is_unavailable else self._timeouts.lease_renewal
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _can_write(self) -> bool:
        """Whether a change is as quick as an ack needs it. Raises what the database raises."""
        started = self._clock()
        await self._patiently(self._values.put([Value(("probe",), "", self._timeouts.pending)]))
        return self._clock() - started < self._timeouts.state

    async def finish(self, running: asyncio.Task[None]) -> None:
        """Lets `running`, which does `run`, finish its round; writes down what is left."""
        self._ending.set()
        self._woken.set()
        await asyncio.wait({running}, timeout=self._timeouts.state_end)
        await end(running)
        with suppress(*TROUBLE):
            async with asyncio.timeout(self._timeouts.state_end):
                await self._write_down()

    async def _renew(self) -> None:
        asked, jobs = self._clock(), list(self._held)
        renewed = await self._patiently(self._jobs.renew(jobs))
        for job in jobs:
            held = self._held.get(job)
            if held and job in renewed:
                held.safe_until, held.alone = asked + self._timeouts.lease, False
            elif held and not held.alone and held.safe_until <= asked:
                del self._held[job]  # another process has it, or has done it

    async def _write_down(self) -> None:
        """Write what the database has yet to be told, but for what has expired since."""
        self._forget_expired()
        while self._unmarked:
            some = dict(islice(self._unmarked.items(), _AT_ONCE))
            left = {job: until - self._clock() for job, until in some.items()}
            await self._patiently(self._jobs.done(left))
            for job in some:
                del self._unmarked[job]
        while self._unwritten:
            values = dict(islice(self._unwritten.items(), _AT_ONCE))
            await self._patiently(
                self._values.put(
                    [
                        Value(key, one.text, one.expires - self._clock(), one.if_greater)
                        for key, one in values.items()
                    ]
                )
            )
            for key, one in values.items():
                if self._unwritten.get(key) is one:
                    del self._unwritten[key]

    def _forget_expired(self) -> None:
        moment = self._clock()
        for job in [one for one, until in self._unmarked.items() if until <= moment]:
            del self._unmarked[job]
        for key in [key for key, one in self._unwritten.items() if one.expires <= moment]:
            del self._unwritten[key]

    async def _take_over(self, resume_jobs: Callable[[PendingJob], None]) -> None:
        asked = self._clock()
        # What was taken from us may still be under way here: it is another's, then.
        for pending in await self._patiently(self._jobs.take_over(list(self._held))):
            if await self._memory.is_done(pending.job):
                _log.error("what is done stands in the database as pending: it is not done again")
                self._unmarked[pending.job] = asked + self._timeouts.pending
                continue
            await self._memory.take(pending.job, pending.work)
            sealed = Sealed(pending.job, pending.work, pending.step, pending.attempts, pending.made)
            self._held[pending.job] = _Held(sealed, asked + self._timeouts.lease)
            resume_jobs(pending)

    async def _purge(self) -> None:
        await self._patiently(self._values.purge())
        if lost := await self._patiently(self._jobs.purge()):
            _log.error("answers lost: nobody could send them in time", count=lost)

    async def _ask(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """What the database says, within the time that an ack has for it. Raises `_Unavailable`."""
        if self.is_unavailable:
            raise _Unavailable
        return await self._answer_within(self._timeouts.state, work())

    async def _ask_patiently(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The same where nobody waits for an ack: it is asked also while it is away."""
        return await self._answer_within(self._timeouts.job, work)

    async def _patiently(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The same for a round, which raises what the database raises."""
        return await within(self._timeouts.job, work)

    async def _answer_within(self, seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            # Not cancelled with the wait: it would only be less known what became of it.
            return await within(seconds, self._in_the_end(work), cancelling=False)
        except TROUBLE as error:
            self._became_unavailable(error)
            raise _Unavailable from error

    async def _ask_without_waiting(self, work: Coroutine[Any, Any, Any]) -> None:
        """Asks a database that may only be slow. That there is no answer yet tells nothing."""
        if self._unanswered >= _MOST_UNANSWERED:
            work.close()
            return
        with suppress(*TROUBLE):
            await within(0.0, self._in_the_end(work), cancelling=False)

    async def _in_the_end(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What comes of it; a connection that hangs is given up, or none would be left."""
        self._unanswered += 1
        try:
            async with asyncio.timeout(_LONGEST_QUESTION):
                return await work
        finally:
            self._unanswered -= 1

    def _became_unavailable(self, error: Exception) -> None:
        self._failures += 1
        if not self.is_unavailable:
            _log.error("shared state is away: this process goes on alone", exc_info=error)
            self._woken.set()
        self.is_unavailable = True

    def _became_available(self) -> None:
        if self.is_unavailable and not self._unmarked and not self._unwritten:
            _log.info("shared state is back")
            self.is_unavailable = False
            # What others did meanwhile, they have to write down before it is taken from them.
            self._others_first_until = self._clock() + self._timeouts.lease_renewal

    def _clock(self) -> float:
        return asyncio.get_running_loop().time()
