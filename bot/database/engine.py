"""Connections to the SQL database that `DATABASE_URL` names.

- https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html
- https://www.sqlite.org/wal.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.waits import abandoned_work, within

TROUBLE: Final = (SQLAlchemyError, OSError, TimeoutError, UnicodeError)
"""What a database that can't be used raises."""

_CONNECT_SECONDS: Final = 5
_TROUBLES: Final = {
    "3D000": "there is no database of that name",
    "28P01": "wrong user or password",
    "28000": "this user is not let in",
    "42501": "this user has no right to do that",
}
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_CLOSE_SECONDS: Final = 2.0
_ABANDONED_SECONDS: Final = _CONNECT_SECONDS + 1.0  # longer than SQLite waits for its lock
_POOL: Final = 5


def url_of(text: str) -> URL:
    """The URL with its driver; `postgres://` is how Heroku writes it."""
    url = make_url(text)
    backend = url.get_backend_name()
    if backend in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    return url.set(drivername="sqlite+aiosqlite")


def shown(text: str) -> str:
    """Where the database is, for people: without the password, and what stands behind a "?"."""
    url = url_of(text)
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"{url.database or 'the database'} at {url.host or 'this machine'}{port}"


def cannot_be_used(text: str, error: Exception) -> tuple[str, str]:
    """What people are told where the database fails: where it is and what is wrong; what to do."""
    if url_of(text).get_backend_name() == "sqlite":
        return f"{shown(text)} can't be used", "Does its folder exist, and may it be written there?"
    original = getattr(error, "orig", None) or error
    known = _TROUBLES.get(getattr(original, "sqlstate", None) or "")
    cause = known or f"no answer: {type(original).__name__}"
    return f"{shown(text)} can't be used ({cause})", "Is DATABASE_URL right, and does it run there?"


@asynccontextmanager
async def open_engine(text: str) -> AsyncIterator[AsyncEngine]:
    """An engine; nothing is connected before it is needed. Values stand in no error and no log."""
    url = url_of(text)
    is_sqlite = url.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = (
        {"timeout": _CONNECT_SECONDS} if is_sqlite else {"connect_timeout": _CONNECT_SECONDS}
    )
    if not is_sqlite:
        # PgBouncer, which many companies have in between, knows no prepared statements.
        arguments["prepare_threshold"] = None
        # Milliseconds: a server that is gone without a word is noticed by the system.
        arguments["tcp_user_timeout"] = 1000 * _CONNECT_SECONDS
        arguments |= {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=_POOL,
        max_overflow=0,
        connect_args=arguments,
    )
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _readers_and_writer_side_by_side)
    try:
        yield engine
    finally:
        await abandoned_work(_ABANDONED_SECONDS)
        with suppress(TimeoutError):
            await within(_CLOSE_SECONDS, engine.dispose())


def _readers_and_writer_side_by_side(connection: Any, _record: object) -> None:  # noqa: ANN401
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
