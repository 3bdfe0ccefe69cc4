"""Several processes of the bot for the playground, on a PostgreSQL of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from bot import settings
from bot.database.engine import open_engine
from bot.database.schema import migrate
from bot.database.tables import CLAIMS
from bot.ports import listening
from bot.processes import Processes
from bot.sandbox.postgres import postgres_server
from bot.settings import Settings

_START_SECONDS: Final = 60.0


class SeveralBots:
    """They share one port, and what they owe."""

    def __init__(self, processes: Processes, engine: AsyncEngine) -> None:
        self._processes = processes
        self._engine = engine

    async def kill_one(self) -> None:
        """Kills the one that owes somebody an answer; if none does, any."""
        owing = (
            select(CLAIMS.c.owner)
            .where(CLAIMS.c.lease_until.is_not(None))
            .order_by(CLAIMS.c.expires.desc())
        )
        async with self._engine.connect() as connection:
            owners = (await connection.scalars(owing)).all()
        pids = [process.pid for process in self._processes.running.values()]
        guilty = [int(owner.partition(".")[0]) for owner in owners]
        for pid in [*(one for one in guilty if one in pids), *pids][:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def several_bots(
    count: int, values: Settings, programs: Path
) -> AsyncIterator[tuple[SeveralBots, int]]:
    """Running bots, with their port; `programs` is where PostgreSQL's are."""
    with postgres_server(programs) as server, TemporaryDirectory() as folder, ExitStack() as stack:
        url = server.new_database()
        async with open_engine(url) as engine:
            await migrate(engine)
            stop, shares = asyncio.Event(), stack.enter_context(listening(values, count))
            port = int(shares[0].own[0].getsockname()[1])
            environment = _environment(values, DATABASE_URL=url)
            processes = Processes(shares, environment, Path(folder))
            running = asyncio.create_task(processes.run_until(stop))
            try:
                await _ready(port)
                yield SeveralBots(processes, engine), port
            finally:
                stop.set()
                await running


def _environment(values: Settings, **other: str) -> dict[str, str]:
    """What one process has to be told, and nothing that is set for another bot."""
    inherited = {name: text for name, text in os.environ.items() if name not in settings.NAMES}
    return inherited | values.as_environment() | other


async def _ready(port: int) -> None:
    async with asyncio.timeout(_START_SECONDS), aiohttp.ClientSession() as http:
        while True:
            with suppress(aiohttp.ClientError, OSError):
                async with http.get(f"http://127.0.0.1:{port}/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
