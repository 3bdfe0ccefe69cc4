"""The other use case: who looked this person up? For auditors, and itself recorded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import structlog

from bot.core.access import Actor, DenialReason
from bot.core.audit import Audit
from bot.core.events import AuditEvent, AuditQuery, Result
from bot.core.outcomes import AccessDenied, Crashed
from bot.core.permission import Access
from bot.core.sessions import Query
from bot.logs import new_reference
from bot.timeouts import Timeouts, within

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entries:
    """The latest events about a person, newest first; `more` where there are others."""

    events: tuple[AuditEvent, ...]
    more: bool


class ReadAudit:
    """Finds events for `auditors`, Slack's ids of people."""

    def __init__(
        self, audit: Audit, access: Access, auditors: Collection[str], timeouts: Timeouts
    ) -> None:
        self._seconds = timeouts.audit_search
        self._audit = audit
        self._access = access
        self._auditors = auditors

    @property
    def can_find_people(self) -> bool:
        """Whether there is a key under which people are recorded."""
        return self._audit.hashes.has_key

    async def refusal(self, actor: Actor) -> DenialReason | None:
        """Why somebody may not see who looked whom up; recorded."""
        refusal = await self._access.refusal_by_membership(actor)
        if not refusal and actor.user not in self._auditors:
            refusal = DenialReason.NOT_AUDITOR
        if refusal:
            self._audit.note(actor, Result.REFUSED, reason=refusal.name.lower())
        return refusal

    async def run(
        self, actor: Actor, person: Query, since: datetime | None, most: int
    ) -> Entries | AccessDenied | Crashed:
        """The latest `most` events about a person. It never raises."""
        started, reference = perf_counter(), new_reference()
        try:
            if refusal := await self.refusal(actor):
                return AccessDenied(refusal)
            found = await within(self._seconds, self._search(person, since, most + 1))
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            _log.error("audit not read", reference=reference, exc_info=error)
            reason = "audit not read"
            self._audit.note(actor, Result.FAILED, reason=reason, query=person, reference=reference)
            return Crashed(reference)
        event = await self._audit.record(
            actor,
            Result.AUDIT_READ,
            query=person,
            count=len(found[:most]),
            seconds=perf_counter() - started,
            reference=reference,
        )
        return Entries(tuple(found[:most]), len(found) > most) if event else Crashed(reference)

    async def _search(self, person: Query, since: datetime | None, most: int) -> list[AuditEvent]:
        emails, uids = self._audit.hashes.to_search(person)
        if self._audit.store is None or not (emails or uids):
            return []
        query = AuditQuery(emails, uids, since=since)
        return [event async for event in self._audit.store.search(query, most)]
