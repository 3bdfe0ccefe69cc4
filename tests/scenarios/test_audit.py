"""Audit events: written to SQLite and to a real PostgreSQL, and read again."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import os
import pwd
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from bot.cli.audit import Options
from bot.cli.audit import run as audit_command
from bot.cli.audit import run as run_audit
from bot.cli.main import main
from bot.core.access import DenialReason
from bot.core.audit import AuditEvent, AuditQuery, PersonHashes
from bot.core.outcomes import denial
from bot.core.sessions import Query
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, MANAGER, PARTNER, USER
from bot.service import Service
from bot.settings import Settings
from bot.settings.loading import load
from bot.slack import action_ids, sharing
from bot.store.audit import MAX_WAITING, AuditEvents
from bot.store.engine import open_engine
from bot.store.schema import migrate
from tests.conftest import QUICK, Logged, StartBot, until
from tests.databases import postgres_server, readable_in
from tests.programs import environment, run, serving, start
from tests.scenarios.answers import JANE, asked, final, public, share_window, submit_share

KEY = "a key that only the tests have"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
async def events(database: str) -> AsyncIterator[AuditEvents]:
    """Yield the events in a database, without a bot."""
    async with open_engine(database) as engine:
        yield AuditEvents(engine, QUICK)


@pytest.fixture
async def bot(start_bot: StartBot, database: str) -> AsyncIterator[Service]:
    """Yield a bot that writes into the database."""
    async with start_bot(database_url=database, audit_key=KEY, auditors=(MANAGER,)) as service:
        yield service


def event(number: int, **fields: Any) -> AuditEvent:  # noqa: ANN401
    """One of many events, a minute after the one before."""
    email_hash, uid_hash = PersonHashes([KEY]).of(Query(JANE, None, 1))
    usual: dict[str, Any] = {
        "id": f"{number:032x}",
        "time": NOW + timedelta(minutes=number),
        "workspace": "T0SANDBOX",
        "user": USER,
        "entry_point": "command",
        "channel": "C0SUPPORT",
        "workflow": "",
        "result": "found",
        "reason": "",
        "kind": "email",
        "email_hash": email_hash,
        "uid_hash": uid_hash,
        "count": 20,
        "milliseconds": 12,
        "reference": f"{number:08x}",
    }
    return AuditEvent(**usual | fields)


@asynccontextmanager
async def server_that_says_nothing() -> AsyncIterator[str]:
    """Yield the URL of a PostgreSQL behind a network that swallows everything."""
    silent: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"postgresql://127.0.0.1:{server.sockets[0].getsockname()[1]}/silent"
    finally:
        for writer in silent:
            writer.close()
        server.close()


async def written(events: AuditEvents) -> None:
    """Return when everything that was added is written."""
    await events.finish(asyncio.create_task(events.run()))
    assert (events.waiting, events.dropped) == (0, 0)


def rows_of(url: str) -> list[tuple[Any, ...]]:
    """Return the rows as the database has them, read without our code."""
    query = 'SELECT "user", entry_point, result, count FROM audit_events ORDER BY time'
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
            return file.execute(query).fetchall()
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


async def audit(url: str, *options: str, key: str = KEY) -> tuple[int | None, str, str]:
    """Run `fsessions audit`, in this process unless it reads standard input or click refuses it."""
    environment = {"DATABASE_URL": url, "AUDIT_KEY": key}
    asks = any("purge" in option for option in options) and "--yes" not in options
    if asks or "xml" in options:
        return await run("audit", *options, env=environment)
    settings = load(environment, Path("none"), for_slack=False, for_fullstory=False)
    asked_for = Options(**main.commands["audit"].make_context("audit", [*options]).params)
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = await audit_command(settings, asked_for)
    return code, out.getvalue(), err.getvalue()


async def found(url: str, *options: str, key: str = KEY) -> list[dict[str, Any]]:
    """Return what `fsessions audit` prints as JSON."""
    code, out, err = await audit(url, *options, "--format", "json", key=key)
    assert code == 0, err
    documents: list[dict[str, Any]] = json.loads(out)
    return documents


class TestRecording:
    """From a person in Slack to the database."""

    @pytest.mark.usefixtures("bot")
    async def test_what_a_person_did(self, slack: SlackSandbox, database: str) -> None:
        """Found, none, refused, failed, shared: each has its row."""
        shown = await asked(slack)
        await slack.command("/fsessions zoe@example.com")
        await slack.command("/fsessions jane@example.com", user_id=PARTNER)
        await final(await slack.command("/fsessions down@example.com", user_id=AGENT))
        await submit_share(slack, await share_window(slack, shown))
        shared = (USER, "share", "shared", 1)
        await until(lambda: shared in rows_of(database))
        assert rows_of(database) == [
            (USER, "command", "found", 3),
            (USER, "command", "none", 0),
            (PARTNER, "command", "refused", 0),
            (AGENT, "command", "failed", 0),
            shared,  # what the window showed became what was shared
        ]
        await until(lambda: len(public(slack)) == 1)  # it is recorded before it is there

    @pytest.mark.usefixtures("bot")
    async def test_who_opened_a_replay(self, slack: SlackSandbox, database: str) -> None:
        """A press on *Watch replay* is recorded, with whose replay it is unless it was shared."""
        shown = await asked(slack)
        await slack.press("watch_replay")
        await submit_share(slack, await share_window(slack, shown))
        await until(lambda: len(public(slack)) == 1)
        await slack.press("watch_replay", public(slack)[0], user=AGENT)
        of_agent = (AGENT, "button", "opened", 0)
        await until(lambda: of_agent in rows_of(database))
        of_jane = await found(database, "--person", JANE)
        assert [one["result"] for one in of_jane] == ["shared", "opened", "found"]
        assert {one["user"] for one in of_jane} == {USER}

    async def test_found_again_by_who_they_are(
        self, start_bot: StartBot, slack: SlackSandbox, database: str
    ) -> None:
        """By e-mail and by uid, spelling aside; and the database holds neither."""
        async with start_bot(database_url=database, audit_key=KEY):
            await slack.command("/fsessions Jane@Example.com 3")
            await slack.command("/fsessions uid:user-42")
            await slack.command("/fsessions omar@example.com", user_id=AGENT)
        by_email = await found(database, "--person", "jane@example.COM")
        assert [(one["user"], one["kind"]) for one in by_email] == [(USER, "email")]
        by_uid = await found(database, "--person", "uid:user-42")
        assert [one["kind"] for one in by_uid] == ["uid"]
        assert len(await found(database, "--by", USER)) == 2
        held = readable_in(database).lower()
        for secret in ("jane", "omar", "user-42", "example.com", KEY):
            assert secret not in held

    async def test_keys_change(
        self, start_bot: StartBot, slack: SlackSandbox, database: str
    ) -> None:
        """The first one writes, all are searched; with another key nothing is found."""
        async with start_bot(database_url=database, audit_key="old"):
            await slack.command("/fsessions jane@example.com")
        async with start_bot(database_url=database, audit_key="new, old"):
            await slack.command("/fsessions jane@example.com")
        assert len(await found(database, "--person", JANE, key="new,old")) == 2
        assert len(await found(database, "--person", JANE, key="new")) == 1
        assert await found(database, "--person", JANE, key="another") == []

    async def test_the_terminal(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, database: str
    ) -> None:
        """`fsessions lookup` is recorded as well, as the operating system's user."""
        env = environment(slack, fullstory, DATABASE_URL=database, AUDIT_KEY=KEY)
        # What anyone can set has no say.
        pretended = {"LOGNAME": "U0SOMEBODY", "USER": "U0SOMEBODY"}
        assert (await run("lookup", JANE, "1", env=env | pretended))[0] == 0
        (one,) = await found(database, "--person", JANE)
        assert (one["entry_point"], one["workspace"], one["result"]) == ("terminal", "", "found")
        assert one["user"] == pwd.getpwuid(os.getuid()).pw_name

    async def test_without_a_key(
        self, start_bot: StartBot, slack: SlackSandbox, database: str, logged: Logged
    ) -> None:
        """The event says who looked, but not for which customer; `serve` and `audit` say so."""
        async with start_bot(database_url=database):
            await slack.command("/fsessions jane@example.com")
        assert any("AUDIT_KEY" in line["event"] for line in logged())
        (one,) = await found(database, key="")
        assert (one["email_hash"], one["kind"]) == ("", "email")
        code, _, err = await audit(database, "--person", JANE, key="")
        assert (code, "AUDIT_KEY is missing" in err) == (2, True)


class TestTrouble:
    """A database that is slow, gone, or of another version never costs an answer."""

    @pytest.mark.chaos
    async def test_stopped_and_started_under_load(
        self, start_bot: StartBot, slack: SlackSandbox
    ) -> None:
        """No answer fails, no event is lost, none is there twice."""
        with postgres_server() as server:
            url = server.new_database()
            async with open_engine(url) as engine:
                await migrate(engine)
            answered = 0

            def enough(count: int) -> bool:
                return answered >= count

            async def ask() -> None:
                nonlocal answered
                shown = await final(await slack.command("/fsessions jane@example.com 1"))
                answered += "session of jane" in shown["text"]

            async with start_bot(
                replace(QUICK, audit_retry=0.5), database_url=url, audit_key=KEY
            ) as service:
                for action in (None, server.stop, None, server.start, None):
                    before = answered
                    under_load = [asyncio.create_task(ask()) for _ in range(25)]
                    if action:
                        await until(partial(enough, before + 3))  # in the middle of it
                        await asyncio.to_thread(action)
                    await asyncio.gather(*under_load)
                await until(lambda: len(rows_of(url)) == 125, seconds=30)
            assert answered == 125
            assert len(rows_of(url)) == 125
            assert service.events_dropped == 0

    async def test_gone_at_the_end(
        self, start_bot: StartBot, slack: SlackSandbox, logged: Logged
    ) -> None:
        """What could not be written is in the log in full, and counted."""
        gone = "postgresql://127.0.0.1:9/gone"
        async with start_bot(replace(QUICK, audit_end=0.5), database_url=gone) as service:
            assert "sessions" in (await final(await slack.command(f"/fsessions {JANE}")))["text"]
        assert service.events_dropped == 1
        (line,) = [one for one in logged() if one["event"] == "audit event dropped"]
        assert (line["user"], line["result"], line["count"]) == (USER, "found", 5)
        assert line["time"]

    async def test_the_exit_says_how_many(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """`fsessions serve` exits with 1, and its last line is for people."""
        env = environment(slack, fullstory, DATABASE_URL="postgresql://127.0.0.1:9/gone")
        async with serving(slack, env) as (process, _):
            await slack.command(f"/fsessions {JANE}")
            process.terminate()
            _, err = await process.communicate()
        assert process.returncode == 1
        assert err.decode().splitlines()[-1].endswith("only in the log: 1")

    async def test_no_record_no_answer(
        self, start_bot: StartBot, slack: SlackSandbox, logged: Logged
    ) -> None:
        """With `AUDIT_REQUIRED`: a database that is gone means a sentence, and no sessions."""
        with postgres_server() as server:
            url = server.new_database()
            async with open_engine(url) as engine:
                await migrate(engine)
            required = {"database_url": url, "audit_key": KEY, "audit_required": True}
            async with start_bot(replace(QUICK, audit=30), **required):
                assert "sessions of jane" in (await self._answer(slack))["text"]
                assert len(rows_of(url)) == 1
                server.stop()
                refused = await self._answer(slack)
                assert "could not be recorded" in refused["text"]
                assert "fullstory.com" not in str(refused)
                server.start()
                assert "sessions of jane" in (await self._answer(slack))["text"]
        recorded = [one for one in logged() if one["event"] == "audit"]
        assert [(one["result"], one["count"]) for one in recorded] == [
            ("found", 5),
            ("failed", 0),  # for it was not shown
            ("found", 5),
        ]

    async def _answer(self, slack: SlackSandbox) -> dict[str, Any]:
        return await final(await slack.command(f"/fsessions {JANE}"))

    async def test_no_record_nothing_shared(
        self, start_bot: StartBot, slack: SlackSandbox, logged: Logged
    ) -> None:
        """With `AUDIT_REQUIRED`, what is shared is recorded before it is there."""
        with postgres_server() as server:
            url = server.new_database()
            async with open_engine(url) as engine:
                await migrate(engine)
            required = {"database_url": url, "audit_key": KEY, "audit_required": True}
            async with start_bot(replace(QUICK, audit=30), **required):
                view_id = await share_window(slack, await asked(slack))
                with psycopg.connect(url) as connection:
                    connection.execute(
                        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
                        "$$BEGIN RAISE 'no'; END$$"
                    )
                    connection.execute(
                        "CREATE TRIGGER no BEFORE INSERT ON audit_events FOR EACH ROW "
                        "WHEN (NEW.result = 'shared') EXECUTE FUNCTION no()"
                    )
                await submit_share(slack, view_id)
                await until(lambda: "could not be recorded" in str(slack.screen[-1].message))
                assert public(slack) == []
        assert any(one["event"] == "audit event not written" for one in logged())

    async def test_slack_refuses_what_is_shared(
        self, start_bot: StartBot, slack: SlackSandbox, database: str
    ) -> None:
        """The record says that it was not, and nothing else."""
        async with start_bot(database_url=database, audit_key=KEY):
            view_id = await share_window(slack, await asked(slack))
            slack.response_statuses.append(404)
            await submit_share(slack, view_id)
            await until(lambda: sharing.NOT_SHARED in str(slack.screen[-1].message))
        results = [f"{one['result']}: {one['reason']}" for one in await found(database)]
        assert results == ["failed: not shared", "found: "]

    async def test_cut_off_in_the_middle_of_a_record(self, logged: Logged) -> None:
        """The event is dropped in the log, not lost."""
        async with server_that_says_nothing() as url, open_engine(url) as engine:
            events = AuditEvents(engine, QUICK)
            writing = asyncio.create_task(events.write(event(1)))
            await asyncio.sleep(0.1)
            writing.cancel()
            await asyncio.wait({writing})
            assert events.dropped == 1
        assert [one["id"] for one in logged() if one["event"] == "audit event dropped"]

    async def test_a_database_that_says_nothing(
        self, start_bot: StartBot, slack: SlackSandbox, logged: Logged
    ) -> None:
        """No one waits for it longer than is said: neither a person, nor the end of the process."""
        timeouts = replace(QUICK, audit=0.3, audit_search=0.3, audit_end=0.3)
        async with server_that_says_nothing() as url:
            silent = {"database_url": url, "audit_key": KEY, "auditors": (USER,)}
            async with start_bot(timeouts, **silent, audit_required=True):
                shown = await final(await slack.command(f"/fsessions {JANE}"))
                assert "could not be recorded" in shown["text"]
                await slack.open_home()
                await until(lambda: USER in slack.homes)
                await slack.press_in_view(action_ids.AUDIT, "")
                await until(lambda: bool(slack.views))
                (view_id,) = slack.views
                await slack.submit(view_id, {"person": {"value": JANE}})
                await until(lambda: "can't be read right now" in str(slack.views[view_id]))
        assert any(one["event"] == "audit events are only in the log" for one in logged())

    async def test_the_end_in_the_middle_of_a_write(self, tmp_path: Path) -> None:
        """What is cut off is dropped, and nothing hangs afterwards."""
        url = f"sqlite:///{tmp_path}/audit.db"
        async with open_engine(url) as engine:
            await migrate(engine)
        blocking = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
        blocking.execute("BEGIN IMMEDIATE")
        try:
            async with open_engine(url) as engine:
                events = AuditEvents(engine, replace(QUICK, audit_end=0.2, audit_gather=0))
                events.add(event(1))
                await events.finish(asyncio.create_task(events.run()))
                assert (events.dropped, events.waiting) == (1, 0)
        finally:
            blocking.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_bounded_in_memory(self, logged: Logged) -> None:
        """The oldest is dropped when there are too many, and is in the log."""
        async with open_engine("postgresql://127.0.0.1:9/gone") as engine:
            events = AuditEvents(engine, QUICK)
            for number in range(MAX_WAITING + 3):
                events.add(event(number))
            assert (events.waiting, events.dropped) == (MAX_WAITING, 3)
            dropped = [one["id"] for one in logged() if one["event"] == "audit event dropped"]
            assert dropped == [event(number).id for number in range(3)]
            await events.finish(asyncio.create_task(asyncio.sleep(0)))
            assert events.dropped == MAX_WAITING + 3
        dropped = [one["id"] for one in logged() if one["event"] == "audit event dropped"]
        assert dropped == [event(number).id for number in range(MAX_WAITING + 3)]

    async def test_more_than_memory_holds_while_a_batch_is_written(
        self, events: AuditEvents, database: str
    ) -> None:
        """An event is dropped, or written; never both."""
        for number in range(MAX_WAITING):
            events.add(event(number))
        writing = asyncio.create_task(events.run())
        await until(lambda: events.waiting == MAX_WAITING and bool(events._writing))
        for number in range(MAX_WAITING, MAX_WAITING + 700):
            events.add(event(number))
        await events.finish(writing)
        assert len(rows_of(database)) + events.dropped == MAX_WAITING + 700

    async def test_one_that_the_database_refuses(self, events: AuditEvents, database: str) -> None:
        """It alone is dropped, and is in no one's way."""
        for number in range(5):
            events.add(event(number, **({"count": 2**80} if number == 2 else {})))
        await events.finish(asyncio.create_task(events.run()))
        assert (len(rows_of(database)), events.dropped) == (4, 1)

    async def test_twice(self, events: AuditEvents, database: str) -> None:
        """An event whose commit was not heard of is not written a second time."""
        assert await events.write(event(1))
        events.add(event(1))
        events.add(event(2))
        await written(events)
        assert len(rows_of(database)) == 2

    async def test_in_the_order_of_their_times(self, events: AuditEvents) -> None:
        """Thousands at once; those that are written don't wait anymore."""
        for number in range(1_234):
            events.add(event(number))
        await written(events)
        shown = [one async for one in events.search(AuditQuery())]
        assert shown == [event(number) for number in reversed(range(1_234))]


class TestSearching:
    """`fsessions audit`."""

    @pytest.fixture(autouse=True)
    async def filled(self, events: AuditEvents) -> None:
        """Ten events of two people, by two people, of one hour."""
        email_hash, uid_hash = PersonHashes([KEY]).of(Query(None, "user-42", 1))
        for number in range(10):
            odd = number % 2 == 1
            other = {"email_hash": email_hash, "uid_hash": uid_hash, "kind": "uid"}
            events.add(event(number, user=AGENT if number < 3 else USER, **(other if odd else {})))
        await written(events)

    async def test_together(self, database: str) -> None:
        """What is asked for together has to fit together; an address or a uid is enough of two."""
        assert len(await found(database)) == 10
        assert len(await found(database, "--person", JANE)) == 5
        assert len(await found(database, "--person", JANE, "--by", AGENT)) == 2
        assert len(await found(database, "--person", f"{JANE} uid:user-42")) == 10
        assert await found(database, "--by", "U0NOBODY") == []

    async def test_times(self, database: str) -> None:
        """Dates are whole days; moments are as people type them elsewhere."""
        assert len(await found(database, "--since", "2026-11-23", "--until", "2026-11-25")) == 10
        assert await found(database, "--since", "2030-01-01", "--until", "2030-01-02") == []
        assert len(await found(database, "--since", "2026-11-24T12:03Z")) == 7
        assert len(await found(database, "--until", "2026-11-24T12:03Z")) == 3

    async def test_table(self, database: str) -> None:
        """Newest first, one line each, in columns."""
        code, out, err = await audit(database)
        lines = out.splitlines()
        assert (code, err, len(lines)) == (0, "", 11)
        assert lines[0].split()[:3] == ["Time", "(UTC)", "Who"]
        assert lines[1].startswith("2026-11-24 12:09:00  U0SUPPORT")
        assert len({line.index("command") for line in lines[1:]}) == 1

    async def test_csv(self, database: str) -> None:
        """With a heading; nothing that a spreadsheet would run."""
        code, out, _ = await audit(database, "--format", "csv", "--by", AGENT)
        rows = list(csv.DictReader(io.StringIO(out)))
        assert (code, len(rows)) == (0, 3)
        assert {row["user"] for row in rows} == {AGENT}

    async def test_formulas(self, events: AuditEvents, database: str) -> None:
        """An id that looks like one comes out as text."""
        await events.write(event(99, channel="=1+1"))
        _, out, _ = await audit(database, "--format", "csv")
        assert "'=1+1" in out

    async def test_nothing(self, database: str) -> None:
        """Is no failure."""
        code, out, err = await audit(database, "--by", "U0NOBODY")
        assert (code, out, err) == (0, "", "No events.\n")
        code, out, err = await audit(database, "--person", "uid:none", "--format", "csv")
        assert (code, len(out.splitlines())) == (0, 1)
        assert "AUDIT_KEY" in err
        assert await found(database, "--since", "yesterday", "--by", "U0NOBODY") == []

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (["--since", "soon or so"], "--since: give a date"),
            (["--person", "a@"], "--person: "),
            (["--person", "@colleague"], "--person: "),
            (["--purge"], "--person or --by"),
            (["--purge-before", "2026-01-01", "--by", USER], "don't combine it"),
            (["--format", "xml"], "xml"),
            (["--purge-before", "blah"], "--purge-before: give"),
            (["--since", "2026-11-30", "--until", "2026-11-01"], "--since is after --until"),
            (["--by", "<@>", "--purge", "--yes"], "--by: give"),
            (["--by", "", "--purge", "--yes"], "--by is empty"),
            (["--person", " ", "--by", USER, "--purge", "--yes"], "--person is empty"),
            (["--purge-before", "", "--yes"], "--purge-before is empty"),
            (["--until", "9999-12-31"], "--until: give a date"),
            (["--since", "0001-01-01"], "--since: give a date"),
        ],
    )
    async def test_wrong_calls(self, database: str, options: list[str], says: str) -> None:
        """They exit with 2, and say what is wrong."""
        code, out, err = await audit(database, *options)
        assert (code, out) == (2, "")
        assert says in err

    async def test_people_as_slack_writes_them(self, database: str) -> None:
        """A mention, small letters."""
        for written_as in (f"<@{AGENT}|alex>", f"@{AGENT}", AGENT.lower()):
            assert len(await found(database, "--by", written_as)) == 3

    async def test_an_address_that_is_a_uid(self, events: AuditEvents, database: str) -> None:
        """Sites use one for the other: who asks for a person's record gets both."""
        _, uid_hash = PersonHashes([KEY]).of(Query(None, JANE, 1))
        await events.write(event(50, email_hash="", uid_hash=uid_hash))
        assert len(await found(database, "--person", JANE)) == 6

    @pytest.mark.parametrize("style", ["table", "csv", "json"])
    async def test_a_reader_that_has_seen_enough(self, database: str, style: str) -> None:
        """`| head` is no failure, and nothing is said of the database."""
        env = {"DATABASE_URL": database, "AUDIT_KEY": KEY}
        process = await start("audit", "--format", style, env=env)
        assert process.stdout is not None
        process.stdout._transport.close()  # type: ignore[attr-defined]
        assert process.stderr is not None
        assert await process.stderr.read() == b""
        assert await process.wait() == 0

    async def test_purging_a_person(self, database: str) -> None:
        """What is about them goes, nothing else; only with a yes."""
        code, _, err = await audit(database, "--person", JANE, "--purge")
        assert code == 1
        assert f"Delete 5 events about {JANE}?" in err
        assert "Nothing was deleted" in err
        code, out, _ = await audit(database, "--person", JANE, "--purge", "--yes")
        assert (code, out) == (0, "Deleted: 5.\n")
        assert await found(database, "--person", JANE) == []
        deletion, *others = await found(database)
        assert len(others) == 5
        assert (deletion["result"], deletion["reason"]) == ("purged", "about a person")
        assert (deletion["count"], deletion["email_hash"]) == (5, "")
        assert deletion["user"] == pwd.getpwuid(os.getuid()).pw_name

    async def test_what_a_colleague_did_goes_with_a_trace(self, database: str) -> None:
        """Whose events were deleted stays known."""
        await audit(database, "--by", AGENT, "--purge", "--yes")
        assert await found(database, "--by", AGENT) == []
        assert (await found(database))[0]["reason"] == f"by {AGENT}"

    async def test_a_name_in_the_place_of_an_id(self, database: str) -> None:
        """People are recorded by Slack's ids."""
        code, _, err = await audit(database, "--by", "sam")
        assert (code, "In Slack, give the user's id" in err) == (0, True)

    async def test_a_locked_table(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is said, not waited for."""
        if database.startswith("sqlite"):
            pytest.skip("SQLite's readers wait for no one")
        monkeypatch.setattr("bot.cli.audit._SECONDS", 0.5)
        settings = Settings.model_validate({"fullstory_api_key": "x", "database_url": database})
        with psycopg.connect(database) as connection:
            connection.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
            assert await run_audit(settings, Options()) == 1

    async def test_purging_what_is_old(self, database: str) -> None:
        """Everything before a day; the day itself stays."""
        code, out, _ = await audit(database, "--purge-before", "2026-11-24T12:04Z", "--yes")
        assert (code, out) == (0, "Deleted: 4.\n")
        assert len(await found(database)) == 6 + 1  # the deletion has its event
        code, out, _ = await audit(database, "--purge-before", "2026-11-24T12:04Z", "--yes")
        assert (code, out) == (0, "No events to delete.\n")

    async def test_asking_first(self, database: str) -> None:
        """The question is answered on standard input."""
        env = {"DATABASE_URL": database, "AUDIT_KEY": KEY}
        code, out, _ = await run("audit", "--by", AGENT, "--purge", env=env, typed="y\n")
        assert (code, out) == (0, "Deleted: 3.\n")

    async def test_retention(self, events: AuditEvents, database: str) -> None:
        """With `AUDIT_RETENTION_DAYS`, old events go by themselves."""
        now = datetime.now(UTC)
        for number, days in enumerate((40, 31, 29, 0), start=100):
            await events.write(event(number, time=now - timedelta(days=days), channel="C0AGE"))
        keeping = asyncio.create_task(events.keep_for(30))
        before = len(rows_of(database))
        await until(lambda: len(rows_of(database)) <= before - 2)
        keeping.cancel()
        kept = [one async for one in events.search(AuditQuery()) if one.channel == "C0AGE"]
        assert [(now - one.time).days for one in kept] == [0, 29]


async def test_a_database_that_is_gone() -> None:
    """Exit 1, and where it should be; without its password."""
    url = "postgresql://bot:secret@127.0.0.1:9/gone"
    for command in ("audit", "migrate"):
        code, out, err = await run(command, env={"DATABASE_URL": url})
        assert (code, out) == (1, "")
        assert "gone at 127.0.0.1:9 can't be used" in err
        assert "secret" not in err


class TestHome:
    """For auditors, without a terminal."""

    async def _window(self, slack: SlackSandbox, user: str) -> str:
        await slack.open_home(user=user)
        await until(lambda: user in slack.homes)
        await slack.press_in_view(action_ids.AUDIT, "", user=user)
        await until(lambda: bool(slack.views))
        return next(iter(slack.views))

    @pytest.mark.usefixtures("bot")
    async def test_who_looked_a_person_up(self, slack: SlackSandbox, database: str) -> None:
        """In a window; and that is recorded, too."""
        await slack.command(f"/fsessions {JANE} 3")
        await slack.command(f"/fsessions {JANE}", user_id=PARTNER)
        await until(lambda: len(rows_of(database)) == 2)
        view_id = await self._window(slack, MANAGER)
        await slack.submit(view_id, {"person": {"value": "JANE@example.com"}}, user=MANAGER)
        await until(lambda: "2 entries" in str(slack.views[view_id]))
        shown = str(slack.views[view_id])
        assert f"<@{USER}> in <#C0SUPPORT>: saw 3 sessions (command)" in shown
        assert f"<@{PARTNER}> in <#C0SUPPORT>: refused: stranger (command)" in shown
        await until(lambda: len(rows_of(database)) == 3)
        assert rows_of(database)[-1] == (MANAGER, "audit", "audit read", 2)

    @pytest.mark.usefixtures("bot")
    async def test_no_one(self, slack: SlackSandbox) -> None:
        """It says so."""
        view_id = await self._window(slack, MANAGER)
        await slack.submit(view_id, {"person": {"value": "uid:u-13"}}, user=MANAGER)
        await until(lambda: "No one has looked up u-13." in str(slack.views[view_id]))

    @pytest.mark.usefixtures("bot")
    async def test_a_wrong_person(self, slack: SlackSandbox) -> None:
        """The error is beside the field."""
        view_id = await self._window(slack, MANAGER)
        sent = await slack.submit(view_id, {"person": {"value": "a@"}}, user=MANAGER)
        assert sent.ack is not None
        assert sent.ack["response_action"] == "errors"

    @pytest.mark.usefixtures("bot")
    async def test_not_for_others(self, slack: SlackSandbox, database: str) -> None:
        """They have no button; a forged press and a forged form are refused, and recorded."""
        await slack.open_home()
        await until(lambda: USER in slack.homes)
        assert action_ids.AUDIT not in str(slack.homes[USER])
        slack.homes[USER] = (await self._homes(slack))[MANAGER]
        await slack.press_in_view(action_ids.AUDIT, "")
        await until(lambda: denial(DenialReason.NOT_AUDITOR).what in str(slack.views))
        slack.views.clear()
        view_id = await self._window(slack, MANAGER)
        await slack.submit(view_id, {"person": {"value": JANE}}, user=USER)
        await until(lambda: denial(DenialReason.NOT_AUDITOR).what in str(slack.views[view_id]))
        await until(lambda: len(rows_of(database)) == 2)
        assert {row[:3] for row in rows_of(database)} == {(USER, "audit", "refused")}

    async def _homes(self, slack: SlackSandbox) -> dict[str, Any]:
        await slack.open_home(user=MANAGER)
        await until(lambda: MANAGER in slack.homes)
        return slack.homes

    async def test_an_auditor_who_may_not_look(
        self, start_bot: StartBot, slack: SlackSandbox, database: str
    ) -> None:
        """Sees the record, and no sessions."""
        auditing = {"database_url": database, "audit_key": KEY, "auditors": (MANAGER,)}
        async with start_bot(**auditing, allowed_users=(USER,)):
            await slack.command(f"/fsessions {JANE}")
            await until(lambda: len(rows_of(database)) == 1)
            view_id = await self._window(slack, MANAGER)
            assert denial(DenialReason.NOT_ALLOWED).what in str(slack.homes[MANAGER])
            await slack.submit(view_id, {"person": {"value": JANE}}, user=MANAGER)
            await until(lambda: ": 1 entry" in str(slack.views[view_id]))

    async def test_no_key(self, start_bot: StartBot, slack: SlackSandbox, database: str) -> None:
        """No one can be found; it says why."""
        async with start_bot(database_url=database, auditors=(MANAGER,)):
            view_id = await self._window(slack, MANAGER)
            assert "AUDIT_KEY is not set" in str(slack.views[view_id])

    async def test_the_database_is_gone(self, start_bot: StartBot, slack: SlackSandbox) -> None:
        """A sentence, and what to do."""
        gone = "postgresql://127.0.0.1:9/gone"
        auditing = {"database_url": gone, "audit_key": KEY, "auditors": (MANAGER,)}
        async with start_bot(replace(QUICK, audit_end=0.2), **auditing):
            view_id = await self._window(slack, MANAGER)
            await slack.submit(view_id, {"person": {"value": JANE}}, user=MANAGER)
            await until(lambda: "can't be read right now" in str(slack.views[view_id]))


async def test_the_databases_libraries_at_debug(
    start_bot: StartBot, slack: SlackSandbox, database: str, logged: Logged
) -> None:
    """Neither a password nor what is written comes through them, in whatever they log or raise."""
    for name in ("sqlalchemy", "alembic", "psycopg", "aiosqlite"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    gone = "postgresql://bot:planted-password@127.0.0.1:9/gone"
    try:
        for url in (database, gone):
            async with start_bot(
                replace(QUICK, audit_end=0.2), database_url=url, audit_key="planted-key"
            ):
                await slack.command(f"/fsessions {JANE}")
        async with open_engine(database) as engine:
            async with engine.begin() as connection:
                await connection.execute(text("DROP TABLE audit_events"))
            assert not await AuditEvents(engine, QUICK).write(event(1))
    finally:
        for name in ("sqlalchemy", "alembic", "psycopg", "aiosqlite"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    assert any(line["event"] == "library" for line in logged())
    assert "planted" not in str(logged())


async def test_failures_are_recorded_with_their_reference(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, database: str
) -> None:
    """The one that the person saw."""
    fullstory.always = Scripted(401)
    async with start_bot(database_url=database, audit_key=KEY):
        shown = await final(await slack.command(f"/fsessions {JANE}"))
    (one,) = await found(database, "--person", JANE)
    assert (one["result"], one["reason"]) == ("failed", "KeyRejected")
    assert one["reference"] in shown["text"]


async def test_a_workflows_name_is_recorded_only_if_it_is_listed(
    start_bot: StartBot, slack: SlackSandbox, database: str, logged: Logged
) -> None:
    """Its author writes it, and could put the customer's address there; nor is that an id."""
    store = {"database_url": database, "audit_key": KEY}
    async with start_bot(**store, allowed_workflows=("triage",)):
        for workflow in ("triage", JANE, "other-one"):
            await (await slack.run_step("find_sessions_step", person=JANE, workflow=workflow)).end()
        shown = {"show_to": "sam@example.org", "show_in": "the customer's channel"}
        await (await slack.run_step("find_sessions_step", person=JANE, **shown)).end()  # type: ignore[arg-type]
    rows = await found(database)
    assert [one["workflow"] for one in rows] == ["", "other", "other", "triage"]
    assert (rows[0]["user"], rows[0]["channel"]) == ("(not an id)", "(not an id)")
    assert "@" not in str(rows) + str(logged())
