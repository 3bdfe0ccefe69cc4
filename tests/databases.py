"""Databases for tests: a file for SQLite, and a real PostgreSQL that the tests start themselves."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_USER = "postgres"  # PostgreSQL doesn't run as root


def is_installed() -> bool:
    """Whether there is a PostgreSQL that can be started."""
    return _programs() is not None


def everything_in(url: str) -> bytes:
    """All that a database holds, as bytes: its files, or each row of the audit with all columns."""
    if url.startswith("sqlite"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        return b"".join(file.read_bytes() for file in folder.iterdir())
    with psycopg.connect(url) as connection:
        tables = ("audit_events", "claims", "shared_values")
        queries = [f"TABLE {name}".encode() for name in tables]
        rows = [connection.execute(query).fetchall() for query in queries]
    return str(rows).encode()


def _programs() -> Path | None:
    """Where `initdb` and `postgres` are: Debian keeps them away from the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


class Postgres:
    """A server in a folder of its own, with a socket there: no port that another may take."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user = {"user": _USER, "group": _USER, "extra_groups": []} if _is_root() else {}
        self._run("initdb", "-D", str(folder / "data"), "-U", _USER, "-A", "trust", "-E", "UTF8")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **self._as_user,  # type: ignore[call-overload]
        )

    def start(self) -> None:
        """Starts it; returns when it can be used."""
        self._process = subprocess.Popen(  # type: ignore[call-overload]
            [
                self._programs / "postgres",
                *("-D", self._folder / "data", "-k", self._folder),
                *("-c", "listen_addresses=", "-c", "fsync=off"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **self._as_user,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url(_USER)).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Ends it at once, as a crash does: whoever is connected is cut off."""
        if self._process:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def url(self, database: str) -> str:
        """As an administrator would write it; the folder holds the server's socket."""
        return f"postgresql://{_USER}@/{database}?host={self._folder}"

    def new_database(self) -> str:
        """An empty database; its URL, as Heroku writes it."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url(_USER), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name).replace("postgresql://", "postgres://")


def _is_root() -> bool:
    return os.geteuid() == 0


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A running server. Skips the test where PostgreSQL isn't installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="fsessions-"))
    if _is_root():
        user = pwd.getpwnam(_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
    server = Postgres(programs, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
