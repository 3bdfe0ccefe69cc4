"""When an answer is sent: in the ack if it is ready within the budget, otherwise later.

Slack waits three seconds for an ack. An answer that is ready within the budget is the ack's own
body: one request fewer, and nothing that can get lost. Otherwise a progress message is sent, and
the answer follows. The answer waits at most a second for the progress message, so that they arrive
in the right order.

A promised answer is a job. If there is a database and this process dies, another one resumes it. If
no one can know whether the answer was sent, the person is told so instead: no answer comes twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from bot import counters
from bot.core.outcomes import RESTARTING, crash
from bot.logs import new_reference
from bot.settings import Settings
from bot.slack import texts
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import Message, Renderer, SizeLimit, always, note
from bot.slack.messages import problem
from bot.slack.request import SENDING, Ack, Acknowledged, SlackRequest
from bot.slack.response_url import IsCurrent, always_current
from bot.slack.targets import AckTarget, ReplyTarget
from bot.timeouts import Timeouts

_log = structlog.get_logger()

_STILL_LOOKING: Final = note(texts.STILL_LOOKING)
_RESTARTING: Final = note(RESTARTING)
_MAYBE_ANSWERED: Final = note(texts.MAYBE_ANSWERED)
_T = TypeVar("_T")


class Delivery:
    """Delivers answers."""

    def __init__(self, background: BackgroundTasks, settings: Settings, timeouts: Timeouts) -> None:
        self._background = background
        self._budget = settings.answer_budget_seconds
        self._contact = settings.admin_contact
        self._timeouts = timeouts

    async def in_ack(
        self,
        work: Coroutine[Any, Any, Renderer],
        request: SlackRequest,
        target: AckTarget,
        progress: Message = _STILL_LOOKING,
    ) -> Ack:
        """Return an ack with the result of `work`; or with `progress`, and send the result later.

        If the ack with the result is lost, the result goes to the target.
        """
        if self._resumes_otherwise(work, request, target):
            return None
        task = await self.within_budget(work)
        counters.count("answers", "in ack" if task.done() else "late")
        if task.done():
            renderer = self._result(task)

            def send_if_lost(acknowledged: Acknowledged) -> None:
                is_sent = acknowledged.result()
                counters.count("deliveries", "ack", "taken" if is_sent else "unknown")
                if not is_sent:
                    self._background.start(self._send(renderer, request, target))

            request.acknowledged.add_done_callback(send_if_lost)
            return target.as_ack(renderer(target.size_limit), is_final=True)

        async def send_later() -> None:
            await asyncio.wait({task})
            await request.acknowledged
            # Slack may show the ack and a message right after it in either order.
            await asyncio.sleep(self._timeouts.after_ack)
            await self._send(self._result(task), request, target)

        await request.job.take_new()  # before it is promised
        self._background.start(self._hand_over_or_notify(send_later(), request, target))
        return target.as_ack(progress, is_final=False)

    def after_ack(
        self,
        work: Coroutine[Any, Any, Renderer],
        request: SlackRequest,
        target: ReplyTarget,
        *,
        is_current: IsCurrent = always_current,
        progress: Message = _STILL_LOOKING,
        shutdown_notice: Message = _RESTARTING,
    ) -> None:
        """Send the result of `work` after an empty ack.

        If it takes longer than the budget, `progress` is sent first. The result is not sent if it
        is no longer current. `shutdown_notice` is sent if the process ends first.
        """
        if self._resumes_otherwise(work, request, target, is_current):
            return

        async def answer() -> None:
            task = await self.within_budget(work)
            counters.count("answers", "after ack" if task.done() else "late")
            await request.acknowledged
            progressing = None
            if not (task.done() or request.job.is_resumed) and await is_current():
                progressing = self._background.start(target.send_progress(progress))
            await asyncio.wait({task})
            if progressing:
                # It was nearly always sent long ago. If Slack hangs, the answer doesn't wait.
                await asyncio.wait({progressing}, timeout=self._timeouts.progress_grace)
                progressing.cancel()
            await self._send(self._result(task), request, target, is_current)

        self._background.start(
            self._hand_over_or_notify(answer(), request, target, shutdown_notice, is_current)
        )

    def message_after_ack(
        self,
        message: Message,
        request: SlackRequest,
        target: ReplyTarget,
        is_current: IsCurrent = always_current,
    ) -> None:
        """Send a message that is ready, after the ack."""

        async def send() -> None:
            await request.acknowledged
            await target.send(always(message), is_current)

        self._background.start(send())

    async def within_budget(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Start `work` and wait as long as an ack may; the task is done or continues."""
        task = self._background.start(work)
        await asyncio.wait({task}, timeout=self._budget)
        return task

    async def _hand_over_or_notify(
        self,
        work: Coroutine[Any, Any, None],
        request: SlackRequest,
        target: ReplyTarget,
        shutdown_notice: Message = _RESTARTING,
        is_current: IsCurrent = always_current,
    ) -> None:
        """Run `work`; if the process ends first, another one resumes it or the person is told."""

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
        """Send an answer if the job is still ours."""

        async def may_send() -> bool:
            return await is_current() and await request.job.is_ours()

        await target.send(renderer, may_send)
        await request.job.done()

    def _resumes_otherwise(
        self,
        work: Coroutine[Any, Any, Renderer],
        request: SlackRequest,
        target: ReplyTarget,
        is_current: IsCurrent = always_current,
    ) -> bool:
        """Send something else if an earlier process got so far that `work` must not run again."""
        job = request.job
        if job.step == SENDING and not target.is_repeatable:
            message = _MAYBE_ANSWERED
        elif job.is_hopeless:
            reference = new_reference()
            _log.error("answer dropped after too many attempts", reference=reference)
            message = problem(crash(reference), self._contact)
        else:
            return False
        work.close()
        self._background.start(self._send(always(message), request, target, is_current))
        return True

    def _result(self, task: asyncio.Task[Renderer]) -> Renderer:
        """Return the renderer; if the work or the rendering fails, the answer says so."""
        try:
            renderer = task.result()
        except Exception as error:  # noqa: BLE001 - no one is left without an answer
            return always(self._apology(error))

        def render(size_limit: SizeLimit) -> Message:
            try:
                return renderer(size_limit)
            except Exception as error:  # noqa: BLE001 - the same
                return self._apology(error)

        return render

    def _apology(self, error: Exception) -> Message:
        reference = new_reference()
        _log.error("answer crashed", reference=reference, exc_info=error)
        return problem(crash(reference), self._contact)
