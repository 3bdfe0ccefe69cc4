"""What time it is for all processes: the database's clock, in seconds since 1970."""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Double, cast, extract, func, literal
from sqlalchemy.ext.asyncio import AsyncEngine


def now(engine: AsyncEngine) -> ColumnElement[float]:
    """The time when the statement runs. SQLite serves one machine, whose clock it is."""
    if engine.dialect.name == "sqlite":
        return literal(time.time(), Double)
    return cast(extract("epoch", func.clock_timestamp()), Double)
