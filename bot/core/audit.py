"""Records who looked up whom: always in the log, and in a database if there is one."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypedDict, Unpack

from bot import logs
from bot.core.access import Actor, DenialReason
from bot.core.events import AuditEvent, AuditQuery, PersonHashes, Result
from bot.core.sessions import Query
from bot.logs import new_reference

_MAX_ID_LENGTH: Final = 100
_FREE_TEXT: Final = re.compile(r"[@\s]")  # never in Slack's ids or in login names
_NO_ID: Final = "(not an id)"


class Details(TypedDict, total=False):
    """What an event says besides who and what. A `reference` may already be used elsewhere."""

    reason: str
    query: Query | None
    count: int
    seconds: float
    reference: str


class AuditStore(Protocol):
    """Stores events: `bot.store.audit`.

    `dropped` events could not be written and are only in the log.
    """

    dropped: int

    @property
    def waiting(self) -> int:
        """How many events are not written yet."""

    def add(self, event: AuditEvent) -> None:
        """Take an event to write soon; it replaces one with the same id. Never fails."""

    async def write(self, event: AuditEvent) -> bool:
        """Write an event now, and return whether that worked. Never fails.

        A write that timed out may still happen later, so the caller corrects the event.
        """

    def search(self, query: AuditQuery, limit: int = 0) -> AsyncIterator[AuditEvent]:
        """Yield events, newest first, at most `limit` unless it is 0. Raises database errors."""


class Audit:
    """Records events. If `required`, an answer waits until its event is in the `store`."""

    def __init__(
        self,
        hashes: PersonHashes,
        store: AuditStore | None = None,
        *,
        required: bool = False,
    ) -> None:
        self.hashes = hashes
        self.store = store
        self._required = required

    def note(self, actor: Actor, result: Result, **details: Unpack[Details]) -> None:
        """Record an event that no answer waits for."""
        event = self.event(actor, result, **details)
        _log_event(event)
        if self.store:
            self.store.add(event)

    def note_denial(self, actor: Actor, reason: DenialReason) -> None:
        """Record that the actor was denied something."""
        self.note(actor, Result.REFUSED, reason=reason.name.lower())

    async def record(
        self, actor: Actor, result: Result, **details: Unpack[Details]
    ) -> AuditEvent | None:
        """Record an event and return it; None if what it is about must not be shown."""
        event = await self.prepare(self.event(actor, result, **details))
        if event:
            self.complete(event)
        return event

    async def prepare(self, event: AuditEvent) -> AuditEvent | None:
        """Record something that is about to happen; it replaces an event with the same id.

        Returns the event for `complete`. If a record is required and could not be written, returns
        None: it must not happen.
        """
        if not self.store:
            return event
        if not self._required:
            self.store.add(event)
            return event
        failure = "cancelled"
        try:
            failure = "" if await self.store.write(event) else "not recorded"
        finally:
            # A slow commit may still succeed: the record must not say that it happened.
            if failure:
                self.complete(event, failure=failure)
        return None if failure else event

    def complete(self, event: AuditEvent, *, failure: str = "") -> None:
        """Log a prepared event; a `failure` is recorded in its place."""
        if failure:
            event = replace(event, result=Result.FAILED.value, reason=failure, count=0)
            if self.store:
                self.store.add(event)
        _log_event(event)

    def event(self, actor: Actor, result: Result, **details: Unpack[Details]) -> AuditEvent:
        """Create an event without recording it."""
        query = details.get("query")
        email_hash, uid_hash = self.hashes.of(query)
        kinds = ("email" if query and query.email else "", "uid" if query and query.uid else "")
        return AuditEvent(
            id=uuid.uuid4().hex,
            time=datetime.now(UTC),
            workspace=_id(actor.workspace),
            user=_id(actor.user),
            entry_point=actor.entry_point.value,
            channel=_id(actor.channel),
            workflow=_id(actor.workflow),
            result=result.value,
            reason=details.get("reason", ""),
            kind=" and ".join(filter(None, kinds)),
            email_hash=email_hash,
            uid_hash=uid_hash,
            count=details.get("count", 0),
            milliseconds=round(details.get("seconds", 0.0) * 1000),
            reference=details.get("reference") or new_reference(),
        )


def _log_event(event: AuditEvent) -> None:
    fields: dict[str, Any] = event.plain
    del fields["time"]  # the log line has its own
    logs.record("audit", **{name: value for name, value in fields.items() if value != ""})


def _id(text: str) -> str:
    """Return an id from outside, but not free text, which could name a customer."""
    printable = "".join(filter(str.isprintable, text))[:_MAX_ID_LENGTH]
    return _NO_ID if _FREE_TEXT.search(printable) else printable
