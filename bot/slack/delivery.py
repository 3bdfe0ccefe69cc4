"""Answers that outlive their ack: tracked, sent to the response_url, finished before the end.

Slack waits three seconds for an ack. An answer that is ready within the budget travels in the ack
itself; a later one goes to the response_url, which takes 5 messages within 30 minutes.
https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Literal, TypeVar

import aiohttp
import stamina
import structlog

from bot.connections import proxy_for
from bot.logs import new_reference
from bot.slack import blocks, wording
from bot.slack.blocks import Message

_log = structlog.get_logger()

_ATTEMPTS: Final = 4  # of the 5 that a response_url takes; one may be gone for "still looking"
_SEND_TIMEOUT: Final = 10.0  # seconds
_FIRST_WAIT: Final = 0.3  # then four times as long, and again: six seconds in all
_LONGEST_WAIT: Final = 30.0
LAST_WORDS: Final = 3.0
"""Seconds to tell people that there won't be an answer."""

_T = TypeVar("_T")
# Whether the ack reached Slack: set by the transport, once it is sent or lost.
Acknowledged = asyncio.Future[bool]
Posted = Literal["taken", "refused", "unknown"]
Acknowledge = Callable[[Message], Awaitable[Any]]
# Brings one message to where its person looks.
Send = Callable[[Message], Awaitable[Any]]


def settle(acknowledged: Acknowledged, *, sent: bool) -> None:
    """Says whether the ack was sent; the first word counts."""
    if not acknowledged.done():
        acknowledged.set_result(sent)


class InFlight:
    """The tasks that must be finished before the process may end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._deadline: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the end has begun: nothing long should be started any more."""
        return self._deadline is not None

    def start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Runs `work` in a task that `drain` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("task failed", exc_info=error)

    async def drain(self, seconds: float) -> int:
        """Waits until nothing is in flight; cancels what is left after `seconds`, and counts it.

        The seconds count from the first call.
        """
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + seconds
        while self._tasks and (remaining := self._deadline - loop.time()) > 0:
            # One at a time: what is finished may have started something else.
            await asyncio.wait(
                set(self._tasks), timeout=remaining, return_when=asyncio.FIRST_COMPLETED
            )
        unfinished = set(self._tasks)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=LAST_WORDS + 1)
        return len(unfinished)


class Delivery:
    """Brings an answer to the person: in the ack if it is ready within `budget` seconds."""

    def __init__(self, http: aiohttp.ClientSession, in_flight: InFlight, budget: float) -> None:
        self._http = http
        self._in_flight = in_flight
        self._budget = budget

    async def answer(
        self,
        work: Coroutine[Any, Any, Message],
        *,
        acknowledge: Acknowledge,
        acknowledged: Acknowledged,
        response_url: str,
    ) -> None:
        """Acknowledges with what `work` gives, or with "still looking" and sends it afterwards.

        A later answer waits for the ack, so as not to overtake it. If the ack is lost, the answer
        that was in it goes to the response_url.
        """
        task = await self.within_budget(work)
        if task.done():
            await acknowledge(task.result())
            self.start(self._send_if_lost(task.result(), acknowledged, response_url))
            return
        send = self.at(response_url)
        self.start(self.or_last_words(_when_done(task, acknowledged, send), send))
        await acknowledge(blocks.note(wording.STILL_LOOKING))

    async def _send_if_lost(
        self, message: Message, acknowledged: Acknowledged, response_url: str
    ) -> None:
        if not await acknowledged:
            await self.post(response_url, message)

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self._in_flight.draining

    def at(self, response_url: str, place: Message | None = None) -> Send:
        """Sends to the response_url.

        `place` is added to each message: whether it replaces another, and in which thread.
        """

        async def send(message: Message) -> None:
            await self.post(response_url, message | (place or {}))

        return send

    def reply(
        self, work: Coroutine[Any, Any, Message], acknowledged: Acknowledged, send: Send
    ) -> None:
        """Sends what `work` gives, after an ack that said nothing.

        If it takes longer than the budget, the person is told meanwhile.
        """

        async def replying() -> None:
            task = self._in_flight.start(work)
            await asyncio.wait({task}, timeout=self._budget)
            await acknowledged
            if not task.done():
                await send(blocks.note(wording.STILL_LOOKING))
            await _when_done(task, acknowledged, send)

        self.start(self.or_last_words(replying(), send))

    def send(self, message: Message, acknowledged: Acknowledged, send: Send) -> None:
        """Sends a message that is ready, after the ack."""

        async def sending() -> None:
            await acknowledged
            await send(message)

        self.start(sending())

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work`; the process does not end before it."""
        self._in_flight.start(work)

    async def within_budget(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Starts `work` and waits for it as long as an ack may; it is done or goes on."""
        task = self._in_flight.start(work)
        await asyncio.wait({task}, timeout=self._budget)
        return task

    async def or_last_words(self, work: Coroutine[Any, Any, None], send: Send) -> None:
        """Does `work`; if the process ends before it is done, the person is told so."""
        try:
            await work
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await send(blocks.note(wording.RESTARTING))
            raise

    async def post(self, response_url: str, message: Message, attempts: int = _ATTEMPTS) -> Posted:
        """Posts to the response_url, and says whether it took the message.

        A failure can't be told to the person: it is logged, with a reference.
        """
        try:
            async for attempt in stamina.retry_context(
                on=_worth_another_try,
                attempts=attempts,
                timeout=None,
                wait_initial=_FIRST_WAIT,
                wait_max=_LONGEST_WAIT,
                wait_jitter=_FIRST_WAIT,
                wait_exp_base=4,
            ):
                with attempt:
                    await self._post(response_url, message)
        except _NotDelivered as error:
            reference = new_reference()
            _log.error("answer not delivered", reference=reference, reason=str(error))
            sure = isinstance(error.reason, int) and error.reason < 500
            return "refused" if sure else "unknown"
        return "taken"

    async def _post(self, response_url: str, message: Message) -> None:
        try:
            async with self._http.post(
                response_url,
                json=message,
                allow_redirects=False,
                proxy=proxy_for(response_url),
                timeout=aiohttp.ClientTimeout(total=_SEND_TIMEOUT),
            ) as response:
                if response.status != 200:
                    wait = response.headers.get("Retry-After", "")
                    raise _NotDelivered(response.status, float(wait) if wait.isdecimal() else None)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise _NotDelivered(type(error).__name__) from error


async def _when_done(task: asyncio.Task[Message], acknowledged: Acknowledged, send: Send) -> None:
    message = await task
    await acknowledged
    await send(message)


class _NotDelivered(Exception):
    """The response_url did not take a message; `reason` is a status or a connection's trouble."""

    def __init__(self, reason: int | str, retry_after: float | None = None) -> None:
        super().__init__(f"HTTP {reason}" if isinstance(reason, int) else reason)
        self.reason = reason
        self.retry_after = retry_after


def _worth_another_try(error: Exception) -> bool | float:
    """Not where the response_url is used up (404), gone (410) or dislikes the message (4xx)."""
    if not isinstance(error, _NotDelivered):
        return False
    if error.reason == 429 and error.retry_after is not None:
        return error.retry_after if error.retry_after <= _LONGEST_WAIT else False
    return isinstance(error.reason, str) or error.reason == 429 or error.reason >= 500
