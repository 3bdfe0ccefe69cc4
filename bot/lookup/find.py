"""The one use case: whose sessions, please?

Every door comes through here, once. Who may ask, and the record of who did, will be here too.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import structlog

from bot.errors import FullstoryError
from bot.fullstory.client import FullstoryClient
from bot.sessions import Query, SessionList

_log = structlog.get_logger()


class Finder:
    """Finds sessions, and tells the log and `observe` how that went and how long it took.

    Never whose they were. `observe` is called with the outcome and the seconds.
    """

    def __init__(
        self, fullstory: FullstoryClient, observe: Callable[[str, float], None] | None = None
    ) -> None:
        self._fullstory = fullstory
        self._observe = observe

    async def find(self, query: Query) -> SessionList:
        """The sessions that were asked for. Raises `FullstoryError`."""
        started = perf_counter()
        outcome = "unfinished"
        try:
            found = await self._fullstory.sessions(query)
            outcome = "found" if found.sessions else "none"
            return found
        except FullstoryError as error:
            outcome = type(error).__name__
            raise
        finally:
            seconds = perf_counter() - started
            _log.info("lookup", outcome=outcome, milliseconds=round(seconds * 1000))
            if self._observe:
                self._observe(outcome, seconds)
