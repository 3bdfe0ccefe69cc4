"""State and jobs that all processes of one bot share, in their database.

While the database is unavailable, each process uses its own memory. A database that hangs costs a
person a few tenths of a second at most, and only once: until it answers again, nothing waits for
it. Meanwhile a process knows what it has done itself, and may repeat what another one has done.
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

from bot.store.encryption import Encryption, Unreadable
from bot.store.engine import DATABASE_ERRORS
from bot.store.jobs import SqlJobs
from bot.store.memory import MAX_KEYS, InMemory
from bot.store.protocol import Key, Lease, NotStored, PendingJob, Work
from bot.store.values import SqlValues, Value
from bot.timeouts import Timeouts, end, within

_log = structlog.get_logger()
_T = TypeVar("_T")

_PURGE_ROUNDS: Final = 15  # of the background task
_MAX_UNANSWERED: Final = 50  # queries that no one waits for while the database is unavailable
_MAX_QUERY_SECONDS: Final = 10.0
_BATCH: Final = 500  # rows that are written together


def open_shared(
    engine: AsyncEngine, bot: str, keys: Sequence[bytes], timeouts: Timeouts
) -> SharedState:
    """Create the state of one bot; others may be in the same database.

    `keys` are the Fernet keys for stored work and values.
    """
    encryption = Encryption(keys)
    jobs = SqlJobs(engine, bot, encryption, timeouts)
    return SharedState(jobs, SqlValues(engine, bot), encryption, timeouts)


class _Unavailable(Exception):
    """The database doesn't answer."""


@dataclass
class _Held:
    """A job of ours. Until `safe_until`, by our own clock, no other process can have taken it.

    A job that is `only_here` was taken while the database was unavailable.
    """

    job: PendingJob
    safe_until: float
    only_here: bool = False


class _Unwritten(NamedTuple):
    """A value that is not in the database yet; it expires by our own clock."""

    text: str
    expires: float
    if_greater: bool


class SharedState:
    """A `bot.store.protocol.Shared`. `run` renews leases, and takes over jobs of dead processes."""

    def __init__(
        self, jobs: SqlJobs, values: SqlValues, encryption: Encryption, timeouts: Timeouts
    ) -> None:
        self._jobs = jobs
        self._values = values
        self._encryption = encryption
        self._timeouts = timeouts
        self._memory = InMemory()
        self._held: dict[str, _Held] = {}
        # What is not in the database yet: done jobs, with when that can be forgotten, and values.
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
        """Tell whether another process can resume our jobs."""
        return not self.is_unavailable

    @property
    def pending(self) -> int:
        """How many jobs this process has to finish."""
        return len(self._held)

    # -- State ------------------------------------------------------------------------------------

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """Count one more for every key, or for none."""
        if not self.is_unavailable:
            with suppress(_Unavailable):
                return await self._ask(self._values.count(limits, seconds), self._timeouts.state)
        return await self._memory.count(limits, seconds)

    async def put(self, key: Key, value: str, seconds: float, *, if_greater: bool = False) -> None:
        """Store a value; if the database is unavailable, write it later."""
        earlier = self._unwritten.get(key)
        if if_greater and earlier and earlier.text >= value:
            return None
        self._unwritten.pop(key, None)
        if not self.is_unavailable:
            values = [Value(key, value, seconds, if_greater)]
            with suppress(_Unavailable):
                return await self._ask(self._values.put(values), self._timeouts.state)
        if len(self._unwritten) < MAX_KEYS:
            self._unwritten[key] = _Unwritten(value, self._clock() + seconds, if_greater)
        return None

    async def get(self, key: Key) -> str | None:
        """Return a value."""
        if key in self._unwritten:
            return self._unwritten[key].text
        if not self.is_unavailable:
            with suppress(_Unavailable):
                return await self._ask(self._values.get(key), self._timeouts.state)
        return None

    async def put_encrypted(self, key: Key, value: str, seconds: float) -> None:
        """Store a value that the database must not show."""
        await self.put(key, self._encryption.encrypt_value(key, value), seconds)

    async def get_encrypted(self, key: Key) -> str | None:
        """Return such a value."""
        text = await self.get(key)
        try:
            return self._encryption.decrypt_value(key, text) if text else None
        except Unreadable as error:
            _log.warning("stored value not readable", exc_info=error)
            return None

    # -- Jobs -------------------------------------------------------------------------------------

    async def take(self, job: str, work: Work) -> Lease | None:
        """Take a job. If the database is unavailable, only this process knows of it."""
        if await self._memory.take(job, work) is None:
            return None
        pending = PendingJob(job, work, step="", attempts=0, created=time.time())
        held = self._held[job] = _Held(pending, self._clock(), only_here=True)
        if self.is_unavailable:
            await self._ask_without_waiting(self._take(held))
            return Lease()
        try:
            lease = await self._ask(self._take(held), self._timeouts.state)
        except _Unavailable:
            return Lease()
        if lease is None:
            self._memory.release(job)  # if its owner dies, it may still become ours
            self._held.pop(job, None)
        return lease

    async def _take(self, held: _Held) -> Lease | None:
        """Take a job in the database, even if no one waits for the result."""
        asked = self._clock()
        lease = await self._jobs.take(held.job)
        if lease is not None:
            held.safe_until, held.only_here = asked + self._timeouts.lease, False
        return lease

    async def is_ours(self, job: str, step: str | None = None, *, recorded: bool = False) -> bool:
        """Ask the database, for a few seconds if needed."""
        held = self._held.get(job)
        give_up = self._clock() + self._timeouts.certainty
        while recorded or not (held and held.only_here):
            asked = self._clock()
            try:
                if held and held.only_here:
                    lease = await self._ask(self._take(held), self._timeouts.job)
                    if lease is None:
                        return False
                is_ours = await self._ask(self._confirm(job, step, held), self._timeouts.job)
            except _Unavailable:
                if not recorded and held and self._clock() < held.safe_until:
                    return True
                if self._clock() >= give_up:
                    # Two answers are better than none, but two shares are worse than none.
                    if recorded:
                        raise NotStored from None
                    return True
                await asyncio.sleep(self._timeouts.first_retry)
                continue
            if is_ours and held:
                held.safe_until = asked + self._timeouts.lease
            elif not is_ours:
                self._held.pop(job, None)
            return is_ours
        return True

    async def _confirm(self, job: str, step: str | None, held: _Held | None) -> bool:
        if step is None:
            return bool(await self._jobs.renew([job]))
        return await self._jobs.begin_step(job, step, held.job if held else None)

    async def done(self, job: str, seconds: float) -> None:
        """Mark a job as done; if the database is unavailable, do so later."""
        await self._memory.done(job, seconds)
        self._held.pop(job, None)
        try:
            await self._ask(self._jobs.done({job: seconds}), self._timeouts.job)
        except _Unavailable:
            if len(self._unmarked) < MAX_KEYS:
                self._unmarked[job] = self._clock() + seconds

    async def hand_over(self, job: str) -> bool:
        """Let another process take the job at once."""
        self._held.pop(job, None)  # so that it is not renewed
        try:
            return await self._ask(self._jobs.hand_over(job), self._timeouts.job)
        except _Unavailable:
            return False

    # -- In the background ------------------------------------------------------------------------

    async def run(
        self, resume: Callable[[PendingJob], None], may_take_over: Callable[[], bool]
    ) -> None:
        """Renew, write and take over, round after round; `resume` gets the jobs taken over."""
        rounds = 0
        while not self._ending.is_set():
            failures = self._failures
            try:
                is_fast = await self._can_write()
                await self._renew()
                await self._write()
                if may_take_over() and self._clock() > self._others_first_until:
                    await self._take_over(resume)
                if rounds % _PURGE_ROUNDS == 0:
                    await self._purge()
            except Exception as error:  # noqa: BLE001 - there are later rounds
                self._became_unavailable(error)
            else:
                if is_fast and failures == self._failures:
                    self._became_available()
            rounds += 1
            await self._until_next_round()

    async def _until_next_round(self) -> None:
        """Sleep; only briefly while the database is unavailable, so that little is missed."""
        self._woken.clear()
        if self._ending.is_set():
            return
        timeouts = self._timeouts
        pause = timeouts.first_retry if self.is_unavailable else timeouts.lease_renewal
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._woken.wait()

    async def _can_write(self) -> bool:
        """Tell whether a write is as fast as an ack needs it."""
        started = self._clock()
        await self._in_round(self._values.put([Value(("probe",), "", self._timeouts.pending)]))
        return self._clock() - started < self._timeouts.state

    async def finish(self, running: asyncio.Task[None]) -> None:
        """Let `running`, the task of `run`, finish its round; then write what is left."""
        self._ending.set()
        self._woken.set()
        await asyncio.wait({running}, timeout=self._timeouts.state_end)
        await end(running)
        with suppress(*DATABASE_ERRORS):
            async with asyncio.timeout(self._timeouts.state_end):
                await self._write()

    async def _renew(self) -> None:
        asked, jobs = self._clock(), list(self._held)
        renewed = await self._in_round(self._jobs.renew(jobs))
        for job in jobs:
            held = self._held.get(job)
            if held and job in renewed:
                held.safe_until, held.only_here = asked + self._timeouts.lease, False
            elif held and not held.only_here and held.safe_until <= asked:
                del self._held[job]  # another process has it, or has done it

    async def _write(self) -> None:
        """Write what is not in the database yet and has not expired."""
        now = self._clock()
        self._unmarked = {job: until for job, until in self._unmarked.items() if until > now}
        self._unwritten = {key: one for key, one in self._unwritten.items() if one.expires > now}
        while self._unmarked:
            batch = dict(islice(self._unmarked.items(), _BATCH))
            left = {job: until - self._clock() for job, until in batch.items()}
            await self._in_round(self._jobs.done(left))
            for job in batch:
                del self._unmarked[job]
        while self._unwritten:
            unwritten = dict(islice(self._unwritten.items(), _BATCH))
            values = [
                Value(key, one.text, one.expires - self._clock(), one.if_greater)
                for key, one in unwritten.items()
            ]
            await self._in_round(self._values.put(values))
            for key, one in unwritten.items():
                if self._unwritten.get(key) is one:
                    del self._unwritten[key]

    async def _take_over(self, resume: Callable[[PendingJob], None]) -> None:
        asked = self._clock()
        # A job that was taken from us may still be in progress here: it is another's then.
        for pending in await self._in_round(self._jobs.take_over(list(self._held))):
            if await self._memory.is_done(pending.id):
                _log.error("job is done but was stored as pending; not resumed")
                self._unmarked[pending.id] = asked + self._timeouts.pending
                continue
            await self._memory.take(pending.id, pending.work)
            self._held[pending.id] = _Held(pending, asked + self._timeouts.lease)
            resume(pending)

    async def _purge(self) -> None:
        await self._in_round(self._values.purge())
        if lost := await self._in_round(self._jobs.purge()):
            _log.error("answers lost: no process could send them in time", count=lost)

    # -- Asking the database ----------------------------------------------------------------------

    async def _ask(self, query: Coroutine[Any, Any, _T], timeout: float) -> _T:  # noqa: ASYNC109
        """Return the result of a query. Raises `_Unavailable` after `timeout` seconds.

        The query is not cancelled then: its effect would be even less certain.
        """
        try:
            return await within(timeout, self._bounded(query), cancelling=False)
        except DATABASE_ERRORS as error:
            self._became_unavailable(error)
            raise _Unavailable from error

    async def _in_round(self, query: Coroutine[Any, Any, _T]) -> _T:
        """Return the result of a query of the background task, which handles every error."""
        return await within(self._timeouts.job, query)

    async def _ask_without_waiting(self, query: Coroutine[Any, Any, Any]) -> None:
        """Start a query that a slow database may still answer."""
        if self._unanswered >= _MAX_UNANSWERED:
            query.close()
            return
        with suppress(*DATABASE_ERRORS):
            await within(0.0, self._bounded(query), cancelling=False)

    async def _bounded(self, query: Coroutine[Any, Any, _T]) -> _T:
        """Cancel a query that hangs: otherwise there would soon be no connection left."""
        self._unanswered += 1
        try:
            async with asyncio.timeout(_MAX_QUERY_SECONDS):
                return await query
        finally:
            self._unanswered -= 1

    def _became_unavailable(self, error: Exception) -> None:
        self._failures += 1
        if not self.is_unavailable:
            _log.error("database unavailable; using in-process state", exc_info=error)
            self._woken.set()
        self.is_unavailable = True

    def _became_available(self) -> None:
        if self.is_unavailable and not self._unmarked and not self._unwritten:
            _log.info("database available again")
            self.is_unavailable = False
            # Other processes have to write down what they did before it is taken from them.
            self._others_first_until = self._clock() + self._timeouts.lease_renewal

    def _clock(self) -> float:
        return asyncio.get_running_loop().time()
