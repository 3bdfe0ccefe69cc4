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
from bot.slack.claims import SENDING
from bot.slack.replies.in_flight import InFlight
from bot.slack.replies.places import Place, PlaceOfAck
from bot.slack.replies.response_url import StillWanted, always
from bot.slack.requests import Acknowledged, SlackRequest
from bot.slack.ui import notes, wording
from bot.slack.ui.pieces import Drawing, Message, Room, drawn, note
from bot.waits import Waits

_log = structlog.get_logger()

_STILL_LOOKING: Final = note(wording.STILL_LOOKING)
_RESTARTING: Final = note(wording.RESTARTING)
_MAYBE_ANSWERED: Final = note(wording.MAYBE_ANSWERED)
_T = TypeVar("_T")


class Delivery:
    """Brings an answer to the person."""

    def __init__(self, in_flight: InFlight, settings: Settings, waits: Waits) -> None:
        self._in_flight = in_flight
        self._budget = settings.answer_budget_seconds
        self._contact = settings.admin_contact
        self._waits = waits

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self._in_flight.draining

    async def answer_in_ack(
        self,
        work: Coroutine[Any, Any, Drawing],
        request: SlackRequest,
        place: PlaceOfAck,
        meanwhile: Message = _STILL_LOOKING,
    ) -> None:
        """Acknowledges with what `work` gives, or with `meanwhile` and sends it afterwards.

        A later answer waits for the ack, and a little longer, so as not to overtake it. If the ack
        is lost, the answer that was in it goes to the place.
        """
        if self._says_something_else(work, request, place):
            return
        task = await self.start_and_wait_budget(work)
        if task.done():
            drawing = self._result(task)
            await request.ack(place.as_ack(drawing(place.room), final=True))

            def acknowledged(sent: Acknowledged) -> None:
                if not sent.result():
                    self.start(self._send(drawing, request, place))

            request.acknowledged.add_done_callback(acknowledged)
            return

        async def later() -> None:
            drawing = await self._answer_of(task)
            await request.acknowledged
            await asyncio.sleep(self._waits.after_ack)
            await self._send(drawing, request, place)

        await request.claim.take_new()  # before it is promised
        self.start(self._hand_over_or_tell(later(), request, place))
        await request.ack(place.as_ack(meanwhile, final=False))

    def answer_after_ack(
        self,
        work: Coroutine[Any, Any, Drawing],
        request: SlackRequest,
        place: Place,
        *,
        wanted: StillWanted = always,
        meanwhile: Message = _STILL_LOOKING,
        last_words: Message = _RESTARTING,
    ) -> None:
        """Sends what `work` gives, after an ack that said nothing.

        If it takes longer than the budget, the person is told so `meanwhile`. What is not `wanted`
        any more, because the person has pressed something else since, is not sent. `last_words` are
        for the end of the process.
        """
        if self._says_something_else(work, request, place, wanted):
            return

        async def answering() -> None:
            task = self._in_flight.start(work)
            await asyncio.wait({task}, timeout=self._budget)
            await request.acknowledged
            courtesy = None
            if not (task.done() or request.claim.is_resumed) and await wanted():
                courtesy = self._in_flight.start(place.say_meanwhile(meanwhile))
            drawing = await self._answer_of(task)
            if courtesy:
                # Nearly always it is there long since. If Slack hangs, the answer doesn't wait.
                await asyncio.wait({courtesy}, timeout=self._waits.courtesy_grace)
                courtesy.cancel()
            await self._send(drawing, request, place, wanted)

        self.start(self._hand_over_or_tell(answering(), request, place, last_words, wanted))

    def send_after_ack(
        self, message: Message, request: SlackRequest, place: Place, wanted: StillWanted = always
    ) -> None:
        """Sends a message that is ready, after the ack."""

        async def sending() -> None:
            await request.acknowledged
            await place.send(drawn(message), wanted)

        self.start(sending())

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Runs `work`; the process does not end before it."""
        self._in_flight.start(work)

    async def start_and_wait_budget(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Starts `work` and waits for it as long as an ack may; it is done or goes on."""
        task = self._in_flight.start(work)
        await asyncio.wait({task}, timeout=self._budget)
        return task

    async def _hand_over_or_tell(
        self,
        work: Coroutine[Any, Any, None],
        request: SlackRequest,
        place: Place,
        last_words: Message = _RESTARTING,
        wanted: StillWanted = always,
    ) -> None:
        """Does `work`; if the process ends before, another one does it, or the person is told."""

        async def leave() -> None:
            if not await request.claim.hand_over():
                await place.send(drawn(last_words), wanted)

        await self._in_flight.notify_if_cancelled(work, leave)

    async def _send(
        self, drawing: Drawing, request: SlackRequest, place: Place, wanted: StillWanted = always
    ) -> None:
        """Sends what is owed, if it is still ours to send."""

        async def still_wanted() -> bool:
            return await wanted() and await request.claim.still_ours()

        await place.send(drawing, still_wanted)
        await request.claim.done()

    def _says_something_else(
        self,
        work: Coroutine[Any, Any, Drawing],
        request: SlackRequest,
        place: Place,
        wanted: StillWanted = always,
    ) -> bool:
        """Whether an earlier process has gone so far that the work is not begun again."""
        claim = request.claim
        if claim.step == SENDING and not place.is_repeatable:
            message = _MAYBE_ANSWERED
        elif claim.is_hopeless:
            reference = new_reference()
            _log.error("answer given up after too many attempts", reference=reference)
            message = notes.trouble(wording.our_fault(), self._contact, reference)
        else:
            return False
        work.close()
        self.start(self._send(drawn(message), request, place, wanted))
        return True

    async def _answer_of(self, task: asyncio.Task[Drawing]) -> Drawing:
        await asyncio.wait({task})
        return self._result(task)

    def _result(self, task: asyncio.Task[Drawing]) -> Drawing:
        """What the work gives; an apology, where it or its drawing fails unforeseen."""
        try:
            drawing = task.result()
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return drawn(self._apology(error))

        def safe(room: Room) -> Message:
            try:
                return drawing(room)
            except Exception as error:  # noqa: BLE001 - the same
                return self._apology(error)

        return safe

    def _apology(self, error: Exception) -> Message:
        reference = new_reference()
        _log.error("answer crashed", reference=reference, exc_info=error)
        return notes.trouble(wording.our_fault(), self._contact, reference)
