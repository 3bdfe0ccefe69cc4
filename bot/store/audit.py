"""Audit events in the SQL database.

Answers don't wait for it: one task writes events in batches, and retries while the database doesn't
answer. No event is written twice. The queue is bounded; events that could not be written are in the
log in full.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    func,
    or_,
    select,
    true,
    tuple_,
    union,
)
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot import logs
from bot.core.audit import AuditEvent, AuditQuery
from bot.logs import ThrottledLog
from bot.store.engine import DATABASE_ERRORS
from bot.store.tables import AUDIT_EVENTS, insert_into
from bot.timeouts import Timeouts, end, within

_log = structlog.get_logger()

MAX_WAITING: Final = 10_000
"""Events in memory. Beyond that, the oldest one is dropped: it is only in the log."""

_REFUSED: Final = (DataError, IntegrityError, ArithmeticError)
"""What it raises for an event that it can't take, but not for missing tables."""

_BATCH: Final = 500
_LOG_BATCH: Final = 1_000
_PAGE: Final = 1_000
_PURGE_BATCH: Final = 5_000
_FIELDS: Final = tuple(field.name for field in fields(AuditEvent))
_columns = AUDIT_EVENTS.c


class AuditEvents:
    """A `bot.core.audit.AuditStore`; `run` writes the events."""

    def __init__(self, engine: AsyncEngine, timeouts: Timeouts) -> None:
        self._engine = engine
        self._timeouts = timeouts
        self._waiting: deque[AuditEvent] = deque()
        self._writing: list[AuditEvent] = []
        self._arrived = asyncio.Event()
        self._ending = asyncio.Event()
        self._throttled_log = ThrottledLog(60.0)
        self.dropped = 0

    # -- Writing ----------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many events are not written yet."""
        return len(self._waiting) + len(self._writing)

    def add(self, event: AuditEvent) -> None:
        """Take an event to write soon."""
        if len(self._waiting) >= MAX_WAITING:
            self._drop(self._waiting.popleft())
        self._waiting.append(event)
        self._arrived.set()

    async def write(self, event: AuditEvent) -> bool:
        """Write an event now, and return whether that worked."""
        try:
            await within(self._timeouts.audit, self._insert([event]))
        except DATABASE_ERRORS as error:
            _log.error("audit event not written", reference=event.reference, exc_info=error)
            return False
        except asyncio.CancelledError:
            self._drop(event)
            raise
        return True

    async def run(self) -> None:
        """Write events until `finish` is called and everything is written."""
        pause = self._timeouts.first_retry
        while self._waiting or not self._ending.is_set():
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                # The answer goes first, and events that arrive together are written together.
                await self._sleep(self._timeouts.audit_gather)
                continue
            try:
                await self._write_some()
            except Exception as error:  # noqa: BLE001 - later events are written
                self._throttled_log.warn("audit events not written yet", error=type(error).__name__)
                await self._sleep(pause)
                pause = min(2 * pause, self._timeouts.audit_retry)
            else:
                if pause > self._timeouts.first_retry:
                    _log.info("audit events written again")
                pause = self._timeouts.first_retry

    async def _sleep(self, seconds: float) -> None:
        """Sleep between two attempts; only briefly when the process is about to end."""
        if self._ending.is_set():
            await asyncio.sleep(self._timeouts.first_retry)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    async def finish(self, writing: asyncio.Task[None]) -> None:
        """Let `writing`, the task of `run`, write what is left; drop what it can't."""
        self._ending.set()
        self._arrived.set()
        await asyncio.wait({writing}, timeout=self._timeouts.audit_end)
        await end(writing)  # what it was writing waits again
        left = list(self._waiting)
        self._waiting.clear()
        for number, event in enumerate(left, start=1):
            self._drop(event)
            if number % _LOG_BATCH == 0:
                logs.flush()  # the log is bounded in memory, too
        if self.dropped:
            _log.error("audit events are only in the log", count=self.dropped)

    async def _write_some(self) -> None:
        count = min(_BATCH, len(self._waiting))
        batch = self._writing = [self._waiting.popleft() for _ in range(count)]
        try:
            try:
                await within(self._timeouts.audit_batch, self._insert(batch))
            except _REFUSED:
                while batch:
                    await self._insert_or_drop(batch[0])
                    batch.pop(0)
        except BaseException:
            self._waiting.extendleft(reversed(batch))
            raise
        finally:
            self._writing = []

    async def _insert_or_drop(self, event: AuditEvent) -> None:
        """Drop an event that the database refuses: otherwise it would block all others forever."""
        try:
            await within(self._timeouts.audit_batch, self._insert([event]))
        except _REFUSED as error:
            _log.error("audit event refused by the database", exc_info=error)
            self._drop(event)

    async def _insert(self, events: Sequence[AuditEvent]) -> None:
        insert = insert_into(self._engine, AUDIT_EVENTS)
        # The event may be there already: its commit was not confirmed, or it is corrected.
        outcome = {name: insert.excluded[name] for name in ("result", "reason", "count")}
        upsert = insert.on_conflict_do_update(index_elements=[_columns.id], set_=outcome)
        async with self._engine.begin() as connection:
            await connection.execute(upsert, [event.fields for event in events])

    def _drop(self, event: AuditEvent) -> None:
        self.dropped += 1
        _log.error("audit event dropped", **event.plain)

    # -- Reading ----------------------------------------------------------------------------------

    async def search(self, query: AuditQuery, limit: int = 0) -> AsyncIterator[AuditEvent]:
        """Yield events, newest first, at most `limit` unless it is 0; read a page at a time."""
        last: tuple[datetime, str] | None = None
        left = limit
        while True:
            size = min(_PAGE, left) if limit else _PAGE
            async with self._engine.connect() as connection:
                rows = (await connection.execute(_page(query, last, size))).all()
            for row in rows:
                yield AuditEvent(**{name: getattr(row, name) for name in _FIELDS})
            left -= len(rows)
            if len(rows) < size or (limit and not left):
                return
            last = rows[-1].time, rows[-1].id

    async def count(self, query: AuditQuery) -> int:
        """Count events."""
        count = select(func.count()).select_from(AUDIT_EVENTS).where(_condition(query))
        async with self._engine.connect() as connection:
            return int(await connection.scalar(count) or 0)

    # -- Deleting ---------------------------------------------------------------------------------

    async def purge(self, query: AuditQuery) -> int:
        """Delete events in batches, so that others can be written; return how many there were.

        Raises `ValueError` for a query that selects everything.
        """
        if query == AuditQuery():
            raise ValueError("which events?")
        some = select(_columns.id).where(_condition(query)).limit(_PURGE_BATCH)
        purged: int = 0
        while True:
            async with self._engine.begin() as connection:
                result: Any = await connection.execute(
                    delete(AUDIT_EVENTS).where(_columns.id.in_(some))
                )
            purged += result.rowcount
            if result.rowcount < _PURGE_BATCH:
                return purged

    async def keep_for(self, days: int) -> None:
        """Delete events older than so many `days`, again and again, until cancelled."""
        while True:
            try:
                old = AuditQuery(until=datetime.now(UTC) - timedelta(days=days))
                count = await within(self._timeouts.audit_purge, self.purge(old))
            except DATABASE_ERRORS as error:
                _log.warning("audit events not purged", exc_info=error)
            else:
                if count:
                    _log.info("audit events purged", count=count, days=days)
            await asyncio.sleep(self._timeouts.audit_purge)


def _page(query: AuditQuery, last: tuple[datetime, str] | None, size: int) -> Select[Any]:
    """Select the next events after the `last` one.

    An e-mail and a uid are read separately, each by its own index: together, they would be sorted
    again for every page.
    """
    either = [replace(query, uid_hashes=()), replace(query, email_hashes=())]
    parts = []
    for one in either if query.email_hashes and query.uid_hashes else [query]:
        part = select(AUDIT_EVENTS).where(_condition(one)).order_by(*_newest_first(_columns))
        if last:
            part = part.where(tuple_(_columns.time, _columns.id) < tuple_(*last))
        parts.append(part.limit(size))
    if len(parts) == 1:
        return parts[0]
    both = union(*(select(part.subquery()) for part in parts)).subquery()
    return select(both).order_by(*_newest_first(both.c)).limit(size)


def _newest_first(columns: Any) -> tuple[Any, Any]:  # noqa: ANN401 - of a table or a select
    return columns.time.desc(), columns.id.desc()


def _condition(query: AuditQuery) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    person = []
    if query.email_hashes:
        person.append(_columns.email_hash.in_(query.email_hashes))
    if query.uid_hashes:
        person.append(_columns.uid_hash.in_(query.uid_hashes))
    if person:
        conditions.append(or_(*person))
    if query.user:
        conditions.append(_columns.user == query.user)
    if query.since:
        conditions.append(_columns.time >= query.since)
    if query.until:
        conditions.append(_columns.time < query.until)
    return and_(*conditions)
