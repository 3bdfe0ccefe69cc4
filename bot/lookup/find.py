"""The one use case: whose sessions, please?

Every entry point comes through here, with who asks: first it is decided whether they may, then
Fullstory is asked, then it is recorded how that went.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import structlog

from bot.errors import FullstoryError
from bot.logs import new_reference
from bot.lookup.access import Actor, EntryPoint, Refusal
from bot.lookup.outcomes import Crashed, Denied, Failed, Found, Outcome
from bot.sessions import Query, SessionList

_log = structlog.get_logger()


class Access(Protocol):
    """Decides who may be shown sessions."""

    async def refusal(self, actor: Actor) -> Refusal | None:
        """Why not, or None."""


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
    """Finds sessions for those who may see them.

    How it went and how long it took is told to the log and to `observe`, which is called with the
    outcome and the seconds; never whose sessions they were. With `replay_at_moment`, what is found
    has a link that opens the replay at the moment.
    """

    def __init__(
        self,
        fullstory: Sessions,
        access: Access,
        observe: Callable[[str, float], None] = lambda *_: None,
        *,
        replay_at_moment: bool = True,
    ) -> None:
        self._fullstory = fullstory
        self._replay_at_moment = replay_at_moment
        self._access = access
        self._observe = observe

    async def refusal(self, actor: Actor) -> Refusal | None:
        """Why somebody would not be shown sessions, before there is anything to look up.

        A refusal is an outcome like others, and recorded; but for the Home, where nobody asks yet.
        """
        started = perf_counter()
        refusal = await self._access.refusal(actor)
        if refusal and actor.entry_point is not EntryPoint.HOME:
            self._record(_name_of(Denied(refusal)), actor, started)
        return refusal

    async def run(self, request: LookupRequest) -> Outcome:
        """What came of the lookup. It never raises: what nobody has foreseen is an outcome, too."""
        started = perf_counter()
        outcome = "cancelled"
        try:
            came = await self._run(request)
            outcome = _name_of(came)
            return came
        finally:
            self._record(outcome, request.actor, started)

    def _record(self, outcome: str, actor: Actor, started: float) -> None:
        seconds = perf_counter() - started
        _log.info(
            "lookup",
            outcome=outcome,
            entry_point=actor.entry_point.value,
            milliseconds=round(seconds * 1000),
        )
        self._observe(outcome, seconds)

    async def _run(self, request: LookupRequest) -> Outcome:
        try:
            if refusal := await self._access.refusal(request.actor):
                return Denied(refusal)
            found = await self._fullstory.sessions(request.query)
            return Found(found.with_replay() if self._replay_at_moment else found)
        except FullstoryError as error:
            reference = new_reference()
            _log.warning("lookup failed", reference=reference, exc_info=error)
            return Failed(error, reference)
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            reference = new_reference()
            _log.error("lookup crashed", reference=reference, exc_info=error)
            return Crashed(reference)


def _name_of(outcome: Outcome) -> str:
    """For the log and the metrics."""
    match outcome:
        case Found(found):
            return "found" if found.sessions else "none"
        case Denied():
            return "refused"
        case Failed(error):
            return type(error).__name__
        case Crashed():
            return "crashed"
