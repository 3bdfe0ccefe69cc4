"""Answers that outlive their ack: tracked, sent to the response_url, finished before the end.

Slack waits three seconds for an ack. An answer that is ready within the budget travels in the ack
itself; a later one goes to the response_url, which takes 5 messages within 30 minutes.
https://docs.slack.dev/interactivity/handling-user-interaction#message_responses

Of the five, "still looking" takes one at most: it is sent once, and the answer waits for it only
as long as it takes not to be overtaken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Literal, Protocol, TypeVar

import aiohttp
import stamina
import structlog

from bot.connections import proxy_for
from bot.logs import new_reference
from bot.slack.ui import listing as blocks
from bot.slack.ui import wording
from bot.slack.ui.listing import Message
from bot.waits import Waits

_log = structlog.get_logger()

_ATTEMPTS: Final = 4  # of the 5 that a response_url takes; one may be gone for "still looking"
_LONGEST_BACKOFF: Final = 30.0  # seconds
_RESPONSE_URL_SECONDS: Final = 30 * 60.0

_T = TypeVar("_T")
# Whether the ack reached Slack: set by the transport, once it is sent or lost.
Acknowledged = asyncio.Future[bool]
Posted = Literal["taken", "refused", "unknown"]
Acknowledge = Callable[[Message], Awaitable[Any]]


class Destination(Protocol):
    """Where one person looks for an answer."""

    async def send(self, message: Message, wanted: Callable[[], bool] = ...) -> Any:  # noqa: ANN401
        """Brings the answer, with more than one attempt if need be, while it is `wanted`."""

    async def say_meanwhile(self, message: Message) -> Any:  # noqa: ANN401 - the same
        """Brings a courtesy: one attempt. The answer takes its place where Slack allows that."""


def settle(acknowledged: Acknowledged, *, sent: bool) -> None:
    """Says whether the ack was sent. Only the first call has an effect."""
    if not acknowledged.done():
        acknowledged.set_result(sent)


def _always() -> bool:
    return True


class InFlight:
    """The tasks that must be finished before the process may end."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
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

    async def drain(self) -> int:
        """Waits until nothing is in flight; cancels what is left in the end, and counts it.

        The time for it counts from the first call.
        """
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + self._waits.drain
        while self._tasks and (remaining := self._deadline - loop.time()) > 0:
            # One at a time: what is finished may have started something else.
            await asyncio.wait(
                set(self._tasks), timeout=remaining, return_when=asyncio.FIRST_COMPLETED
            )
        unfinished = set(self._tasks)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=self._waits.last_words + 1)
        return len(unfinished)


class Delivery:
    """Brings an answer to the person: in the ack if it is ready within `budget` seconds."""

    def __init__(
        self, http: aiohttp.ClientSession, in_flight: InFlight, budget: float, waits: Waits
    ) -> None:
        self._http = http
        self._in_flight = in_flight
        self._budget = budget
        self._waits = waits

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
        destination = self.at(response_url)
        task = await self.start_and_wait_budget(work)
        if task.done():
            await acknowledge(task.result())
            self.start(self._send_if_lost(task.result(), acknowledged, destination))
            return

        async def later() -> None:
            message = await _message_of(task)
            await acknowledged
            await destination.send(message)

        self.start(self.notify_of_restart(later(), destination))
        await acknowledge(blocks.note(wording.STILL_LOOKING))

    async def _send_if_lost(
        self, message: Message, acknowledged: Acknowledged, destination: Destination
    ) -> None:
        if not await acknowledged:
            await destination.send(message)

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self._in_flight.draining

    def at(self, response_url: str, place: Message | None = None) -> Destination:
        """Sends to the response_url.

        `place` is added to each message: whether it replaces another, and in which thread.
        """
        return _ResponseUrl(self, response_url, place or {}, self._waits.courtesy)

    def reply(
        self,
        work: Coroutine[Any, Any, Message],
        acknowledged: Acknowledged,
        destination: Destination,
        *,
        wanted: Callable[[], bool] = _always,
        last_words: Message | None = None,
    ) -> None:
        """Sends what `work` gives, after an ack that said nothing.

        If it takes longer than the budget, the person is told meanwhile. What is not `wanted` any
        more, because the person has pressed something else since, is not sent. `last_words` are for
        the end of the process.
        """

        async def replying() -> None:
            task = self._in_flight.start(work)
            await asyncio.wait({task}, timeout=self._budget)
            await acknowledged
            courtesy = None
            if not task.done() and wanted():
                note = blocks.note(wording.STILL_LOOKING)
                courtesy = self._in_flight.start(destination.say_meanwhile(note))
            message = await _message_of(task)
            if courtesy:
                await self._end_courtesy(courtesy)
            if wanted():
                await destination.send(message, wanted)

        self.start(self.notify_of_restart(replying(), destination, last_words))

    async def _end_courtesy(self, courtesy: asyncio.Task[Any]) -> None:
        """Nearly always it is there long since. If Slack hangs, the answer doesn't wait for it."""
        await asyncio.wait({courtesy}, timeout=self._waits.courtesy_grace)
        courtesy.cancel()

    def send(self, message: Message, acknowledged: Acknowledged, destination: Destination) -> None:
        """Sends a message that is ready, after the ack."""

        async def sending() -> None:
            await acknowledged
            await destination.send(message)

        self.start(sending())

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work`; the process does not end before it."""
        self._in_flight.start(work)

    async def start_and_wait_budget(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Starts `work` and waits for it as long as an ack may; it is done or goes on."""
        task = self._in_flight.start(work)
        await asyncio.wait({task}, timeout=self._budget)
        return task

    async def notify_of_restart(
        self,
        work: Coroutine[Any, Any, None],
        destination: Destination,
        last_words: Message | None = None,
    ) -> None:
        """Does `work`; if the process ends before it is done, the person is told so."""
        message = last_words or blocks.note(wording.RESTARTING)
        await self.notify_if_cancelled(work, lambda: destination.send(message))

    async def notify_if_cancelled(
        self, work: Coroutine[Any, Any, None], tell: Callable[[], Awaitable[Any]]
    ) -> None:
        """Does `work`; where it is cancelled, tells that, within the time for last words."""
        try:
            await work
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._waits.last_words):
                    await tell()
            raise

    async def post(
        self,
        response_url: str,
        message: Message,
        attempts: int = _ATTEMPTS,
        seconds: float | None = None,
        wanted: Callable[[], bool] = _always,
    ) -> Posted:
        """Posts to the response_url, and says whether it took the message.

        Each attempt may take so many `seconds`; there is no further one for what is not `wanted`
        any more. What was sent and got no reply is not sent again:
        the person may see it already. A failure can't be told to the person: it is logged, with a
        reference.
        """
        try:
            async for attempt in stamina.retry_context(
                on=_worth_another_try,
                attempts=attempts,
                timeout=_RESPONSE_URL_SECONDS,
                wait_initial=self._waits.first_retry,
                wait_max=_LONGEST_BACKOFF,
                wait_jitter=self._waits.first_retry,
                wait_exp_base=4,
            ):
                with attempt:
                    if not wanted():
                        return "refused"
                    await self._post(response_url, message, seconds or self._waits.response_url)
        except _NotDelivered as error:
            reference = new_reference()
            _log.error("answer not delivered", reference=reference, reason=str(error))
            sure = isinstance(error.reason, int) and error.reason < 500
            return "refused" if sure else "unknown"
        return "taken"

    async def _post(self, response_url: str, message: Message, seconds: float) -> None:
        try:
            async with self._http.post(
                response_url,
                json=message,
                allow_redirects=False,
                proxy=proxy_for(response_url),
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                if response.status != 200:
                    wait = response.headers.get("Retry-After", "")
                    raise _NotDelivered(response.status, float(wait) if wait.isdecimal() else None)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise _NotDelivered(type(error).__name__) from error


async def _message_of(task: asyncio.Task[Message]) -> Message:
    """What the work gives; where it fails in a way that nobody has foreseen, an apology."""
    try:
        return await task
    except Exception as error:  # noqa: BLE001 - nobody is left without a word
        reference = new_reference()
        _log.error("answer crashed", reference=reference, exc_info=error)
        return blocks.note(wording.our_fault(reference))


class _ResponseUrl:
    def __init__(
        self, delivery: Delivery, response_url: str, place: Message, courtesy_seconds: float
    ) -> None:
        self._delivery = delivery
        self._response_url = response_url
        self._place = place
        self._courtesy_seconds = courtesy_seconds

    async def send(self, message: Message, wanted: Callable[[], bool] = _always) -> None:
        await self._delivery.post(self._response_url, message | self._place, wanted=wanted)

    async def say_meanwhile(self, message: Message) -> None:
        placed, seconds = message | self._place, self._courtesy_seconds
        await self._delivery.post(self._response_url, placed, attempts=1, seconds=seconds)


class _NotDelivered(Exception):
    """The response_url did not take a message; `reason` is a status or a connection's trouble."""

    def __init__(self, reason: int | str, retry_after: float | None = None) -> None:
        super().__init__(f"HTTP {reason}" if isinstance(reason, int) else reason)
        self.reason = reason
        self.retry_after = retry_after


def _worth_another_try(error: Exception) -> bool | float:
    """Not where the response_url is used up (404), gone (410) or dislikes the message (4xx).

    And not after a message that got no reply (a timeout).
    """
    if not isinstance(error, _NotDelivered) or isinstance(error.__cause__, TimeoutError):
        return False
    if error.reason == 429 and error.retry_after is not None:
        return error.retry_after if error.retry_after < _RESPONSE_URL_SECONDS else False
    return isinstance(error.reason, str) or error.reason == 429 or error.reason >= 500
