"""How fast the bot is, beside what people would use instead: `make bench`.

Each peer runs as a process of its own on one core, the world around it on another. All are started
first and then measured in turns of a second, so that a noisy machine is noisy for all. Figures are
medians of the turns, with the median of their ratios to the floor F (`peers/floor.py`). `PEERS` and
`SCENARIOS` choose some, with commas. Linux only: CPU and memory are from /proc. Writes
`RESULTS.md`, unless only some were chosen.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import psycopg
import uvloop

from benchmarks.world import Over, World
from bot.sandbox.postgres import postgres_server, programs
from bot.sandbox.settings import temporary_database
from bot.store.engine import open_engine
from bot.store.schema import migrate

HERE: Final = Path(__file__).parent
FLOOR, FLOOR_ACK, BOT, BOT_ALONE = "F", "F3", "fsessions", "fsessions without a database"
BOLT_JS: Final = "Bolt JS"
_CORES: Final = sorted(os.sched_getaffinity(0))
_ON: Final = {"AUDIT_KEY": "benchmark", "METRICS_PORT": "0", "ALLOWED_USERS": "U0ASKER"}

Figures = dict[str, float]
Measured = dict[str, dict[str, list[Figures]]]
"""The figures of each turn, by scenario and peer."""


@dataclass(frozen=True)
class Peer:
    """What answers the command; after `warm_up` lookups it is as fast as it will be.

    `count` of its processes run on `cores`.
    """

    name: str
    command: tuple[str, ...]
    settings: dict[str, str] = field(default_factory=dict)
    warm_up: int = 500
    count: int = 1
    cores: tuple[int, ...] = (_CORES[-1],)


@dataclass
class Running:
    """A peer that runs; the first answer came after `started` seconds."""

    peer: Peer
    world: World
    processes: list[subprocess.Popen[bytes]]
    ports: list[int]
    started: float

    def cpu_seconds(self) -> float:
        """Return what the threads of all processes took of the processor so far."""
        threads = [Path(f"/proc/{one.pid}/task").glob("*/schedstat") for one in self.processes]
        return sum(int(file.read_text().split()[0]) for file in chain(*threads)) / 1e9

    def memory(self) -> float:
        """Return the resident memory of one process in MiB."""
        status = Path(f"/proc/{self.processes[0].pid}/status").read_text()
        return int(re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[0]) / 1024


def peers_in_python(database: str) -> list[Peer]:
    """Return those that run everywhere; `database` is a URL."""
    python = sys.executable
    serve, floor = (python, "-m", "bot", "serve"), (python, str(HERE / "peers" / "floor.py"))
    return [
        Peer(FLOOR, floor),
        Peer(FLOOR_ACK, floor, {"ANSWER_IN_ACK": "1"}),
        Peer("F3 with new connections", floor, {"ANSWER_IN_ACK": "1", "CONNECTIONS_ONCE": "1"}),
        Peer(BOT, serve, _ON | {"DATABASE_URL": database}),
        Peer(BOT_ALONE, serve, {"LOG_LEVEL": "ERROR"}),
        Peer("Bolt Python", (python, str(HERE / "peers" / "bolt_async.py"))),
    ]


def peers_in_node() -> list[Peer]:
    """Return those that need Node and npm; none without."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        print("Without Node and npm, Bolt JS is left out.")
        return []
    if not (HERE / "peers" / "node_modules").exists():
        install = (npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock")
        subprocess.run(install, cwd=HERE / "peers", check=True)
    command = (node, str(HERE / "peers" / "bolt.mjs"))
    # Its code is compiled after some 6,000 lookups; before, it is 1.7 times as slow.
    return [
        Peer(BOLT_JS, command, warm_up=6_000),
        Peer(f"{BOLT_JS} with a pool", command, {"POOL": "1"}, warm_up=6_000),
    ]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def running(peer: Peer, world: World) -> AsyncIterator[Running]:
    """Start a peer, wait for its first answer, and end it."""
    ports = [_free_port() for _ in range(peer.count)]
    started = time.perf_counter()
    processes = [_started(peer, world, port) for port in ports]
    try:
        for port in ports:
            await _first_answer(world, port, started + 30)
        yield Running(peer, world, processes, ports, time.perf_counter() - started)
    finally:
        world.forget_connections()
        for one in processes:
            one.terminate()
        for one in processes:
            await asyncio.to_thread(one.wait)


def _started(peer: Peer, world: World, port: int) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parent)}
    environment |= world.environment() | peer.settings | {"PORT": str(port)}
    return subprocess.Popen(
        peer.command,
        env=environment,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, peer.cores),
    )


async def _first_answer(world: World, port: int, deadline: float) -> None:
    while time.perf_counter() < deadline:
        with suppress(OSError, RuntimeError):
            await world.ask(port)
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


# -- Scenarios ------------------------------------------------------------------------------------


async def start(one: Running) -> Figures:
    """Report the first answer, and the memory after a second in which nothing happens."""
    await asyncio.sleep(1)
    return {"first answer, ms": 1000 * one.started, "idle MiB": one.memory()}


async def saturation(one: Running) -> Figures:
    """Ask as much as it can answer, 64 at a time."""
    count = 600
    await one.world.ask_many(one.ports, 200)  # its caches are those of the peer before
    cpu, started = one.cpu_seconds(), time.perf_counter()
    await one.world.ask_many(one.ports, count)
    seconds, cpu = time.perf_counter() - started, one.cpu_seconds() - cpu
    return {
        "lookups a second": count / seconds,
        "CPU ms a lookup": 1000 * cpu / count,
        "MiB": one.memory(),
    }


async def steady(one: Running) -> Figures:
    """Ask fifty a second, for two seconds."""
    loop = asyncio.get_running_loop()
    begin, asking = loop.time(), []
    for number in range(100):
        await asyncio.sleep(begin + number / 50 - loop.time())
        asking.append(asyncio.create_task(one.world.ask(one.ports[0])))
    answered = sorted(1000 * seconds for _, seconds in await asyncio.gather(*asking))
    return {"p50 ms": median(answered), "p99 ms": quantiles(answered, n=100)[98]}


async def burst(one: Running) -> Figures:
    """Let a thousand people ask at the same moment, over new connections."""
    one.world.keeps = False
    asking = (one.world.ask(one.ports[0]) for _ in range(1_000))
    done = await asyncio.gather(*asking, return_exceptions=True)
    one.world.keeps = True
    answers = [result for result in done if not isinstance(result, BaseException)]
    return {
        "lost": float(len(done) - len(answers)),
        "acks after 3 s": float(sum(acked > 3 for acked, _ in answers)),
        "longest, s": max(seconds for _, seconds in answers),
    }


@dataclass(frozen=True)
class Scenario:
    """What is measured in each turn, and how the peers reach Fullstory and Slack.

    With `is_start`, each turn is of a new process.
    """

    measure: Callable[[Running], Awaitable[Figures]]
    turns: int
    over: Over = "HTTP"
    is_start: bool = False


PROCESSES: Final = "processes"
SCENARIOS: Final = {
    "start": Scenario(start, 5, is_start=True),
    "saturation": Scenario(saturation, 12),
    "50 a second": Scenario(steady, 6),
    "burst of 1,000": Scenario(burst, 3),
    "saturation over TLS": Scenario(saturation, 12, "TLS"),
}


async def measure(peers: list[Peer], scenarios: dict[str, Scenario]) -> Measured:
    """Measure every peer in every scenario."""
    measured: Measured = {name: defaultdict(list) for name in scenarios}
    async with World().running() as world:
        for name, scenario in scenarios.items():
            if scenario.is_start:
                for peer in peers * scenario.turns:
                    async with running(peer, world) as one:
                        measured[name][peer.name].append(await scenario.measure(one))
        ways: tuple[Over, ...] = ("HTTP", "TLS")
        for world.over in ways:
            mine = [
                n for n, one in scenarios.items() if (one.over, one.is_start) == (world.over, False)
            ]
            async with AsyncExitStack() as stack:
                ones = [
                    await stack.enter_async_context(running(peer, world)) for peer in peers if mine
                ]
                for one in ones:
                    await world.ask_many(one.ports, one.peer.warm_up)
                for name in mine:
                    for one in ones * scenarios[name].turns:
                        figures = await scenarios[name].measure(one)
                        measured[name][one.peer.name].append(figures)
    return measured


async def measure_processes() -> Measured:
    """Run the bot as one process and as two, with PostgreSQL and the world on the same cores."""
    postgres = programs()
    if postgres is None:
        print("Without PostgreSQL, several processes are left out.")
        return {}
    with postgres_server(postgres) as server:
        url = server.new_database()
        async with open_engine(url) as engine:
            await migrate(engine)
        command, settings = (sys.executable, "-m", "bot", "serve"), _ON | {"DATABASE_URL": url}
        measured = await measure(
            [
                Peer(f"{count}", command, settings, count=count, cores=tuple(_CORES))
                for count in (1, 2)
            ],
            {PROCESSES: Scenario(saturation, 12)},
        )
        size = "SELECT pg_total_relation_size('audit_events') / count(*) FROM audit_events"
        with psycopg.connect(url) as connection:
            (row,) = connection.execute(size).fetchall()
    for turns in measured[PROCESSES].values():
        for figures in turns:
            figures["a second of its CPU"] = 1000 / figures["CPU ms a lookup"]
            figures["bytes in the audit"] = float(row[0])
    return measured


# -- Results --------------------------------------------------------------------------------------


class Results:
    """What was measured."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured

    def middle(self, scenario: str, figure: str, peer: str = BOT) -> float:
        """Return the median of the turns; NaN if it was not measured."""
        values = [one[figure] for one in self._turns(scenario, peer)]
        return median(values) if values else math.nan

    def ratio(self, scenario: str, figure: str, peer: str = BOT, to: str = FLOOR) -> float:
        """Return the median of the ratios in each turn; NaN if one is missing."""
        turns = zip(self._turns(scenario, peer), self._turns(scenario, to), strict=False)
        ratios = [one[figure] / other[figure] for one, other in turns if other[figure]]
        return median(ratios) if ratios else math.nan

    def _turns(self, scenario: str, peer: str) -> list[Figures]:
        return self.measured.get(scenario, {}).get(peer, [])

    def targets(self) -> list[tuple[str, str, float, bool]]:
        """Return each target, its limit, the figure, and whether it is reached."""
        cpu, many, mib = "CPU ms a lookup", "lookups a second", "idle MiB"
        first = self.middle("start", "first answer, ms")
        p50 = self.middle("50 a second", "p50 ms")
        at_most = [
            ("CPU of a lookup, in F", 2.1, self.ratio("saturation", cpu)),
            ("the same over TLS", 2.8, self.ratio("saturation over TLS", cpu)),
            ("p50 beyond F3, ms", 1.0, p50 - self.middle("50 a second", "p50 ms", FLOOR_ACK)),
            ("idle without a database, MiB", 60, self.middle("start", mib, BOT_ALONE)),
            ("idle with a database, MiB", 82, self.middle("start", mib)),
            (
                "first answer beyond 1.5 F, ms",
                150,
                first - 1.5 * self.middle("start", "first answer, ms", FLOOR),
            ),
            ("lost of a burst of 1,000", 0, self.middle("burst of 1,000", "lost")),
        ]
        at_least = [
            ("throughput, to stock Bolt JS", 1.2, self.ratio("saturation", many, to=BOLT_JS)),
            (
                "two processes, to one, by their CPU",
                0.95,
                self.ratio(PROCESSES, "a second of its CPU", "2", to="1"),
            ),
        ]
        return [
            *((name, f"≤ {limit}", value, value <= limit) for name, limit, value in at_most),
            *((name, f"≥ {limit}", value, value >= limit) for name, limit, value in at_least),
        ]

    def report(self, introduction: str) -> str:
        """Return everything as Markdown, on one page."""
        lines = [introduction, "| target | limit | measured | |", "|---|---|---|---|"]
        for name, limit, value, is_reached in self.targets():
            mark = "reached" if is_reached else "**not reached**"
            mark = "not measured" if math.isnan(value) else mark
            lines.append(f"| {name} | {limit} | {value:.3g} | {mark} |")
        for scenario, by_peer in self.measured.items():
            figures = list(next(iter(by_peer.values()))[0])
            lines += [
                "",
                f"## {scenario[:1].upper()}{scenario[1:]}",
                "",
                f"| | {' | '.join(figures)} |",
            ]
            lines.append("|---" * (len(figures) + 1) + "|")
            for peer in by_peer:
                cells = [self._cell(scenario, figure, peer) for figure in figures]
                lines.append(f"| {peer} | {' | '.join(cells)} |")
        return "\n".join([*lines, ""])

    def _cell(self, scenario: str, figure: str, peer: str) -> str:
        to_floor = self.ratio(scenario, figure, peer)
        value = f"{self.middle(scenario, figure, peer):.4g}"
        return value if math.isnan(to_floor) else f"{value} ({to_floor:.2f} F)"


def introduction() -> str:
    """Return what was measured, and with what."""
    packages = ("aiohttp", "slack-bolt", "uvloop", "sqlalchemy")
    found = {"Python": platform.python_version(), **{name: version(name) for name in packages}}
    for name in ("@slack/bolt", "undici"):
        if (file := HERE / "peers" / "node_modules" / name / "package.json").exists():
            found[name] = str(json.loads(file.read_text())["version"])
    postgres = programs()
    for name, program in (("Node", shutil.which("node")), ("PostgreSQL", postgres)):
        if program:
            command = [program if name == "Node" else Path(program) / "postgres", "--version"]
            said = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name] = re.findall(r"[\d.]+", said.stdout)[0]
    named = ", ".join(f"{name} {number}" for name, number in found.items())
    text = (HERE / "introduction.md").read_text()
    return text.format(
        day=datetime.now(UTC).date(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        versions=named,
    )


def _chosen(variable: str, known: list[str]) -> list[str]:
    """Return the names that an environment variable lists; all without it."""
    names = [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]
    if unknown := set(names) - set(known):
        sys.exit(f"Not known: {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")
    return names or known


async def main() -> None:
    """Measure, print and write."""
    names = _chosen("SCENARIOS", [*SCENARIOS, PROCESSES])
    scenarios = {name: one for name, one in SCENARIOS.items() if name in names}
    of_processes = await measure_processes() if PROCESSES in names else {}
    os.sched_setaffinity(0, {_CORES[0]})
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(temporary_database())
        known = [*peers_in_python(database), *peers_in_node()]
        chosen = _chosen("PEERS", [peer.name for peer in known])
        peers = [peer for peer in known if peer.name in {FLOOR, *chosen}]
        measured = await measure(peers, scenarios) if scenarios else {}
    text = Results(measured | of_processes).report(introduction())
    print(text)
    if not (os.environ.get("PEERS") or os.environ.get("SCENARIOS")):
        (HERE / "RESULTS.md").write_text(text)


if __name__ == "__main__":
    uvloop.run(main())
