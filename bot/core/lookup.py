"""The one use case: find a person's sessions.

Every entry point comes through here. First it is decided whether the actor may see sessions, then
Fullstory is asked, then the outcome is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import structlog

from bot import counters
from bot.core.access import Access, Actor, DenialReason, EntryPoint
from bot.core.audit import Audit, Details, Result
from bot.core.outcomes import (
    AccessDenied,
    Busy,
    Crashed,
    Failed,
    Found,
    LookupResult,
    NotRecorded,
    Outcome,
    Restarting,
    TooMany,
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


class Counts(Protocol):
    """Counts what there may be so often in a time: a `bot.store.protocol.State`."""

    async def count(self, limits: Mapping[tuple[str, ...], int], seconds: float) -> bool:
        """Count one more for every key, or for none if a limit would be exceeded."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many lookups a process may have in progress, and a person may begin in a minute."""

    in_flight: int
    per_minute: int
    counts: Counts


class Lookup:
    """Finds sessions for actors who may see them, and records every attempt.

    With `replay_at_moment`, a list has a link that opens the replay at the moment. While
    `is_ending()`, nothing is looked up, nor beyond the `limits`. `observe` is called with the
    seconds of each lookup; `in_flight` are in progress.
    """

    def __init__(
        self,
        fullstory: Sessions,
        access: Access,
        audit: Audit,
        *,
        is_ending: Callable[[], bool] = lambda: False,
        replay_at_moment: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self._fullstory = fullstory
        self._access = access
        self._audit = audit
        self.observe: Callable[[float], None] = lambda _: None
        self._is_ending = is_ending
        self._replay_at_moment = replay_at_moment
        self._limits = limits
        self.in_flight = 0

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
            _count(actor, "restarting")
            return Restarting()
        if refused := await self._beyond_limits(actor):
            self._audit.note(actor, Result.FAILED, reason=_name(refused), query=query)
            _count(actor, _name(refused))
            return refused
        started = perf_counter()
        self.in_flight += 1
        try:
            outcome = await self._run(query, actor)
        except asyncio.CancelledError:
            seconds = perf_counter() - started
            _count(actor, Result.CANCELLED)
            self._audit.note(actor, Result.CANCELLED, query=query, seconds=seconds)
            raise
        finally:
            self.in_flight -= 1
        seconds = perf_counter() - started
        result, details = _audit_fields(outcome)
        name = details.get("reason") or result.value
        if not isinstance(outcome, AccessDenied):
            self.observe(seconds)
        if seen_before and isinstance(outcome, Found):
            _count(actor, name)
            return outcome
        details |= {"query": query, "seconds": seconds}
        event = self._audit.event(actor, result, **details)
        is_recorded = await self._audit.record(event)
        is_withheld = isinstance(outcome, Found) and not is_recorded
        if not isinstance(outcome, AccessDenied):
            _count(actor, "not recorded" if is_withheld else name)
        if not isinstance(outcome, Found):
            return outcome
        if is_recorded:
            return replace(outcome, event=event)
        _log.error("answer withheld: the lookup was not recorded", reference=event.reference)
        return NotRecorded(event.reference)

    async def _beyond_limits(self, actor: Actor) -> Busy | TooMany | None:
        limits = self._limits
        if limits is None:
            return None
        if self.in_flight >= limits.in_flight:
            return Busy()
        if actor.entry_point is not EntryPoint.WORKFLOW_STEP:
            key = ("lookups", actor.workspace, actor.user)
            if not await limits.counts.count({key: limits.per_minute}, 60.0):
                return TooMany(limits.per_minute)
        return None

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


def _count(actor: Actor, outcome: str) -> None:
    counters.count("lookups", actor.entry_point.value, outcome)


def _name(refused: Busy | TooMany) -> str:
    return "busy" if isinstance(refused, Busy) else "too many"


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
