"""Records who looked whom up: always in the log, and in a database if there is one."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypedDict, Unpack

from bot import logs
from bot.core.access import Actor
from bot.core.events import AuditEvent, AuditQuery, PersonHashes, Result
from bot.core.sessions import Query
from bot.logs import new_reference

_LONGEST_ID: Final = 100
_FREE_TEXT: Final = re.compile(r"[@\s]")  # neither Slack's ids nor login names have them
_NO_ID: Final = "(not an id)"


class Details(TypedDict, total=False):
    """What is recorded besides who and what; a `reference` that stands elsewhere already."""

    reason: str
    query: Query | None
    count: int
    seconds: float
    reference: str


class AuditStore(Protocol):
    """Where events are kept: `bot.store.audit`.

    So many are `waiting` to be written; so many were `dropped`, and are in the log alone.
    """

    dropped: int

    @property
    def waiting(self) -> int:
        """How many are not written yet."""

    def add(self, event: AuditEvent) -> None:
        """Take an event to write soon, in the place of one with its id; never fails."""

    async def write(self, event: AuditEvent) -> bool:
        """Write an event now, and say whether that worked; never fails.

        One that was not written in time may be there later all the same: whoever calls corrects it.
        """

    def search(self, query: AuditQuery, most: int = 0) -> AsyncIterator[AuditEvent]:
        """Events, newest first, `most` of them or all. Raises what the database raises."""


class Audit:
    """Records events: always in the log, and in the `store` if there is one.

    With `required`, an answer waits until its event is in the store.
    """

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
        """Records an event for which nobody waits."""
        event = self.event(actor, result, **details)
        self._tell(event)
        if self.store:
            self.store.add(event)

    async def record(
        self, actor: Actor, result: Result, **details: Unpack[Details]
    ) -> AuditEvent | None:
        """Record an event and return it; None where what it is about must not be shown."""
        event = await self.prepare(self.event(actor, result, **details))
        if event:
            self.complete(event)
        return event

    async def prepare(self, event: AuditEvent) -> AuditEvent | None:
        """Record what is about to be done, in the place of an event with the same id.

        Returns the event for `complete`. Where a record is required, it is in the store then; if
        that fails, None is returned: it must not be done.
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
            # A commit that was too slow may come about later: the record must not say "done".
            if failure:
                self.complete(event, failure=failure)
        return None if failure else event

    def complete(self, event: AuditEvent, *, failure: str = "") -> None:
        """Log what became of a prepared event; a failure is recorded in the place of the event."""
        if failure:
            event = replace(event, result=Result.FAILED.value, reason=failure, count=0)
            if self.store:
                self.store.add(event)
        self._tell(event)

    def event(self, actor: Actor, result: Result, **details: Unpack[Details]) -> AuditEvent:
        """Make an event; it is not recorded yet."""
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

    def _tell(self, event: AuditEvent) -> None:
        fields: dict[str, Any] = event.plain
        del fields["time"]  # the line has its own
        logs.record("audit", **{name: value for name, value in fields.items() if value != ""})


def _id(text: str) -> str:
    """Return an id from outside, if it is one; a free text, which could name a customer, is not."""
    printable = "".join(filter(str.isprintable, text))[:_LONGEST_ID]
    return _NO_ID if _FREE_TEXT.search(printable) else printable
