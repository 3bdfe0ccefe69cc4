"""The one use case: whose sessions, please?

Every entry point comes through here, with who asks: first it is decided whether they may, then
Fullstory is asked, then it is recorded how that went.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import structlog

from bot.errors import FullstoryError
from bot.logs import new_reference
from bot.lookup.access import Actor, EntryPoint, Refusal
from bot.lookup.audit import Audit
from bot.lookup.events import Result
from bot.lookup.outcomes import Crashed, Denied, Failed, Found, NotRecorded, Outcome
from bot.lookup.permission import Access
from bot.sessions import Query, SessionList

_log = structlog.get_logger()


class Sessions(Protocol):
    """Where sessions are listed: `bot.fullstory.client`."""

    async def sessions(self, query: Query) -> SessionList:
        """The person's sessions. Raises `FullstoryError`."""


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """Who asks, and for whom."""

    actor: Actor
    query: Query


class FindSessions:
    """Finds sessions for those who may see them; every attempt is recorded by `audit`.

    With `replay_at_moment`, what is found has a link that opens the replay at the moment.
    """

    def __init__(
        self,
        fullstory: Sessions,
        access: Access,
        audit: Audit,
        *,
        replay_at_moment: bool = True,
    ) -> None:
        self._fullstory = fullstory
        self._access = access
        self._audit = audit
        self._replay_at_moment = replay_at_moment

    async def refusal(self, actor: Actor) -> Refusal | None:
        """Why somebody would not be shown sessions, before there is anything to look up.

        A refusal is recorded like any other; but for the Home, where nobody asks yet.
        """
        started = perf_counter()
        refusal = await self._access.refusal(actor)
        if refusal and actor.entry_point is not EntryPoint.HOME:
            self.note_refusal(actor, refusal, seconds=perf_counter() - started)
        return refusal

    def note_refusal(
        self, actor: Actor, refusal: Refusal, query: Query | None = None, seconds: float = 0.0
    ) -> None:
        """Records that somebody was refused."""
        event = self._audit.event(
            actor,
            Result.REFUSED,
            new_reference(),
            reason=refusal.name.lower(),
            query=query,
            seconds=seconds,
        )
        self._audit.note(event)

    def note_failure(self, request: LookupRequest, reason: str) -> None:
        """Records that nothing came of what somebody asked for."""
        event = self._audit.event(
            request.actor, Result.FAILED, new_reference(), reason=reason, query=request.query
        )
        self._audit.note(event)

    async def record_share(self, request: LookupRequest, count: int) -> bool:
        """Records that so many sessions are about to be shown to everybody in a conversation.

        Gives whether they may be.
        """
        event = self._audit.event(
            request.actor, Result.SHARED, new_reference(), query=request.query, count=count
        )
        return await self._audit.record(event)

    async def run(self, request: LookupRequest) -> Outcome:
        """What came of the lookup. It never raises: what nobody has foreseen is an outcome, too."""
        started = perf_counter()
        try:
            outcome = await self._run(request)
        except asyncio.CancelledError:
            self._audit.note(
                self._audit.event(
                    request.actor,
                    Result.CANCELLED,
                    new_reference(),
                    query=request.query,
                    seconds=perf_counter() - started,
                )
            )
            raise
        return await self._recorded(outcome, request, perf_counter() - started)

    async def _recorded(self, outcome: Outcome, request: LookupRequest, seconds: float) -> Outcome:
        result, reason, count, reference = _told(outcome)
        event = self._audit.event(
            request.actor,
            result,
            reference or new_reference(),
            reason=reason,
            query=request.query,
            count=count,
            seconds=seconds,
        )
        if await self._audit.record(event) or not isinstance(outcome, Found):
            return outcome
        _log.error("answer withheld: it could not be recorded", reference=event.reference)
        return NotRecorded(event.reference)

    async def _run(self, request: LookupRequest) -> Outcome:
        try:
            if refusal := await self._access.refusal_at_once(request.actor):
                return Denied(refusal)
            # The rest may have to be asked of Slack: an allowed person doesn't wait for that, too.
            looking_up = asyncio.create_task(self._look_up(request.query))
            try:
                if refusal := await self._access.refusal_beside(request.actor):
                    return Denied(refusal)
                return await looking_up
            finally:
                looking_up.cancel()
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return _crashed(error)

    async def _look_up(self, query: Query) -> Outcome:
        try:
            found = await self._fullstory.sessions(query)
        except FullstoryError as error:
            reference = new_reference()
            _log.warning("lookup failed", reference=reference, exc_info=error)
            return Failed(error, reference)
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return _crashed(error)
        return Found(found.with_replay() if self._replay_at_moment else found)


def _crashed(error: Exception) -> Crashed:
    reference = new_reference()
    _log.error("lookup crashed", reference=reference, exc_info=error)
    return Crashed(reference)


def _told(outcome: Outcome) -> tuple[Result, str, int, str]:
    """For the record: the result, the reason, the number of sessions, the reference."""
    match outcome:
        case Found(found):
            count = len(found.sessions)
            return (Result.FOUND if count else Result.NONE), "", count, ""
        case Denied(refusal):
            return Result.REFUSED, refusal.name.lower(), 0, ""
        case Failed(error, reference):
            return Result.FAILED, type(error).__name__, 0, reference
        case Crashed(reference):
            return Result.FAILED, "crashed", 0, reference
        case NotRecorded(reference):
            return Result.FAILED, "not recorded", 0, reference
