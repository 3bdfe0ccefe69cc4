"""The one use case: whose sessions, please?

Every door comes through here, once. Who may ask, and the record of who did, will be here too.
"""

from __future__ import annotations

from time import perf_counter

import structlog

from bot.errors import FullstoryError
from bot.fullstory.client import FullstoryClient
from bot.sessions import Query, SessionList

_log = structlog.get_logger()


class Finder:
    """Finds sessions, and logs that it did: how long it took and how many, never whose."""

    def __init__(self, fullstory: FullstoryClient) -> None:
        self._fullstory = fullstory

    async def find(self, query: Query) -> SessionList:
        """The sessions that were asked for. Raises `FullstoryError`."""
        started = perf_counter()
        outcome = "cancelled"
        try:
            found = await self._fullstory.sessions(query)
            outcome = "found" if found.sessions else "none"
            return found
        except FullstoryError as error:
            outcome = type(error).__name__
            raise
        finally:
            _log.info(
                "lookup", outcome=outcome, milliseconds=round((perf_counter() - started) * 1000)
            )
