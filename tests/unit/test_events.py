"""What the audit holds of a person."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest

from bot.core.access import Actor, EntryPoint
from bot.core.audit import Audit, AuditEvent, AuditQuery, PersonHashes, Result
from bot.core.sessions import Query

KEYS = PersonHashes(["new", "old"])
JANE = Query("jane@example.com", "user-42", 5)


def test_anybody_with_the_key_can_check_it() -> None:
    """HMAC-SHA256 of the kind, a colon, and the name in its usual spelling."""
    expected = hmac.new(b"new", b"email:jane@example.com", hashlib.sha256).hexdigest()
    assert KEYS.of(JANE)[0] == expected
    assert KEYS.of(Query(None, "user-42", 1)) == ("", KEYS.of(JANE)[1])


@pytest.mark.parametrize(
    "spelling", ["JANE@Example.COM", " jane@example.com", "ｊａｎｅ@example.com"]
)
def test_spellings_of_one_address(spelling: str) -> None:
    """The same hash."""
    assert KEYS.of(Query(spelling, None, 1))[0] == KEYS.of(JANE)[0]


def test_domains_beyond_english() -> None:
    """Written in their own letters, or as the Internet does."""
    ours, theirs = "j@ex\u00e4mple.com", "j@xn--exmple-cua.com"
    assert KEYS.of(Query(ours, None, 1)) == KEYS.of(Query(theirs, None, 1))


def test_one_uid_written_in_two_ways() -> None:
    """Composed and decomposed letters are the same; capitals are not, as sites tell them apart."""
    composed, decomposed = "j\u00fcrgen", "ju\u0308rgen"
    assert KEYS.of(Query(None, composed, 1)) == KEYS.of(Query(None, decomposed, 1))
    assert KEYS.of(Query(None, "Jane", 1)) != KEYS.of(Query(None, "jane", 1))


def test_an_address_and_a_uid_of_the_same_letters() -> None:
    """Are two people."""
    assert KEYS.of(Query("a@b.example", None, 1))[0] != KEYS.of(Query(None, "a@b.example", 1))[1]


def test_the_first_key_writes_and_all_are_searched() -> None:
    """So a key can be changed."""
    emails, uids = KEYS.all_of(JANE)
    assert emails == [PersonHashes([key]).of(JANE)[0] for key in ("new", "old")]
    assert uids == [PersonHashes([key]).of(JANE)[1] for key in ("new", "old")]


def test_without_a_key() -> None:
    """Nothing is recorded of the person."""
    assert PersonHashes([]).of(JANE) == ("", "")
    assert not PersonHashes([]).has_key


def test_ids_that_no_database_takes() -> None:
    """They are cut to what it takes: one odd id must not are in the way of all events."""
    kept: list[AuditEvent] = []

    class Kept:
        dropped = waiting = 0
        add = kept.append

        async def write(self, event: AuditEvent) -> bool:
            raise AssertionError(event)

        def search(self, query: AuditQuery, most: int = 0) -> AsyncIterator[AuditEvent]:
            raise AssertionError(query, most)

    actor = Actor("T0\x00", "U" * 5_000, EntryPoint.COMMAND, "C\ud800", "w\n")
    Audit(KEYS, Kept()).note(actor, Result.FOUND, query=JANE)
    (event,) = kept
    assert (event.workspace, len(event.user), event.workflow) == ("T0", 100, "w")
    assert event.channel.encode()
