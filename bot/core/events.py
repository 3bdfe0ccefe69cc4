"""What the audit holds: one event for every attempt to look somebody up. Pure.

An event holds no personal data of a customer. Of the person who was looked up there is a keyed
hash: the same person always gives the same one, so their lookups can be found again by who has the
key; without the key nothing can be told from it.
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
    """What came of an attempt."""

    FOUND = "found"
    NONE = "none"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SHARED = "shared"
    """Sessions were shown to everybody in a conversation."""

    AUDIT_READ = "audit read"
    """Somebody asked who had looked the person up."""

    PURGED = "purged"
    """Events were deleted on the terminal."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One attempt.

    `time` is aware and in UTC. `workspace`, `user`, `channel` and `workflow` are the actor's.
    `reason` says more of what was refused or failed. `kind` is "email", "uid" or "email and uid";
    it and the hashes are "" where nobody was looked up. `count` is the number of
    sessions. `reference` is also in the log, and in what the person saw where they saw one.
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
        """All fields, as text and numbers."""
        return self.fields | {"time": self.time.isoformat(timespec="milliseconds")}

    @property
    def fields(self) -> dict[str, Any]:
        """All fields, as they are."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which events: those that fit everything that is given here.

    The hashes are of one person, under each key. `since` and `until` are aware; an event at `until`
    is left out.
    """

    email_hashes: Sequence[str] = ()
    uid_hashes: Sequence[str] = ()
    user: str = ""
    since: datetime | None = None
    until: datetime | None = None


class PersonHashes:
    """HMAC-SHA256 of people under one of several keys: the first one is for what is written now."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    @property
    def has_key(self) -> bool:
        """Whether people can be found again."""
        return bool(self._keys)

    def of(self, query: Query | None) -> tuple[str, str]:
        """The hashes of an e-mail and a uid under the first key; "" where there is none."""
        emails, uids = self.all_of(query) if query else ([], [])
        return "".join(emails[:1]), "".join(uids[:1])

    def all_of(self, query: Query) -> tuple[list[str], list[str]]:
        """The same under each of the keys."""
        return self._under_each("email", _email(query)), self._under_each("uid", _uid(query))

    def to_search(self, query: Query) -> tuple[list[str], list[str]]:
        """The same, and besides the uid that is an address where sites use one for the other."""
        emails, uids = self.all_of(query)
        if not query.uid:
            for spelling in {str(query.email), _email(query)}:
                uids += self._under_each("uid", _uid(Query(None, spelling, 1)))
        return emails, uids

    def _under_each(self, kind: str, name: str) -> list[str]:
        text = f"{kind}:{name}".encode(errors="surrogatepass")
        return [hmac.digest(key, text, "sha256").hex() for key in self._keys if name]


def _email(query: Query) -> str:
    """The address in one spelling: small letters, and its domain as the Internet writes it."""
    local, at, domain = unicodedata.normalize("NFKC", query.email or "").strip().rpartition("@")
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    return f"{local}{at}{domain}".casefold()


def _uid(query: Query) -> str:
    return unicodedata.normalize("NFC", query.uid or "").strip()
