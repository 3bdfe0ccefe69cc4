"""The database is stopped, slow or locked while people wait: no one is left without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.slack import sharing
from bot.store.engine import open_engine
from bot.store.shared import open_shared
from bot.store.tables import JOBS, SHARED_VALUES
from tests.conftest import FERNET, QUICK, StartBot, migrated, until
from tests.databases import Postgres, postgres_server
from tests.scenarios.answers import JANE, asked, final, public, share_window, submit_share

AUDIT_KEY = "a key that only the tests have"


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """Yield a server that these tests may stop."""
    with postgres_server() as server:
        yield server


@pytest.fixture
async def own_database(own_postgres: Postgres) -> AsyncIterator[str]:
    """Yield a database on it; the server runs afterwards."""
    url = own_postgres.new_database()
    await migrated(url)
    yield url
    own_postgres.stop()
    own_postgres.start()


async def test_a_share_that_could_not_be_stored(
    start_bot: StartBot,
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    own_postgres: Postgres,
    own_database: str,
) -> None:
    """The person is told within seconds, and it is not posted later, when the database is back."""
    timeouts = replace(QUICK, certainty=0.1, state=2.0, job=2.0, lease_renewal=0.1)
    store = {"database_url": own_database}
    async with start_bot(timeouts, **store):
        view_id = await share_window(slack, await asked(slack))
    async with start_bot(timeouts, **store):
        looked_up = fullstory.hold()  # another process has to ask again
        before = len(fullstory.received)
        await submit_share(slack, view_id)
        await until(lambda: len(fullstory.received) > before)
        own_postgres.stop()
        looked_up.set()
        told = sharing.NOT_STORED
        await until(lambda: told in str([one.message for one in slack.screen]), 30)
        own_postgres.start()
        await final(await slack.command(f"/fsessions {JANE} 3"))
    assert public(slack) == []


@pytest.mark.chaos
async def test_a_lookup_that_outlives_its_lease(
    start_bot: StartBot,
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    own_postgres: Postgres,
    own_database: str,
) -> None:
    """Is answered, though it is unknown whether it is still ours."""
    timeouts = replace(QUICK, certainty=0.1, state=2.0, job=2.0, lease=0.5, lease_renewal=60)
    store = {"database_url": own_database, "answer_budget_seconds": 0.1}
    async with start_bot(timeouts, **store):
        looked_up = fullstory.hold()
        exchange = await slack.command(f"/fsessions {JANE} 3")
        own_postgres.stop()
        await asyncio.sleep(timeouts.lease)
        looked_up.set()
        assert (await exchange.answer(30))["text"].startswith("Latest 3 sessions of jane")


async def test_a_slow_commit_withholds_the_answer_and_says_so(
    start_bot: StartBot, slack: SlackSandbox, own_database: str
) -> None:
    """With `AUDIT_REQUIRED`: the record says what happened, also if the commit comes about."""
    with psycopg.connect(own_database) as connection:
        connection.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM pg_sleep(2); RETURN NEW; END$$"
        )
        connection.execute(
            "CREATE TRIGGER slow BEFORE INSERT ON audit_events FOR EACH ROW "
            "WHEN (NEW.result = 'found') EXECUTE FUNCTION slow()"
        )
    required = {"database_url": own_database, "audit_key": AUDIT_KEY, "audit_required": True}
    async with start_bot(replace(QUICK, audit=0.2), **required) as service:
        answer = await final(await slack.command(f"/fsessions {JANE} 3"))
        assert "could not be recorded" in answer["text"]
    assert service.events_dropped == 0
    with psycopg.connect(own_database) as connection:
        rows = connection.execute("SELECT result, reason, count FROM audit_events").fetchall()
    assert rows == [("failed", "not recorded", 0)]


async def test_a_lock_on_the_jobs_withholds_no_answer(
    start_bot: StartBot, slack: SlackSandbox, own_database: str
) -> None:
    """The audit has connections of its own."""
    required = {"database_url": own_database, "audit_key": AUDIT_KEY, "audit_required": True}
    timeouts = replace(QUICK, state=0.2, job=0.2)
    async with start_bot(timeouts, **required, answer_budget_seconds=0.05):
        with psycopg.connect(own_database) as connection:
            connection.execute("LOCK TABLE jobs, shared_values IN ACCESS EXCLUSIVE MODE")
            exchanges = await asyncio.gather(
                *(slack.command(f"/fsessions {JANE} 3") for _ in range(12))
            )
            answers = await asyncio.gather(*map(final, exchanges))
    assert [one["text"][:15] for one in answers] == ["Latest 3 sessio"] * 12


class TestCatchingUp:
    """After a long outage, little is written, and in few statements."""

    @pytest.fixture
    async def engine(self, own_database: str) -> AsyncIterator[AsyncEngine]:
        """To a server that may be stopped."""
        async with open_engine(own_database) as engine:
            yield engine

    async def test_in_batches(self, engine: AsyncEngine, own_postgres: Postgres) -> None:
        """Thousands of marks and values are a few statements; what has expired is left out."""
        timeouts = replace(QUICK, state=5.0, job=5.0, lease_renewal=0.05)
        state = open_shared(engine, "bot", [FERNET], timeouts)
        own_postgres.stop()
        for number in range(3_000):
            await state.put(("value", str(number)), "x", 3600 if number % 2 else 0.001)
            await state._memory.done(str(number), 3600)
            state._unmarked[str(number)] = state._clock() + (3600 if number % 2 else -1)
        assert state.is_unavailable
        own_postgres.start()
        statements: list[str] = []
        event.listen(
            engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2])
        )
        running = asyncio.create_task(state.run(lambda _: None, lambda: False))
        await until(lambda: not state.is_unavailable, 60)
        await state.finish(running)
        assert len(statements) < 60
        async with engine.connect() as connection:
            marks = (await connection.execute(JOBS.select())).all()
            values = (await connection.execute(SHARED_VALUES.select())).all()
        assert len(marks) == 1_500
        assert len(values) == 1_501  # with the one that tells whether the database is quick

    async def test_the_end_is_not_put_off(
        self, engine: AsyncEngine, own_postgres: Postgres
    ) -> None:
        """What can't be written in time is left."""
        timeouts = replace(QUICK, state=0.1, job=0.1, lease_renewal=0.05, state_end=0.2)
        state = open_shared(engine, "bot", [FERNET], timeouts)
        own_postgres.stop()
        for number in range(2_000):
            await state.put(("value", str(number)), "x", 3600)
        running = asyncio.create_task(state.run(lambda _: None, lambda: False))
        async with asyncio.timeout(30):
            await state.finish(running)


@pytest.mark.parametrize("name", ["secret_keys", "slack_signing_secret"])
async def test_a_rotated_secret_loses_no_answer(
    start_bot: StartBot,
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    own_database: str,
    name: str,
) -> None:
    """The bot's name in the database does not depend on it: the next process answers."""
    keys = ["1" * 32, "2" * 32]
    store: dict[str, Any] = {"database_url": own_database, "secret_keys": ",".join(keys)}
    held = fullstory.hold()
    async with AsyncExitStack() as stack:
        timeouts = replace(QUICK, drain=0.2)
        slow = {"answer_budget_seconds": 0.1, "fullstory_timeout_seconds": 60}
        await stack.enter_async_context(start_bot(timeouts, **store, **slow))
        exchange = await slack.command(f"/fsessions {JANE} 3")
    fullstory.held = None
    held.set()
    if name == "slack_signing_secret":
        slack.signing_secret = "0123456789abcdef" * 2
        store[name] = slack.signing_secret
    else:
        store[name] = ",".join(keys[::-1])
    async with start_bot(replace(QUICK, lease_renewal=0.1), **store):
        assert (await exchange.answer(30))["text"].startswith("Latest 3 sessions of jane")
