"""The tables. A change here needs a migration in `bot/store/migrations`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    cast,
    extract,
    func,
    literal,
)
from sqlalchemy.ext.asyncio import AsyncEngine


class UTCDateTime(TypeDecorator[datetime]):
    """Aware times in UTC, also in SQLite, which has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """Convert for the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401
        """Convert from the database."""
        del dialect
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA = MetaData()

AUDIT_EVENTS = Table(
    "audit_events",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("time", UTCDateTime, nullable=False),
    Column("workspace", String(100), nullable=False),
    Column("user", String(100), nullable=False),
    Column("entry_point", String(40), nullable=False),
    Column("channel", String(100), nullable=False),
    Column("workflow", String(100), nullable=False),
    Column("result", String(40), nullable=False),
    Column("reason", String(100), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("email_hash", String(64), nullable=False),
    Column("uid_hash", String(64), nullable=False),
    Column("count", Integer, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("reference", String(20), nullable=False),
    # Each search reads only its own rows, newest first.
    Index("audit_events_by_time", "time", "id"),
    Index("audit_events_by_email", "email_hash", "time", "id"),
    Index("audit_events_by_uid", "uid_hash", "time", "id"),
    Index("audit_events_by_user", "user", "time", "id"),
)
"""One row for each `bot.core.audit.AuditEvent`, with the same names."""

JOBS = Table(
    "jobs",
    METADATA,
    Column("bot", String(16), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("owner", String(32), nullable=False),
    Column("lease_until", Double),
    Column("expires", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("step", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("key_name", String(16), nullable=False),
    Column("work", Text),
    Index("jobs_by_lease", "bot", "lease_until"),
    Index("jobs_by_expiry", "expires"),
)
"""The jobs of each bot, for `bot.store.jobs`. Times are seconds since 1970; a row without
`lease_until` is a job that is done."""

SHARED_VALUES = Table(
    "shared_values",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("expires", Double, nullable=False),
    Index("shared_values_by_expiry", "expires"),
)
"""The values of each bot, for `bot.store.values`."""


def now(engine: AsyncEngine) -> ColumnElement[float]:
    """Return the database's clock when a statement begins, in seconds since 1970.

    It is the same for all rows, so that an index can be used. SQLite serves one machine, whose
    clock it is.
    """
    if engine.dialect.name == "sqlite":
        return literal(time.time(), Double)
    return cast(extract("epoch", func.statement_timestamp()), Double)


def insert_into(engine: AsyncEngine, table: Table) -> Any:  # noqa: ANN401 - of a dialect
    """Return an INSERT that can update a row that is already there."""
    # The PostgreSQL module takes long to load.
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(table)
