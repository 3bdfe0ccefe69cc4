"""A load test with faults: `python -m benchmarks.soak [MINUTES]`, ten by default.

Fifty lookups a second at the real program, beside the awkward stand-ins and a real PostgreSQL. One
fault after the other is switched on and off: Fullstory is slow, fails, asks to wait or hangs;
Slack's Web API fails; the database restarts. Then each command that was acked has to have exactly
one answer, and the memory has to be flat. A real Prometheus watches; `docs/dashboard.svg` is drawn
from what it saw.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp
import yaml

from benchmarks.dashboard import draw
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.people import Person
from bot.sandbox.postgres import Postgres, postgres_server, programs
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import CHANNEL, TICKETS, USER, Exchange
from bot.slack import texts
from bot.store.engine import open_engine
from bot.store.schema import migrate

ROOT: Final = Path(__file__).parents[1]
RATE: Final = 50  # lookups a second
PEOPLE: Final = 1_000
AGENTS: Final = 300
FAULT_SECONDS: Final = 8.0
HANGING_SECONDS: Final = 12.0  # longer than the bot waits
PAUSE_SECONDS: Final = 7.0
MOST_GROWTH: Final = 1.1
MOST_HEALTH_SECONDS: Final = 0.1

Fault = Callable[[], Coroutine[Any, Any, None]]


class Soak:
    """The stand-ins, the bot, and what happened."""

    def __init__(self, postgres: Postgres) -> None:
        self.slack = SlackSandbox()
        self.fullstory = FullstorySandbox(
            Person(f"c{n}@example.com", "a customer", email=f"c{n}@example.com", sessions=n % 9)
            for n in range(PEOPLE)
        )
        self.postgres = postgres
        self.exchanges: list[Exchange] = []
        self.faults: Counter[str] = Counter()
        self.health: list[float] = []
        self.memory: list[int] = []
        profile = self.slack.users[USER]
        for number in range(AGENTS):
            agent = f"U0SOAK{number}"
            self.slack.users[agent] = profile | {"id": agent}
            self.slack.members[CHANNEL].add(agent)

    # -- Faults -----------------------------------------------------------------------------------

    async def slow(self) -> None:
        """Let Fullstory take two seconds."""
        self.fullstory.seconds = 2.0
        await asyncio.sleep(FAULT_SECONDS)
        self.fullstory.seconds = 0.0

    async def failing(self) -> None:
        """Let Fullstory answer 500."""
        await self._always(Scripted(500))

    async def asking_to_wait(self) -> None:
        """Let Fullstory answer 429."""
        await self._always(Scripted(429, headers={"Retry-After": "2"}))

    async def _always(self, reply: Scripted) -> None:
        self.fullstory.always = reply
        await asyncio.sleep(FAULT_SECONDS)
        self.fullstory.always = None

    async def hanging(self) -> None:
        """Let Fullstory not answer."""
        held = self.fullstory.hold()
        await asyncio.sleep(HANGING_SECONDS)
        self.fullstory.held = None
        held.set()

    async def slack_failing(self) -> None:
        """Let Slack's Web API answer with errors, HTML and plain text."""
        methods = ("users.info", "auth.test", "chat.postMessage", "chat.postEphemeral")
        for method in methods:
            self.slack.api_errors[method] = random.choice(("internal_error", ""))  # noqa: S311
        await asyncio.sleep(FAULT_SECONDS)
        for method in methods:
            del self.slack.api_errors[method]

    async def database_restarting(self) -> None:
        """Stop the database, and start it again."""
        await asyncio.to_thread(self.postgres.stop)
        await asyncio.sleep(FAULT_SECONDS / 2)
        await asyncio.to_thread(self.postgres.start)
        await asyncio.sleep(FAULT_SECONDS / 2)

    async def switch_faults(self) -> None:
        """Switch faults on and off, each as often as any other."""
        faults: list[Fault] = [
            *(self.slow, self.failing, self.asking_to_wait, self.hanging),
            *(self.slack_failing, self.database_restarting),
        ]
        while True:
            random.shuffle(faults)
            for fault in faults:
                await asyncio.sleep(PAUSE_SECONDS)
                self.faults[fault.__name__] += 1
                await fault()

    # -- Load -------------------------------------------------------------------------------------

    async def ask(self, number: int) -> None:
        """Type a command."""
        agent = f"U0SOAK{number % AGENTS}"
        person = f"c{random.randrange(PEOPLE)}@example.com"  # noqa: S311
        self.exchanges.append(await self.slack.command(f"/fsessions {person}", user_id=agent))
        if number % RATE == 0:  # and each second a ticket, below which the bot makes an offer
            await self.slack.write(f"It is broken: {person}", channel=TICKETS)

    async def load(self, seconds: float) -> None:
        """Ask at the rate, whether there are answers or not."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        asking = set()
        for number in range(int(seconds * RATE)):
            await asyncio.sleep(max(0.0, started + number / RATE - loop.time()))
            task = asyncio.create_task(self.ask(number))
            asking.add(task)
            task.add_done_callback(asking.discard)
            self.slack.screen.clear()  # no one reads it here
        await asyncio.gather(*asking)

    async def watch(self, bot: Process, port: int) -> None:
        """Measure how soon `/healthz` answers, and the memory of the bot."""
        status = Path(f"/proc/{bot.pid}/status")
        async with aiohttp.ClientSession() as http:
            while True:
                started = time.perf_counter()
                async with http.get(f"http://127.0.0.1:{port}/healthz") as response:
                    await response.read()
                self.health.append(time.perf_counter() - started)
                lines = (await asyncio.to_thread(status.read_text)).splitlines()
                self.memory.append(int(next(one.split()[1] for one in lines if "VmRSS" in one)))
                await asyncio.sleep(1)

    # -- What came of it --------------------------------------------------------------------------

    def report(self) -> tuple[str, bool]:
        """Return what happened, and whether it is as it should be.

        Everyone got exactly one answer, the memory is flat, and `/healthz` answers in time.
        """
        wrong: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        said: Counter[str] = Counter()
        for exchange in self.exchanges:
            if exchange.ack is None:
                wrong["not acked"] += 1
                continue
            is_late = exchange.ack.get("text") == texts.STILL_LOOKING
            answers = [*([] if is_late else [exchange.ack]), *exchange.later]
            kinds["late" if is_late else "in the ack"] += 1
            if len(answers) != 1:
                wrong[f"{len(answers)} answers"] += 1
                continue
            said[_kind(str(answers[0].get("text")))] += 1
        tenth = max(1, len(self.memory) // 10)
        first, last = (median(self.memory[a:b]) for a, b in ((tenth, 3 * tenth), (-tenth, None)))
        slowest = sorted(self.health)[len(self.health) * 99 // 100]
        lines = [
            f"{len(self.exchanges)} commands: {dict(kinds)}; wrong: {dict(wrong) or 'none'}",
            f"answers: {dict(said.most_common())}",
            f"faults: {dict(self.faults)}",
            f"memory: {first / 1024:.1f} MiB early, {last / 1024:.1f} MiB at the end",
            f"/healthz: p99 {slowest * 1000:.0f} ms, at most {max(self.health) * 1000:.0f} ms",
        ]
        is_well = not wrong and last < MOST_GROWTH * first
        return "\n".join(lines), is_well and max(self.health) < MOST_HEALTH_SECONDS


def _kind(text: str) -> str:
    """Return what an answer says, without the person and the numbers."""
    if "No sessions found" in text:
        return "none"
    return "found" if "session" in text and "@" in text else text.partition(".")[0][:60]


@asynccontextmanager
async def _bot(soak: Soak, url: str, log: Path) -> AsyncIterator[tuple[Process, int, int]]:
    """Yield the running program, its port, and that of its metrics."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SLACK_BOT_TOKEN": soak.slack.bot_token,
        "SLACK_SIGNING_SECRET": soak.slack.signing_secret,
        "SLACK_API_URL": soak.slack.api_url,
        "FULLSTORY_API_KEY": soak.fullstory.key,
        "FULLSTORY_API_URL": soak.fullstory.url,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "METRICS_PORT": "0",
        "SUPPORT_CHANNELS": TICKETS,
        "DATABASE_URL": url,
        "AUDIT_KEY": "soak",
        "NO_PROXY": "*",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", env=environment, cwd=log.parent, stderr=PIPE
    )
    ports: dict[str, int] = {}
    said = process.stderr or asyncio.StreamReader()
    while not {"metrics", "listening"} <= ports.keys():
        line = json.loads(await said.readline())
        if "port" in line:
            ports[line["event"]] = line["port"]

    async def read() -> None:
        with log.open("wb") as file:
            async for line in said:
                file.write(line)

    reading = asyncio.create_task(read())
    try:
        yield process, ports["listening"], ports["metrics"]
    finally:
        process.terminate()
        await process.wait()
        await reading


@asynccontextmanager
async def _prometheus(folder: Path, target: int) -> AsyncIterator[str]:
    """Yield the address of a Prometheus that watches the bot."""
    configuration = {
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": [str(ROOT / "deploy" / "alerts.yml")],
        "scrape_configs": [
            {"job_name": "fsessions", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    file, port = folder / "prometheus.yml", 19_090
    file.write_text(yaml.safe_dump(configuration))
    process = await asyncio.create_subprocess_exec(
        shutil.which("prometheus") or "prometheus",
        *(f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def main(minutes: float) -> int:
    """Run it, print the report, and return 0 if all is well."""
    found = programs()
    if found is None:
        print("PostgreSQL is not installed")
        return 2
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fsessions-")))
        soak = Soak(stack.enter_context(postgres_server(found)))
        url = soak.postgres.new_database()
        async with open_engine(url) as engine:
            await migrate(engine)
        await stack.enter_async_context(soak.fullstory.running())
        await stack.enter_async_context(soak.slack.running())
        bot, port, metrics = await stack.enter_async_context(_bot(soak, url, folder / "log"))
        soak.slack.request_url = f"http://127.0.0.1:{port}/slack/events"
        prometheus = await stack.enter_async_context(_prometheus(folder, metrics))
        began = time.time()
        others = [
            asyncio.create_task(soak.switch_faults()),
            asyncio.create_task(soak.watch(bot, port)),
        ]
        await soak.load(minutes * 60)
        others[0].cancel()
        soak.fullstory.always, soak.fullstory.seconds, soak.fullstory.held = None, 0.0, None
        await asyncio.sleep(30)  # for late answers
        others[1].cancel()
        await asyncio.gather(*others, return_exceptions=True)
        text, is_well = soak.report()
        print(text)
        (ROOT / "docs" / "dashboard.svg").write_text(await draw(prometheus, began, time.time()))
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)))
