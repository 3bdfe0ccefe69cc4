"""Values and limits in the SQL database. Each method raises what the database raises."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.store.protocol import Key, job_id
from bot.store.tables import SHARED_VALUES, insert_into, now

_columns = SHARED_VALUES.c


class Value(NamedTuple):
    """A value to store for so many seconds."""

    key: Key
    text: str
    seconds: float
    if_greater: bool = False


class SqlValues:
    """The values of one `bot`: a `bot.store.protocol.State` in SQL."""

    def __init__(self, engine: AsyncEngine, bot: str) -> None:
        self._engine = engine
        self._bot = bot

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """Count one more for every key, or for none, in one transaction."""
        counted = {}
        async with self._engine.begin() as connection:
            # Always in the same order, so that two processes can't deadlock.
            for name, limit in sorted((self._id(key), limit) for key, limit in limits.items()):
                text, time = await self._locked(connection, name, seconds)
                times = [one for one in json.loads(text) if one > time - seconds]
                if len(times) >= limit:
                    await connection.rollback()
                    return False
                counted[name] = json.dumps([*times, time])
            for name, text in counted.items():
                await connection.execute(
                    update(SHARED_VALUES).where(_columns.id == name).values(value=text)
                )
        return True

    async def _locked(
        self, connection: AsyncConnection, name: str, seconds: float
    ) -> tuple[str, float]:
        """Lock a row until the transaction ends; return its value and the time."""
        time = now(self._engine)
        insert = self._insert(name, "[]", seconds)
        row = await connection.execute(
            insert.on_conflict_do_update(
                index_elements=[_columns.id], set_={"expires": insert.excluded.expires}
            ).returning(_columns.value, time.label("time"))
        )
        found = row.one()
        return found.value, found.time

    async def put(self, values: Sequence[Value]) -> None:
        """Store values; with `if_greater`, only if they are greater than the earlier ones."""
        async with self._engine.begin() as connection:
            for if_greater in {value.if_greater for value in values}:
                rows = [
                    {"name": self._id(one.key), "text": one.text, "seconds": one.seconds}
                    for one in values
                    if one.if_greater is if_greater
                ]
                rows.sort(key=itemgetter("name"))  # always in the same order, as above
                insert = self._insert(bindparam("name"), bindparam("text"), bindparam("seconds"))
                new = {"value": insert.excluded.value, "expires": insert.excluded.expires}
                is_less = _columns.value < insert.excluded.value
                is_old = _columns.expires < now(self._engine)
                upsert = insert.on_conflict_do_update(
                    index_elements=[_columns.id],
                    set_=new,
                    where=or_(is_less, is_old) if if_greater else None,
                )
                await connection.execute(upsert, rows)

    async def get(self, key: Key) -> str | None:
        """Return a value, or None if there is none anymore."""
        wanted = select(_columns.value).where(
            _columns.id == self._id(key), _columns.expires > now(self._engine)
        )
        async with self._engine.connect() as connection:
            value: str | None = await connection.scalar(wanted)
        return value

    async def purge(self) -> None:
        """Delete expired values."""
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(SHARED_VALUES).where(_columns.expires < now(self._engine))
            )

    def _id(self, key: Key) -> str:
        return job_id((self._bot, *key))

    def _insert(self, name: Any, value: Any, seconds: Any) -> Any:  # noqa: ANN401 - of a dialect
        insert = insert_into(self._engine, SHARED_VALUES)
        return insert.values(id=name, value=value, expires=now(self._engine) + seconds)
