"""Jobs in the SQL database: which process has the lease of each, and what dead processes left.

Each method is one statement, which is atomic with SQLite, with PostgreSQL and behind PgBouncer, and
raises what the database raises.
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

from bot.store.encryption import Encryption, Unreadable
from bot.store.protocol import Lease, PendingJob
from bot.store.tables import JOBS, insert_into, now
from bot.timeouts import Timeouts

_log = structlog.get_logger()

VERSION: Final = 1
"""Of stored work. A process only takes over work of its own version, so increase it with a change
that others could not read."""

_BATCH: Final = 100
_MAX_ATTEMPTS: Final = 6  # the last ones only tell the person: `bot.slack.request`
_columns = JOBS.c


class SqlJobs:
    """The jobs of one process of a `bot`."""

    def __init__(
        self, engine: AsyncEngine, bot: str, encryption: Encryption, timeouts: Timeouts
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._bot = bot
        self._encryption = encryption
        self._timeouts = timeouts
        self._owner = f"{os.getpid()}.{secrets.token_hex(8)}"

    async def take(self, job: PendingJob) -> Lease | None:
        """Take a job if no other process has it and it is not done."""
        moment = now(self._engine)
        row = self._row(
            job.id,
            lease_until=moment + self._timeouts.lease,
            expires=moment + self._timeouts.pending,
            **self._encrypted(job),
        )
        was_done = _columns.lease_until.is_(None)  # long ago, so it starts again
        progress = {
            name: case((was_done, row.excluded[name]), else_=_columns[name])
            for name in ("step", "attempts")
        }
        is_free = or_(_columns.lease_until < moment, _columns.expires < moment)
        rows = await self._rows(_upsert(row, is_free, **progress).returning(_columns.step))
        return Lease(str(rows[0].step)) if rows else None

    async def renew(self, jobs: Collection[str]) -> set[str]:
        """Renew leases; return the jobs that are still ours and not done."""
        lease = now(self._engine) + self._timeouts.lease
        renewed = self._ours(jobs).values(lease_until=lease)
        return {row.id for row in await self._rows(renewed.returning(_columns.id))}

    async def begin_step(self, job: str, step: str, pending: PendingJob | None) -> bool:
        """Renew a lease and record that a step begins; return whether the job is still ours."""
        new: dict[str, Any] = {
            "step": step,
            "lease_until": now(self._engine) + self._timeouts.lease,
        }
        if pending:
            new |= self._encrypted(replace(pending, step=step))
        begun = self._ours([job]).values(new)
        return bool(await self._rows(begun.returning(_columns.id)))

    async def done(self, jobs: Mapping[str, float]) -> None:
        """Mark jobs as done for so many seconds each, and delete their work.

        The mark is written even if the job is not there: a `take` that timed out may come later.
        """
        mark = self._row(
            bindparam("job"),
            lease_until=None,
            expires=now(self._engine) + bindparam("seconds"),
            key_name="",
            work=None,
        )
        rows = [{"job": job, "seconds": seconds} for job, seconds in jobs.items()]
        async with self._engine.connect() as connection:
            await connection.execute(_upsert(mark, _columns.owner == self._owner), rows)

    async def hand_over(self, job: str) -> bool:
        """Let another process take the job at once; return False if its work is not stored."""
        leaving = self._ours([job]).where(_columns.work.is_not(None))
        left = leaving.values(lease_until=0.0, owner="")
        return bool(await self._rows(left.returning(_columns.id)))

    async def take_over(self, excluded: Collection[str] = ()) -> list[PendingJob]:
        """Take readable jobs whose lease has ended, the oldest ones first."""
        moment = now(self._engine)
        left = (
            select(_columns.id)
            .where(
                _columns.bot == self._bot,
                _columns.lease_until < moment,
                _columns.expires > moment,
                _columns.work.is_not(None),
                _columns.version == VERSION,
                _columns.key_name.in_(self._encryption.key_names),
                _columns.attempts < _MAX_ATTEMPTS,
                _columns.id.not_in(excluded),
            )
            .order_by(_columns.lease_until)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
        lease, attempts = moment + self._timeouts.lease, _columns.attempts + 1
        taken = (
            update(JOBS)
            .where(_columns.bot == self._bot, _columns.id.in_(left))
            .values(owner=self._owner, lease_until=lease, attempts=attempts)
            .returning(_columns.id, _columns.work, _columns.step, _columns.attempts)
        )
        jobs = []
        earliest = time.time() - self._timeouts.pending
        for row in await self._rows(taken):
            try:
                job = self._encryption.decrypt(row.work, row.id, row.step, row.attempts, earliest)
                jobs.append(replace(job, step=row.step, attempts=row.attempts))
            except Unreadable as error:
                _log.error("pending job not readable; answer lost", exc_info=error)
        return jobs

    async def purge(self) -> int:
        """Delete expired jobs; return how many of them were never done."""
        old = delete(JOBS).where(_columns.expires < now(self._engine))
        return sum(row.work is not None for row in await self._rows(old.returning(_columns.work)))

    def _encrypted(self, job: PendingJob) -> dict[str, str | None]:
        return {"key_name": self._encryption.key_name, "work": self._encryption.encrypt(job)}

    def _row(self, job: Any, **values: object) -> Any:  # noqa: ANN401 - an INSERT
        row = {"bot": self._bot, "id": job, "owner": self._owner, "version": VERSION}
        return insert_into(self._engine, JOBS).values(row | {"attempts": 0, "step": ""} | values)

    def _ours(self, jobs: Collection[str]) -> Any:  # noqa: ANN401 - an UPDATE
        """Select jobs whose lease we have, and that are not done."""
        is_ours = and_(_columns.bot == self._bot, _columns.owner == self._owner)
        is_leased = _columns.lease_until.is_not(None)
        return update(JOBS).where(_columns.id.in_(jobs), is_ours, is_leased)

    async def _rows(self, statement: Any) -> list[Any]:  # noqa: ANN401 - it returns rows
        async with self._engine.connect() as connection:
            return list((await connection.execute(statement)).all())


def _upsert(row: Any, where: Any, **other: Any) -> Any:  # noqa: ANN401 - an INSERT
    """Insert the row, or update the one that is there if `where` holds."""
    names = ("owner", "lease_until", "expires", "version", "key_name", "work")
    new = {name: row.excluded[name] for name in names} | other
    return row.on_conflict_do_update(
        index_elements=[_columns.bot, _columns.id], set_=new, where=where
    )
