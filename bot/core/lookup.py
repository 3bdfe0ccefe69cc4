"""The one use case: whose sessions, please?

Every entry point comes through here, with who asks: first it is decided whether they may, then
Fullstory is asked, then it is recorded how that went.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import structlog

from bot.core.access import Actor, DenialReason, EntryPoint
from bot.core.audit import Audit, Details
from bot.core.events import AuditEvent, Result
from bot.core.outcomes import (
    AccessDenied,
    Crashed,
    Failed,
    Found,
    LookupResult,
    NotRecorded,
    Outcome,
)
from bot.core.permission import Access
from bot.core.sessions import Query, SessionList
from bot.errors import FullstoryError
from bot.logs import new_reference

_log = structlog.get_logger()


class Sessions(Protocol):
    """Where sessions are listed: `bot.fullstory.client`."""

    async def sessions(self, query: Query) -> SessionList:
        """The person's sessions. Raises `FullstoryError`."""


Observe = Callable[[str, float], None]
"""Told of each lookup that was begun: what came of it, and the seconds."""


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """Who asks, and for whom."""

    actor: Actor
    query: Query


class Lookup:
    """Finds sessions for those who may see them; every attempt is recorded by `audit`.

    With `replay_at_moment`, what is found has a link that opens the replay at the moment. `observe`
    is for metrics.
    """

    def __init__(
        self,
        fullstory: Sessions,
        access: Access,
        audit: Audit,
        observe: Observe = lambda *_: None,
        *,
        replay_at_moment: bool = True,
    ) -> None:
        self._fullstory = fullstory
        self._access = access
        self._audit = audit
        self._observe = observe
        self._replay_at_moment = replay_at_moment

    async def refusal(self, actor: Actor) -> DenialReason | None:
        """Why somebody would not be shown sessions, where nothing is looked up afterwards.

        A refusal is recorded like any other; but for the Home, where nobody asks yet.
        """
        return self._record_denial(actor, await self._access.refusal(actor))

    async def refusal_at_once(self, actor: Actor) -> DenialReason | None:
        """The same where a lookup follows: what may be found out beside it is left to that."""
        return self._record_denial(actor, await self._access.refusal_at_once(actor))

    def _record_denial(self, actor: Actor, refusal: DenialReason | None) -> DenialReason | None:
        if refusal and actor.entry_point is not EntryPoint.HOME:
            self.note_refusal(actor, refusal)
        return refusal

    def note_refusal(self, actor: Actor, refusal: DenialReason) -> None:
        """Records that somebody was refused."""
        self._audit.note(actor, Result.REFUSED, reason=refusal.name.lower())

    def note_failure(self, actor: Actor, reason: str, query: Query | None = None) -> None:
        """Records that nothing came of what somebody asked for."""
        self._audit.note(actor, Result.FAILED, reason=reason, query=query)

    async def prepare_share(
        self, request: LookupRequest, count: int, looked_up: AuditEvent | None = None
    ) -> AuditEvent | None:
        """Record that so many sessions are about to be shown to everybody in a conversation.

        That takes the place of the event of what was `looked_up` for it. Returns the event for
        `complete_share`, or None where they must not be shown.
        """
        if looked_up:
            return await self._audit.prepare(
                replace(looked_up, result=Result.SHARED.value, count=count)
            )
        shared = self._audit.event(request.actor, Result.SHARED, query=request.query, count=count)
        return await self._audit.prepare(shared)

    def complete_share(self, event: AuditEvent, *, failure: str = "") -> None:
        """Record what became of it."""
        self._audit.complete(event, failure=failure)

    async def run(self, request: LookupRequest, *, seen_before: bool = False) -> Outcome:
        """Run the lookup and return its outcome. Never raises: errors become `Crashed`.

        What the person has `seen_before` is not recorded a second time, if it is found.
        """
        started = perf_counter()
        try:
            outcome = await self._run(request)
        except asyncio.CancelledError:
            seconds = perf_counter() - started
            self._observe(Result.CANCELLED, seconds)
            self._audit.note(request.actor, Result.CANCELLED, query=request.query, seconds=seconds)
            raise
        seconds = perf_counter() - started
        if not isinstance(outcome, AccessDenied):
            result, details = _audit_fields(outcome)
            self._observe(details.get("reason") or result, seconds)
        if seen_before and isinstance(outcome, Found):
            return outcome
        return await self._recorded(outcome, request, seconds)

    async def _recorded(
        self, outcome: LookupResult, request: LookupRequest, seconds: float
    ) -> Outcome:
        result, details = _audit_fields(outcome)
        reference = details.get("reference") or new_reference()
        details |= {"query": request.query, "seconds": seconds, "reference": reference}
        event = await self._audit.record(request.actor, result, **details)
        if not isinstance(outcome, Found):
            return outcome
        if event:
            return replace(outcome, event=event)
        _log.error("answer withheld: it could not be recorded", reference=reference)
        return NotRecorded(reference)

    async def _run(self, request: LookupRequest) -> LookupResult:
        try:
            if refusal := await self._access.refusal_at_once(request.actor):
                return AccessDenied(refusal)
            if not self._access.depends_on_usergroups(request.actor):
                return await self._look_up(request.query)
            # The rest may have to be asked of Slack: an allowed person doesn't wait for that, too.
            looking_up = asyncio.create_task(self._look_up(request.query))
            try:
                if refusal := await self._access.refusal_by_usergroup_rules(request.actor):
                    return AccessDenied(refusal)
                return await looking_up
            finally:
                looking_up.cancel()
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return _crashed(error)

    async def _look_up(self, query: Query) -> LookupResult:
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


def _audit_fields(outcome: LookupResult) -> tuple[Result, Details]:
    """For the record."""
    match outcome:
        case Found(found):
            count = len(found.sessions)
            return (Result.FOUND if count else Result.NONE), {"count": count}
        case AccessDenied(refusal):
            return Result.REFUSED, {"reason": refusal.name.lower()}
        case Failed(error, reference):
            return Result.FAILED, {"reason": type(error).__name__, "reference": reference}
        case Crashed(reference):
            return Result.FAILED, {"reason": "crashed", "reference": reference}
