"""Opens what the settings ask for. SQL's libraries are loaded only where there is a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from bot.lookup.audit import Audit, AuditStore, Observe
from bot.lookup.events import PersonHashes
from bot.settings import Settings
from bot.waits import Waits

_log = structlog.get_logger()


@asynccontextmanager
async def open_store(
    settings: Settings, waits: Waits, *, serving: bool = True
) -> AsyncIterator[AuditStore | None]:
    """Where events are written behind the answers; None where there is no database.

    On leaving, what is left is written. A process that is `serving` looks at the tables first, and
    deletes what is too old; it raises `SettingsError` if the tables are too new.
    """
    if not settings.database:
        yield None
        return
    from bot.database.audit import AuditEvents
    from bot.database.engine import open_engine
    from bot.database.schema import check

    if not settings.audit_key:
        _log.warning("no AUDIT_KEY: nobody can be found in the audit by e-mail or uid")
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(settings.database))
        if serving:
            await check(engine)
        events = AuditEvents(engine, waits)
        stack.push_async_callback(events.finish, asyncio.create_task(events.run()))
        if serving and settings.audit_retention_days:
            keeping = asyncio.create_task(events.keep_for(settings.audit_retention_days))
            stack.callback(keeping.cancel)
        yield events


def audit_of(
    settings: Settings, store: AuditStore | None, observe: Observe = lambda *_: None
) -> Audit:
    """The audit that the settings describe."""
    hashes = PersonHashes(settings.audit_keys)
    return Audit(hashes, store, observe, required=settings.audit_required)
