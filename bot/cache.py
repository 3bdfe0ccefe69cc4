"""Caches answers of another service, such as Slack, in this process.

They are not in the shared database: asking it would take as long as asking again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from cachetools import TLRUCache

_T = TypeVar("_T")

_MAX_KEYS: Final = 10_000


class Cache(Generic[_T]):
    """Answers by name. Concurrent callers wait for the same request; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._answers: TLRUCache[str, tuple[_T, float]] = TLRUCache(
            _MAX_KEYS, ttu=lambda _, answer, now: now + answer[1], timer=clock
        )
        self._pending: dict[str, asyncio.Task[_T]] = {}
        self._waiting: Counter[asyncio.Task[_T]] = Counter()

    async def get(self, name: str, ask: Callable[[], Awaitable[tuple[_T, float]]]) -> _T:
        """Return the cached answer, or that of `ask`, which also says how many seconds to keep it.

        With 0 seconds it is not kept. What `ask` raises is raised for everyone who waits.
        """
        self._answers.expire()
        if name in self._answers:
            return self._answers[name][0]
        if name not in self._pending:
            task = self._pending[name] = asyncio.create_task(self._ask(name, ask))
            task.add_done_callback(lambda task: self._drop(name, task))
        task = self._pending[name]
        self._waiting[task] += 1
        try:
            # If one caller is cancelled, the others still wait.
            return await asyncio.shield(task)
        finally:
            self._waiting[task] -= 1
            if not self._waiting[task]:
                del self._waiting[task]
                self._drop(name, task)  # who comes now must not wait for a cancelled one
                task.cancel()  # which does nothing once it is done

    def _drop(self, name: str, task: asyncio.Task[_T]) -> None:
        if self._pending.get(name) is task:
            del self._pending[name]

    def has(self, name: str) -> bool:
        """Tell whether there is an answer."""
        return name in self._answers

    async def _ask(self, name: str, ask: Callable[[], Awaitable[tuple[_T, float]]]) -> _T:
        answer, seconds = await ask()
        if seconds:
            self._answers[name] = answer, seconds
        return answer
