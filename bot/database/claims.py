"""Leases in the SQL database: who does which piece of work, and what dead processes have left.

One statement each, so that it is atomic with SQLite, with PostgreSQL, and behind PgBouncer. Nothing
listens and nothing is locked for longer than its statement. Every method raises what the database
raises.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from typing import Any, Final

import structlog
from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.database.clock import now
from bot.database.tables import CLAIMS
from bot.state.protocol import Owed, Work
from bot.state.sealing import Seals, Unreadable
from bot.waits import Waits

_log = structlog.get_logger()

VERSION: Final = 1
"""Of what is stored as work. A process takes over what is of its own version or of an earlier one;
a change that an earlier one could not read makes it one more."""

_AT_ONCE: Final = 100
_MOST_ATTEMPTS: Final = 5
_columns = CLAIMS.c


class SqlClaims:
    """Claims of one process of a `bot`.

    Without `seals`, others know of its work, but not what it is.
    """

    def __init__(self, engine: AsyncEngine, bot: str, seals: Seals | None, waits: Waits) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._bot = bot
        self._seals = seals
        self._waits = waits
        self._owner = f"{os.getpid()}.{secrets.token_hex(8)}"

    async def take(self, claim: str, work: Work) -> str | None:
        """As `bot.state.protocol.Claims`."""
        insert = (sqlite if self._engine.dialect.name == "sqlite" else postgresql).insert(CLAIMS)
        time = now(self._engine)
        is_free = or_(_columns.lease_until < time, _columns.expires < time)
        insert = insert.values(
            id=claim,
            bot=self._bot,
            owner=self._owner,
            lease_until=time + self._waits.lease,
            expires=time + self._waits.owed,
            attempts=0,
            step="",
            version=VERSION,
            sealed_with=self._seals.name if self._seals else "",
            work=self._seals.seal(claim, work) if self._seals else None,
        )
        new = {
            name: insert.excluded[name]
            for name in ("owner", "lease_until", "expires", "version", "sealed_with", "work")
        }
        rows = await self._rows(
            insert.on_conflict_do_update(
                index_elements=[_columns.bot, _columns.id], set_=new, where=is_free
            ).returning(_columns.step)
        )
        return str(rows[0].step) if rows else None

    async def renew(self, claims: Collection[str], step: str | None = None) -> set[str]:
        """Holds them for longer; gives those that are still ours and not done."""
        values = {} if step is None else {"step": step}
        renewed = self._ours(claims).values(
            lease_until=now(self._engine) + self._waits.lease, **values
        )
        return {row.id for row in await self._rows(renewed.returning(_columns.id))}

    async def done(self, claim: str, seconds: float) -> None:
        """Nobody else has to do it; what it was is forgotten, and that it was, after `seconds`."""
        expires = now(self._engine) + seconds
        await self._rows(
            self._ours([claim])
            .values(lease_until=None, work=None, expires=expires)
            .returning(_columns.id)
        )

    async def hand_over(self, claim: str) -> bool:
        """Others may take it at once; False where they could not."""
        leaving = self._ours([claim]).where(_columns.work.is_not(None))
        return bool(await self._rows(leaving.values(lease_until=0.0).returning(_columns.id)))

    async def take_over(self) -> list[Owed]:
        """What dead processes have left, and we can read; the longest without an owner first."""
        if not self._seals:
            return []
        time = now(self._engine)
        left = (
            select(_columns.id)
            .where(
                _columns.bot == self._bot,
                _columns.lease_until < time,
                _columns.expires > time,
                _columns.work.is_not(None),
                _columns.version <= VERSION,
                _columns.sealed_with.in_(self._seals.names),
                _columns.attempts < _MOST_ATTEMPTS,
            )
            .order_by(_columns.lease_until)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        taken = await self._rows(
            update(CLAIMS)
            .where(_columns.bot == self._bot, _columns.id.in_(left))
            .values(
                owner=self._owner,
                lease_until=time + self._waits.lease,
                attempts=_columns.attempts + 1,
            )
            .returning(_columns.id, _columns.work, _columns.step, _columns.attempts)
        )
        owed = []
        for row in taken:
            try:
                work = self._seals.unseal(row.id, row.work)
            except Unreadable as error:
                _log.error("what is owed can't be read: answer lost", exc_info=error)
                await self.done(row.id, self._waits.owed)
            else:
                owed.append(Owed(row.id, work, row.step, row.attempts))
        return owed

    async def purge(self) -> int:
        """Deletes what is of no use any more. Gives how many answers nobody has sent in time."""
        old = delete(CLAIMS).where(_columns.expires < now(self._engine))
        return sum(row.work is not None for row in await self._rows(old.returning(_columns.work)))

    def _ours(self, claims: Collection[str]) -> Any:  # noqa: ANN401 - an update of CLAIMS
        is_held = _columns.lease_until.is_not(None)
        return update(CLAIMS).where(_columns.id.in_(claims), _columns.owner == self._owner, is_held)

    async def _rows(self, statement: Any) -> list[Any]:  # noqa: ANN401 - it gives rows
        async with self._engine.connect() as connection:
            return list((await connection.execute(statement)).all())
