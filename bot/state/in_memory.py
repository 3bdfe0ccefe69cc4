"""What is remembered in the memory of one process: lost at its end, and unknown to any other."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

from cachetools import TLRUCache

from bot.state.protocol import Key

MOST: Final = 10_000
"""Keys of one kind. Beyond that, those that were not asked for longest are forgotten."""


class _Entry(NamedTuple):
    value: str
    times: tuple[float, ...]  # of what was counted
    seconds: float


class InMemory:
    """A `bot.state.protocol.State`; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A flood of one kind must not displace another kind.
        self._kinds: defaultdict[str, TLRUCache[Key, _Entry]] = defaultdict(self._new_kind)

    def _new_kind(self) -> TLRUCache[Key, _Entry]:
        return TLRUCache(MOST, ttu=lambda _, entry, now: now + entry.seconds, timer=self._clock)

    async def claim(self, key: Key, seconds: float) -> bool:
        """As the protocol says."""
        if key in self._kinds[key[0]]:
            return False
        await self.put(key, "", seconds)
        return True

    async def forget(self, key: Key) -> None:
        """As the protocol says."""
        self._kinds[key[0]].pop(key, None)

    async def count(self, key: Key, limit: int, seconds: float) -> bool:
        """As the protocol says."""
        kind, now = self._kinds[key[0]], self._clock()
        entry = kind.get(key)
        times = [one for one in entry.times if one > now - seconds] if entry else []
        if len(times) >= limit:
            return False
        kind[key] = _Entry("", (*times, now), seconds)
        return True

    async def put(self, key: Key, value: str, seconds: float) -> None:
        """As the protocol says."""
        self._kinds[key[0]][key] = _Entry(value, (), seconds)

    async def get(self, key: Key) -> str | None:
        """As the protocol says."""
        entry = self._kinds[key[0]].get(key)
        return entry.value if entry else None
