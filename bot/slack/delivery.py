"""When an answer is sent: in the ack if it is ready within the budget, else after it.

Slack waits three seconds for an ack. An answer that is ready within the budget travels in the ack
itself: one request fewer, and nothing that can get lost. For a later one the person is told "still
looking" meanwhile. That is sent once, and the answer waits a second at most for it, so that the two
don't arrive in the wrong order.

What was promised so is claimed, and stored where there is a database: if this process dies, another
one answers. Where it can't be known whether the answer was sent, that one says so instead: nobody
sees it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from bot.logs import new_reference
from bot.settings import Settings
from bot.slack import messages, texts
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import Message, Renderer, SizeLimit, always, note
from bot.slack.job import SENDING
from bot.slack.request import Acknowledged, SlackRequest
from bot.slack.response_url import IsCurrent, always_current
from bot.slack.targets import AckTarget, ReplyTarget
from bot.timeouts import Timeouts

_log = structlog.get_logger()

_STILL_LOOKING: Final = note(texts.STILL_LOOKING)
_RESTARTING: Final = note(texts.RESTARTING)
_MAYBE_ANSWERED: Final = note(texts.MAYBE_ANSWERED)
_T = TypeVar("_T")


class Delivery:
    """Brings an answer to the person."""

    def __init__(self, background: BackgroundTasks, settings: Settings, timeouts: Timeouts) -> None:
        self._background = background
        self._budget = settings.answer_budget_seconds
        self._contact = settings.admin_contact
        self._timeouts = timeouts

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self._background.draining

    async def answer_in_ack(
        self,
        work: Coroutine[Any, Any, Renderer],
        request: SlackRequest,
        target: AckTarget,
        progress: Message = _STILL_LOOKING,
    ) -> None:
        """Acknowledges with what `work` gives, or with `progress` and sends it afterwards.

        A later answer waits for the ack, and a little longer, so as not to overtake it. If the ack
        is lost, the answer that was in it goes to the place.
        """
        if self._says_something_else(work, request, target):
            return
        task = await self.start_and_wait_budget(work)
        if task.done():
            renderer = self._result(task)
            await request.ack(target.as_ack(renderer(target.size_limit), final=True))

            def acknowledged(sent: Acknowledged) -> None:
                if not sent.result():
                    self.start(self._send(renderer, request, target))

            request.acknowledged.add_done_callback(acknowledged)
            return

        async def later() -> None:
            renderer = await self._answer_of(task)
            await request.acknowledged
            await asyncio.sleep(self._timeouts.after_ack)
            await self._send(renderer, request, target)

        await request.job.take_new()  # before it is promised
        self.start(self._hand_over_or_tell(later(), request, target))
        await request.ack(target.as_ack(progress, final=False))

    def answer_after_ack(
        self,
        work: Coroutine[Any, Any, Renderer],
        request: SlackRequest,
        target: ReplyTarget,
        *,
        is_current: IsCurrent = always_current,
        progress: Message = _STILL_LOOKING,
        shutdown_notice: Message = _RESTARTING,
    ) -> None:
        """Sends what `work` gives, after an ack that said nothing.

        If it takes longer than the budget, `progress` is sent first. What is not `is_current` any
        more, because the person has pressed something else since, is not sent. `shutdown_notice`
        is for the end of the process.
        """
        if self._says_something_else(work, request, target, is_current):
            return

        async def answering() -> None:
            task = self._background.start(work)
            await asyncio.wait({task}, timeout=self._budget)
            await request.acknowledged
            sending = None
            if not (task.done() or request.job.is_resumed) and await is_current():
                sending = self._background.start(target.send_progress(progress))
            renderer = await self._answer_of(task)
            if sending:
                # Nearly always it is there long since. If Slack hangs, the answer doesn't wait.
                await asyncio.wait({sending}, timeout=self._timeouts.progress_grace)
                sending.cancel()
            await self._send(renderer, request, target, is_current)

        self.start(
            self._hand_over_or_tell(answering(), request, target, shutdown_notice, is_current)
        )

    def send_after_ack(
        self,
        message: Message,
        request: SlackRequest,
        target: ReplyTarget,
        is_current: IsCurrent = always_current,
    ) -> None:
        """Sends a message that is ready, after the ack."""

        async def sending() -> None:
            await request.acknowledged
            await target.send(always(message), is_current)

        self.start(sending())

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Runs `work`; the process does not end before it."""
        self._background.start(work)

    async def start_and_wait_budget(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Starts `work` and waits for it as long as an ack may; it is done or goes on."""
        task = self._background.start(work)
        await asyncio.wait({task}, timeout=self._budget)
        return task

    async def _hand_over_or_tell(
        self,
        work: Coroutine[Any, Any, None],
        request: SlackRequest,
        target: ReplyTarget,
        shutdown_notice: Message = _RESTARTING,
        is_current: IsCurrent = always_current,
    ) -> None:
        """Does `work`; if the process ends before, another one does it, or the person is told."""

        async def leave() -> None:
            if not await request.job.hand_over():
                await target.send(always(shutdown_notice), is_current)

        await self._background.notify_if_cancelled(work, leave)

    async def _send(
        self,
        renderer: Renderer,
        request: SlackRequest,
        target: ReplyTarget,
        is_current: IsCurrent = always_current,
    ) -> None:
        """Sends what is owed, if it is still ours to send."""

        async def is_still_current() -> bool:
            return await is_current() and await request.job.still_ours()

        await target.send(renderer, is_still_current)
        await request.job.done()

    def _says_something_else(
        self,
        work: Coroutine[Any, Any, Renderer],
        request: SlackRequest,
        target: ReplyTarget,
        is_current: IsCurrent = always_current,
    ) -> bool:
        """Whether an earlier process has gone so far that the work is not begun again."""
        job = request.job
        if job.step == SENDING and not target.is_repeatable:
            message = _MAYBE_ANSWERED
        elif job.is_hopeless:
            reference = new_reference()
            _log.error("answer given up after too many attempts", reference=reference)
            message = messages.trouble(texts.our_fault(), self._contact, reference)
        else:
            return False
        work.close()
        self.start(self._send(always(message), request, target, is_current))
        return True

    async def _answer_of(self, task: asyncio.Task[Renderer]) -> Renderer:
        await asyncio.wait({task})
        return self._result(task)

    def _result(self, task: asyncio.Task[Renderer]) -> Renderer:
        """What the work gives; an apology, where it or its drawing fails unforeseen."""
        try:
            renderer = task.result()
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return always(self._apology(error))

        def safe(size_limit: SizeLimit) -> Message:
            try:
                return renderer(size_limit)
            except Exception as error:  # noqa: BLE001 - the same
                return self._apology(error)

        return safe

    def _apology(self, error: Exception) -> Message:
        reference = new_reference()
        _log.error("answer crashed", reference=reference, exc_info=error)
        return messages.trouble(texts.our_fault(), self._contact, reference)
