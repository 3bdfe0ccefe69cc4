"""What tests share: the stand-ins, and the real bot between them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

from bot import counters, logs
from bot.connections import open_connections
from bot.core.sessions import Query, SessionList
from bot.fullstory.client import FullstoryClient
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.settings import settings_for
from bot.sandbox.slack import SlackSandbox
from bot.service import Service, SlackParts, running
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.store.engine import open_engine
from bot.store.memory import InMemory
from bot.store.schema import migrate
from bot.store.stores import audit_of
from bot.timeouts import Timeouts
from tests.databases import Postgres, is_installed, postgres_server, readable_in
from tests.programs import assert_nothing_personal

# The same for every test that tries many examples: no clock decides, and in CI no chance.
settings.register_profile(
    "fsessions",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("fsessions")

# Whoever started the tests may have told them to ignore these (`nohup`, a shell's `&`), and the
# programs that the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

QUICK = Timeouts(
    first_retry=0.02,
    sessions_kept=0.0,
    reconnect=0.02,
    profile_for_run=5.0,
    offer_retries=(0.1, 0.2),
    audit_end=30.0,
    state=10.0,
    job=10.0,
)
"""Second attempts come soon, and a slow machine may take its time at the end; else as in life."""

FERNET = b"cGxhbnRlZCBwbGFudGVkIHBsYW50ZWQgcGxhbnRlZDE="
"""A key for what is pending."""

both_transports = pytest.mark.parametrize("transport", ["http", "socket"])
"""For what depends on the transport: all else is the same after dispatch."""

Logged = Callable[[], list[dict[str, Any]]]
StartBot = Callable[..., AbstractAsyncContextManager[Service]]


class BrokenFullstory(FullstoryClient):
    """A client with a bug that no one has foreseen."""

    def __init__(self) -> None:
        pass

    async def sessions(self, query: Query) -> SessionList:
        """Fail, and quotes what was asked for."""
        raise RuntimeError(query.person)


async def until(condition: Callable[[], bool], seconds: float = 8.0) -> None:
    """Wait for something that the other side does."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine is set to: tests talk to this machine alone."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("no_proxy", raising=False)


@pytest.fixture(autouse=True)
def counted() -> None:
    """Count what happens in this test alone."""
    counters.counts.clear()


@pytest.fixture(autouse=True)
def logged() -> Logged:
    """Return the log lines of this test."""
    stream = StringIO()
    logs.configure("INFO", stream)

    def lines() -> list[dict[str, Any]]:
        logs.flush()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    return lines


@pytest.fixture(autouse=True)
def nothing_personal_is_logged(logged: Logged) -> Iterator[None]:
    """Whatever a test does: no address, uid, key, token or response_url is in its log."""
    yield
    assert_nothing_personal(json.dumps(logged(), ensure_ascii=False))


@pytest.fixture
async def fullstory() -> AsyncIterator[FullstorySandbox]:
    """Yield a running stand-in for Fullstory."""
    async with FullstorySandbox().running() as sandbox:
        yield sandbox


@pytest.fixture
async def slack() -> AsyncIterator[SlackSandbox]:
    """Yield a running stand-in for Slack."""
    async with SlackSandbox().running() as sandbox:
        sandbox.ack_seconds = 30.0
        yield sandbox


@pytest.fixture
async def app(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[App]:
    """Yield the app around a client with a bug."""
    async with open_connections() as connections:
        settings, background = settings_for(slack, fullstory), BackgroundTasks(QUICK)
        yield SlackParts(
            settings,
            connections,
            BrokenFullstory(),
            background,
            QUICK,
            audit_of(settings, None),
            InMemory(),
        ).app


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Yield a PostgreSQL for all tests of this process."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def everybodys_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Where bots write that a test gives no database: by transport, so that both kinds are used.

    Afterwards, it must contain nothing personal.
    """
    urls = {"http": f"sqlite:///{tmp_path_factory.mktemp('audit')}/audit.db"}
    urls["socket"] = urls["http"]
    if is_installed():
        server: Postgres = request.getfixturevalue("postgres")
        urls["socket"] = server.new_database()
    for url in set(urls.values()):
        asyncio.run(migrated(url))
    yield urls
    for url in urls.values():
        assert_nothing_personal(readable_in(url))


async def migrated(url: str) -> None:
    """Make our tables."""
    async with open_engine(url) as engine:
        await migrate(engine)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without tables: each of the two kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/audit.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the URLs of databases with our tables, for copies; migrating each takes longer."""
    return {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('template')}/audit.db"}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, templates: dict[str, str], tmp_path: Path) -> str:
    """Return the URL of a database with our tables: one of each kind."""
    kind = str(request.param)
    if kind == "sqlite":
        file = Path(templates[kind].removeprefix("sqlite:///"))
        if not file.exists():
            asyncio.run(migrated(templates[kind]))
        return f"sqlite:///{shutil.copy(file, tmp_path / 'audit.db')}"
    server: Postgres = request.getfixturevalue("postgres")
    if kind not in templates:
        templates[kind] = server.new_database()
        asyncio.run(migrated(templates[kind]))
    return server.new_database(urlsplit(templates[kind]).path.removeprefix("/"))


@pytest.fixture
def transport() -> str:
    """Return how Slack reaches the bot; `both_transports` runs a test over each."""
    return "http"


@pytest.fixture
def start_bot(
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    transport: str,
    everybodys_database: dict[str, str],
) -> StartBot:
    """Start the bot over the transport; keyword arguments are settings."""

    @asynccontextmanager
    async def start(
        timeouts: Timeouts = QUICK,
        **settings: Any,  # noqa: ANN401
    ) -> AsyncIterator[Service]:
        # As long as can be, where a test says nothing: a slow machine is no reason to be late.
        settings.setdefault("answer_budget_seconds", 2.5)
        settings.setdefault("lookups_per_minute", 1_000_000)
        database = {
            "database_url": everybodys_database[transport],
            "audit_key": "everybody's",
        }
        if uses_it := "database_url" not in settings:
            settings = database | settings
        if transport == "socket":
            settings["slack_app_token"] = slack.app_token
        async with running(settings_for(slack, fullstory, **settings), timeouts) as service:
            if transport == "socket":
                await until(lambda: service.state() == "ready")
            else:
                slack.request_url = f"http://127.0.0.1:{service.port}/slack/events"
            yield service
            await slack.told()
        assert not (uses_it and service.events_dropped)

    return start


@pytest.fixture
async def bot(start_bot: StartBot) -> AsyncIterator[Service]:
    """Yield the running bot, over the transport."""
    async with start_bot() as service:
        yield service
