"""Two releases side by side, as while a new one is rolled out: one bot all the same.

The earlier one is the last commit before the version of the buttons' values or of what is stored
changed; its code is taken from git and runs as a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tarfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import TICKETS, USER, Shown
from bot.slack.ui import wording
from tests.conftest import FERNET, until
from tests.databases import Postgres
from tests.programs import ROOT, environment
from tests.scenarios.answers import JANE, offers, refresh

VERSIONS = {
    "bot/database/claims.py": r"^VERSION: Final = (\d+)$",
    "bot/slack/ui/button_values.py": r'^_VERSION: Final = "(\w+)"',
}
PATIENCE = 120.0


def git(*arguments: str) -> bytes:
    """What git says; "" where it knows no such thing, or isn't there."""
    with suppress(FileNotFoundError):
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S607
        return done.stdout if done.returncode == 0 else b""
    return b""


def versions(texts: dict[str, str]) -> list[str]:
    """Of the buttons and of what is stored, as they stand in the code."""
    found = (re.search(VERSIONS[path], texts[path], re.MULTILINE) for path in VERSIONS)
    return [one[1] if one else "" for one in found]


def commit_before() -> str:
    """The last commit before one of the versions changed, or ""."""
    today = versions({path: (ROOT / path).read_text() for path in VERSIONS})
    same = ""
    for commit in git("log", "--format=%H", "--", *VERSIONS).decode().split():
        texts = {path: git("show", f"{commit}:{path}").decode() for path in VERSIONS}
        if versions(texts) != today:
            break
        same = commit
    return git("rev-parse", "--verify", "--quiet", f"{same}~1").decode().strip() if same else ""


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder with the earlier release."""
    commit = commit_before()
    if not commit:
        pytest.skip("the history of this checkout doesn't go back far enough")
    with tarfile.open(fileobj=BytesIO(git("archive", commit, "bot"))) as archive:
        archive.extractall(tmp_path / "earlier", filter="data")
    return tmp_path / "earlier"


@asynccontextmanager
async def serving(code: Path, env: dict[str, str], folder: Path) -> AsyncIterator[str]:
    """`fsessions serve` of one of the releases; gives its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "serve"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(code), **env},
        cwd=folder,
        stderr=PIPE,
    )
    assert process.stderr
    try:
        async with asyncio.timeout(PATIENCE):
            line = {"event": ""}
            while line["event"] != "listening":
                line = json.loads(await process.stderr.readline())
        yield f"http://127.0.0.1:{line['port']}/slack/events"
    finally:
        process.kill()
        await process.communicate()


async def migrated_by(code: Path, url: str, folder: Path) -> None:
    """The tables as one of the releases makes them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "migrate"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(code), "DATABASE_URL": url},
        cwd=folder,
    )
    assert await process.wait() == 0


async def test_side_by_side(
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    postgres: Postgres,
    earlier: Path,
    tmp_path: Path,
) -> None:
    """Each answers the buttons of the other, and under a ticket stands one offer in the end."""
    slack.ack_seconds = PATIENCE
    url = postgres.new_database()
    env = environment(
        slack, fullstory, DATABASE_URL=url, SUPPORT_CHANNELS=TICKETS, ANSWER_BUDGET_SECONDS="2.5"
    )
    await migrated_by(earlier, url, tmp_path)
    async with serving(earlier, env, tmp_path) as old:
        await migrated_by(ROOT, url, tmp_path)
        async with serving(ROOT, env | {"STATE_KEYS": FERNET}, tmp_path) as new:
            for first, second in ((old, new), (new, old)):
                slack.request_url = first
                exchange = await slack.command(f"/fsessions {JANE} 3")
                if exchange.ack and exchange.ack["text"] == wording.STILL_LOOKING:
                    await exchange.answer(PATIENCE)
                shown = slack.screen[-1]
                before = len(fullstory.received)
                slack.request_url = second
                pressed = await refresh(slack, shown)
                answer = await pressed.answer(PATIENCE)
                assert answer["text"].startswith("Latest 3 sessions of jane")
                assert len(fullstory.received) == before + 1
            ticket = Shown(
                {"text": JANE}, slack.new_ts(), "", channel=TICKETS, author={"user": USER}
            )
            slack.screen.append(ticket)
            (event,) = slack.events_of(ticket)
            for address in (old, new):
                slack.request_url = address
                await slack.event(event)
            await until(lambda: slack.api_calls.count("conversations.replies") >= 3, PATIENCE)
            await until(lambda: len(offers(slack)) == 1, PATIENCE)
