"""How many lookups a second one, two and three processes carry, on one PostgreSQL.

Starts one, two and three `fsessions serve`, each on a port of its own, with everything on that a
deployment has on, and lets 64 people ask at the same time, spread evenly. Each number of processes
has its turn in each of three rounds; medians are printed, and what a process takes of memory and of
connections to the database.
Needs PostgreSQL, and Linux for the figures of processes. `python -m benchmarks.processes`.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import psycopg
import uvloop

from benchmarks.outside import AT_ONCE, EVERYTHING_ON, Outside
from benchmarks.proc import cpu_seconds, memory
from benchmarks.report import Figures
from bot.sandbox.postgres import postgres_server, programs
from bot.store.engine import open_engine
from bot.store.schema import migrate

COMMANDS = 2_000
WARM_UP = 320


async def measure(postgres: Path, counts: Sequence[int], rounds: int) -> dict[int, list[Figures]]:
    """Return the figures of each round, by the number of processes.

    `postgres` is where PostgreSQL's programs are.
    """
    measured: dict[int, list[Figures]] = {count: [] for count in counts}
    with postgres_server(postgres) as server:
        url = server.new_database()
        async with open_engine(url) as engine:
            await migrate(engine)
        async with Outside().running() as outside:
            for _ in range(rounds):
                for count in counts:
                    measured[count].append(await one_round(count, url, outside))
    return measured


async def one_round(count: int, url: str, outside: Outside) -> Figures:
    """Start so many processes, asks, and ends them."""
    environment = outside.environment(PORT="0", DATABASE_URL=url, **EVERYTHING_ON)
    bots = [await start(environment) for _ in range(count)]
    pids, ports = [process.pid for process, _ in bots], [port for _, port in bots]
    readings = [asyncio.create_task(drain(process.stderr)) for process, _ in bots if process.stderr]
    await ask(outside, ports, WARM_UP)
    before, own, started = sum(map(cpu_seconds, pids)), time.process_time(), time.perf_counter()
    await ask(outside, ports, COMMANDS)
    seconds = time.perf_counter() - started
    figures = {
        "lookups a second": COMMANDS / seconds,
        "of them, a process's CPU second": COMMANDS / (sum(map(cpu_seconds, pids)) - before),
        "MiB a process": sum(map(memory, pids)) / count,
        "cores for the outside": (time.process_time() - own) / seconds,
    }
    outside.forget_connections()
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchone()
        figures["connections"] = float(row[0]) if row else 0.0
    for process, _ in bots:
        process.terminate()
    await asyncio.gather(*(process.wait() for process, _ in bots), *readings)
    return figures


async def start(environment: dict[str, str]) -> tuple[Process, int]:
    """Start one; return it with its port once it listens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "serve"),
        env={"PATH": os.environ["PATH"], **environment},
        stderr=PIPE,
    )
    assert process.stderr  # noqa: S101
    line = {"event": ""}
    while line["event"] != "listening":
        line = json.loads(await process.stderr.readline())
    return process, int(line["port"])


async def ask(outside: Outside, ports: Sequence[int], count: int) -> None:
    """Ask so many commands in all, each process as many as any other."""
    each = AT_ONCE // len(ports)
    await asyncio.gather(*(outside.ask_many(port, count // len(ports), each) for port in ports))


async def drain(stream: asyncio.StreamReader) -> None:
    """Read the log, so that no one waits for it."""
    async for _ in stream:
        pass


async def main() -> None:
    """Measure and prints."""
    postgres = programs()
    if postgres is None:
        sys.exit("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    measured = await measure(postgres, (1, 2, 3), 3)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}")
    print("processes".ljust(34), *(f"{count:>8}" for count in measured))
    for name in measured[1][0]:
        values = (median(one[name] for one in rounds) for rounds in measured.values())
        print(name.ljust(34), *(f"{value:>8.1f}" for value in values))


if __name__ == "__main__":
    uvloop.run(main())
