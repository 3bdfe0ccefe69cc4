"""Databases for tests: a file for SQLite, and a real PostgreSQL that the tests start themselves."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg
import pytest

from bot.sandbox import postgres
from bot.sandbox.postgres import Postgres

__all__ = ["Postgres", "is_installed", "postgres_server", "readable_in"]


def is_installed() -> bool:
    """Tell whether there is a PostgreSQL that can be started."""
    return postgres.programs() is not None


def readable_in(url: str) -> str:
    """Return what a database holds: each row with all columns, and SQLite's files.

    What is encrypted is left out: by chance, it contains any four letters.
    """
    queries = [f"SELECT * FROM {name}" for name in ("audit_events", "jobs", "shared_values")]  # noqa: S608
    files = ""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path)) as connection:
            rows = [connection.execute(query).fetchall() for query in queries]
        stored = b"".join(file.read_bytes() for file in path.parent.iterdir())
        files = _LONG.sub("", stored.decode(errors="replace"))
    else:
        with psycopg.connect(url) as server:
            rows = [server.execute(query.encode()).fetchall() for query in queries]
    return _TOKEN.sub("", str(rows)) + files


_TOKEN: Final = re.compile(r"gAAAAA[\w-]+", re.ASCII)  # Fernet's
_LONG: Final = re.compile(r"[\w-]{60,}", re.ASCII)  # tokens and what is left of them


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Yield a running server. Skips the test where PostgreSQL isn't installed."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    with postgres.postgres_server(programs) as server:
        yield server
