"""How fast the bot is, beside what people would use instead: `make bench`.

Each peer runs as a process of its own on one core, the outside on another; rounds are interleaved,
so that a noisy machine is noisy for all. Everything is given as a ratio to the floor F
(`benchmarks/peers/floor.py`) of the same round, and as medians. `PEERS` and `SCENARIOS` choose
some, with commas; `ROUNDS` says how often. Linux only: CPU and memory are those of /proc. What was
measured is written into `benchmarks/RESULTS.md`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from benchmarks.idle import free_port
from benchmarks.outside import STATE_KEY, Outside, Over
from benchmarks.proc import cpu_seconds, memory
from benchmarks.report import (
    BOT,
    FLOOR,
    ONE_PROCESS,
    TWO_PROCESSES,
    Figures,
    Measured,
    picture,
    report,
)
from bot.database.engine import open_engine
from bot.database.schema import migrate
from bot.sandbox.postgres import postgres_server, programs

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "RESULTS.md"
PICTURE: Final = HERE.parent / "docs" / "speed.svg"
AT_ONCE: Final = 64
ACK_SECONDS: Final = 3.0
_CORES: Final = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Size:
    """How much of everything: for people, or for a test that only shows that it works."""

    rounds: int = 3
    commands: int = 2_000
    steady_seconds: float = 6.0
    burst: int = 1_000
    hanging: int = 400
    hanging_seconds: float = 1.0
    soak: int = 100_000
    warm_up: int = 256
    fresh: bool = True
    """Whether each scenario has a process of its own."""


SMOKE: Final = Size(1, 64, 0.1, 20, 5, 0.1, 64, warm_up=1, fresh=False)


# -- Peers ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """Something that answers the command. `settings` are what it is told besides."""

    name: str
    command: tuple[str, ...]
    settings: dict[str, str]


def peers(folder: Path) -> dict[str, Peer]:
    """All that can run here."""
    python = sys.executable
    everything_on = {
        "DATABASE_URL": f"sqlite:///{folder}/audit.db",
        "AUDIT_KEY": "benchmark",
        "STATE_KEYS": STATE_KEY,
        "METRICS_PORT": "0",
        "LOG_LEVEL": "INFO",
        "ALLOWED_USERS": "U0ASKER",
    }
    found = [
        Peer(FLOOR, (python, str(HERE / "peers" / "floor.py")), {}),
        Peer(BOT, (python, "-m", "bot", "serve"), everything_on),
        Peer("bot-off", (python, "-m", "bot", "serve"), {"LOG_LEVEL": "ERROR"}),
        Peer("Bolt Python async", (python, str(HERE / "peers" / "bolt_async.py")), {}),
    ]
    node = shutil.which("node")
    if node and _install_node_peers():
        script = str(HERE / "peers" / "bolt.mjs")
        found.append(Peer("Bolt JS", (node, script), {}))
        found.append(Peer("Bolt JS, undici pool", (node, script), {"POOL": "1"}))
    else:
        print("Without Node and npm, the peers in JavaScript are left out.")
    wanted = [name.strip() for name in os.environ.get("PEERS", "").split(",") if name.strip()]
    return {one.name: one for one in found if not wanted or one.name in {FLOOR, *wanted}}


def _install_node_peers() -> bool:
    npm = shutil.which("npm")
    if not npm:
        return False
    if not (HERE / "peers" / "node_modules").exists():
        arguments = ("install", "--silent", "--no-audit", "--no-fund", "--no-package-lock")
        done = subprocess.run([npm, *arguments], cwd=HERE / "peers", check=False)
        return done.returncode == 0
    return True


class Running:
    """A peer that runs; `started` is how long it took until it answered its first command."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, outside: Outside) -> None:
        self.process = process
        self.port = port
        self.outside = outside
        self.started = 0.0


@dataclass(frozen=True)
class World:
    """In what a peer runs: the way between it and the outside, and how many processes it is.

    With 0 `processes` it is one, that has a core of its own. Else they share a PostgreSQL, and all
    cores with it and with the outside.
    """

    over: Over = "HTTP"
    processes: int = 0


def _started(
    command: tuple[str, ...], environment: dict[str, str], cores: set[int]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


@asynccontextmanager
async def running(
    peer: Peer,
    outside: Outside,
    world: World = World(),
    database: str = "",
) -> AsyncIterator[Running]:
    """Starts a peer, and ends it. `database` is the URL of what several processes share."""
    outside.forget_connections()
    outside.fullstory_seconds = 0.0
    outside.over = world.over
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parent)}
    environment |= outside.environment(PORT=str(port), **peer.settings)
    cores = {_CORES[-1]}
    if world.processes:
        environment |= {"WEB_CONCURRENCY": str(world.processes), "DATABASE_URL": database}
        cores = set(_CORES)
    started = time.perf_counter()
    process = _started(peer.command, environment, cores)
    one = Running(process, port, outside)
    try:
        while not one.started:
            with suppress(OSError, RuntimeError):
                await outside.ask(port)
                one.started = time.perf_counter() - started
            if time.perf_counter() - started > 30:
                raise RuntimeError(f"{peer.name} doesn't start")
            await asyncio.sleep(0.005)
        yield one
    finally:
        outside.forget_connections()
        process.terminate()
        await asyncio.to_thread(process.wait)


# -- Scenarios ------------------------------------------------------------------------------------


async def saturation(one: Running, size: Size, seconds: float = 0.0) -> Figures:
    """As many as it can, 64 at a time."""
    one.outside.fullstory_seconds = 0.0
    await _ask_all(one, size.warm_up)
    one.outside.fullstory_seconds = seconds
    cpu, own, started = cpu_seconds(one.process.pid), time.process_time(), time.perf_counter()
    await _ask_all(one, size.commands)
    took = time.perf_counter() - started
    return {
        "lookups a second": size.commands / took,
        "CPU ms a lookup": 1000 * (cpu_seconds(one.process.pid) - cpu) / size.commands,
        "outside, of a core": (time.process_time() - own) / took,
        "MiB at peak": memory(one.process.pid, "VmHWM"),
    }


async def of_several(one: Running, size: Size) -> Figures:
    """As many as the processes can, 64 at a time; each has begun to serve before."""
    await asyncio.sleep(1 if size.fresh else 0)
    figures = await saturation(one, size)
    return {name: figures[name] for name in ("lookups a second", "outside, of a core")}


async def _ask_all(one: Running, count: int) -> None:
    left = iter(range(count))

    async def ask() -> None:
        for _ in left:
            await one.outside.ask(one.port)

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))


async def steady(one: Running, size: Size, seconds: float) -> Figures:
    """Fifty a second: how long people wait beyond Fullstory's own time."""
    await _ask_all(one, size.warm_up)
    one.outside.fullstory_seconds = seconds
    loop = asyncio.get_running_loop()
    begin, tasks = loop.time(), []
    for number in range(int(50 * size.steady_seconds)):
        await asyncio.sleep(begin + number / 50 - loop.time())
        tasks.append(asyncio.create_task(one.outside.ask(one.port)))
    answered = sorted(1000 * (end - seconds) for _, end in await asyncio.gather(*tasks))
    return {"p50 ms": median(answered), "p99 ms": quantiles(answered, n=100)[98]}


async def burst(one: Running, size: Size) -> Figures:
    """A thousand people with new connections, at the same moment."""
    one.outside.keeps = False
    asked = (one.outside.ask(one.port) for _ in range(size.burst))
    done = await asyncio.gather(*asked, return_exceptions=True)
    one.outside.keeps = True
    answers = [result for result in done if not isinstance(result, BaseException)]
    return {
        "lost": float(len(done) - len(answers)),
        "acks after 3 s": float(sum(acked > ACK_SECONDS for acked, _ in answers)),
        "longest, s": max(end for _, end in answers),
    }


async def hanging(one: Running, size: Size) -> Figures:
    """Fullstory takes a second, with 400 in flight: nothing should wait for anything else."""
    await _ask_all(one, size.warm_up)
    one.outside.fullstory_seconds = size.hanging_seconds
    done = await asyncio.gather(*(one.outside.ask(one.port) for _ in range(size.hanging)))
    return {"longest, s": max(end for _, end in done)}


async def start(one: Running, size: Size) -> Figures:
    """From nothing to the first answer; then nothing happens."""
    await asyncio.sleep(1 if size.fresh else 0)
    return {"first answer, s": one.started, "idle MiB": memory(one.process.pid)}


async def soak(one: Running, size: Size) -> Figures:
    """A hundred thousand lookups."""
    await _ask_all(one, size.soak // 10)
    before = memory(one.process.pid)
    await _ask_all(one, size.soak - size.soak // 10)
    return {"MiB more": memory(one.process.pid) - before}


@dataclass(frozen=True)
class Scenario:
    """What is measured, and in what world; of the bot alone, or of all peers."""

    measure: Callable[[Running, Size], Awaitable[Figures]]
    world: World = World()
    of_bot_alone: bool = False
    once: bool = False


SCENARIOS: Final[dict[str, Scenario]] = {
    "start": Scenario(start),
    "saturation": Scenario(saturation),
    "saturation at 100 ms": Scenario(lambda one, size: saturation(one, size, 0.1)),
    "saturation over TLS": Scenario(saturation, World("TLS")),
    "saturation over Socket Mode": Scenario(saturation, World("Socket Mode")),
    "50 a second": Scenario(lambda one, size: steady(one, size, 0.0)),
    "50 a second at 100 ms": Scenario(lambda one, size: steady(one, size, 0.1)),
    "burst": Scenario(burst),
    "hanging": Scenario(hanging),
    ONE_PROCESS: Scenario(of_several, World(processes=1), of_bot_alone=True),
    TWO_PROCESSES: Scenario(of_several, World(processes=2), of_bot_alone=True),
    "soak": Scenario(soak, of_bot_alone=True, once=True),
}


async def measure(size: Size, say: Callable[[str], None] = print) -> Measured:
    """Runs everything that was asked for."""
    measured: Measured = defaultdict(lambda: defaultdict(list))
    with TemporaryDirectory(prefix="fsessions-") as folder, ExitStack() as stack:
        await make_tables(f"sqlite:///{folder}/audit.db")
        known, chosen = peers(Path(folder)), _chosen()
        database = ""
        if any(scenario.world.processes for scenario in chosen.values()):
            server = stack.enter_context(postgres_server(programs() or Path()))
            await make_tables(database := server.new_database())
        async with Outside().running() as outside:
            for number in range(size.rounds):
                for batch in _batches(chosen, fresh=size.fresh, is_first=number == 0):
                    for peer in known.values():
                        mine = {
                            name: scenario
                            for name, scenario in batch.items()
                            if peer.name == BOT or not scenario.of_bot_alone
                        }
                        if not mine:
                            continue
                        world = next(iter(mine.values())).world
                        async with running(peer, outside, world, database) as one:
                            for name, scenario in mine.items():
                                figures = await scenario.measure(one, size)
                                measured[name][peer.name].append(figures)
                say(f"round {number + 1} of {size.rounds}")
    return measured


def _chosen() -> dict[str, Scenario]:
    """The scenarios that are wanted, and that this machine can have."""
    wanted = [name.strip() for name in os.environ.get("SCENARIOS", "").split(",") if name.strip()]
    chosen = {name: SCENARIOS[name] for name in SCENARIOS if not wanted or name in wanted}
    if programs():
        return chosen
    print("Without PostgreSQL, several processes are left out.")
    return {name: scenario for name, scenario in chosen.items() if not scenario.world.processes}


async def make_tables(url: str) -> None:
    """Makes the tables of a new database."""
    async with open_engine(url) as engine:
        await migrate(engine)


def _batches(
    scenarios: dict[str, Scenario], *, fresh: bool, is_first: bool
) -> list[dict[str, Scenario]]:
    """Those that share a process: each has one of its own, or all of the same world have."""
    batches: defaultdict[object, dict[str, Scenario]] = defaultdict(dict)
    for name, scenario in scenarios.items():
        if is_first or not scenario.once:
            batches[name if fresh else scenario.world][name] = scenario
    return list(batches.values())


def pin_outside() -> None:
    """Gives this process a core that no peer has."""
    if len(_CORES) > 1:
        os.sched_setaffinity(0, {_CORES[0]})


async def main() -> None:
    """Measures, prints and writes."""
    pin_outside()
    size = Size(rounds=int(os.environ.get("ROUNDS", "3")))
    measured = await measure(size)
    text = report(measured, size.rounds)
    print(text)
    if not (os.environ.get("PEERS") or os.environ.get("SCENARIOS")):
        RESULTS.write_text(text)
        PICTURE.write_text(picture(measured))


if __name__ == "__main__":
    uvloop.run(main())
