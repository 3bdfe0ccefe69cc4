"""Checks of the database for `fsessions check`: its user's rights, and its clock."""

from __future__ import annotations

import time

from sqlalchemy import false, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.store.tables import METADATA, now


async def tables_without_rights(engine: AsyncEngine) -> list[str]:
    """Return the tables that the user can't read and write; nothing in them is changed.

    Raises what the database raises if it can't be asked.
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
                if error.connection_invalidated or _is_read_only(error):
                    raise
                lacking.append(table.name)
            finally:
                await connection.rollback()
    return lacking


def _is_read_only(error: DBAPIError) -> bool:
    """Tell whether it is a standby or read-only: then it is not about rights."""
    return getattr(error.orig, "sqlstate", None) == "25006"


async def seconds_ahead(engine: AsyncEngine) -> float:
    """Return how far the database's clock is ahead of this machine's; negative if it is behind."""
    async with engine.connect() as connection:
        before = time.time()
        theirs = float(await connection.scalar(select(now(engine))) or 0)
    return theirs - (before + time.time()) / 2
