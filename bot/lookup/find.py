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
from bot.lookup.access import Actor, NotAllowed, Refusal
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
    outcome and the seconds; never whose sessions they were.
    """

    def __init__(
        self,
        fullstory: Sessions,
        access: Access,
        observe: Callable[[str, float], None] | None = None,
    ) -> None:
        self._fullstory = fullstory
        self._access = access
        self._observe = observe

    async def refusal(self, actor: Actor) -> Refusal | None:
        """Why somebody would not be shown sessions, before there is anything to look up."""
        return await self._access.refusal(actor)

    async def run(self, request: LookupRequest) -> SessionList:
        """The sessions that were asked for. Raises `NotAllowed` and `FullstoryError`."""
        started = perf_counter()
        outcome = "unfinished"
        try:
            if refusal := await self._access.refusal(request.actor):
                outcome = "refused"
                raise NotAllowed(refusal)
            found = await self._fullstory.sessions(request.query)
            outcome = "found" if found.sessions else "none"
            return found
        except FullstoryError as error:
            outcome = type(error).__name__
            raise
        finally:
            seconds = perf_counter() - started
            _log.info(
                "lookup",
                outcome=outcome,
                entry_point=request.actor.entry_point.value,
                milliseconds=round(seconds * 1000),
            )
            if self._observe:
                self._observe(outcome, seconds)
