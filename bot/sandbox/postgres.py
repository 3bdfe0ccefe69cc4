"""A temporary PostgreSQL for the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

_USER: Final = "postgres"  # PostgreSQL doesn't run as root
_START_SECONDS: Final = 60.0


def programs() -> Path | None:
    """Return the folder of `initdb` and `postgres`, which Debian does not put on the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


class Postgres:
    """A server in its own folder, with a socket instead of a port."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user = {"user": _USER, "group": _USER, "extra_groups": []} if _is_root() else {}
        self._run("initdb", "-D", str(folder / "data"), "-U", _USER, "-A", "trust", "-E", "UTF8")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - PostgreSQL's own program
            [self._programs / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **self._as_user,  # type: ignore[call-overload]
        )

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        # The shell ends it when our end of the pipe is closed, even if this process is killed.
        self._process = subprocess.Popen(  # type: ignore[call-overload] # noqa: S603 - the same
            [
                *("/bin/sh", "-c", '"$@" & read -r _; kill -QUIT $!; wait', "sh"),
                self._programs / "postgres",
                *("-D", self._folder / "data", "-k", self._folder),
                *("-c", "listen_addresses=", "-c", "fsync=off"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            start_new_session=True,  # Ctrl-C is for those that use it, first
            **self._as_user,
        )
        deadline = time.monotonic() + _START_SECONDS
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
        """End it at once like a crash, and cut off all connections."""
        if self._process:
            self._process.communicate()
            self._process = None

    def url(self, database: str) -> str:
        """Return a URL as an administrator would write it."""
        return f"postgresql://{_USER}@/{database}?host={self._folder}"

    def new_database(self, template: str = "template1") -> str:
        """Create an empty database, or a copy of one, and return its URL as Heroku writes it."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url(_USER), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self.url(name).replace("postgresql://", "postgres://")


def _is_root() -> bool:
    return os.geteuid() == 0


@contextmanager
def postgres_server(folder_of_programs: Path) -> Iterator[Postgres]:
    """Yield a running server."""
    folder = Path(tempfile.mkdtemp(prefix="fsessions-"))
    if _is_root():
        user = pwd.getpwnam(_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        server = Postgres(folder_of_programs, folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
