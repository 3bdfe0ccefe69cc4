"""Records who looked up which customer: always in the log, and in a database if there is one.

An event has no personal data of a customer. The person who was looked up is a keyed hash: the same
person always gives the same hash, so whoever has the key can find their lookups again. Without the
key it says nothing.
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol, TypedDict, Unpack

from bot import logs
from bot.core.access import Actor, DenialReason
from bot.core.sessions import Query

_MAX_ID_LENGTH: Final = 100
_FREE_TEXT: Final = re.compile(r"[@\s]")  # never in Slack's ids or in login names
_NO_ID: Final = "(not an id)"


class Result(StrEnum):
    """The result of an attempt."""

    FOUND = "found"
    NONE = "none"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SHARED = "shared"
    """Sessions were shown to everyone in a conversation."""

    OPENED = "opened"
    """*Watch replay* was pressed."""

    EXPLAINED = "explained"
    """*Why?* was pressed: what Fullstory knows of a person without sessions was shown."""

    INSIGHT = "insight"
    """What happened in a session was shown. The `count` is 1 if that was paid for, otherwise 0."""

    AUDIT_READ = "audit read"
    """An auditor read who had looked the person up."""

    PURGED = "purged"
    """Events were deleted on the terminal."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One attempt.

    `time` is aware and in UTC. `workspace`, `user`, `channel` and `workflow` are the actor's.
    `reason` says why something was refused or failed. `kind` is "email", "uid" or "email and uid";
    it and the hashes are "" if no one was looked up. `count` is the number of sessions.
    `reference` is also in the log, and in the message if that has one.
    """

    id: str
    time: datetime
    workspace: str
    user: str
    entry_point: str
    channel: str
    workflow: str
    result: str
    reason: str
    kind: str
    email_hash: str
    uid_hash: str
    count: int
    milliseconds: int
    reference: str

    @property
    def plain(self) -> dict[str, str | int]:
        """All fields as text and numbers."""
        return self.fields | {"time": self.time.isoformat(timespec="milliseconds")}

    @property
    def fields(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Selects events that match every field that is set.

    The hashes are of one person, one for each key. `since` and `until` are aware; `until` is
    exclusive.
    """

    email_hashes: Sequence[str] = ()
    uid_hashes: Sequence[str] = ()
    user: str = ""
    since: datetime | None = None
    until: datetime | None = None


class PersonHashes:
    """Hashes people with HMAC-SHA256. New events use the first key; searches use all."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    @property
    def has_key(self) -> bool:
        """Tell whether people can be found again."""
        return bool(self._keys)

    def of(self, query: Query | None) -> tuple[str, str]:
        """Return the hashes of the e-mail and the uid under the first key; "" if there is none."""
        emails, uids = self.all_of(query) if query else ([], [])
        return "".join(emails[:1]), "".join(uids[:1])

    def all_of(self, query: Query) -> tuple[list[str], list[str]]:
        """Return the hashes of the e-mail and of the uid under each key."""
        return self._under_each("email", _spelled_email(query)), self._under_each(
            "uid", _uid(query)
        )

    def to_search(self, query: Query) -> tuple[list[str], list[str]]:
        """Return `all_of`, and the hashes of the e-mail as a uid, which is what some sites use."""
        emails, uids = self.all_of(query)
        if not query.uid:
            for spelling in {str(query.email), _spelled_email(query)}:
                uids += self._under_each("uid", _uid(Query(None, spelling, 1)))
        return emails, uids

    def _under_each(self, kind: str, name: str) -> list[str]:
        text = f"{kind}:{name}".encode(errors="surrogatepass")
        return [hmac.digest(key, text, "sha256").hex() for key in self._keys if name]


def _spelled_email(query: Query) -> str:
    """Return the address in one spelling: in small letters, and the domain in IDNA."""
    local, at, domain = unicodedata.normalize("NFKC", query.email or "").strip().rpartition("@")
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    return f"{local}{at}{domain}".casefold()


def _uid(query: Query) -> str:
    return unicodedata.normalize("NFC", query.uid or "").strip()


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

    async def record(self, event: AuditEvent) -> bool:
        """Record an event; return False if what it is about must not be shown."""
        if is_recorded := await self.prepare(event):
            self.complete(event)
        return is_recorded

    async def prepare(self, event: AuditEvent) -> bool:
        """Record something that is about to happen; it replaces an event with the same id.

        If a record is required and could not be written, returns False: it must not happen.
        Otherwise `complete` follows.
        """
        if not self.store:
            return True
        if not self._required:
            self.store.add(event)
            return True
        failure = "cancelled"
        try:
            failure = "" if await self.store.write(event) else "not recorded"
        finally:
            # A slow commit may still succeed: the record must not say that it happened.
            if failure:
                self.complete(event, failure=failure)
        return not failure

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
        event_id = secrets.token_hex(16)
        kinds = ("email" if query and query.email else "", "uid" if query and query.uid else "")
        return AuditEvent(
            id=event_id,
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
            reference=details.get("reference") or event_id[:8],
        )


def _log_event(event: AuditEvent) -> None:
    fields: dict[str, Any] = event.plain
    del fields["time"]  # the log line has its own
    logs.record("audit", **{name: value for name, value in fields.items() if value != ""})


def _id(text: str) -> str:
    """Return an id from outside, but not free text, which could name a customer."""
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    printable = text[:_MAX_ID_LENGTH]
    return _NO_ID if _FREE_TEXT.search(printable) else printable
