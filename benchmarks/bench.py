"""How fast the bot is, beside what people would use instead: `make bench`.

Each peer runs as a process of its own on one core, the outside on another; rounds are interleaved,
so that a noisy machine is noisy for all. Everything is given as a ratio to the floor F
(`benchmarks/peers/floor.py`) of the same round, and as medians. `PEERS` and `SCENARIOS` choose
some, with commas; `ROUNDS` says how often. Linux only: CPU and memory are those of /proc. What was
measured is written into `benchmarks/RESULTS.md`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import uvloop

from benchmarks import processes
from benchmarks.idle import free_port
from benchmarks.outside import EVERYTHING_ON, Outside, Over
from benchmarks.proc import cpu_seconds, memory
from benchmarks.report import BOT, FLOOR, PROCESSES, Figures, Measured, picture, report
from bot.sandbox.postgres import programs
from bot.sandbox.settings import temporary_database

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "RESULTS.md"
PICTURE: Final = HERE.parent / "docs" / "speed.svg"
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
    warm_up: int = 6_000
    """Lookups before those that count, at most: a peer may need fewer."""

    fresh: bool = True
    """Whether a scenario that changes what others measure has a process of its own."""


SMOKE: Final = Size(1, 64, 0.1, 20, 5, 0.1, 64, warm_up=1, fresh=False)


# -- Peers ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """Something that answers the command. `settings` are what it is told besides.

    After `warm_up` lookups it is as fast as it will be.
    """

    name: str
    command: tuple[str, ...]
    settings: dict[str, str]
    warm_up: int = 500


_WARM_UP_OF_NODE: Final = 6_000  # its code is compiled by then; before, it is 1.7 times as slow


def _listed(variable: str) -> list[str]:
    """Return the names that an environment variable lists with commas; none of them means all."""
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _refuse_unknown(wanted: list[str], known: list[str]) -> None:
    if unknown := set(wanted) - set(known):
        sys.exit(f"Not known: {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")


def peers(database: str) -> dict[str, Peer]:
    """All that are wanted, and can run here. The bot writes into the database of this URL."""
    wanted = _listed("PEERS")
    python = sys.executable
    found = [
        Peer(FLOOR, (python, str(HERE / "peers" / "floor.py")), {}),
        Peer(BOT, (python, "-m", "bot", "serve"), EVERYTHING_ON | {"DATABASE_URL": database}),
        Peer("bot-off", (python, "-m", "bot", "serve"), {"LOG_LEVEL": "ERROR"}),
        Peer("Bolt Python async", (python, str(HERE / "peers" / "bolt_async.py")), {}),
    ]
    command = (shutil.which("node") or "", str(HERE / "peers" / "bolt.mjs"))
    in_node = [
        Peer("Bolt JS", command, {}, _WARM_UP_OF_NODE),
        Peer("Bolt JS with a pool", command, {"POOL": "1"}, _WARM_UP_OF_NODE),
    ]
    _refuse_unknown(wanted, [peer.name for peer in (*found, *in_node)])
    if not wanted or any(peer.name in wanted for peer in in_node):
        if command[0] and _install_node_peers():
            found += in_node
        else:
            print("Without Node and npm, the peers in JavaScript are left out.")
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

    def __init__(
        self, peer: Peer, process: subprocess.Popen[bytes], port: int, outside: Outside
    ) -> None:
        self.peer = peer
        self.process = process
        self.port = port
        self.outside = outside
        self.started = 0.0
        self.is_warm = False


def _started(command: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {_CORES[-1]}),
    )


@asynccontextmanager
async def running(peer: Peer, outside: Outside, over: Over = "HTTP") -> AsyncIterator[Running]:
    """Start a peer on a core of its own, and ends it. `over` is its way to the outside."""
    outside.forget_connections()
    outside.fullstory_seconds = 0.0
    outside.over = over
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parent)}
    environment |= outside.environment(PORT=str(port), **peer.settings)
    started = time.perf_counter()
    process = _started(peer.command, environment)
    one = Running(peer, process, port, outside)
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
    await _warm_up(one, size)
    one.outside.fullstory_seconds = seconds
    cpu, own, started = cpu_seconds(one.process.pid), time.process_time(), time.perf_counter()
    await one.outside.ask_many(one.port, size.commands)
    took = time.perf_counter() - started
    return {
        "lookups a second": size.commands / took,
        "CPU ms a lookup": 1000 * (cpu_seconds(one.process.pid) - cpu) / size.commands,
        "outside, of a core": (time.process_time() - own) / took,
        "MiB at peak": memory(one.process.pid, "VmHWM"),
    }


async def _warm_up(one: Running, size: Size) -> None:
    if not one.is_warm:
        one.outside.fullstory_seconds = 0.0
        await one.outside.ask_many(one.port, min(size.warm_up, one.peer.warm_up))
        one.is_warm = True


async def steady(one: Running, size: Size, seconds: float) -> Figures:
    """Fifty a second: how long people wait beyond Fullstory's own time."""
    await _warm_up(one, size)
    one.outside.fullstory_seconds = seconds
    loop = asyncio.get_running_loop()
    begin, tasks = loop.time(), []
    for number in range(int(50 * size.steady_seconds)):
        await asyncio.sleep(begin + number / 50 - loop.time())
        tasks.append(asyncio.create_task(one.outside.ask(one.port)))
    answered = sorted(1000 * (end - seconds) for _, end in await asyncio.gather(*tasks))
    return {"p50 ms": median(answered), "p99 ms": quantiles(answered, n=100)[98]}


async def burst(one: Running, size: Size) -> Figures:
    """Return a thousand people with new connections, at the same moment."""
    await _warm_up(one, size)
    one.outside.fullstory_seconds = 0.0
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
    await _warm_up(one, size)
    one.outside.fullstory_seconds = size.hanging_seconds
    done = await asyncio.gather(*(one.outside.ask(one.port) for _ in range(size.hanging)))
    return {"longest, s": max(end for _, end in done)}


async def start(one: Running, size: Size) -> Figures:
    """From nothing to the first answer; then nothing happens."""
    await asyncio.sleep(1 if size.fresh else 0)
    return {"first answer, s": one.started, "idle MiB": memory(one.process.pid)}


async def soak(one: Running, size: Size) -> Figures:
    """Return a hundred thousand lookups."""
    await one.outside.ask_many(one.port, size.soak // 10)
    before = memory(one.process.pid)
    await one.outside.ask_many(one.port, size.soak - size.soak // 10)
    return {"MiB more": memory(one.process.pid) - before}


@dataclass(frozen=True)
class Scenario:
    """What is measured, and over which way.

    `fresh` is one that needs a process that has done nothing yet. The soak is of the bot alone, and
    done once.
    """

    measure: Callable[[Running, Size], Awaitable[Figures]]
    over: Over = "HTTP"
    fresh: bool = False
    is_soak: bool = False


SCENARIOS: Final[dict[str, Scenario]] = {
    "start": Scenario(start, fresh=True),
    "saturation": Scenario(saturation),
    "saturation at 100 ms": Scenario(lambda one, size: saturation(one, size, 0.1)),
    "saturation over TLS": Scenario(saturation, "TLS"),
    "saturation over Socket Mode": Scenario(saturation, "Socket Mode"),
    "50 a second": Scenario(lambda one, size: steady(one, size, 0.0)),
    "50 a second at 100 ms": Scenario(lambda one, size: steady(one, size, 0.1)),
    "burst": Scenario(burst),
    "hanging": Scenario(hanging),
    "soak": Scenario(soak, fresh=True, is_soak=True),
}


async def measure(size: Size, say: Callable[[str], None] = print) -> Measured:
    """Run everything that was asked for, but for several processes."""
    measured: Measured = defaultdict(lambda: defaultdict(list))
    chosen = {name: scenario for name, scenario in SCENARIOS.items() if _is_wanted(name)}
    async with temporary_database() as database, Outside().running() as outside:
        known = peers(database)
        for number in range(size.rounds):
            for batch in _batches(chosen, fresh=size.fresh, is_first=number == 0):
                for peer in known.values():
                    mine = {
                        name: scenario
                        for name, scenario in batch.items()
                        if peer.name == BOT or not scenario.is_soak
                    }
                    if not mine:
                        continue
                    over = next(iter(mine.values())).over
                    async with running(peer, outside, over) as one:
                        for name, scenario in mine.items():
                            figures = await scenario.measure(one, size)
                            measured[name][peer.name].append(figures)
            say(f"round {number + 1} of {size.rounds}")
    return measured


def _is_wanted(scenario: str) -> bool:
    wanted = _listed("SCENARIOS")
    return not wanted or scenario in wanted


def _batches(
    scenarios: dict[str, Scenario], *, fresh: bool, is_first: bool
) -> list[dict[str, Scenario]]:
    """Those that share a process."""
    batches: defaultdict[str, dict[str, Scenario]] = defaultdict(dict)
    for name, scenario in scenarios.items():
        if is_first or not scenario.is_soak:
            batches[name if fresh and scenario.fresh else scenario.over][name] = scenario
    return list(batches.values())


def pin_outside() -> None:
    """Return this process a core that no peer has."""
    if len(_CORES) > 1:
        os.sched_setaffinity(0, {_CORES[0]})


async def _of_processes(rounds: int) -> Measured:
    """Return the bot as one and as two processes, on all cores, with PostgreSQL and the outside."""
    postgres = programs()
    if postgres is None:
        print("Without PostgreSQL, several processes are left out.")
        return {}
    measured = await processes.measure(postgres, (1, 2), rounds)
    return {f"{PROCESSES}: {count}": {BOT: of} for count, of in measured.items()}


def versions() -> dict[str, str]:
    """Of what was measured."""
    found = {name: version(name) for name in ("aiohttp", "slack-bolt", "uvloop")}
    modules = HERE / "peers" / "node_modules"
    for name in ("@slack/bolt", "undici"):
        if (file := modules / name / "package.json").exists():
            found[name] = str(json.loads(file.read_text())["version"])
    node, postgres = shutil.which("node"), programs()
    for name, program in (("Node", node), ("PostgreSQL", postgres and postgres / "postgres")):
        if program:
            command = [program, "--version"]
            said = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name] = re.findall(r"[\d.]+", said.stdout)[0]
    return found


async def main() -> None:
    """Measure, prints and writes."""
    rounds = int(os.environ.get("ROUNDS", "3"))
    _refuse_unknown(_listed("SCENARIOS"), [*SCENARIOS, PROCESSES])
    of_processes = await _of_processes(rounds) if _is_wanted(PROCESSES) else {}
    pin_outside()
    measured = await measure(Size(rounds=rounds)) | of_processes
    text = report(measured, rounds, versions())
    print(text)
    if not (os.environ.get("PEERS") or os.environ.get("SCENARIOS")):
        RESULTS.write_text(text)
        PICTURE.write_text(picture(measured))


if __name__ == "__main__":
    uvloop.run(main())
