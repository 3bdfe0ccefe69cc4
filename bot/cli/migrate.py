"""`fsessions migrate`: makes or renews the tables of `DATABASE_URL`."""

from __future__ import annotations

from rich.console import Console

from bot.settings import Settings
from bot.store.engine import TROUBLE, cannot_be_used, open_engine, shown
from bot.store.schema import Schema, migrate, state_of
from bot.timeouts import Timeouts, within


async def run(settings: Settings) -> int:
    """Says what it did. Gives the exit code: 0, or 1 where it could not be done."""
    console, errors = Console(highlight=False, soft_wrap=True), Console(stderr=True, soft_wrap=True)
    where = shown(settings.database)
    async with open_engine(settings.database) as engine:
        try:
            before = await within(Timeouts().administration, state_of(engine))
            if not before.can_be_used:
                await migrate(engine)
        except TROUBLE as error:
            failed, remedy = cannot_be_used(settings.database, error)
            errors.print(f"{failed}. {remedy}", markup=False)
            return 1
    done = {
        Schema.CURRENT: "are up to date already",
        Schema.NEWER: "are of a newer version, with which this one works",
    }.get(before, "are up to date now")
    console.print(f"The tables in {where} {done}.")
    return 0
