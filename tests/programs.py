"""Starting `fsessions` as people do: a process of its own, in surroundings that a test chooses."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from bot.cli.check import run as run_check
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.settings.loading import load

ROOT = Path(__file__).parents[1]
HERE = (
    Path(__file__).parent / "scenarios"
)  # without the .env that an administrator may have in the root


def environment(slack: SlackSandbox, fullstory: FullstorySandbox, **other: str) -> dict[str, str]:
    """Return what an administrator sets, leading to the stand-ins."""
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_URL": slack.api_url,
        "FULLSTORY_API_KEY": fullstory.key,
        "FULLSTORY_API_URL": fullstory.url,
        "LOOKUPS_PER_MINUTE": "100000",
        "HOST": "127.0.0.1",
        "PORT": "0",
    } | other


_PERSONAL = re.compile(
    r"[\w.+-]+@[\w-]+\.\w+|(?:xox[bp]|xapp|xwfp)-[0-9a-z]|/response/|hooks\.slack\.com|jane|omar|user-42"
    r"|c2FuZGJveA|planted|cGxhbnRlZC",
    re.IGNORECASE,
)
"""What stands for people and secrets in all tests: who is looked up, tokens, keys, addresses."""


def assert_nothing_personal(log: str) -> None:
    """Fail where a log holds what it must not."""
    assert _PERSONAL.findall(log) == []


async def start(*arguments: str, env: dict[str, str] | None = None, cwd: Path = HERE) -> Process:
    """Start `fsessions`, with nothing of this process's environment but the way to Python."""
    inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        env=inherited | (env or {}),
        cwd=cwd,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )


async def run(
    *arguments: str,
    env: dict[str, str] | None = None,
    typed: str = "",
    cwd: Path = HERE,
) -> tuple[int | None, str, str]:
    """Run `fsessions` to its end; return exit code, standard output and standard error."""
    process = await start(*arguments, env=env, cwd=cwd)
    async with asyncio.timeout(30):
        out, err = await process.communicate(typed.encode())
    if arguments[0] in ("serve", "check", "migrate"):
        assert_nothing_personal(err.decode())
    return process.returncode, out.decode(), err.decode()


async def check(env: dict[str, str]) -> tuple[int, str, str]:
    """Run `fsessions check` in this process, which is faster; return what `run` does."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        is_well = await run_check(load(env, Path("none"), for_slack=True))
    assert_nothing_personal(err.getvalue())
    return 0 if is_well else 1, out.getvalue(), err.getvalue()


@asynccontextmanager
async def serving(slack: SlackSandbox, env: dict[str, str]) -> AsyncIterator[tuple[Process, int]]:
    """`fsessions serve`, ready; with its port."""
    process = await start("serve", env=env)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(15):
            listening = json.loads(await process.stderr.readline())
            while listening["event"] != "listening":
                listening = json.loads(await process.stderr.readline())
        port = int(listening["port"])
        if "SLACK_APP_TOKEN" in env:
            await slack.connected()
        else:
            slack.request_url = f"http://127.0.0.1:{port}/slack/events"
        yield process, port
    finally:
        if process.returncode is None:
            process.kill()
        _, log = await process.communicate()
        assert_nothing_personal(log.decode())
