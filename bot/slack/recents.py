"""The latest lookups of each person, for their Home."""

from __future__ import annotations

import json
import time
from typing import Final, NamedTuple

from cachetools import TTLCache

from bot.core.sessions import Query
from bot.fast_json import dumps
from bot.slack.background import BackgroundTasks
from bot.slack.signing import query_of, text_of
from bot.store.protocol import Key, State

MAX_RECENTS: Final = 10
_MAX_USERS: Final = 10_000
_SAVE_AFTER: Final = 10.0  # seconds, so that several lookups are one write
_HOUR: Final = 3600.0

_Person = tuple[str | None, str | None]  # the e-mail and the uid


class Recent(NamedTuple):
    """A lookup: when it was, in seconds since 1970, and its query as text."""

    time: float
    text: str

    @property
    def query(self) -> Query:
        """What was looked up."""
        return query_of(self.text)


class Recents:
    """Remembers each person's latest lookups for some hours, encrypted if in a database.

    With several processes, each saves what it knows together with what is stored.
    """

    def __init__(self, state: State, background: BackgroundTasks, hours: int) -> None:
        self._state = state
        self._background = background
        self._seconds = hours * _HOUR
        self._own: TTLCache[str, dict[_Person, Recent]] = TTLCache(_MAX_USERS, self._seconds)
        self._unsaved: set[str] = set()

    def add(self, user: str, query: Query) -> None:
        """Remember a lookup; it is stored within seconds."""
        if not self._seconds:
            return
        mine = self._own.get(user, {})
        mine.pop(person := (query.email, query.uid), None)
        mine[person] = Recent(time.time(), text_of(query))
        if len(mine) > MAX_RECENTS:
            del mine[next(iter(mine))]  # the oldest
        self._own[user] = mine
        if user not in self._unsaved:
            self._unsaved.add(user)
            self._background.start(self._save(user))

    async def of(self, user: str) -> list[Recent]:
        """Return a person's latest lookups, each customer once, the latest first."""
        if not self._seconds:
            return []
        stored = await self._state.get_encrypted(_key(user))
        saved = [Recent(*one) for one in json.loads(stored)] if stored else []
        return self._latest([*self._own.get(user, {}).values(), *saved])

    async def _save(self, user: str) -> None:
        await self._background.sleep(_SAVE_AFTER)
        self._unsaved.discard(user)
        text = dumps(await self.of(user))
        await self._state.put_encrypted(_key(user), text, self._seconds)

    def _latest(self, recents: list[Recent]) -> list[Recent]:
        earliest = time.time() - self._seconds
        found: dict[_Person, Recent] = {}
        for recent in sorted(recents, reverse=True):
            if recent.time > earliest:
                query = recent.query
                found.setdefault((query.email, query.uid), recent)
        return list(found.values())[:MAX_RECENTS]


def _key(user: str) -> Key:
    return "recent lookups", user
