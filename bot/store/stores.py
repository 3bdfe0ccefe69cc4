"""Opens what the settings ask for. SQL's libraries are loaded only where there is a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from bot.core.audit import Audit, AuditStore
from bot.core.events import PersonHashes
from bot.settings import Settings
from bot.timeouts import Timeouts

if TYPE_CHECKING:
    from bot.store.shared import SharedState

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stores:
    """What is in the database: nothing, where there is none."""

    audit: AuditStore | None = None
    shared: SharedState | None = None


@asynccontextmanager
async def open_stores(
    settings: Settings, timeouts: Timeouts, *, serving: bool = True
) -> AsyncIterator[Stores]:
    """Where events are written behind the answers, and what processes share.

    On leaving, what is left of the events is written. A process that is `serving` looks at the
    tables first, and deletes events that are too old; others share nothing.
    """
    if not settings.database:
        yield Stores()
        return
    from bot.store.audit import AuditEvents
    from bot.store.engine import open_engine
    from bot.store.schema import check
    from bot.store.shared import open_shared

    if not settings.audit_key:
        _log.warning("no AUDIT_KEY: nobody can be found in the audit by e-mail or uid")
    async with AsyncExitStack() as stack:
        # Each has connections of its own: a lock on one's tables is no trouble of the other.
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
        shared.is_unavailable = not has_tables  # which is in the log already
        yield Stores(events, shared)


def audit_of(settings: Settings, store: AuditStore | None) -> Audit:
    """The audit that the settings describe."""
    hashes = PersonHashes(settings.audit_keys)
    return Audit(hashes, store, required=settings.audit_required)
