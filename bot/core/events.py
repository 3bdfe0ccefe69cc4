"""The audit's events: one for every attempt to look a person up.

An event has no personal data of a customer. The person who was looked up is a keyed hash: the same
person always gives the same hash, so whoever has the key can find their lookups again. Without the
key it says nothing.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.core.sessions import Query


class Result(StrEnum):
    """The result of an attempt."""

    FOUND = "found"
    NONE = "none"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SHARED = "shared"
    """Sessions were shown to everyone in a conversation."""

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
        """Whether people can be found again."""
        return bool(self._keys)

    def of(self, query: Query | None) -> tuple[str, str]:
        """Return the hashes of the e-mail and the uid under the first key; "" if there is none."""
        emails, uids = self.all_of(query) if query else ([], [])
        return "".join(emails[:1]), "".join(uids[:1])

    def all_of(self, query: Query) -> tuple[list[str], list[str]]:
        """Return the hashes of the e-mail and of the uid under each key."""
        return self._under_each("email", _email(query)), self._under_each("uid", _uid(query))

    def to_search(self, query: Query) -> tuple[list[str], list[str]]:
        """Return `all_of`, and the hashes of the e-mail as a uid, which is what some sites use."""
        emails, uids = self.all_of(query)
        if not query.uid:
            for spelling in {str(query.email), _email(query)}:
                uids += self._under_each("uid", _uid(Query(None, spelling, 1)))
        return emails, uids

    def _under_each(self, kind: str, name: str) -> list[str]:
        text = f"{kind}:{name}".encode(errors="surrogatepass")
        return [hmac.digest(key, text, "sha256").hex() for key in self._keys if name]


def _email(query: Query) -> str:
    """Return the address in one spelling: in small letters, and the domain in IDNA."""
    local, at, domain = unicodedata.normalize("NFKC", query.email or "").strip().rpartition("@")
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    return f"{local}{at}{domain}".casefold()


def _uid(query: Query) -> str:
    return unicodedata.normalize("NFC", query.uid or "").strip()
