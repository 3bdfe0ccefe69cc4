"""Opens the database, if there is one; only then are SQL's libraries loaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from bot.core.audit import Audit, AuditStore, PersonHashes
from bot.settings import Settings
from bot.timeouts import Timeouts

if TYPE_CHECKING:
    from bot.store.shared import SharedState

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stores:
    """What is in the database; None without one."""

    audit: AuditStore | None = None
    shared: SharedState | None = None


@asynccontextmanager
async def open_stores(
    settings: Settings, timeouts: Timeouts, *, serving: bool = True
) -> AsyncIterator[Stores]:
    """Open the audit's store and the shared state; on leaving, write what is left.

    A process that is not `serving` only gets the audit's store.
    """
    if not settings.database:
        yield Stores()
        return
    from bot.store.audit import AuditEvents
    from bot.store.engine import open_engine
    from bot.store.schema import check
    from bot.store.shared import open_shared

    if not settings.audit_key:
        _log.warning("no AUDIT_KEY: people can't be found in the audit by e-mail or uid")
    async with AsyncExitStack() as stack:
        # Each has its own connections: a lock on the tables of one must not block the other.
        engine = await stack.enter_async_context(open_engine(settings.database))
        has_tables = not serving or await check(engine)
        events = AuditEvents(engine, timeouts)
        stack.push_async_callback(events.finish, asyncio.create_task(events.run()))
        if not serving:
            yield Stores(events)
            return
        if settings.audit_retention_days:
            keeping = asyncio.create_task(events.keep_for(settings.audit_retention_days))
            stack.callback(keeping.cancel)
        state_engine = await stack.enter_async_context(open_engine(settings.database))
        shared = open_shared(state_engine, settings.bot_name, settings.fernet_keys, timeouts)
        shared.is_unavailable = not has_tables  # which is logged already
        yield Stores(events, shared)


def audit_of(settings: Settings, store: AuditStore | None) -> Audit:
    """Create the audit that the settings describe."""
    hashes = PersonHashes(settings.audit_keys)
    return Audit(hashes, store, required=settings.audit_required)
