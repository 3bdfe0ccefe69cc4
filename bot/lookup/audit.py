"""Records who looked whom up: always in the log, and in a database if there is one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypedDict, Unpack

from bot import logs
from bot.logs import new_reference
from bot.lookup.access import Actor, Refusal
from bot.lookup.events import AuditEvent, AuditQuery, PersonHashes, Result
from bot.sessions import Query

_LONGEST_ID: Final = 100
_OF_LOOKUPS: Final = frozenset(
    {Result.FOUND, Result.NONE, Result.REFUSED, Result.FAILED, Result.CANCELLED}
)
# Whose button or window it was is no lookup, and would take no time in the metrics.
_OF_BUTTONS: Final = frozenset(
    one.name.lower() for one in (Refusal.WRONG_USER, Refusal.OUTDATED, Refusal.NOT_AUDITOR)
)


class Details(TypedDict, total=False):
    """What is recorded besides who and what; a `reference` that stands elsewhere already."""

    reason: str
    query: Query | None
    count: int
    seconds: float
    reference: str


class AuditStore(Protocol):
    """Where events are kept: `bot.database.audit`.

    So many are `waiting` to be written; so many were `given_up`, and are in the log alone.
    """

    given_up: int

    @property
    def waiting(self) -> int:
        """How many are not written yet."""

    def add(self, event: AuditEvent) -> None:
        """Takes an event that is to be written soon; never waits, never fails."""

    async def write(self, event: AuditEvent) -> bool:
        """Writes an event now, and says whether that worked; never fails.

        One that was not written is counted as given up; whoever calls logs it.
        """

    def search(self, query: AuditQuery, most: int = 0) -> AsyncIterator[AuditEvent]:
        """Events, newest first, `most` of them or all. Raises what the database raises."""


Observe = Callable[[str, float], None]
"""Told of each lookup: what came of it, and the seconds."""


class Audit:
    """Records events: always in the log, and in the `store` if there is one.

    With `required`, an answer waits until its event is in the store.
    """

    def __init__(
        self,
        hashes: PersonHashes,
        store: AuditStore | None = None,
        observe: Observe = lambda *_: None,
        *,
        required: bool = False,
    ) -> None:
        self.hashes = hashes
        self.store = store
        self._observe = observe
        self._required = required

    def note(self, actor: Actor, result: Result, **details: Unpack[Details]) -> None:
        """Records an event for which nobody waits."""
        event = self._event(actor, result, details)
        self._tell(event)
        if self.store:
            self.store.add(event)

    async def record(
        self, actor: Actor, result: Result, **details: Unpack[Details]
    ) -> tuple[bool, str]:
        """Records an event: whether what it is about may be shown, and the event's reference."""
        if not (self.store and self._required):
            details["reference"] = details.get("reference") or new_reference()
            self.note(actor, result, **details)
            return True, details["reference"]
        event = self._event(actor, result, details)
        written = await self.store.write(event)
        # What could not be recorded is not shown: the log must not say that it was.
        unwritten = replace(event, result=Result.FAILED.value, reason="not recorded", count=0)
        self._tell(event if written else unwritten)
        return written, event.reference

    def _event(self, actor: Actor, result: Result, details: Details) -> AuditEvent:
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
        if event.result in _OF_LOOKUPS and event.reason not in _OF_BUTTONS:
            is_failure = event.result == Result.FAILED
            label = event.reason if is_failure else event.result
            self._observe(label, event.milliseconds / 1000)


def _id(text: str) -> str:
    """An id from outside, as a database takes it: short, and without what it can't hold."""
    return "".join(filter(str.isprintable, text))[:_LONGEST_ID]
