"""The tables: made, renewed, and what is said where they are of another version."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

import bot.store
from bot.sandbox.slack import SlackSandbox
from bot.store.engine import open_engine, shown, url_of
from bot.store.schema import REVISIONS, Schema, state_of
from bot.store.tables import METADATA
from tests.conftest import QUICK, Logged, StartBot
from tests.programs import run
from tests.scenarios.answers import JANE, final


async def set_revision(url: str, revision: str) -> None:
    """As another version of the program would leave it."""
    async with open_engine(url) as engine, engine.begin() as connection:
        await connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))  # noqa: S608


def test_revisions() -> None:
    """The list is that of the folder."""
    config = Config()
    config.set_main_option("script_location", str(Path(bot.store.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    walked = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(one.revision for one in walked)[::-1] == REVISIONS


async def test_migrations_make_what_the_code_expects(database: str) -> None:
    """Columns, types and indexes."""

    def differences(connection: Connection) -> Any:  # noqa: ANN401
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, METADATA)

    async with open_engine(database) as engine, engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrate(empty_database: str) -> None:
    """Makes the tables; a second time there is nothing to do."""
    env = {"DATABASE_URL": empty_database}
    code, out, err = await run("migrate", env=env)
    assert (code, err) == (0, "")
    assert "now up to date" in out
    code, out, _ = await run("migrate", env=env)
    assert (code, "already" in out) == (0, True)
    async with open_engine(empty_database) as engine:
        assert await state_of(engine) is Schema.CURRENT


async def test_two_migrations_at_once(empty_database: str) -> None:
    """Several processes of a deployment may start it together."""
    env = {"DATABASE_URL": empty_database}
    results = await asyncio.gather(*(run("migrate", env=env) for _ in range(3)))
    assert [code for code, _, _ in results] == [0, 0, 0], results


async def test_tables_that_are_too_old(
    start_bot: StartBot, slack: SlackSandbox, empty_database: str, logged: Logged
) -> None:
    """It says what to do, and answers."""
    # What can't be written is dropped soon.
    async with start_bot(replace(QUICK, audit_end=0.2), database_url=empty_database):
        assert "sessions" in (await final(await slack.command(f"/fsessions {JANE}")))["text"]
    assert any("run fsessions migrate" in line["event"] for line in logged())


async def test_newer_tables(
    start_bot: StartBot, slack: SlackSandbox, database: str, logged: Logged
) -> None:
    """While a new version is rolled out, or after a way back: the one before works with them."""
    await set_revision(database, "9999")
    async with start_bot(database_url=database):
        assert "sessions" in (await final(await slack.command(f"/fsessions {JANE}")))["text"]
    assert any("newer version" in line["event"] for line in logged())
    code, out, _ = await run("migrate", env={"DATABASE_URL": database})
    assert (code, "newer version" in out) == (0, True)
    code, out, _ = await run("audit", env={"DATABASE_URL": database})
    assert (code, "found" in out) == (0, True)


async def test_without_a_database() -> None:
    """Both commands say what is missing, and exit with 2."""
    for command in ("migrate", "audit"):
        code, _, err = await run(command)
        assert (code, "DATABASE_URL is missing" in err) == (2, True)


@pytest.mark.parametrize(
    ("given", "driver", "place"),
    [
        ("postgres://u:p@db.example.com:5432/x", "postgresql+psycopg", "x at db.example.com:5432"),
        ("postgresql://u:p@h/x?sslmode=require", "postgresql+psycopg", "x at h"),
        ("postgresql:///x", "postgresql+psycopg", "x at this machine"),
        ("sqlite:///audit.db", "sqlite+aiosqlite", "audit.db"),
    ],
)
def test_addresses(given: str, driver: str, place: str) -> None:
    """Heroku's spelling too; shown without user and password."""
    assert url_of(given).drivername == driver
    assert shown(given) == place
    assert url_of(given).query.get("sslmode") == ("require" if "?" in given else None)
