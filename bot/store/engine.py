"""Connections to the SQL database that `DATABASE_URL` names.

- https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html
- https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.settings import IGNORED_PARAMETERS
from bot.timeouts import abandoned_work, within

TROUBLE: Final = (SQLAlchemyError, OSError, TimeoutError, UnicodeError)
"""What a database that can't be used raises."""

_CONNECT_SECONDS: Final = 5
_PORT: Final = re.compile(r"(?P<host>\[.*\]|[^:]*)(?::(?P<port>\d*))?")
_REMEDY: Final = "Is DATABASE_URL right, and does PostgreSQL run there?"
_NO_DATABASE: Final = (
    "there is no database of that name",
    "Create it, or correct the name behind the last / of DATABASE_URL.",
)
_PASSWORD: Final = (
    "wrong user or password",
    "Correct the user and the password in DATABASE_URL; write @ / : # ? % in them as %40 %2F …",
)
_NO_USER: Final = ("there is no such user", "Create the user, or correct it in DATABASE_URL.")
_NOT_LET_IN: Final = (
    "this user is not let in from here",
    "Add a line for this machine, the user and the database to the server's pg_hba.conf.",
)
_NO_CONNECTION: Final = (
    "it has no connection left",
    "Raise its max_connections, or put a pooler before it.",
)
_TROUBLES: Final = {
    "3D000": _NO_DATABASE,
    "28P01": _PASSWORD,
    "28000": _NOT_LET_IN,
    "42501": (
        "this user has no right to do that",
        "Let it SELECT, INSERT, UPDATE and DELETE, and for fsessions migrate, CREATE.",
    ),
    "25006": (
        "it takes no changes: it is a standby, or read-only",
        "Let DATABASE_URL lead to the primary server.",
    ),
    "53300": _NO_CONNECTION,
    "55P03": ("a table is locked", "End what holds the lock, and try again."),
    "57014": ("a table is locked", "End what holds the lock, and try again."),
}
"""What is wrong, and what to do: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_CONNECTION_TROUBLES: Final = {
    "password authentication failed": _PASSWORD,
    "no password supplied": _PASSWORD,
    r"no pg_hba\.conf entry": _NOT_LET_IN,
    "peer authentication failed": _NOT_LET_IN,
    "not permitted to log in": _NOT_LET_IN,
    "permission denied for database": _NOT_LET_IN,
    "too many c|connection slots": _NO_CONNECTION,
    "starting up|shutting down|not currently accepting": (
        "it accepts no connections right now",
        "Try again when PostgreSQL has started.",
    ),
    r'role ".*" does not exist': _NO_USER,
    r'database ".*" does not exist': _NO_DATABASE,
    "does not support ssl": (
        "it speaks no TLS",
        "Turn TLS on at the server, or remove sslmode from DATABASE_URL.",
    ),
    "certificate": ("its certificate is not accepted", "See sslmode and sslrootcert of libpq."),
    "connection refused": ("nothing is running there", "Start PostgreSQL, or correct the port."),
    "no such file or directory": ("nothing is running there", "Start PostgreSQL on this machine."),
    "could not translate host name": ("unknown host", "Correct the host in DATABASE_URL."),
    "failed to resolve host": ("unknown host", "Correct the host in DATABASE_URL."),
    "name or service not known": ("unknown host", "Correct the host in DATABASE_URL."),
    "timeout expired": ("no answer in time", "Can this machine reach it? A firewall may say no."),
    "target_session_attrs": (
        "none of the hosts is of the kind that target_session_attrs asks for",
        "Name the primary server as well.",
    ),
}
"""Patterns of what libpq says, in small letters, in the order in which they are looked for."""

_CLOSE_SECONDS: Final = 2.0
_ABANDONED_SECONDS: Final = _CONNECT_SECONDS + 1.0  # longer than SQLite waits for its lock
_POOL: Final = 5


def url_of(text: str) -> URL:
    """The URL with its driver; `postgres://` is how Heroku writes it."""
    parts = urlsplit(text)
    if parts.scheme == "sqlite":
        return make_url(text).set(drivername="sqlite+aiosqlite")
    login, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        url = make_url(text).difference_update_query(IGNORED_PARAMETERS)
        return url.set(drivername="postgresql+psycopg")
    # SQLAlchemy takes several as parameters, as libpq does.
    each = [_PORT.fullmatch(host) for host in hosts.split(",")]
    named = {
        "host": ",".join(one["host"].strip("[]") for one in each if one),
        "port": ",".join(one["port"] or "" for one in each if one),
    }
    url = make_url(text.replace(f"//{login}{at}{hosts}", f"//{login}{at}", 1))
    url = url.difference_update_query(IGNORED_PARAMETERS).update_query_dict(named)
    return url.set(drivername="postgresql+psycopg")


def shown(text: str) -> str:
    """Where the database is, for people: without the password, and what stands behind a "?"."""
    url = url_of(text)
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    hosts = urlsplit(text).netloc.rpartition("@")[2].replace(",", ", ")
    return f"{url.database or 'the database'} at {hosts or 'this machine'}"


def cannot_be_used(text: str, error: Exception) -> tuple[str, str]:
    """What people are told where the database fails: where it is and what is wrong; what to do."""
    if url_of(text).get_backend_name() == "sqlite":
        return f"{shown(text)} can't be used", "Does its folder exist, and may it be written there?"
    original = getattr(error, "orig", None) or error
    if isinstance(original, TimeoutError):
        return f"{shown(text)} gives no answer in time", "Is a table locked? Then try again later."
    code = getattr(original, "sqlstate", None) or ""
    known = _TROUBLES.get(code) or _connection_trouble(original)
    cause, remedy = known or (f"no answer: {type(original).__name__}", _REMEDY)
    return f"{shown(text)} can't be used ({cause})", remedy


def _connection_trouble(error: object) -> tuple[str, str] | None:
    """Tell what a failed connection is about: libpq says it in words alone, which stay here."""
    words = str(error).casefold()
    known = (said for part, said in _CONNECTION_TROUBLES.items() if re.search(part, words))
    return next(known, None)


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
