"""Caches answers of another service, such as Slack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.store.protocol import State


class Cache:
    """Answers of one `kind`, by name. Concurrent callers wait for the same request."""

    def __init__(self, state: State, kind: str) -> None:
        self._state = state
        self._kind = kind
        self._pending: dict[str, asyncio.Task[str]] = {}

    async def get(self, name: str, ask: Callable[[], Awaitable[tuple[str, float]]]) -> str:
        """Return the cached answer, or that of `ask`, which also says how many seconds to keep it.

        With 0 seconds it is not kept. What `ask` raises is raised for everyone who waits.
        """
        cached = await self._state.get((self._kind, name))
        if cached is not None:
            return cached
        if name not in self._pending:
            self._pending[name] = task = asyncio.create_task(self._ask(name, ask))
            task.add_done_callback(lambda _: self._pending.pop(name, None))
        # If one caller is cancelled, the others still wait.
        return await asyncio.shield(self._pending[name])

    async def _ask(self, name: str, ask: Callable[[], Awaitable[tuple[str, float]]]) -> str:
        answer, seconds = await ask()
        if seconds:
            await self._state.put((self._kind, name), answer, seconds)
        return answer
