"""Checks of the database for `fsessions check`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from bot.cli.check.finding import Finding
from bot.settings import Settings
from bot.store.engine import DATABASE_ERRORS, explain, open_engine, shown
from bot.store.inspect import seconds_ahead, tables_without_rights
from bot.store.schema import Schema, state_of
from bot.timeouts import Timeouts, within

_MIN_KEY_LENGTH: Final = 20  # characters, so that it can't be guessed
_CLOCK_SECONDS: Final = 5.0
_SECONDS: Final = Timeouts().administration


async def database(settings: Settings) -> AsyncIterator[Finding]:
    """Check the tables, the user's rights, the clock and the keys."""
    part, where = "Database", shown(settings.database)
    try:
        async with open_engine(settings.database) as engine:
            state = await within(_SECONDS, state_of(engine))
            if not state.is_usable:
                yield Finding(part, f"{where} has {state.value}", "Run fsessions migrate.")
                return
            lacking = await within(_SECONDS, tables_without_rights(engine))
            ahead = await within(_SECONDS, seconds_ahead(engine))
    except DATABASE_ERRORS as error:
        yield Finding(part, *explain(settings.database, error))
        return
    if lacking:
        yield Finding(
            part,
            f"{where} is not fully usable: no rights on {', '.join(lacking)}",
            "Run fsessions migrate as the same user, or grant SELECT, INSERT, UPDATE and DELETE.",
        )
    else:
        is_newer = state is Schema.NEWER
        about = "has tables of a newer version, which work" if is_newer else "is up to date"
        yield Finding(part, f"{where} {about}, and is writable")
    yield clocks(ahead)
    yield _audit_keys(settings)
    yield _late_answers(settings)


def clocks(ahead: float) -> Finding:
    """Check that the database's clock, which is so many seconds ahead, agrees with this one."""
    if abs(ahead) < _CLOCK_SECONDS:
        return Finding("Clocks", "the database's and this machine's agree")
    way = "ahead of" if ahead > 0 else "behind"
    result = f"the database's is {abs(ahead):.0f} s {way} this machine's"
    return Finding("Clocks", result, "Synchronize both machines' clocks (NTP).")


def _audit_keys(settings: Settings) -> Finding:
    part = "Audit"
    if not settings.audit_keys:
        result = "without AUDIT_KEY, people can't be found in it"
        return Finding(part, result, is_known=False)
    if min(map(len, settings.audit_keys)) < _MIN_KEY_LENGTH:
        return Finding(
            part,
            f"an AUDIT_KEY has fewer than {_MIN_KEY_LENGTH} characters",
            "Create a longer one (openssl rand -hex 32) and put it first: AUDIT_KEY=new,short. "
            "Earlier events can still be found.",
        )
    return Finding(part, "people can be found in it by e-mail and uid")


def _late_answers(settings: Settings) -> Finding:
    part = "Late answers"
    if settings.database.startswith("sqlite"):
        return Finding(part, "are sent after a restart if their process ends")
    return Finding(part, "are sent by another process if one dies")
