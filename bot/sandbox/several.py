"""Several bots for the playground, on ports of their own, with one PostgreSQL.

A balancer in front of them and a platform that starts a dead one again are played here, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from bot import settings
from bot.database.engine import open_engine
from bot.database.schema import migrate
from bot.database.tables import CLAIMS
from bot.sandbox.postgres import postgres_server
from bot.sandbox.slack import SlackSandbox
from bot.settings import Settings

_START_SECONDS: Final = 60.0


class SeveralBots:
    """Running `fsessions serve` processes; Slack's requests go to them in turns."""

    def __init__(
        self, slack: SlackSandbox, engine: AsyncEngine, environment: dict[str, str], folder: Path
    ) -> None:
        self._slack = slack
        self._engine = engine
        self._environment = environment
        self._folder = folder  # without a `.env`
        self._running: dict[str, Process] = {}
        self._reading: dict[str, asyncio.Task[bytes]] = {}  # a full pipe would stop them

    async def start_one(self) -> None:
        """Start a bot, and send requests to it once it listens."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "serve"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env=self._environment,
            cwd=self._folder,
        )
        assert process.stderr  # noqa: S101 - it is a pipe
        try:
            async with asyncio.timeout(_START_SECONDS):
                line = {"event": ""}
                while line["event"] != "listening":
                    line = json.loads(await process.stderr.readline())
        except BaseException:
            process.kill()
            await process.communicate()
            raise
        url = f"http://127.0.0.1:{line['port']}/slack/events"
        self._running[url] = process
        self._reading[url] = asyncio.create_task(process.stderr.read())
        self._slack.request_urls.append(url)

    async def kill_one(self) -> None:
        """Kill the process with an answer pending, if there is one, and start another."""
        jobs = (
            select(CLAIMS.c.owner)
            .where(CLAIMS.c.lease_until.is_not(None))
            .order_by(CLAIMS.c.expires.desc())
        )
        async with self._engine.connect() as connection:
            owners = (await connection.scalars(jobs)).all()
        busy = [int(owner.partition(".")[0]) for owner in owners if owner]
        by_pid = {process.pid: url for url, process in self._running.items()}
        url = next((by_pid[pid] for pid in [*busy, *by_pid] if pid in by_pid), None)
        if url is None:  # the last one is being replaced
            return
        self._slack.request_urls.remove(url)
        process = self._running.pop(url)
        process.kill()
        await process.wait()
        await self.start_one()

    async def stop(self) -> None:
        """End all, as a platform does."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        waiting = [process.wait() for process in self._running.values()]
        await asyncio.gather(*waiting, *self._reading.values())


@asynccontextmanager
async def several_bots(
    count: int, slack: SlackSandbox, values: Settings, programs: Path
) -> AsyncIterator[SeveralBots]:
    """Run several bots; `programs` is the folder with PostgreSQL's programs."""
    with postgres_server(programs) as server, TemporaryDirectory() as folder:
        url = server.new_database()
        async with open_engine(url) as engine:
            await migrate(engine)
            environment = _environment(values, DATABASE_URL=url, LOG_LEVEL="INFO")
            bots = SeveralBots(slack, engine, environment, Path(folder))
            try:
                for _ in range(count):
                    await bots.start_one()
                yield bots
            finally:
                await bots.stop()


def _environment(values: Settings, **other: str) -> dict[str, str]:
    """What one process has to be told, and nothing that is set for another bot."""
    inherited = {name: text for name, text in os.environ.items() if name not in settings.NAMES}
    return inherited | values.as_environment() | other
