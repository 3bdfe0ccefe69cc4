"""What is remembered in the memory of one process: lost at its end, and unknown to any other."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from cachetools import TLRUCache

from bot.store.protocol import Key, Work

MOST: Final = 10_000
"""Keys of one kind. Beyond that, those that were not asked for longest are forgotten."""

LONGEST_WORK: Final = 30 * 60.0
"""Seconds that a claim is held at most, done or not: a response_url lives as long."""


class _Entry(NamedTuple):
    value: str
    times: tuple[float, ...]  # of what was counted
    seconds: float


class InMemory:
    """A `State` and `Jobs` of `bot.store.protocol`; `clock` gives seconds."""

    durable = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A flood of one kind must not displace another kind.
        self._kinds: defaultdict[str, TLRUCache[Key, _Entry]] = defaultdict(self._new_kind)

    def _new_kind(self) -> TLRUCache[Key, _Entry]:
        return TLRUCache(MOST, ttu=lambda _, entry, now: now + entry.seconds, timer=self._clock)

    # -- State ------------------------------------------------------------------------------------

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """See the protocol."""
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
        """See the protocol."""
        entry = self._kinds[key[0]].get(key)
        if not (if_greater and entry and entry.value >= value):
            self._kinds[key[0]][key] = _Entry(value, (), seconds)

    async def get(self, key: Key) -> str | None:
        """See the protocol."""
        entry = self._kinds[key[0]].get(key)
        return entry.value if entry else None

    # -- Claims -----------------------------------------------------------------------------------

    async def take(self, job: str, work: Work) -> str | None:
        """As the protocol says. Nobody else could go on with the work, so it is not kept."""
        del work
        key = ("claim", job)
        if key in self._kinds["claim"]:
            return None
        await self.put(key, "", LONGEST_WORK)
        return ""

    def release(self, job: str) -> None:
        """Makes a claim free again."""
        self._kinds["claim"].pop(("claim", job), None)

    async def still_ours(
        self, job: str, step: str | None = None, *, recorded: bool = False
    ) -> bool:
        """As the protocol says: there is nobody else."""
        del job, step, recorded
        return True

    async def done(self, job: str, seconds: float) -> None:
        """See the protocol."""
        await self.put(("claim", job), "done", seconds)

    async def is_done(self, job: str) -> bool:
        """Whether this process has done it."""
        return await self.get(("claim", job)) == "done"

    async def hand_over(self, job: str) -> bool:
        """See the protocol."""
        del job
        return False
