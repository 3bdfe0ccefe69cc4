"""The process outlives what surrounds it: logs that go nowhere, closed streams, odd signals."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from tests.programs import HERE, ROOT, environment, run, serving

SERVE = (sys.executable, "-m", "bot", "serve")


async def answers(slack: SlackSandbox) -> bool:
    """Tell whether a command gets its link."""
    exchange = await slack.command("/fsessions omar@example.com")
    return exchange.ack is not None and "1 session of" in exchange.ack["text"]


async def alive(port: int) -> bool:
    """Tell whether the process says so."""
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{port}/healthz") as response,
        ):
            return response.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def serving_with(
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    port: int,
    *command: str,
    stderr: int,
    **env: str,
) -> AsyncIterator[Process]:
    """`fsessions serve` on a known port, where its log can't tell it."""
    inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    settings = environment(slack, fullstory, PORT=str(port))
    process = await asyncio.create_subprocess_exec(
        *(command or SERVE),
        env=inherited | settings | env,
        cwd=HERE,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=stderr,
    )
    slack.request_url = f"http://127.0.0.1:{port}/slack/events"
    try:
        async with asyncio.timeout(20):
            while not await alive(port):
                assert process.returncode is None
                await asyncio.sleep(0.02)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def stop(process: Process) -> int:
    """SIGTERM, and the exit code."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        return await process.wait()


async def test_a_reader_of_the_log_that_ends(
    slack: SlackSandbox, fullstory: FullstorySandbox, unused_tcp_port: int
) -> None:
    """As a log collector that restarts: lines are lost, and nothing else is."""
    reading, writing = os.pipe()
    async with serving_with(slack, fullstory, unused_tcp_port, stderr=writing) as process:
        os.close(writing)
        os.close(reading)
        for _ in range(3):
            assert await answers(slack)
        assert await stop(process) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
async def test_a_full_disk(
    slack: SlackSandbox, fullstory: FullstorySandbox, unused_tcp_port: int
) -> None:
    """From the first line on."""
    full = os.open("/dev/full", os.O_WRONLY)
    async with serving_with(slack, fullstory, unused_tcp_port, stderr=full) as process:
        assert await answers(slack)
        assert await stop(process) == 0
    os.close(full)


async def test_a_pipe_that_no_one_reads(
    slack: SlackSandbox, fullstory: FullstorySandbox, unused_tcp_port: int
) -> None:
    """It is full after some hundred lines; people are answered, and SIGTERM is heeded."""
    reading, writing = os.pipe()
    os.set_blocking(writing, True)
    fill = os.dup(writing)
    os.set_blocking(fill, False)
    try:
        while True:
            os.write(fill, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(fill, True)  # the same pipe: the process will block on it
    async with serving_with(slack, fullstory, unused_tcp_port, stderr=writing) as process:
        for _ in range(3):
            assert await answers(slack)
        assert await stop(process) == 0
    for descriptor in (reading, writing, fill):
        os.close(descriptor)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_closed_streams(
    slack: SlackSandbox, fullstory: FullstorySandbox, unused_tcp_port: int, closed: str
) -> None:
    """It starts, answers, and ends as it should."""
    shell = ("sh", "-c", f"exec {sys.executable} -m bot serve {closed}")
    async with serving_with(slack, fullstory, unused_tcp_port, *shell, stderr=DEVNULL) as process:
        assert await answers(slack)
        assert await stop(process) == 0


async def test_the_terminal_is_gone(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """SIGHUP ends it as SIGTERM does: who waits gets the answer first."""
    fullstory.script.append(Scripted(200, b"[]", seconds=0.5))
    settings = environment(slack, fullstory, ANSWER_BUDGET_SECONDS="0.1")
    async with serving(slack, settings) as (process, _):
        exchange = await slack.command("/fsessions jane@example.com")
        process.send_signal(signal.SIGHUP)
        assert (await exchange.answer())["text"].startswith("No sessions found for jane")
        async with asyncio.timeout(20):
            assert await process.wait() == 0


@pytest.mark.parametrize("zone", ["CET-1CEST,M3.5.0,M10.5.0/3", ":/etc/passwd", "Nowhere/At/All"])
async def test_odd_time_zones(
    slack: SlackSandbox, fullstory: FullstorySandbox, unused_tcp_port: int, zone: str
) -> None:
    """The machine's own zone has no say in what people type."""
    async with serving_with(slack, fullstory, unused_tcp_port, stderr=DEVNULL, TZ=zone):
        exchange = await slack.command('/fsessions jane@example.com 3 at:"1 hour ago"')
        assert exchange.ack
        assert "3 sessions of jane" in exchange.ack["text"]


@pytest.mark.parametrize(
    ("setting", "value"), [("HOST", "nonsense.invalid"), ("HOST", "256.1.1.1"), ("PORT", "")]
)
async def test_an_address_that_is_not_ours(
    slack: SlackSandbox, fullstory: FullstorySandbox, bot_port: int, setting: str, value: str
) -> None:
    """The sentence names the setting to change."""
    env = environment(slack, fullstory) | {setting: value or str(bot_port)}
    code, _, err = await run("serve", env=env)
    assert code == 1
    assert f"Set {setting}." in err.splitlines()[-1]


@pytest.fixture
async def bot_port() -> AsyncIterator[int]:
    """Yield a port that is taken."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def test_ctrl_c_while_it_is_loading(tmp_path: Path) -> None:
    """Quiet: no traceback. A module that it loads presses Ctrl-C."""
    (tmp_path / "click.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    ended = subprocess.run(SERVE, env=env, capture_output=True, check=False, timeout=30)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")


async def test_a_file_of_settings_that_is_none(tmp_path: Path) -> None:
    """Told at once, whatever its size."""
    (tmp_path / ".env").write_bytes(b"x" * 5_000_000)
    code, _, err = await run("serve", cwd=tmp_path)
    assert code == 2
    assert "too large" in err


async def test_errors_of_slack_that_name_a_person(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Slack's word is a code; a sentence goes into no log."""
    slack.api_errors["users.info"] = "no user jane@example.com"
    async with serving(slack, environment(slack, fullstory)) as (process, _):
        await slack.command("/fsessions <@U0AGENT>")
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
    assert b"users.info" in err
    assert b"jane" not in err
