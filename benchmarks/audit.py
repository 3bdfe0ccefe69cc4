"""How long `fsessions audit` takes, and how much memory, with 100,000 events and with a thousand.

Fills a SQLite file, or the empty database of DATABASE_URL if that is set, and runs the command as
people do, five times each. Prints medians, the start of Python included. Linux only: the memory is
the largest that the process had, from wait4. `python -m benchmarks.audit`.
"""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from statistics import median

from bot.core.audit import AuditEvent, PersonHashes
from bot.core.sessions import Query
from bot.store.audit import AuditEvents
from bot.store.engine import open_engine
from bot.store.schema import migrate
from bot.timeouts import Timeouts

EVENTS = (1_000, 100_000)
RUNS = 5
PEOPLE = 500
KEY = "benchmark"
QUESTIONS = {
    "one person": ("--person", "person7@example.com"),
    "everything, as CSV": ("--format", "csv"),
}


async def fill(url: str, first: int, end: int) -> None:
    """Events of the last hundred days, spread over people and colleagues."""
    hashes, now = PersonHashes([KEY]), datetime.now(UTC)
    known = [hashes.of(Query(f"person{n}@example.com", None, 1))[0] for n in range(PEOPLE)]
    async with open_engine(url) as engine:
        await migrate(engine)
        events = AuditEvents(engine, Timeouts(audit_end=600))
        writing = asyncio.create_task(events.run())
        for number in range(first, end):
            events.add(
                AuditEvent(
                    id=uuid.uuid4().hex,
                    time=now - timedelta(days=100) * (number / max(EVENTS)),
                    workspace="T0BENCHMARK",
                    user=f"U{number % 40:04}",
                    entry_point="command",
                    channel="C0BENCHMARK",
                    workflow="",
                    result="found",
                    reason="",
                    kind="email",
                    email_hash=known[number % PEOPLE],
                    uid_hash="",
                    count=20,
                    milliseconds=120,
                    reference=f"{number:08x}",
                )
            )
            while events.waiting == 5_000:
                await asyncio.sleep(0.01)
        await events.finish(writing)
        assert events.dropped == 0  # noqa: S101


def measure(url: str, question: tuple[str, ...]) -> tuple[float, float, int]:
    """One run: seconds, MiB at most, lines."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "AUDIT_KEY": KEY}
    command = [sys.executable, "-m", "bot", "audit", *question]
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101
        lines = sum(1 for _ in process.stdout)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0  # noqa: S101
    return time.perf_counter() - started, usage.ru_maxrss / 1024, lines


def main() -> None:
    """Measure and prints."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}")
    with tempfile.TemporaryDirectory() as folder:
        url = os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/audit.db"
        filled = 0
        for count in EVENTS:
            asyncio.run(fill(url, filled, count))
            filled = count
            for name, question in QUESTIONS.items():
                runs = [measure(url, question) for _ in range(RUNS)]
                seconds, memory = (median(run[n] for run in runs) for n in (0, 1))
                lines = runs[0][2]
                print(
                    f"{count:>7,} events, {name:<18} {lines:>7,} lines"
                    f"  {seconds:5.2f} s  {memory:4.0f} MiB"
                )


if __name__ == "__main__":
    main()
