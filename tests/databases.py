"""Databases for tests: a file for SQLite, and a real PostgreSQL that the tests start themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
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
    """Return what a database holds: its files, or each row with all columns.

    What is encrypted is left out: by chance, it contains any four letters.
    """
    if url.startswith("sqlite"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        stored = b"".join(file.read_bytes() for file in folder.iterdir())
        return _CIPHERTEXT.sub("", stored.decode(errors="replace"))
    with psycopg.connect(url) as connection:
        tables = ("audit_events", "jobs", "shared_values")
        queries = [f"TABLE {name}".encode() for name in tables]
        rows = [connection.execute(query).fetchall() for query in queries]
    return _CIPHERTEXT.sub("", str(rows))


_CIPHERTEXT: Final = re.compile(r"[\w-]{60,}", re.ASCII)


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Yield a running server. Skips the test where PostgreSQL isn't installed."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    with postgres.postgres_server(programs) as server:
        yield server
