"""A cache of answers that somebody else gave, such as Slack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.store.protocol import State


class Cache:
    """Answers of one `kind`, by name. All who ask at the same time wait for the same answer.

    It is for each process alone: asking a database would take as long as asking again.
    """

    def __init__(self, state: State, kind: str) -> None:
        self._state = state
        self._kind = kind
        self._under_way: dict[str, asyncio.Task[str]] = {}

    async def get(self, name: str, ask: Callable[[], Awaitable[tuple[str, float]]]) -> str:
        """The answer that is kept, or the one that `ask` gives, with the seconds to keep it.

        With 0 seconds it is not kept. What `ask` raises is raised for all who wait.
        """
        kept = await self._state.get((self._kind, name))
        if kept is not None:
            return kept
        if name not in self._under_way:
            self._under_way[name] = task = asyncio.create_task(self._ask(name, ask))
            task.add_done_callback(lambda _: self._under_way.pop(name, None))
        # Whoever waits may be cancelled; the others go on waiting.
        return await asyncio.shield(self._under_way[name])

    async def _ask(self, name: str, ask: Callable[[], Awaitable[tuple[str, float]]]) -> str:
        answer, seconds = await ask()
        if seconds:
            await self._state.put((self._kind, name), answer, seconds)
        return answer
