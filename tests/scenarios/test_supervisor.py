"""`WEB_CONCURRENCY`: several processes on one port, kept running by the one that started them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import Exchange
from bot.slack.ui import wording
from tests.conftest import FERNET, migrated, until
from tests.databases import Postgres
from tests.programs import assert_nothing_personal, environment, run, start
from tests.scenarios.answers import JANE

PATIENCE = 120.0


class Program:
    """`fsessions serve` with several processes; `lines` is its log."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.text = ""
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self.text += line.decode()
            with suppress(ValueError):
                self.lines.append(json.loads(line))

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        return [line for line in self.lines if line["event"] == event]

    def pids(self) -> list[int]:
        """Of all processes that it has started, the last ones last."""
        return [line["pid"] for line in self.logged("process started")]


Serving = Callable[..., Any]


@pytest.fixture
def serving(slack: SlackSandbox, fullstory: FullstorySandbox, postgres: Postgres) -> Serving:
    """Starts the program; it is ready when as many processes listen as there should be."""

    @asynccontextmanager
    async def starting(count: int, **other: str) -> AsyncIterator[Program]:
        slack.ack_seconds = PATIENCE
        url = postgres.new_database()
        await migrated(url)
        env = environment(
            slack, fullstory, DATABASE_URL=url, STATE_KEYS=FERNET, WEB_CONCURRENCY=str(count)
        )
        program = Program(await start("serve", env=env | other))
        try:
            await until(lambda: len(program.logged("listening")) == count, PATIENCE)
            port = program.logged("listening")[0]["port"]
            slack.request_url = f"http://127.0.0.1:{port}/slack/events"
            yield program
        finally:
            if program.process.returncode is None:
                program.process.kill()
            await program.process.wait()
            await program.reading
            assert_nothing_personal(program.text)

    return starting


def lives(pid: int) -> bool:
    """Whether there is such a process, not counting one that has ended and is not buried yet."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # a system without /proc
        return True


@pytest.mark.parametrize("url", ["", "sqlite:///audit.db"])
async def test_without_a_database_for_several(
    slack: SlackSandbox, fullstory: FullstorySandbox, url: str
) -> None:
    """It doesn't start, and says which setting is missing."""
    env = environment(slack, fullstory, WEB_CONCURRENCY="2", DATABASE_URL=url)
    code, _, err = await run("serve", env=env)
    assert code == 2
    assert "WEB_CONCURRENCY above 1 needs a DATABASE_URL of PostgreSQL" in err


async def test_one_that_dies(serving: Serving, slack: SlackSandbox) -> None:
    """Another one takes its place; meanwhile the others serve."""
    async with serving(2) as program:
        first = program.pids()[0]
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(program.logged("listening")) == 3, PATIENCE)
        (line,) = program.logged("process died: it is started again")
        assert (line["process"], line["exit_code"]) == (0, 128 + signal.SIGKILL)
        assert not lives(first)
        assert (await slack.command(f"/fsessions {JANE}")).status == 200
        program.process.terminate()
        assert await program.process.wait() == 0
        assert not any(map(lives, program.pids()))


async def test_the_first_one_dies(serving: Serving) -> None:
    """The others notice, and end: nobody would look after them."""
    async with serving(2) as program:
        program.process.kill()
        await until(lambda: not any(map(lives, program.pids())), PATIENCE)
        await program.reading
        assert len(program.logged("stopped")) == 2


async def test_rolling_restarts(serving: Serving, slack: SlackSandbox) -> None:
    """Ten under load: each command is answered, and nobody hears of it."""
    exchanges: list[Exchange] = []
    done = asyncio.Event()

    async def ask() -> None:
        while not done.is_set():
            exchanges.append(await slack.command(f"/fsessions {JANE} 3"))

    async with serving(3) as program:
        asking = [asyncio.create_task(ask()) for _ in range(5)]
        for number in range(10):
            os.kill(program.pids()[number], signal.SIGTERM)
            await until(lambda: len(program.logged("listening")) == 4 + number, PATIENCE)  # noqa: B023
        done.set()
        await asyncio.gather(*asking)
        assert {exchange.status for exchange in exchanges} == {200}
        for exchange in exchanges:
            assert exchange.ack
            said = exchange.ack["text"]
            if said == wording.STILL_LOOKING:
                said = (await exchange.answer(PATIENCE))["text"]
            assert said.startswith("Latest 3 sessions")
        assert len(program.logged("process ended: it is started again")) == 10


async def test_what_no_restart_mends(
    slack: SlackSandbox, fullstory: FullstorySandbox, postgres: Postgres
) -> None:
    """A token that Slack refuses: it ends, and says why."""
    url = postgres.new_database()
    await migrated(url)
    env = environment(slack, fullstory, DATABASE_URL=url, WEB_CONCURRENCY="2")
    code, _, err = await run("serve", env=env | {"SLACK_BOT_TOKEN": "xoxb-revoked"})
    assert code == 1
    assert "SLACK_BOT_TOKEN: Slack says invalid_auth" in err


async def test_metrics_of_each(serving: Serving, slack: SlackSandbox) -> None:
    """On a port of its own; together they have counted every lookup."""
    async with serving(2, METRICS_PORT="0") as program:
        for _ in range(10):
            await slack.command(f"/fsessions {JANE}")
        ports = [line["port"] for line in program.logged("metrics")]
        counted = 0.0
        async with aiohttp.ClientSession() as http:
            for port in ports:
                async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
                    for line in (await response.text()).splitlines():
                        if line.startswith('fsessions_lookups_total{outcome="found"}'):
                            counted += float(line.split()[1])
        assert len(set(ports)) == 2
        assert counted == 10


async def test_socket_mode(serving: Serving, slack: SlackSandbox) -> None:
    """Each process has a connection of its own."""
    async with serving(2, SLACK_APP_TOKEN=slack.app_token) as program:
        await until(lambda: len(slack.sockets) == 2, PATIENCE)
        slack.request_url = ""
        assert (await slack.command(f"/fsessions {JANE}")).status == 200
        program.process.terminate()
        assert await program.process.wait() == 0
