"""What `fsessions check` asks the database: may its user work with the tables; what time is it?"""

from __future__ import annotations

import time

from sqlalchemy import false, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.store.dialects import now
from bot.store.tables import METADATA


async def without_rights(engine: AsyncEngine) -> list[str]:
    """The tables that this user can't read and write; nothing in them is touched.

    Raises what the database raises, where it can't be asked.
    """
    lacking = []
    for table in METADATA.sorted_tables:
        nothing = select(table).where(false())
        column = table.columns.values()[0]
        statements = (
            nothing,
            table.insert().from_select(list(table.columns), nothing),
            table.update().where(false()).values({column: column}),
            table.delete().where(false()),
        )
        async with engine.connect() as connection:
            try:
                for statement in statements:
                    await connection.execute(statement)
            except DBAPIError as error:
                if error.connection_invalidated or _takes_no_changes(error):
                    raise
                lacking.append(table.name)
            finally:
                await connection.rollback()
    return lacking


def _takes_no_changes(error: DBAPIError) -> bool:
    """Whether it is a standby, or read-only: then rights are not what is missing."""
    return getattr(error.orig, "sqlstate", None) == "25006"


async def seconds_ahead(engine: AsyncEngine) -> float:
    """How far the database's clock is ahead of this machine's; negative where it is behind."""
    async with engine.connect() as connection:
        before = time.time()
        theirs = float(await connection.scalar(select(now(engine))) or 0)
    return theirs - (before + time.time()) / 2
