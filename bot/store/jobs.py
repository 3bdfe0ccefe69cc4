"""Leases in the SQL database: who does which piece of work, and what dead processes have left.

One statement each: atomic with SQLite, with PostgreSQL and behind PgBouncer. Nothing is locked for
longer than that. Every method raises what the database raises.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog
from sqlalchemy import and_, bindparam, case, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.store.dialects import insert_into, now
from bot.store.encryption import Sealed, Seals, Unreadable
from bot.store.protocol import PendingJob
from bot.store.tables import JOBS
from bot.timeouts import Timeouts

_log = structlog.get_logger()

VERSION: Final = 1
"""Of what is stored as work. A process takes over what is of its own version: a change that others
could not read, such as a new route, makes it one more."""

_AT_ONCE: Final = 100
_MOST_ATTEMPTS: Final = 6  # the last ones only apologise: `bot.slack.job`
_columns = JOBS.c


class SqlJobs:
    """Of one process of a `bot`. Without `seals`, others know of its work, but not what it is."""

    def __init__(
        self, engine: AsyncEngine, bot: str, seals: Seals | None, timeouts: Timeouts
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._bot = bot
        self._seals = seals
        self._timeouts = timeouts
        self._owner = f"{os.getpid()}.{secrets.token_hex(8)}"

    async def take(self, sealed: Sealed) -> str | None:
        """Make it ours, as `bot.store.protocol.Jobs` says; return its last step, or None."""
        job, moment = sealed.job, now(self._engine)
        row = self._row(
            job,
            lease_until=moment + self._timeouts.lease,
            expires=moment + self._timeouts.pending,
            sealed_with=self._seals.name if self._seals else "",
            work=self._seals.seal(sealed) if self._seals else None,
        )
        was_done = _columns.lease_until.is_(None)  # and it begins anew
        begun = {
            name: case((was_done, row.excluded[name]), else_=_columns[name])
            for name in ("step", "attempts")
        }
        is_free = or_(_columns.lease_until < moment, _columns.expires < moment)
        rows = await self._rows(_in_place(row, is_free, **begun).returning(_columns.step))
        return str(rows[0].step) if rows else None

    async def renew(self, jobs: Collection[str]) -> set[str]:
        """Hold them for longer; return those that are still ours and not done."""
        lease = now(self._engine) + self._timeouts.lease
        renewed = self._ours(jobs).values(lease_until=lease)
        return {row.id for row in await self._rows(renewed.returning(_columns.id))}

    async def advance(self, job: str, step: str, sealed: Sealed | None) -> bool:
        """Hold one for longer, with the step that comes next; return whether it is still ours."""
        new: dict[str, Any] = {
            "step": step,
            "lease_until": now(self._engine) + self._timeouts.lease,
        }
        if self._seals and sealed:
            work = self._seals.seal(replace(sealed, step=step))
            new |= {"work": work, "sealed_with": self._seals.name}
        advanced = self._ours([job]).values(new)
        return bool(await self._rows(advanced.returning(_columns.id)))

    async def done(self, jobs: Mapping[str, float]) -> None:
        """Mark them as not to be done: their content goes now, the mark after its own seconds.

        The mark is made in any case: a `take` that nobody waits for any more may come after it.
        """
        mark = self._row(
            bindparam("claim"),
            lease_until=None,
            expires=now(self._engine) + bindparam("seconds"),
            sealed_with="",
            work=None,
        )
        rows = [{"claim": job, "seconds": seconds} for job, seconds in jobs.items()]
        async with self._engine.connect() as connection:
            await connection.execute(_in_place(mark, _columns.owner == self._owner), rows)

    async def hand_over(self, job: str) -> bool:
        """Others may take it at once; False where they could not."""
        leaving = self._ours([job]).where(_columns.work.is_not(None))
        left = leaving.values(lease_until=0.0, owner="")
        return bool(await self._rows(left.returning(_columns.id)))

    async def take_over(self, other_than: Collection[str] = ()) -> list[PendingJob]:
        """What dead processes have left, and we can read; the longest without an owner first."""
        if not self._seals:
            return []
        moment = now(self._engine)
        left = (
            select(_columns.id)
            .where(
                _columns.bot == self._bot,
                _columns.lease_until < moment,
                _columns.expires > moment,
                _columns.work.is_not(None),
                _columns.version == VERSION,
                _columns.sealed_with.in_(self._seals.names),
                _columns.attempts < _MOST_ATTEMPTS,
                _columns.id.not_in(other_than),
            )
            .order_by(_columns.lease_until)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        lease, attempts = moment + self._timeouts.lease, _columns.attempts + 1
        taken = (
            update(JOBS)
            .where(_columns.bot == self._bot, _columns.id.in_(left))
            .values(owner=self._owner, lease_until=lease, attempts=attempts)
            .returning(_columns.id, _columns.work, _columns.step, _columns.attempts)
        )
        pending = []
        oldest = time.time() - self._timeouts.pending
        for row in await self._rows(taken):
            try:
                sealed = self._seals.unseal(row.work, row.id, row.step, row.attempts, oldest)
                pending.append(PendingJob(row.id, sealed.work, row.step, row.attempts, sealed.made))
            except Unreadable as error:
                _log.error("what is owed can't be read: answer lost", exc_info=error)
        return pending

    async def purge(self) -> int:
        """Deletes what is of no use any more. Gives how many answers nobody has sent in time."""
        old = delete(JOBS).where(_columns.expires < now(self._engine))
        return sum(row.work is not None for row in await self._rows(old.returning(_columns.work)))

    def _row(self, job: Any, **values: object) -> Any:  # noqa: ANN401 - an INSERT
        row = {"bot": self._bot, "id": job, "owner": self._owner, "version": VERSION}
        return insert_into(self._engine, JOBS).values(row | {"attempts": 0, "step": ""} | values)

    def _ours(self, jobs: Collection[str]) -> Any:  # noqa: ANN401 - an UPDATE
        """What we hold and have not done."""
        is_ours = and_(_columns.bot == self._bot, _columns.owner == self._owner)
        is_held = _columns.lease_until.is_not(None)
        return update(JOBS).where(_columns.id.in_(jobs), is_ours, is_held)

    async def _rows(self, statement: Any) -> list[Any]:  # noqa: ANN401 - it gives rows
        async with self._engine.connect() as connection:
            return list((await connection.execute(statement)).all())


def _in_place(row: Any, where: Any, **other: Any) -> Any:  # noqa: ANN401 - an INSERT
    """The row, or if it is there already, its new values where that is right."""
    names = ("owner", "lease_until", "expires", "version", "sealed_with", "work")
    new = {name: row.excluded[name] for name in names} | other
    return row.on_conflict_do_update(
        index_elements=[_columns.bot, _columns.id], set_=new, where=where
    )
