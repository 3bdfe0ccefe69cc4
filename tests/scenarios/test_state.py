"""What is remembered: the same in memory, in SQLite and in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.store.encryption import Encryption
from bot.store.engine import open_engine
from bot.store.jobs import SqlJobs
from bot.store.memory import MAX_KEYS, InMemory
from bot.store.protocol import Key, Lease, PendingJob, Shared, job_id
from bot.store.shared import SharedState, open_shared
from bot.store.tables import JOBS, SHARED_VALUES
from tests.conftest import FERNET, QUICK, Logged, migrated, until
from tests.databases import Postgres, postgres_server

JANE = "jane@example.com"
KEY = ("event", "C1", "1700000000.000100")
JOB = job_id(KEY)
WORK = {"handler": "command /fsessions", "body": {"text": "jane@example.com"}}
OTHER_FERNET = b"YW5vdGhlciBhbm90aGVyIGFub3RoZXIgYW5vdGhlciE="
# Nothing may hang on how soon a slow machine's database answers.
PATIENT = replace(QUICK, lease=300.0, lease_renewal=0.1)


class Clock:
    """Seconds, in the hands of a test."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time now."""
        return self.now


@dataclass
class Bot:
    """One implementation, as one process has it; `another()` is what another one has."""

    state: Shared
    another: Callable[[], Shared]
    pass_time: Callable[[float], Awaitable[None]]


async def make_older(engine: AsyncEngine, seconds: float) -> None:
    """Let time pass in a database: no one has to wait for its clock."""
    async with engine.begin() as connection:
        leases = JOBS.c.lease_until
        await connection.execute(
            update(JOBS).values(lease_until=leases - seconds, expires=JOBS.c.expires - seconds)
        )
        # What is counted is in the values as times.
        for row in (await connection.execute(SHARED_VALUES.select())).all():
            value = row.value
            if value.startswith("["):
                times = [str(float(one) - seconds) for one in value.strip("[]").split(",") if one]
                value = f"[{','.join(times)}]"
            changed = update(SHARED_VALUES).where(SHARED_VALUES.c.id == row.id)
            await connection.execute(changed.values(value=value, expires=row.expires - seconds))


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """Of each kind of database."""
    async with open_engine(database) as opened:
        yield opened


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def bot(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Bot]:  # noqa: ANN401
    """Each implementation."""
    if request.param == "memory":
        clock = Clock()
        memory = InMemory(clock)

        async def pass_time(seconds: float) -> None:
            clock.now += seconds

        yield Bot(memory, lambda: memory, pass_time)
        return
    url = f"sqlite:///{tmp_path}/state.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    await migrated(url)
    async with open_engine(url) as engine:

        def another() -> SharedState:
            return open_shared(engine, "bot", [FERNET], PATIENT)

        async def make_everything_older(seconds: float) -> None:
            await make_older(engine, seconds)

        yield Bot(another(), another, make_everything_older)


# -- The same everywhere --------------------------------------------------------------------------


async def test_counting(bot: Bot) -> None:
    """So many in any minute; what was refused is not counted."""
    for _ in range(3):
        assert await bot.state.count({KEY: 3}, 60)
        await bot.pass_time(10)
    assert not await bot.another().count({KEY: 3}, 60)
    assert await bot.state.count({("event", "another"): 3}, 60)
    await bot.pass_time(31)  # the first of the three is more than a minute ago
    assert await bot.another().count({KEY: 3}, 60)
    assert not await bot.state.count({KEY: 3}, 60)


async def test_two_limits_at_once(bot: Bot) -> None:
    """Of a person and of a channel: counted for both, or for neither."""
    person, channel = ("person", "U1"), ("channel", "C1")
    assert await bot.state.count({person: 1, channel: 2}, 60)
    assert not await bot.state.count({person: 1, channel: 2}, 60)
    assert await bot.state.count({channel: 2}, 60)
    assert not await bot.state.count({channel: 2}, 60)


async def test_many_counts_at_once(bot: Bot) -> None:
    """By two processes, with keys in any order: exactly as many as may be."""
    keys, others = (("channel", "C1"), ("person", "U1")), bot.another()
    asked = [
        (others if number % 2 else bot.state).count(
            dict.fromkeys(keys if number % 3 else reversed(keys), 5), 60
        )
        for number in range(30)
    ]
    assert sum(await asyncio.gather(*asked)) == 5


async def test_values(bot: Bot) -> None:
    """The latest one, whoever put it there, while it is kept."""
    assert await bot.state.get(KEY) is None
    await bot.state.put(KEY, "one", 60)
    await bot.another().put(KEY, "other", 60)
    assert await bot.state.get(KEY) == "other"
    await bot.pass_time(61)
    assert await bot.another().get(KEY) is None
    await bot.state.put(KEY, "", 60)
    assert await bot.state.get(KEY) == ""


async def test_a_job_is_the_firsts(bot: Bot) -> None:
    """Until it expires, done or not."""
    assert await bot.state.take(JOB, WORK) == Lease()
    assert await bot.state.take(JOB, WORK) is None
    assert await bot.another().take(JOB, WORK) is None
    assert await bot.another().take(job_id(("event", "C2")), WORK) == Lease()
    assert await bot.state.is_ours(JOB, "sending")
    await bot.state.done(JOB, 60)
    await bot.pass_time(59)
    assert await bot.another().take(JOB, WORK) is None
    await bot.pass_time(2)
    assert await bot.another().take(JOB, WORK) is not None


async def test_jobs_taken_at_the_same_time(bot: Bot) -> None:
    """One of many gets it."""
    processes = [bot.another() for _ in range(5)]
    taking = [one.take(JOB, WORK) for one in processes for _ in range(10)]
    assert sum(lease is not None for lease in await asyncio.gather(*taking)) == 1


async def test_strange_keys(bot: Bot) -> None:
    """Whatever Slack signs: it can't break what is stored."""
    for key in (("event", "\x00"), ("event", "\ud800"), ("event", "x" * 100_000)):
        assert await bot.state.take(job_id(key), {"body": {"text": key[1]}}) == Lease()
        assert await bot.state.count({key: 1}, 60)
        await bot.state.put(("value", *key), "1", 60)
        assert await bot.state.get(("value", *key)) == "1"


# -- Memory alone ---------------------------------------------------------------------------------


async def test_memory_is_bounded() -> None:
    """A flood of one kind forgets the oldest of that kind, and nothing of another."""
    state = InMemory()
    await state.put(("colleague", "U1"), "yes", 3600)
    for number in range(MAX_KEYS + 1):
        await state.take(str(number), WORK)
    assert await state.get(("colleague", "U1")) == "yes"
    assert await state.take("0", WORK) == Lease()
    assert await state.take(str(MAX_KEYS), WORK) is None


# -- Leases ---------------------------------------------------------------------------------------


def jobs_of(engine: AsyncEngine, *keys: bytes) -> SqlJobs:
    """Those of one process more."""
    return SqlJobs(engine, "bot", Encryption(keys or [FERNET]), PATIENT)


def sealed(job: str) -> PendingJob:
    """Return the work of a job that was taken right now."""
    return PendingJob(job, WORK, step="", attempts=0, created=time.time())


async def test_what_a_dead_process_leaves(engine: AsyncEngine) -> None:
    """Goes to one of the others, with what it was and how far it had come; once."""
    dead, living = jobs_of(engine), [jobs_of(engine) for _ in range(3)]
    await dead.take(sealed(JOB))
    await dead.begin_step(JOB, "sending", sealed(JOB))
    assert [one for jobs in living for one in await jobs.take_over()] == []
    await make_older(engine, PATIENT.lease + 1)
    taken = await asyncio.gather(*(jobs.take_over() for jobs in living))
    (pending,) = [one for each in taken for one in each]
    assert (pending.id, pending.work, pending.step, pending.attempts) == (JOB, WORK, "sending", 1)
    # If the first process was only asleep, it learns that the job is no longer its own.
    assert not await dead.begin_step(JOB, "sending", sealed(JOB))
    await dead.done({JOB: 60})
    owner = next(jobs for jobs, each in zip(living, taken, strict=True) if each)
    assert await owner.renew([JOB]) == {JOB}


async def test_a_lease_that_is_renewed(engine: AsyncEngine) -> None:
    """Is no one else's, for as long as the owner lives."""
    owner, other = jobs_of(engine), jobs_of(engine)
    await owner.take(sealed(JOB))
    for _ in range(3):
        await make_older(engine, PATIENT.lease - 1)
        assert await owner.renew([JOB]) == {JOB}
        assert await other.take_over() == []
        assert await other.take(sealed(JOB)) is None


async def test_handed_over(engine: AsyncEngine) -> None:
    """At the end of a process, another one has it at once; what is done is no one's."""
    ending, other = jobs_of(engine), jobs_of(engine)
    await ending.take(sealed(JOB))
    await ending.take(sealed("done"))
    await ending.done({"done": 60})
    assert await ending.hand_over(JOB)
    assert not await ending.hand_over("done")
    assert [one.id for one in await other.take_over()] == [JOB]


async def test_done_is_forgotten(engine: AsyncEngine) -> None:
    """What it was is gone at once, the mark later; what no one did in time is counted."""
    jobs = jobs_of(engine)
    await jobs.take(sealed(JOB))
    await jobs.take(sealed("never done"))
    await jobs.done({JOB: 60})
    async with engine.connect() as connection:
        rows = {row.id: row for row in (await connection.execute(JOBS.select())).all()}
    assert rows[JOB].work is None
    assert "jane" not in rows["never done"].work
    assert await jobs.purge() == 0
    await make_older(engine, PATIENT.pending + 1)
    assert await jobs.purge() == 1
    assert await jobs.take_over() == []


async def test_keys_change(engine: AsyncEngine) -> None:
    """Who doesn't have the key leaves the work to others; who has both can read what is older."""
    old, new = jobs_of(engine, FERNET), jobs_of(engine, OTHER_FERNET, FERNET)
    await old.take(sealed("by the old"))
    await new.take(sealed("by the new"))
    await make_older(engine, PATIENT.lease + 1)
    assert [one.id for one in await old.take_over()] == ["by the old"]
    assert [one.id for one in await new.take_over()] == ["by the new"]
    await make_older(engine, PATIENT.lease + 1)
    assert {one.id for one in await new.take_over()} == {"by the old", "by the new"}


async def test_versions(engine: AsyncEngine) -> None:
    """What a later version stored is left to later versions."""
    later, now = jobs_of(engine), jobs_of(engine)
    await later.take(sealed(JOB))
    async with engine.begin() as connection:
        await connection.execute(update(JOBS).values(version=JOBS.c.version + 1))
    await make_older(engine, PATIENT.lease + 1)
    assert await now.take_over() == []
    async with engine.begin() as connection:
        await connection.execute(update(JOBS).values(version=JOBS.c.version - 1))
    assert len(await now.take_over()) == 1


async def test_a_take_that_comes_too_late(engine: AsyncEngine) -> None:
    """No one waits for it anymore, and the work is done: it doesn't begin anew."""
    owner, other = jobs_of(engine), jobs_of(engine)
    await owner.done({JOB: 3600})
    assert await owner.take(sealed(JOB)) is None
    await make_older(engine, PATIENT.lease + 1)
    assert await other.take_over() == []


async def test_what_was_done_and_begins_anew(engine: AsyncEngine) -> None:
    """Of an earlier time, no step is left."""
    jobs = jobs_of(engine)
    await jobs.take(sealed(JOB))
    await jobs.begin_step(JOB, "sending", sealed(JOB))
    await jobs.done({JOB: 60})
    await make_older(engine, 61)
    assert await jobs.take(sealed(JOB)) == Lease()


async def test_what_is_under_way_here(engine: AsyncEngine) -> None:
    """Is not taken over by the same process, though it has lost it: there would be two of it."""
    jobs = jobs_of(engine)
    await jobs.take(sealed(JOB))
    await make_older(engine, PATIENT.lease + 1)
    assert await jobs.take_over([JOB]) == []


async def test_one_that_can_not_be_done(engine: AsyncEngine, logged: Logged) -> None:
    """Nothing else stops because of it."""
    dead, living = jobs_of(engine), open_shared(engine, "bot", [FERNET], PATIENT)
    await dead.take(sealed(JOB))
    await dead.hand_over(JOB)
    went_on: list[PendingJob] = []

    def resume_jobs(pending: PendingJob) -> None:
        went_on.append(pending)
        if len(went_on) == 1:
            raise KeyError(JANE)

    running = asyncio.create_task(living.run(resume_jobs, lambda: True))
    await until(lambda: bool(went_on), 30)
    await dead.take(sealed("another"))
    await dead.hand_over("another")
    await until(lambda: len(went_on) == 2, 30)
    await living.finish(running)
    assert any("unavailable" in line["event"] for line in logged())


async def test_rows_that_were_swapped(engine: AsyncEngine, logged: Logged) -> None:
    """Work is bound to its job: no one is sent another person's answer."""
    dead, living = jobs_of(engine), jobs_of(engine)
    await dead.take(sealed(JOB))
    await dead.take(sealed("another"))
    async with engine.begin() as connection:
        rows = (await connection.execute(JOBS.select().order_by(JOBS.c.id))).all()
        for row, other in zip(rows, reversed(rows), strict=True):
            changed = update(JOBS).where(JOBS.c.id == row.id)
            await connection.execute(changed.values(work=other.work))
    await make_older(engine, PATIENT.lease + 1)
    assert await living.take_over() == []
    assert await living.take_over() == []
    assert [line["event"] for line in logged()].count("pending job not readable; answer lost") == 2


async def test_a_row_that_was_written_back(engine: AsyncEngine) -> None:
    """Work is bound to its step, its attempts and its age: what was done is not done again."""
    dead, living = jobs_of(engine), jobs_of(engine)
    await dead.take(sealed(JOB))
    await dead.begin_step(JOB, "sending", sealed(JOB))
    await dead.take(replace(sealed("too old"), created=time.time() - PATIENT.pending - 1))
    await dead.take(replace(sealed("tried often"), attempts=3))
    await make_older(engine, PATIENT.lease + 1)
    async with engine.begin() as connection:
        await connection.execute(update(JOBS).values(step="", attempts=0))
    assert await living.take_over() == []


async def test_what_this_process_has_done(engine: AsyncEngine, logged: Logged) -> None:
    """Is not done again, whatever the database says."""
    state = open_shared(engine, "bot", [FERNET], replace(PATIENT, lease_renewal=0.05))
    await state.take(JOB, WORK)
    async with engine.begin() as connection:
        before = (await connection.execute(JOBS.select())).one()
    await state.done(JOB, 60)
    async with engine.begin() as connection:
        back = {"work": before.work, "lease_until": 1.0, "expires": before.expires}
        await connection.execute(
            update(JOBS).values(back | {"key_name": before.key_name, "owner": ""})
        )
    went_on: list[PendingJob] = []
    running = asyncio.create_task(state.run(went_on.append, lambda: True))
    await until(lambda: "not resumed" in str(logged()), 30)
    await state.finish(running)
    assert went_on == []


async def test_work_that_another_process_has(engine: AsyncEngine) -> None:
    """Is forgotten, not renewed forever."""
    state = open_shared(engine, "bot", [FERNET], replace(PATIENT, lease_renewal=0.05))
    await state.take(JOB, WORK)
    await make_older(engine, PATIENT.lease + 1)
    assert len(await jobs_of(engine).take_over()) == 1
    assert not await state.is_ours(JOB, "sending")
    running = asyncio.create_task(state.run(lambda _: None, lambda: False))
    assert JOB not in state._held
    await state.finish(running)


async def test_the_latest_press_counts(engine: AsyncEngine) -> None:
    """Also where it is written before an earlier one."""
    state = open_shared(engine, "bot", [FERNET], PATIENT)
    for memory in (state, InMemory()):
        await memory.put(KEY, "2 later", 60, if_greater=True)
        await memory.put(KEY, "1 earlier", 60, if_greater=True)
        assert await memory.get(KEY) == "2 later"
        await memory.put(KEY, "3", 60, if_greater=True)
        assert await memory.get(KEY) == "3"


async def test_two_bots(engine: AsyncEngine) -> None:
    """In one database, even with the same keys, know nothing of each other."""
    one, other = (open_shared(engine, name, [FERNET], PATIENT) for name in ("one", "other"))
    assert await one.take(JOB, WORK) == Lease()
    assert await other.take(JOB, WORK) == Lease()
    await one.put(KEY, "1", 60)
    assert await other.get(KEY) is None
    limits: dict[Key, int] = {("limit", "C1"): 1}
    assert await one.count(limits, 60)
    assert await other.count(limits, 60)
    await make_older(engine, PATIENT.lease + 1)
    third = SqlJobs(engine, "third", Encryption([FERNET]), PATIENT)
    assert await third.take_over() == []
    assert await jobs_of(engine).take_over() == []


@pytest.mark.parametrize("what", ["another user's", "a job's", "changed"])
async def test_values_that_were_swapped(engine: AsyncEngine, what: str, logged: Logged) -> None:
    """An encrypted value is only read under its own key."""
    state = open_shared(engine, "bot", [FERNET], PATIENT)
    await state.put_encrypted(("recent", "U1"), "one", 60)
    assert await state.get_encrypted(("recent", "U1")) == "one"
    await state.put_encrypted(("recent", "U2"), "other", 60)
    text = str(await state.get(("recent", "U2")))
    if what == "a job's":
        text = Encryption([FERNET]).encrypt(sealed(JOB))
    if what == "changed":
        text = text[:-9] + "A" * 9
    await state.put(("recent", "U1"), text, 60)
    assert await state.get_encrypted(("recent", "U1")) is None
    assert "stored value not readable" in str(logged())


# -- In the background ----------------------------------------------------------------------------


async def test_takes_over_by_itself(engine: AsyncEngine) -> None:
    """A running process renews what is its own, and continues with what others have left."""
    dead, living = jobs_of(engine), open_shared(engine, "bot", [FERNET], PATIENT)
    went_on: list[PendingJob] = []
    may_take_over = False

    running = asyncio.create_task(living.run(went_on.append, lambda: may_take_over))
    await dead.take(sealed(JOB))
    await living.take("its own", WORK)
    await dead.hand_over(JOB)
    await asyncio.sleep(3 * PATIENT.lease_renewal)
    assert went_on == []  # it is about to end
    may_take_over = True
    await until(lambda: bool(went_on), 30)
    assert [one.id for one in went_on] == [JOB]
    assert await living.is_ours(JOB)
    await living.finish(running)


# -- With the database away -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_postgres() -> Any:  # noqa: ANN401
    """Yield a server that these tests may stop."""
    with postgres_server() as server:
        yield server


async def test_uses_its_own_memory(own_postgres: Postgres, logged: Logged) -> None:
    """In its own memory, said once; and together again as soon as it can be."""
    url = own_postgres.new_database()
    await migrated(url)
    async with open_engine(url) as engine:
        one, other = (open_shared(engine, "bot", [FERNET], PATIENT) for _ in range(2))
        went_on: list[PendingJob] = []
        running = asyncio.create_task(one.run(went_on.append, lambda: True))
        assert await one.take(JOB, WORK) == Lease()
        await one.put(KEY, "before", 60)
        own_postgres.stop()
        try:
            assert await one.take("alone", WORK) == Lease()
            assert await one.take("alone", WORK) is None
            assert await one.take(JOB, WORK) is None
            assert await one.count({("limit", "C1"): 1}, 60)
            assert not await one.count({("limit", "C1"): 1}, 60)
            await one.put(KEY, "meanwhile", 60)
            assert await one.get(KEY) == "meanwhile"
            assert await one.is_ours(JOB)  # by our own clock, no one else can have it
            assert await one.is_ours("alone")
            await one.done(JOB, 3600)
            assert not one.durable
            assert not await one.hand_over("alone")
        finally:
            own_postgres.start()
        await until(lambda: one.durable, 60)
        assert await one.get(KEY) == "meanwhile"
        assert await one.take("alone", WORK) is None
        await one.put(KEY, "after", 60)
        assert await other.get(KEY) == await one.get(KEY) == "after"
        # What was done meanwhile is marked: no one does it again.
        await make_older(engine, PATIENT.lease + 1)
        assert await other.take(JOB, WORK) is None
        await one.finish(running)
    told = [line["event"] for line in logged()]
    assert told.count("database unavailable; using in-process state") == 1
    assert told.count("database available again") == 1


async def test_comes_back_under_load(own_postgres: Postgres) -> None:
    """However many ask meanwhile: that no one waits for an answer is no sign of trouble."""
    url = own_postgres.new_database()
    await migrated(url)
    async with open_engine(url) as engine:
        # A question may take its time: the machine is as busy as can be.
        timeouts = replace(PATIENT, lease_renewal=10.0)
        state = open_shared(engine, "bot", [FERNET], timeouts)
        went_on: list[PendingJob] = []
        running = asyncio.create_task(state.run(went_on.append, lambda: True))
        asking = True

        async def ask() -> None:
            number = 0
            while asking:
                number += 1
                await state.take(f"{id(asyncio.current_task())} {number}", WORK)
                await asyncio.sleep(0)

        own_postgres.stop()
        try:
            assert await state.take(JOB, WORK) == Lease()
            await until(lambda: state.is_unavailable, 60)
            load = [asyncio.create_task(ask()) for _ in range(5)]
        finally:
            own_postgres.start()
        await until(lambda: not state.is_unavailable, 60)
        asking = False
        await asyncio.gather(*load)
        await state.finish(running)


async def test_a_database_that_hangs(own_postgres: Postgres) -> None:
    """Costs the first who asks some tenths of a second, and no one else."""
    url = own_postgres.new_database()
    await migrated(url)
    async with open_engine(url) as engine, engine.connect() as blocking:
        await blocking.execute(JOBS.select().with_for_update())
        await blocking.exec_driver_sql("LOCK TABLE jobs, shared_values")
        state = open_shared(engine, "bot", [FERNET], replace(PATIENT, state=0.3))
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await state.take(JOB, WORK) == Lease()
        assert loop.time() - started >= 0.3
        assert state.is_unavailable
        for number in range(100):
            assert await state.take(str(number), WORK) == Lease()
        await blocking.rollback()


async def test_asleep_beyond_the_lease(own_postgres: Postgres) -> None:
    """With no one to ask, what may be another's is not sent: it waits until that is known."""
    url = own_postgres.new_database()
    await migrated(url)
    timeouts = replace(PATIENT, lease=-1.0)  # it is over before it begins
    async with open_engine(url) as engine:
        state = open_shared(engine, "bot", [FERNET], timeouts)
        went_on: list[PendingJob] = []
        running = asyncio.create_task(state.run(went_on.append, lambda: False))
        await state.take(JOB, WORK)
        other = jobs_of(engine)
        assert [one.id for one in await other.take_over()] == [JOB]
        own_postgres.stop()
        try:
            asking = asyncio.create_task(state.is_ours(JOB))
            await until(lambda: state.is_unavailable, 60)
            assert not asking.done()
        finally:
            own_postgres.start()
        assert not await asking
        await state.finish(running)
