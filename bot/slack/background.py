"""Work in progress: the process does not end before it is finished, or the person was told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from bot.timeouts import Timeouts

_log = structlog.get_logger()
_T = TypeVar("_T")


class BackgroundTasks:
    """The tasks that must finish before the process may end."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._tasks: set[asyncio.Task[Any]] = set()
        self._deadline: float | None = None
        self._ending = asyncio.Event()

    @property
    def is_draining(self) -> bool:
        """Tell whether the process is about to end: nothing long should be started anymore."""
        return self._deadline is not None

    def start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run `work` in a task that `drain` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def sleep(self, seconds: float) -> bool:
        """Sleep; return False at once when the process is about to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        return not self._ending.is_set()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("task failed", exc_info=error)

    async def notify_if_cancelled(
        self, work: Coroutine[Any, Any, None], notify: Callable[[], Awaitable[Any]]
    ) -> None:
        """Run `work`; if the process ends before it is done, run `notify` in the last seconds."""
        try:
            await work
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeouts.shutdown_notice):
                    await notify()
            raise

    async def drain(self) -> int:
        """Wait until nothing is in progress, cancel what takes too long, and count that.

        The time starts with the first call.
        """
        loop = asyncio.get_running_loop()
        self._ending.set()
        if self._deadline is None:
            self._deadline = loop.time() + self._timeouts.drain
        while self._tasks and (remaining := self._deadline - loop.time()) > 0:
            # One at a time: a finished task may have started another.
            await asyncio.wait(
                set(self._tasks), timeout=remaining, return_when=asyncio.FIRST_COMPLETED
            )
        unfinished = set(self._tasks)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=self._timeouts.shutdown_notice + 1)
        return len(unfinished)
