"""`fsessions migrate`: creates or upgrades the tables of `DATABASE_URL`."""

from __future__ import annotations

import click

from bot.settings import Settings
from bot.store.engine import DATABASE_ERRORS, explain, open_engine, shown
from bot.store.schema import Schema, migrate, state_of
from bot.timeouts import Timeouts, within


async def run(settings: Settings) -> int:
    """Migrate, and return the exit code: 0, or 1 if the database is not usable."""
    where = shown(settings.database)
    async with open_engine(settings.database) as engine:
        try:
            before = await within(Timeouts().administration, state_of(engine))
            if not before.is_usable:
                await migrate(engine)
        except DATABASE_ERRORS as error:
            what, fix = explain(settings.database, error)
            click.echo(f"{what}. {fix}", err=True)
            return 1
    done = {
        Schema.CURRENT: "are already up to date",
        Schema.NEWER: "are of a newer version, which works",
    }.get(before, "are now up to date")
    click.echo(f"The tables in {where} {done}.")
    return 0
