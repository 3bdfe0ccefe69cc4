"""State and jobs in the memory of one process: lost when it ends, and unknown to any other."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from cachetools import TLRUCache

from bot.store.protocol import Key, Lease, Work

MAX_KEYS: Final = 10_000
"""Keys of one kind. Beyond that, the least recently used ones are forgotten."""

MAX_JOB_SECONDS: Final = 30 * 60.0
"""How long a job is remembered, done or not: a response_url lives as long."""


class _Entry(NamedTuple):
    value: str
    times: tuple[float, ...]  # of what was counted
    seconds: float


class InMemory:
    """A `bot.store.protocol.Shared`; `clock` returns seconds."""

    durable = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A flood of one kind must not displace another kind.
        self._kinds: defaultdict[str, TLRUCache[Key, _Entry]] = defaultdict(self._new_kind)

    def _new_kind(self) -> TLRUCache[Key, _Entry]:
        return TLRUCache(MAX_KEYS, ttu=lambda _, entry, now: now + entry.seconds, timer=self._clock)

    # -- State ------------------------------------------------------------------------------------

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """Count one more for every key, or for none."""
        now = self._clock()
        counted = {}
        for key, limit in limits.items():
            entry = self._kinds[key[0]].get(key)
            times = [one for one in entry.times if one > now - seconds] if entry else []
            if len(times) >= limit:
                return False
            counted[key] = _Entry("", (*times, now), seconds)
        for key, entry in counted.items():
            self._kinds[key[0]][key] = entry
        return True

    async def put(self, key: Key, value: str, seconds: float, *, if_greater: bool = False) -> None:
        """Store a value."""
        entry = self._kinds[key[0]].get(key)
        if not (if_greater and entry and entry.value >= value):
            self._kinds[key[0]][key] = _Entry(value, (), seconds)

    async def get(self, key: Key) -> str | None:
        """Return a value."""
        entry = self._kinds[key[0]].get(key)
        return entry.value if entry else None

    async def put_encrypted(self, key: Key, value: str, seconds: float) -> None:
        """Store a value, in clear: it never leaves the memory."""
        await self.put(key, value, seconds)

    async def get_encrypted(self, key: Key) -> str | None:
        """Return such a value."""
        return await self.get(key)

    # -- Jobs -------------------------------------------------------------------------------------

    async def take(self, job: str, work: Work) -> Lease | None:
        """Take a job. Its work is not kept: no other process could resume it."""
        del work
        key = ("job", job)
        if key in self._kinds["job"]:
            return None
        await self.put(key, "", MAX_JOB_SECONDS)
        return Lease()

    def release(self, job: str) -> None:
        """Forget a job, so that it can be taken again."""
        self._kinds["job"].pop(("job", job), None)

    async def is_ours(self, job: str, step: str | None = None, *, recorded: bool = False) -> bool:
        """Return True: there is no other process."""
        del job, step, recorded
        return True

    async def done(self, job: str, seconds: float) -> None:
        """Mark a job as done."""
        await self.put(("job", job), "done", seconds)

    async def is_done(self, job: str) -> bool:
        """Tell whether this process has done a job."""
        return await self.get(("job", job)) == "done"

    async def hand_over(self, job: str) -> bool:
        """Return False: there is no other process."""
        del job
        return False
