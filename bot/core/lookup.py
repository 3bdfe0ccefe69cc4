"""The one use case: find a person's sessions.

Every entry point comes through here. First it is decided whether the actor may see sessions, then
Fullstory is asked, then the outcome is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Protocol

import structlog

from bot.core.access import Access, Actor, DenialReason, EntryPoint
from bot.core.audit import Audit, Details, Result
from bot.core.outcomes import (
    AccessDenied,
    Crashed,
    Failed,
    Found,
    LookupResult,
    NotRecorded,
    Outcome,
    Restarting,
)
from bot.core.sessions import Query, SessionList
from bot.core.suggestions import respelled
from bot.errors import FullstoryError
from bot.logs import new_reference

_log = structlog.get_logger()


class Sessions(Protocol):
    """Lists sessions: `bot.fullstory.client`."""

    async def sessions(self, query: Query) -> SessionList:
        """Return the person's sessions. Raises `FullstoryError`."""


Observe = Callable[[str, float], None]
"""Called with the result and the seconds of each lookup."""


class Lookup:
    """Finds sessions for actors who may see them, and records every attempt.

    With `replay_at_moment`, a list has a link that opens the replay at the moment. While
    `is_ending()`, nothing is looked up. `observe` is for metrics.
    """

    def __init__(
        self,
        fullstory: Sessions,
        access: Access,
        audit: Audit,
        observe: Observe | None = None,
        *,
        is_ending: Callable[[], bool] = lambda: False,
        replay_at_moment: bool = True,
    ) -> None:
        self._fullstory = fullstory
        self._access = access
        self._audit = audit
        self._observe = observe
        self._is_ending = is_ending
        self._replay_at_moment = replay_at_moment

    async def denial(self, actor: Actor) -> DenialReason | None:
        """Return why the actor may not see sessions, for when no lookup follows; it is recorded."""
        return self._record_denial(actor, await self._access.denial(actor))

    async def first_denial(self, actor: Actor) -> DenialReason | None:
        """Return the same for when a lookup follows, which decides by the user groups."""
        return self._record_denial(actor, await self._access.first_denial(actor))

    def _record_denial(self, actor: Actor, reason: DenialReason | None) -> DenialReason | None:
        if reason and actor.entry_point is not EntryPoint.HOME:  # no one asks for anything there
            self._audit.note_denial(actor, reason)
        return reason

    async def run(self, query: Query, actor: Actor, *, seen_before: bool = False) -> Outcome:
        """Run the lookup and return its outcome. Never raises: errors become `Crashed`.

        If the actor has `seen_before` what is found, it is not recorded a second time.
        """
        if self._is_ending():
            self._audit.note(actor, Result.FAILED, reason="restarting", query=query)
            return Restarting()
        started = perf_counter()
        try:
            outcome = await self._run(query, actor)
        except asyncio.CancelledError:
            seconds = perf_counter() - started
            self._count(Result.CANCELLED, seconds)
            self._audit.note(actor, Result.CANCELLED, query=query, seconds=seconds)
            raise
        seconds = perf_counter() - started
        result, details = _audit_fields(outcome)
        if not isinstance(outcome, AccessDenied):
            self._count(details.get("reason") or result, seconds)
        if seen_before and isinstance(outcome, Found):
            return outcome
        details |= {"query": query, "seconds": seconds}
        event = self._audit.event(actor, result, **details)
        is_recorded = await self._audit.record(event)
        if not isinstance(outcome, Found):
            return outcome
        if is_recorded:
            return replace(outcome, event=event)
        _log.error("answer withheld: the lookup was not recorded", reference=event.reference)
        return NotRecorded(event.reference)

    def _count(self, result: str, seconds: float) -> None:
        if self._observe:
            self._observe(result, seconds)

    async def _run(self, query: Query, actor: Actor) -> LookupResult:
        try:
            if reason := await self._access.first_denial(actor):
                return AccessDenied(reason)
            if not self._access.rules.depends_on_usergroups(actor):
                return await self._find(query)
            # Slack may have to be asked about the groups; an allowed person doesn't wait for both.
            finding = asyncio.create_task(self._find(query))
            try:
                if reason := await self._access.usergroup_denial(actor):
                    return AccessDenied(reason)
                return await finding
            finally:
                finding.cancel()
        except Exception as error:  # noqa: BLE001 - no one is left without an answer
            return _crashed(error)

    async def _find(self, query: Query) -> LookupResult:
        try:
            found = await self._fullstory.sessions(query)
            if not found.sessions:
                found = await self._respelled(query) or found
        except FullstoryError as error:
            reference = new_reference()
            _log.warning("lookup failed", reference=reference, exc_info=error)
            return Failed(error, reference)
        except Exception as error:  # noqa: BLE001 - no one is left without an answer
            return _crashed(error)
        return Found(found.with_replay() if self._replay_at_moment else found)

    async def _respelled(self, query: Query) -> SessionList | None:
        """Return the sessions that the person has under another spelling, if there are any."""
        asked = (self._fullstory.sessions(other) for other in respelled(query))
        for found in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(found, SessionList) and found.sessions:
                return found
        return None


def _crashed(error: Exception) -> Crashed:
    reference = new_reference()
    _log.error("lookup crashed", reference=reference, exc_info=error)
    return Crashed(reference)


def _audit_fields(outcome: LookupResult) -> tuple[Result, Details]:
    match outcome:
        case Found(found):
            count = len(found.sessions)
            return (Result.FOUND if count else Result.NONE), {"count": count}
        case AccessDenied(reason):
            return Result.REFUSED, {"reason": reason.name.lower()}
        case Failed(error, reference):
            return Result.FAILED, {"reason": type(error).__name__, "reference": reference}
        case Crashed(reference):
            return Result.FAILED, {"reason": "crashed", "reference": reference}
