"""How fast the bot is, beside what people would use instead: `make bench`.

Each peer runs as a process of its own on one core, the outside on another; rounds are interleaved,
so that a noisy machine is noisy for all. Everything is given as a ratio to the floor F
(`benchmarks/peers/floor.py`) of the same round, and as medians. `PEERS` and `SCENARIOS` choose
some, with commas; `ROUNDS` says how many. Linux only: CPU and memory are those of /proc. What was
measured is written into `benchmarks/RESULTS.md`.
"""

from __future__ import annotations

import asyncio
import math
import os
import platform
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from benchmarks.idle import free_port
from benchmarks.outside import STATE_KEY, Outside
from benchmarks.proc import cpu_seconds, memory
from bot.database.engine import open_engine
from bot.database.schema import migrate

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "RESULTS.md"
PICTURE: Final = HERE.parent / "docs" / "speed.svg"
BOT: Final = "bot"
FLOOR: Final = "floor"
_LABELS: Final = {FLOOR: "the floor", BOT: "this bot", "bot-off": "its extras off"}
AT_ONCE: Final = 64
ACK_SECONDS: Final = 3.0
_CORES: Final = sorted(os.sched_getaffinity(0))

Figures = dict[str, float]


@dataclass(frozen=True)
class Size:
    """How much of everything: for people, or for a test that only shows that it works."""

    rounds: int = 3
    commands: int = 3_000
    steady_seconds: float = 8.0
    burst: int = 1_000
    hanging: int = 400
    soak: int = 100_000
    warm_up: int = 256
    fresh: bool = True
    """Whether each scenario has a process of its own."""


SMOKE: Final = Size(1, 64, 0.1, 20, 5, 64, warm_up=1, fresh=False)


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


def _started(command: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {_CORES[-1]}),
    )


@asynccontextmanager
async def running(peer: Peer, outside: Outside) -> AsyncIterator[Running]:
    """Starts a peer on a core of its own, and ends it."""
    outside.forget_connections()
    outside.fullstory_seconds = 0.0
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parent)}
    environment |= outside.environment(PORT=str(port), **peer.settings)
    started = time.perf_counter()
    process = _started(peer.command, environment)
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


async def saturation(one: Running, size: Size, seconds: float) -> Figures:
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
    one.outside.fullstory_seconds = 1.0
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


Scenario = Callable[[Running, Size], Awaitable[Figures]]
SCENARIOS: Final[dict[str, Scenario]] = {
    "start": start,
    "saturation": lambda one, size: saturation(one, size, 0.0),
    "saturation at 100 ms": lambda one, size: saturation(one, size, 0.1),
    "50 a second": lambda one, size: steady(one, size, 0.0),
    "50 a second at 100 ms": lambda one, size: steady(one, size, 0.1),
    "burst": burst,
    "hanging": hanging,
}
ONCE: Final[dict[str, Scenario]] = {"soak": soak}  # of the bot alone, in one round

Measured = dict[str, dict[str, list[Figures]]]
"""The figures of each round, by scenario and peer."""


async def measure(size: Size, say: Callable[[str], None] = print) -> Measured:
    """Runs everything that was asked for."""
    wanted = [name.strip() for name in os.environ.get("SCENARIOS", "").split(",") if name.strip()]
    measured: Measured = defaultdict(lambda: defaultdict(list))
    with TemporaryDirectory(prefix="fsessions-") as folder:
        async with open_engine(f"sqlite:///{folder}/audit.db") as engine:
            await migrate(engine)
        known = peers(Path(folder))
        async with Outside().running() as outside:
            for number in range(size.rounds):
                chosen = {
                    name: SCENARIOS[name] for name in SCENARIOS if not wanted or name in wanted
                }
                batches = [{name: chosen[name]} for name in chosen] if size.fresh else [chosen]
                for batch in batches:
                    for peer in known.values():
                        async with running(peer, outside) as one:
                            for name in batch:
                                figures = await SCENARIOS[name](one, size)
                                measured[name][peer.name].append(figures)
                say(f"round {number + 1} of {size.rounds}")
            for name, scenario in ONCE.items():
                if (not wanted or name in wanted) and BOT in known:
                    async with running(known[BOT], outside) as one:
                        measured[name][BOT].append(await scenario(one, size))
    return measured


# -- What is written ------------------------------------------------------------------------------


def ratio(
    measured: Measured, scenario: str, figure: str, peer: str = BOT, to: str = FLOOR
) -> float:
    """The median of the ratios of each round; not a number where one of the two is missing."""
    by_peer = measured[scenario]
    rounds = zip(by_peer.get(peer, ()), by_peer.get(to, ()), strict=False)
    ratios = [one[figure] / other[figure] for one, other in rounds if other[figure]]
    return median(ratios) if ratios else float("nan")


def middle(measured: Measured, scenario: str, figure: str, peer: str = BOT) -> float:
    """The median of all rounds."""
    values = [one[figure] for one in measured[scenario].get(peer, ())]
    return median(values) if values else float("nan")


def targets(measured: Measured) -> list[tuple[str, str, float, bool]]:
    """What we want: its name, how much, how much it is, and whether that is enough."""
    cpu = ratio(measured, "saturation", "CPU ms a lookup")
    throughput = ratio(measured, "saturation", "lookups a second")
    to_js = ratio(measured, "saturation", "lookups a second", to="Bolt JS")
    p50 = middle(measured, "50 a second", "p50 ms")
    beyond = p50 - middle(measured, "50 a second", "p50 ms", FLOOR)
    p99 = middle(measured, "50 a second", "p99 ms")
    lost = middle(measured, "burst", "lost")
    late = middle(measured, "burst", "acks after 3 s")
    hung = middle(measured, "hanging", "longest, s")
    first = middle(measured, "start", "first answer, s")
    floor = middle(measured, "start", "first answer, s", FLOOR)
    waking = first - 1.5 * floor
    idle, grown = middle(measured, "start", "idle MiB"), middle(measured, "soak", "MiB more")
    return [
        ("CPU of a lookup, to F", "≤ 1.25", cpu, cpu <= 1.25),
        ("throughput, to F", "≥ 0.9", throughput, throughput >= 0.9),
        ("throughput, to Bolt JS", "≥ 1.6", to_js, to_js >= 1.6),
        ("50 a second: p50 beyond F's, ms", "≤ 0.5", beyond, beyond <= 0.5),
        ("50 a second: p99, ms", "≤ 6", p99, p99 <= 6),
        ("burst of 1,000: lost", "0", lost, lost == 0),
        ("burst of 1,000: acks after 3 s", "0", late, late == 0),
        ("Fullstory hangs 1 s, 400 at once: longest, s", "≤ 1.8", hung, hung <= 1.8),
        ("first answer beyond 1.5 F's, s", "≤ 0.15", waking, waking <= 0.15),
        ("idle memory, MiB", "≤ 55", idle, idle <= 55),
        ("growth over the soak, MiB", "≤ 5", grown, grown <= 5),
    ]


def report(measured: Measured, size: Size) -> str:
    """The results as Markdown."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "slack-bolt", "uvloop"))
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    lines = [
        "# What was measured",
        "",
        f"By `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine}, ",
        f"Python {platform.python_version()}, {versions}.",
        f"{size.rounds} interleaved rounds; medians, and the range in brackets.",
        "The peer has one core, the outside another. F is [the floor](peers/floor.py).",
        "",
        "| target | wanted | measured | |",
        "|---|---|---|---|",
    ]
    for name, wanted, value, reached in targets(measured):
        mark = "reached" if reached else "not measured" if math.isnan(value) else "**not reached**"
        lines.append(f"| {name} | {wanted} | {value:.2f} | {mark} |")
    for scenario, by_peer in measured.items():
        figures = list(next(iter(by_peer.values()))[0])
        lines += ["", f"## {scenario}", "", f"| | {' | '.join(figures)} |"]
        lines.append("|---" * (len(figures) + 1) + "|")
        for peer, rounds in by_peer.items():
            cells = []
            for figure in figures:
                values = [one[figure] for one in rounds]
                of_floor = ratio(measured, scenario, figure, peer)
                beside = "" if math.isnan(of_floor) else f", {of_floor:.2f} F"
                cells.append(
                    f"{median(values):.2f}{beside} ({min(values):.2f} to {max(values):.2f})"
                )
            lines.append(f"| {peer} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def picture(measured: Measured) -> str:
    """The processor's time of a lookup, peer by peer, as an SVG that reads in light and in dark."""
    by_peer = {
        name: middle(measured, "saturation", "CPU ms a lookup", name)
        for name in measured["saturation"]
    }
    widest, row = max(by_peer.values()), 34
    bars = []
    for number, (name, value) in enumerate(sorted(by_peer.items(), key=lambda one: one[1])):
        top, width = 40 + number * row, 360 * value / widest
        colour = "#4a154b" if name == BOT else "#8a8f98"
        label = _LABELS.get(name, name)
        bars.append(
            f'<text x="168" y="{top + 16}" text-anchor="end">{label}</text>'
            f'<rect x="180" y="{top}" width="{width:.0f}" height="22" rx="3" fill="{colour}"/>'
            f'<text x="{188 + width:.0f}" y="{top + 16}">{value:.2f} ms</text>'
        )
    height = 50 + len(by_peer) * row
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" role="img"',
            ' font-family="sans-serif" font-size="14">',
            "<title>CPU time of a lookup, by what answers it</title>",
            f'<rect width="640" height="{height}" rx="8" fill="#fff"/>',
            '<text x="20" y="26" font-weight="bold">CPU time of a lookup</text>',
            *bars,
            "</svg>",
            "",
        ]
    )


async def main() -> None:
    """Measures, prints and writes."""
    if len(_CORES) > 1:
        os.sched_setaffinity(0, {_CORES[0]})
    size = Size(rounds=int(os.environ.get("ROUNDS", "3")))
    measured = await measure(size)
    text = report(measured, size)
    print(text)
    if not (os.environ.get("PEERS") or os.environ.get("SCENARIOS")):
        RESULTS.write_text(text)
        PICTURE.write_text(picture(measured))


if __name__ == "__main__":
    uvloop.run(main())
