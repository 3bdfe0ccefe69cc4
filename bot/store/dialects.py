"""What SQLite and PostgreSQL say in different ways."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import ColumnElement, Double, Table, cast, extract, func, literal
from sqlalchemy.ext.asyncio import AsyncEngine


def now(engine: AsyncEngine) -> ColumnElement[float]:
    """The database's clock when the statement begins, in seconds since 1970.

    It is one time for all rows, so that an index can be used. SQLite serves one machine, whose
    clock it is.
    """
    if engine.dialect.name == "sqlite":
        return literal(time.time(), Double)
    return cast(extract("epoch", func.statement_timestamp()), Double)


def insert_into(engine: AsyncEngine, table: Table) -> Any:  # noqa: ANN401 - of a dialect
    """An INSERT that may say what to do where the row is there already."""
    # PostgreSQL's module takes long to load: only where it is used.
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(table)
