"""Several processes are one bot: they die, freeze, start again, and no one is left without a word.

Real processes and a real PostgreSQL; what people see is what the stand-in Slack shows.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from bot.core.outcomes import crash
from bot.features.workflow_step import FIND_SESSIONS_STEP
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.people import Person
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, BOT_USER, TICKETS, USER, Exchange, Shown
from bot.slack import action_ids, sharing, texts
from bot.timeouts import Timeouts
from tests.conftest import migrated, until
from tests.databases import Postgres, postgres_server
from tests.programs import HERE, ROOT, assert_nothing_personal, environment
from tests.scenarios.answers import JANE, offers, public, share_window, submit_share

WAITS: Final = {
    "sessions_kept": 0.0,
    # On a slow machine, too, a question to the database is answered in time, and a process that is
    # only slow is not taken for dead.
    "state": 20.0,
    "job": 20.0,
    "lease": 5.0,
    "lease_renewal": 0.5,
    "first_retry": 0.05,
    "offer_retries": (0.1, 0.2),
    "profile": 20.0,
    "drain": 2.0,
}
PATIENCE: Final = 120.0


class Bot:
    """Processes of one bot, each on a port of its own."""

    def __init__(self, slack: SlackSandbox, fullstory: FullstorySandbox, url: str) -> None:
        self._slack = slack
        self.database = url
        self._environment = environment(
            slack,
            fullstory,
            SUPPORT_CHANNELS=",".join([TICKETS, *MANY]),
            FULLSTORY_TIMEOUT_SECONDS="60",
            WAITS=json.dumps(WAITS),
            ANSWER_BUDGET_SECONDS="0.1",
        )
        self.running: dict[str, Process] = {}
        self.logs: list[str] = []
        self._reading: set[asyncio.Task[None]] = set()

    def use(self, url: str) -> None:
        """Another database, for those that are started from now on."""
        self.database = url

    async def start(self, **other: str) -> str:
        """One more process; gives its address."""
        env = self._environment | {"DATABASE_URL": self.database} | other
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.bot_process"),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **env},
            cwd=HERE,
            stderr=PIPE,
        )
        assert process.stderr
        async with asyncio.timeout(PATIENCE):
            line = {"event": ""}
            while line["event"] != "listening":
                line = json.loads(await process.stderr.readline())
        url = f"http://127.0.0.1:{line['port']}/slack/events"
        self.running[url] = process
        task = asyncio.create_task(self._read(process))
        self._reading.add(task)
        return url

    async def _read(self, process: Process) -> None:
        assert process.stderr
        async for line in process.stderr:
            self.logs.append(line.decode())

    async def kill(self, url: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End one."""
        process = self.running.pop(url)
        process.send_signal(how)
        await process.wait()

    async def command(self, url: str, typed: str = f"/fsessions {JANE} 3") -> Exchange:
        """Type a command, which one process gets."""
        self._slack.request_url = url
        return await self._slack.command(typed)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what all have logged under a name."""
        lines = [json.loads(line) for line in self.logs if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    async def close(self) -> None:
        """End all."""
        for url in list(self.running):
            with suppress(ProcessLookupError):
                self.running[url].send_signal(signal.SIGCONT)
                await self.kill(url)
        await asyncio.gather(*self._reading)
        assert_nothing_personal("".join(self.logs))


MANY: Final = [f"C0TICKETS{number}" for number in range(40)]


@pytest.fixture
async def slack() -> AsyncIterator[SlackSandbox]:
    """Yield a patient Slack, with many support channels."""
    async with SlackSandbox().running() as sandbox:
        sandbox.ack_seconds = PATIENCE
        sandbox.members |= {channel: {USER, AGENT, BOT_USER} for channel in MANY}
        yield sandbox


@pytest.fixture
async def bot(
    slack: SlackSandbox, fullstory: FullstorySandbox, postgres: Postgres
) -> AsyncIterator[Bot]:
    """No process yet; one database for all."""
    url = postgres.new_database()
    await migrated(url)
    processes = Bot(slack, fullstory, url)
    try:
        yield processes
    finally:
        await processes.close()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """Yield a server that a test may stop."""
    with postgres_server() as server:
        yield server


def shown_to_all(exchange: Exchange) -> list[str]:
    """Return what was said in answer to one command: the ack, and what came later."""
    return [one["text"] for one in (exchange.ack, *exchange.later) if one]


def answers_in(exchange: Exchange) -> list[str]:
    """Return the answers among it: sessions, not “still looking”."""
    return [text for text in shown_to_all(exchange) if text.startswith("Latest")]


def different(fullstory: FullstorySandbox, count: int) -> list[str]:
    """Return commands about so many customers: the same ones would share a request."""
    names = [f"customer{number}@example.com" for number in range(count)]
    fullstory.people += tuple(Person(one, "a customer", email=one, sessions=5) for one in names)
    return [f"/fsessions {one} 3" for one in names]


async def test_a_dead_process_has_nothing_pending(bot: Bot, fullstory: FullstorySandbox) -> None:
    """Killed in the middle of a lookup: another one looks, and answers where it was asked."""
    first = await bot.start()
    may_answer = fullstory.hold()
    exchange = await bot.command(first)
    assert shown_to_all(exchange) == [texts.STILL_LOOKING]
    await bot.kill(first)
    await bot.start()
    await until(lambda: len(fullstory.received) == 2, PATIENCE)
    may_answer.set()
    assert (await exchange.answer(PATIENCE))["text"].startswith("Latest 3 sessions of jane")
    assert len(answers_in(exchange)) == 1
    await until(lambda: bool(bot.events("resuming a pending job")), PATIENCE)


@pytest.mark.chaos
async def test_a_dead_process_that_owed_many(
    bot: Bot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """All are answered side by side, and asked of Fullstory again, not more often."""
    slow = {"ANSWER_BUDGET_SECONDS": "2.0"}
    first = await bot.start(**slow)
    may_answer = fullstory.hold()
    slack.request_url = first
    exchanges = await asyncio.gather(*(bot.command(first, one) for one in different(fullstory, 30)))
    assert all(shown_to_all(one) == [texts.STILL_LOOKING] for one in exchanges)
    await bot.kill(first)
    for _ in range(2):
        await bot.start(**slow)
    await until(lambda: len(fullstory.received) == 60, PATIENCE)
    may_answer.set()
    for exchange in exchanges:
        await exchange.answer(PATIENCE)
    assert [len(answers_in(exchange)) for exchange in exchanges] == [1] * 30
    assert len(fullstory.received) == 60


async def test_within_twenty_seconds() -> None:
    """So long it takes at most until another one continues, as long as the database answers."""
    timeouts = Timeouts()
    assert timeouts.lease + timeouts.lease_renewal + 1 < 20


async def test_one_that_was_asleep(bot: Bot, fullstory: FullstorySandbox) -> None:
    """Frozen beyond its lease, and woken: it finds out that its work is another's."""
    sleeper = await bot.start()
    may_answer = fullstory.hold()
    exchange = await bot.command(sleeper)
    bot.running[sleeper].send_signal(signal.SIGSTOP)
    await bot.start()
    await until(lambda: len(fullstory.received) == 2, PATIENCE)
    may_answer.set()
    await exchange.answer(PATIENCE)
    bot.running[sleeper].send_signal(signal.SIGCONT)
    # At its end, it has finished what it had to do.
    await bot.kill(sleeper, signal.SIGTERM)
    assert len(answers_in(exchange)) == 1


async def test_killed_while_sending(
    bot: Bot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """No one can know whether the answer is there: the person is told so, not shown it twice."""
    first = await bot.start()
    fullstory.seconds = 0.5
    slack.response_seconds = 3600.0  # Slack has it, and says nothing
    exchange = await bot.command(first)
    await until(lambda: exchange.uses == 1, PATIENCE)
    await bot.kill(first)
    slack.response_seconds = 0.0
    await bot.start()
    said = await exchange.answer(PATIENCE)
    assert said["text"] == texts.MAYBE_ANSWERED
    assert answers_in(exchange) == []


@pytest.mark.chaos
async def test_a_rolling_deploy(bot: Bot, fullstory: FullstorySandbox) -> None:
    """A process that ends hands over its pending answers: no one notices the restart."""
    first, _ = await bot.start(), await bot.start()
    fullstory.hold()
    exchange = await bot.command(first)
    stopping = asyncio.create_task(bot.kill(first, signal.SIGTERM))
    await asyncio.sleep(0)
    # It would wait for Fullstory for as long as it may; then the other one looks.
    await until(lambda: len(fullstory.received) == 2, PATIENCE)
    assert fullstory.held
    fullstory.held.set()
    await exchange.answer(PATIENCE)
    await stopping
    assert len(shown_to_all(exchange)) == 2
    assert len(answers_in(exchange)) == 1


@pytest.mark.chaos
async def test_any_moment(bot: Bot, fullstory: FullstorySandbox) -> None:
    """A thousand commands, and every second one of three is killed: each command is answered."""
    urls = [await bot.start() for _ in range(3)]
    chance = random.Random(13)  # noqa: S311 - the same each time
    exchanges: list[Exchange] = []
    done = asyncio.Event()

    async def ask(count: int) -> None:
        for _ in range(count):
            fullstory.seconds = chance.choice([0.0, 0.0, 0.2, 0.5])
            exchanges.append(await bot.command(chance.choice(list(bot.running))))

    async def kill() -> None:
        while not done.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await done.wait()
            await bot.kill(chance.choice(list(bot.running)))
            await bot.start()

    assert len(urls) == 3
    killing = asyncio.create_task(kill())
    await asyncio.gather(*(ask(50) for _ in range(20)))
    done.set()
    await killing
    acked = [one for one in exchanges if one.status == 200]
    assert len(exchanges) == 1000
    assert len(acked) > 500
    # A process without its database stores nothing: its pending answers end with it.
    assert bot.events("database unavailable; using in-process state") == []

    def unanswered() -> list[Exchange]:
        # Once in a while, four processes die over the same command: it is apologised for, then.
        instead = (texts.MAYBE_ANSWERED, crash("").what)
        return [
            one
            for one in acked
            if not answers_in(one)
            and not any(text.startswith(instead) for text in shown_to_all(one))
        ]

    await until(lambda: not unanswered(), PATIENCE)
    assert [one for one in acked if len(answers_in(one)) > 1] == []
    # Few are unknown: about one for each process that was killed.
    assert sum(not answers_in(one) for one in acked) < 50
    assert bot.events("resuming a pending job")


@pytest.mark.chaos
async def test_the_database_restarts(
    bot: Bot, fullstory: FullstorySandbox, own_postgres: Postgres
) -> None:
    """For some seconds each process uses its own memory; everyone gets exactly one answer."""
    bot.use(own_postgres.new_database())
    await migrated(bot.database)
    urls = [await bot.start(), await bot.start()]
    fullstory.seconds = 0.3
    exchanges: list[Exchange] = []
    done = asyncio.Event()

    async def ask(number: int) -> None:
        while not done.is_set():
            exchanges.append(await bot.command(urls[number % 2]))

    asking = [asyncio.create_task(ask(number)) for number in range(6)]
    await until(lambda: len(exchanges) > 30, PATIENCE)
    own_postgres.stop()
    try:
        before = len(exchanges)
        await until(lambda: len(exchanges) > before + 60, PATIENCE)
    finally:
        own_postgres.start()
    before = len(exchanges)
    await until(lambda: len(exchanges) > before + 60, PATIENCE)
    done.set()
    await asyncio.gather(*asking)
    await until(lambda: all(answers_in(one) for one in exchanges), PATIENCE)
    await until(lambda: len(bot.events("database available again")) == 2, PATIENCE)
    for url in urls:
        await bot.kill(url, signal.SIGTERM)
    assert {one.status for one in exchanges} == {200}
    assert {len(answers_in(one)) for one in exchanges} == {1}


@pytest.mark.chaos
@pytest.mark.skipif(not shutil.which("pgbouncer"), reason="PgBouncer is not installed")
async def test_behind_pgbouncer(bot: Bot, fullstory: FullstorySandbox, postgres: Postgres) -> None:
    """In transaction mode, where nothing can be kept on a connection."""
    async with pgbouncer(postgres) as url:
        bot.use(url)
        await migrated(bot.database)
        first = await bot.start()
        assert len(answers_in(await bot.command(first))) <= 1
        may_answer = fullstory.hold()
        asked = len(fullstory.received)
        exchanges = [await bot.command(first, one) for one in different(fullstory, 5)]
        await bot.kill(first)
        second = await bot.start()
        await until(lambda: len(fullstory.received) == asked + 10, PATIENCE)
        may_answer.set()
        for exchange in exchanges:
            await exchange.answer(PATIENCE)
        await bot.kill(second, signal.SIGTERM)
        assert [len(answers_in(one)) for one in exchanges] == [1] * 5
        assert bot.events("database unavailable; using in-process state") == []


@asynccontextmanager
async def pgbouncer(server: Postgres) -> AsyncIterator[str]:
    """Yield a PgBouncer with two connections in front of an empty database."""
    database = server.new_database()
    name = database.split("/")[3].split("?")[0]
    sockets = database.split("host=")[1]
    shared = Path(tempfile.mkdtemp(prefix="fsessions-"))
    (shared / "pgbouncer.ini").write_text(
        f"""[databases]
{name} = host={sockets} user=postgres
[pgbouncer]
unix_socket_dir = {shared}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""
    )
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        for path in (shared, shared / "pgbouncer.ini"):
            shutil.chown(path, "postgres", "postgres")
    process = await asyncio.create_subprocess_exec(
        *("pgbouncer", "-q", str(shared / "pgbouncer.ini")), cwd=shared, stderr=DEVNULL, **user
    )
    try:
        await until(lambda: is_listening(shared / ".s.PGSQL.6432"), PATIENCE)
        yield f"postgresql://postgres@/{name}?host={shared}&port=6432"
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(shared)


def is_listening(path: Path) -> bool:
    """Connect to a server's socket: its file is there a moment before the server listens."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.mark.chaos
async def test_many_tickets(bot: Bot, slack: SlackSandbox) -> None:
    """Each one told to all three processes at once: one offer for each."""
    urls = [await bot.start() for _ in range(3)]
    tickets = [
        Shown(
            {"text": f"broken for {JANE}"},
            slack.new_ts(),
            "",
            channel=channel,
            author={"user": USER},
        )
        for channel in MANY
        for _ in range(5)
    ]
    slack.screen += tickets

    async def tell(ticket: Shown) -> None:
        (event,) = slack.events_of(ticket)
        attempts = []
        for url in urls:
            slack.request_url = url
            attempts.append(asyncio.create_task(slack.event(event)))
            await asyncio.sleep(0)
        await asyncio.gather(*attempts)

    slack.request_url = urls[0]
    for first in range(0, len(tickets), 20):
        await asyncio.gather(*(tell(one) for one in tickets[first : first + 20]))
    await until(lambda: len(offers(slack)) >= 200, PATIENCE)
    for url in urls:
        await bot.kill(url, signal.SIGTERM)  # whatever else it had to do is done now
    assert len(offers(slack)) == 200
    assert len({one.thread_ts for one in offers(slack)}) == 200


async def test_a_run_is_repeated_to_another(
    bot: Bot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Slack missed the ack: the run ends once, and its sessions are shown once."""
    first, second = await bot.start(), await bot.start()
    fullstory.seconds = 0.5
    run = await slack.run_step(FIND_SESSIONS_STEP, told=False, person=JANE, show_to=USER)
    for url in (first, second, first):
        slack.request_url = url
        await slack.event(run.event)
    assert (await run.end(PATIENCE))[0] == "success"
    for url in (first, second):
        await bot.kill(url, signal.SIGTERM)
    assert len(run.ends) == 1
    assert run.refused == []
    assert sum("Latest" in one.message["text"] for one in slack.screen) == 1


async def test_a_run_is_resumed(bot: Bot, slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Its process dies: another one brings it to its end."""
    first = await bot.start()
    may_answer = fullstory.hold()
    run = await slack.run_step(FIND_SESSIONS_STEP, told=False, person=JANE, show_to=USER)
    slack.request_url = first
    await slack.event(run.event)
    await bot.kill(first)
    await bot.start()
    await until(lambda: len(fullstory.received) == 2, PATIENCE)
    may_answer.set()
    assert (await run.end(PATIENCE))[0] == "success"
    assert sum("Latest" in one.message["text"] for one in slack.screen) == 1


async def test_an_offer_is_resumed(bot: Bot, slack: SlackSandbox) -> None:
    """Its process dies after the ack: another one makes the offer."""
    first = await bot.start()
    may_post = slack.api_held["chat.postMessage"] = asyncio.Event()
    slack.request_url = first
    await slack.write(f"broken for {JANE}")
    await until(lambda: "chat.postMessage" in slack.api_calls, PATIENCE)
    await bot.kill(first)
    del slack.api_held["chat.postMessage"]
    may_post.set()
    await bot.start()
    await until(lambda: bool(bot.events("resuming a pending job")), PATIENCE)
    await until(lambda: len(offers(slack)) >= 1, PATIENCE)


async def window_to_share(bot: Bot, slack: SlackSandbox) -> tuple[str, str, Exchange]:
    """Return an answer whose window for sharing is open; the process, the window, and the press."""
    slack.request_url = url = await bot.start(ANSWER_BUDGET_SECONDS="2.5")
    exchange = await slack.command(f"/fsessions {JANE} 3")
    if exchange.ack and exchange.ack["text"] == texts.STILL_LOOKING:
        await exchange.answer(PATIENCE)
    view_id = await share_window(slack, slack.screen[-1])
    return url, view_id, next(one for one in reversed(slack.exchanges()) if one.pressed)


async def test_a_share_is_resumed(
    bot: Bot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Its process dies before the post: another one shares, once."""
    opened_by, view_id, pressed = await window_to_share(bot, slack)
    await bot.kill(opened_by)
    first = slack.request_url = await bot.start()
    may_answer = fullstory.hold()
    asked = len(fullstory.received)
    await submit_share(slack, view_id)
    await until(lambda: len(fullstory.received) > asked, PATIENCE)
    await bot.kill(first)
    second = await bot.start()
    await until(lambda: len(fullstory.received) > asked + 1, PATIENCE)
    may_answer.set()
    await until(lambda: bool(public(slack)), PATIENCE)
    await bot.kill(second, signal.SIGTERM)
    assert len(public(slack)) == 1
    assert pressed.later


async def test_maybe_shared(bot: Bot, slack: SlackSandbox) -> None:
    """Its process dies while it posts: never twice; the person is told to look."""
    first, view_id, pressed = await window_to_share(bot, slack)
    slack.response_seconds = 3600.0  # Slack has it, and says nothing
    await submit_share(slack, view_id)
    await until(lambda: pressed.uses > 0, PATIENCE)
    await bot.kill(first)
    slack.response_seconds = 0.0
    second = await bot.start()
    assert (await pressed.answer(PATIENCE))["text"] == sharing.MAYBE_SHARED
    await bot.kill(second, signal.SIGTERM)
    assert public(slack) == []


# -- What happened? -------------------------------------------------------------------------------


async def answer_with_insight(slack: SlackSandbox, url: str, user: str = USER) -> tuple[str, Shown]:
    """Return a process, and an answer with the button *What happened?*."""
    slack.request_url = url
    await slack.command(f"/fsessions {JANE} 3", user_id=user)
    await until(lambda: action_ids.INSIGHT in str(slack.screen[-1].message), PATIENCE)
    return url, slack.screen[-1]


async def test_two_processes_pay_once(
    bot: Bot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Two people press at the same time, and their presses arrive at different processes."""
    answers = []
    for user in (USER, AGENT):
        url = await bot.start(INSIGHTS="true")
        answers.append((*await answer_with_insight(slack, url, user), user))
    may_answer = fullstory.hold_contexts()
    for url, shown, user in answers:
        slack.request_url = url
        await slack.press(action_ids.INSIGHT, shown, user=user)
    await until(lambda: len(slack.views) == 2 and bool(fullstory.paid), PATIENCE)
    may_answer.set()
    await until(lambda: str(slack.views).count("2 errors") == 2, PATIENCE)
    assert len(fullstory.paid) == 1


async def test_a_press_is_not_paid_twice(
    bot: Bot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Its process is killed while Fullstory answers: the person is told, and may press again."""
    settings = {"INSIGHTS": "true", "FULLSTORY_TIMEOUT_SECONDS": "5"}
    url, shown = await answer_with_insight(slack, await bot.start(**settings))
    may_answer = fullstory.hold_contexts()
    await slack.press(action_ids.INSIGHT, shown)
    await until(lambda: bool(fullstory.paid), PATIENCE)
    await bot.kill(url)
    may_answer.set()
    slack.request_url = await bot.start(**settings)
    await until(lambda: "I was restarted" in str(slack.screen[-1].message), PATIENCE)
    assert len(fullstory.paid) == 1
    await slack.press(f"{action_ids.INSIGHT}:again")
    await until(lambda: "2 errors" in str(slack.views), PATIENCE)
    assert len(fullstory.paid) == 2
