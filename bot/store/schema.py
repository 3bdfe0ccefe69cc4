"""Checks whether the tables are those of this version, and migrates them.

https://alembic.sqlalchemy.org/en/latest/cookbook.html
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.store.engine import DATABASE_ERRORS
from bot.timeouts import within

_log = structlog.get_logger()

REVISIONS: Final = ("0001",)
"""The migrations of this version, oldest first, as in the folder `migrations/versions`."""

_SECONDS: Final = 5.0
_LOCK_SECONDS: Final = 15
_LOCK: Final = 7_368_563  # any number, for pg_advisory_xact_lock


class Schema(Enum):
    """The state of the tables, as seen from this version."""

    CURRENT = "the tables of this version"
    EMPTY = "no tables yet"
    OLDER = "tables of an older version"
    NEWER = "tables of a newer version"

    @property
    def is_usable(self) -> bool:
        """Tell whether this version can work with them."""
        return self in (Schema.CURRENT, Schema.NEWER)


async def state_of(engine: AsyncEngine) -> Schema:
    """Return the state of the tables. Raises SQLAlchemy's errors."""
    async with engine.connect() as connection:
        try:
            found = await connection.execute(text("SELECT version_num FROM alembic_version"))
        except DBAPIError as error:
            if error.connection_invalidated or not _no_such_table(error):
                raise
            return Schema.EMPTY
        revision = found.scalar()
    if revision is None:
        return Schema.EMPTY
    if revision in REVISIONS[:-1]:
        return Schema.OLDER
    return Schema.CURRENT if revision == REVISIONS[-1] else Schema.NEWER


def _no_such_table(error: DBAPIError) -> bool:
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    code = getattr(error.orig, "sqlstate", None)
    return code == "42P01" or "no such table" in str(error.orig)


async def check(engine: AsyncEngine) -> bool:
    """Return whether the tables may be usable; log what has to be done.

    Newer tables are: a migration only adds, so that the previous version keeps working beside the
    new one, and after a rollback.
    """
    try:
        state = await within(_SECONDS, state_of(engine))
    except DATABASE_ERRORS as error:
        _log.error("database not usable; retrying", exc_info=error)
        return True
    if state is Schema.NEWER:
        _log.warning("tables of a newer version")
    elif state is not Schema.CURRENT:
        _log.error("run fsessions migrate: nothing is recorded until then", database=state.value)
    return state.is_usable


async def migrate(engine: AsyncEngine) -> None:
    """Create or upgrade the tables. Raises SQLAlchemy's errors."""
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    # Of two processes that start this at the same time, the second one waits and has nothing to do.
    if connection.dialect.name == "postgresql":
        # For this transaction only, so that it works behind a pooler.
        connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
