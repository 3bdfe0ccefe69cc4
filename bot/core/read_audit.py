"""The other use case: find who looked a person up. For auditors, and recorded itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import structlog

from bot.core.access import Access, Actor, DenialReason
from bot.core.audit import Audit, AuditEvent, AuditQuery, Result
from bot.core.outcomes import AccessDenied, Crashed
from bot.core.sessions import Query
from bot.logs import new_reference
from bot.timeouts import Timeouts, within

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entries:
    """The latest events about a person, newest first; `has_more` if there are others."""

    events: tuple[AuditEvent, ...]
    has_more: bool


class ReadAudit:
    """Finds events for `auditors`, who are Slack's ids of people."""

    def __init__(
        self, audit: Audit, access: Access, auditors: Collection[str], timeouts: Timeouts
    ) -> None:
        self._audit = audit
        self._access = access
        self._auditors = auditors
        self._seconds = timeouts.audit_search

    @property
    def can_find_people(self) -> bool:
        """Tell whether there is a key under which people are recorded."""
        return self._audit.hashes.has_key

    async def denial(self, actor: Actor) -> DenialReason | None:
        """Return why the actor may not read the audit, if so; it is recorded."""
        reason = await self._access.membership_denial(actor)
        if not reason and actor.user not in self._auditors:
            reason = DenialReason.NOT_AUDITOR
        if reason:
            self._audit.note_denial(actor, reason)
        return reason

    async def run(
        self, actor: Actor, person: Query, since: datetime | None, limit: int
    ) -> Entries | AccessDenied | Crashed:
        """Return the latest `limit` events about a person. Never raises."""
        started, reference = perf_counter(), new_reference()
        try:
            if reason := await self.denial(actor):
                return AccessDenied(reason)
            found = await within(self._seconds, self._search(person, since, limit + 1))
        except Exception as error:  # noqa: BLE001 - no one is left without an answer
            _log.error("audit not read", reference=reference, exc_info=error)
            self._audit.note(
                actor, Result.FAILED, reason="audit not read", query=person, reference=reference
            )
            return Crashed(reference)
        event = self._audit.event(
            actor,
            Result.AUDIT_READ,
            query=person,
            count=len(found[:limit]),
            seconds=perf_counter() - started,
            reference=reference,
        )
        if not await self._audit.record(event):
            return Crashed(reference)
        return Entries(tuple(found[:limit]), len(found) > limit)

    async def _search(self, person: Query, since: datetime | None, limit: int) -> list[AuditEvent]:
        emails, uids = self._audit.hashes.to_search(person)
        if self._audit.store is None or not (emails or uids):
            return []
        query = AuditQuery(emails, uids, since=since)
        return [event async for event in self._audit.store.search(query, limit)]
