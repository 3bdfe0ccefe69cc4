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

from bot.settings.types import IGNORED_PARAMETERS
from bot.timeouts import wait_for_abandoned, within

DATABASE_ERRORS: Final = (SQLAlchemyError, OSError, TimeoutError, UnicodeError)
"""What a database raises that can't be used."""

_CONNECT_SECONDS: Final = 5
_PORT: Final = re.compile(r"(?P<host>\[.*\]|[^:]*)(?::(?P<port>\d*))?")
_FIX: Final = "Is DATABASE_URL right, and is PostgreSQL running there?"
_NO_DATABASE: Final = (
    "there is no database of that name",
    "Create it, or fix the name after the last / of DATABASE_URL.",
)
_PASSWORD: Final = (
    "wrong user or password",
    "Fix the user and the password in DATABASE_URL; write @ / : # ? % in them as %40 %2F …",
)
_NO_USER: Final = ("there is no such user", "Create the user, or fix it in DATABASE_URL.")
_NOT_ADMITTED: Final = (
    "this user is not admitted from this machine",
    "Add a line for this machine, the user and the database to the server's pg_hba.conf.",
)
_NO_CONNECTION: Final = (
    "it has no connections left",
    "Raise its max_connections, or put a pooler in front of it.",
)
_ERRORS: Final = {
    "3D000": _NO_DATABASE,
    "28P01": _PASSWORD,
    "28000": _NOT_ADMITTED,
    "42501": (
        "this user lacks a privilege",
        "Grant SELECT, INSERT, UPDATE and DELETE, and CREATE for fsessions migrate.",
    ),
    "25006": (
        "it is a standby, or read-only",
        "Point DATABASE_URL to the primary server.",
    ),
    "53300": _NO_CONNECTION,
    "55P03": ("a table is locked", "End the session that has the lock, and try again."),
    "57014": ("a table is locked", "End the session that has the lock, and try again."),
}
"""The cause and the fix, by SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_CONNECTION_ERRORS: Final = {
    "password authentication failed": _PASSWORD,
    "no password supplied": _PASSWORD,
    r"no pg_hba\.conf entry": _NOT_ADMITTED,
    "peer authentication failed": _NOT_ADMITTED,
    "not permitted to log in": _NOT_ADMITTED,
    "permission denied for database": _NOT_ADMITTED,
    "too many c|connection slots": _NO_CONNECTION,
    "starting up|shutting down|not currently accepting": (
        "it accepts no connections right now",
        "Try again when PostgreSQL has started.",
    ),
    r'role ".*" does not exist': _NO_USER,
    r'database ".*" does not exist': _NO_DATABASE,
    "does not support ssl": (
        "it doesn't support TLS",
        "Turn on TLS at the server, or remove sslmode from DATABASE_URL.",
    ),
    "certificate": ("its certificate is not accepted", "See sslmode and sslrootcert of libpq."),
    "connection refused": ("nothing is running there", "Start PostgreSQL, or fix the port."),
    "no such file or directory": ("nothing is running there", "Start PostgreSQL on this machine."),
    "could not translate host name": ("unknown host", "Fix the host in DATABASE_URL."),
    "failed to resolve host": ("unknown host", "Fix the host in DATABASE_URL."),
    "name or service not known": ("unknown host", "Fix the host in DATABASE_URL."),
    "timeout expired": ("it timed out", "Can this machine reach it? There may be a firewall."),
    "target_session_attrs": (
        "none of the hosts is what target_session_attrs asks for",
        "Add the primary server.",
    ),
}
"""The cause and the fix, by patterns of libpq's message in lower case; the first match counts."""

_CLOSE_SECONDS: Final = 2.0
_ABANDONED_SECONDS: Final = _CONNECT_SECONDS + 1.0  # longer than SQLite waits for its lock
_POOL: Final = 5


def url_of(text: str) -> URL:
    """Return the URL with its driver; Heroku writes `postgres://`."""
    parts = urlsplit(text)
    if parts.scheme == "sqlite":
        return make_url(text).set(drivername="sqlite+aiosqlite")
    login, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        url = make_url(text).difference_update_query(IGNORED_PARAMETERS)
        return url.set(drivername="postgresql+psycopg")
    # SQLAlchemy takes several hosts as parameters, as libpq does.
    each = [_PORT.fullmatch(host) for host in hosts.split(",")]
    named = {
        "host": ",".join(one["host"].strip("[]") for one in each if one),
        "port": ",".join(one["port"] or "" for one in each if one),
    }
    url = make_url(text.replace(f"//{login}{at}{hosts}", f"//{login}{at}", 1))
    url = url.difference_update_query(IGNORED_PARAMETERS).update_query_dict(named)
    return url.set(drivername="postgresql+psycopg")


def shown(text: str) -> str:
    """Return where the database is, without the password and the parameters."""
    url = url_of(text)
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    hosts = urlsplit(text).netloc.rpartition("@")[2].replace(",", ", ")
    return f"{url.database or 'the database'} at {hosts or 'this machine'}"


def explain(text: str, error: Exception) -> tuple[str, str]:
    """Return what is wrong with the database, and how to fix it."""
    if url_of(text).get_backend_name() == "sqlite":
        return f"{shown(text)} can't be used", "Does its folder exist, and is it writable?"
    original = getattr(error, "orig", None) or error
    if isinstance(original, TimeoutError):
        return f"{shown(text)} timed out", "Is a table locked? Then try again later."
    code = getattr(original, "sqlstate", None) or ""
    known = _ERRORS.get(code) or _connection_error(original)
    cause, fix = known or (f"no answer: {type(original).__name__}", _FIX)
    return f"{shown(text)} can't be used ({cause})", fix


def _connection_error(error: object) -> tuple[str, str] | None:
    """Explain a failed connection: libpq has only words for it, which are not passed on."""
    words = str(error).casefold()
    known = (said for part, said in _CONNECTION_ERRORS.items() if re.search(part, words))
    return next(known, None)


@asynccontextmanager
async def open_engine(text: str) -> AsyncIterator[AsyncEngine]:
    """Create an engine, which connects when it is needed. No error or log contains values."""
    url = url_of(text)
    is_sqlite = url.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = (
        {"timeout": _CONNECT_SECONDS} if is_sqlite else {"connect_timeout": _CONNECT_SECONDS}
    )
    if not is_sqlite:
        # PgBouncer, which many companies use, does not support prepared statements.
        arguments["prepare_threshold"] = None
        # In milliseconds: the system notices a server that vanished.
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
        event.listen(engine.sync_engine, "connect", _set_write_ahead_log)
    try:
        yield engine
    finally:
        await wait_for_abandoned(_ABANDONED_SECONDS)
        with suppress(TimeoutError):
            await within(_CLOSE_SECONDS, engine.dispose())


def _set_write_ahead_log(connection: Any, _record: object) -> None:  # noqa: ANN401
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
