"""What buttons and modals remember: signed text that only the person who asked can send back.

The value of a button is visible to everyone who sees the message, so it contains what the message
shows and nothing else. It has two signatures. One proves that the value is ours, of this version
and for this kind of button; the other that it was made for the person who sends it, without naming
them. So a value is of no use on another kind of button, or to another person.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from bot.core.access import DenialReason
from bot.core.sessions import Moment, Query, Snapshot
from bot.errors import FsessionsError
from bot.fast_json import dumps

VALID_FOR: Final = timedelta(days=30)
"""How long a value can be used: answers in direct messages stay for years."""

_VERSION: Final = "2"  # of the fields and signatures below; values of other versions are outdated
_DAY: Final = timedelta(days=1)
_FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SIGNATURE_LENGTH: Final = 16  # characters for 96 bits


class Kind(StrEnum):
    """What a value is for."""

    LOOK = "l"
    """To look the same person up: refresh, show more, a choice."""

    SHARE = "s"
    """To share what was shown."""

    SHARE_FORM = "f"
    """What the share modal remembers."""

    CHANNEL = "p"
    """The channel in which a modal was opened; more may follow in the next lines."""

    INSIGHT = "i"
    """To tell what happened in one of the sessions that were shown."""

    REPORT = "r"
    """To share what happened as a bug report."""

    REPORT_FORM = "g"
    """What the preview of a bug report remembers."""

    TEXT = "t"
    """What was typed, to be edited in the search form."""


class BadSignature(FsessionsError):
    """A value that its sender must not use; `reason` is `WRONG_USER` or `OUTDATED`."""

    def __init__(self, reason: DenialReason) -> None:
        super().__init__(reason.name)
        self.reason = reason


class Signer:
    """Signs values with the first of several keys, and verifies them with any.

    `clock` gives the present time.
    """

    def __init__(
        self, keys: Sequence[bytes], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._keys = keys
        self._clock = clock

    def sign_query(self, query: Query, user: str, kind: Kind = Kind.LOOK) -> str:
        """Return a button's value that `user` may press.

        It has at most some 1,200 characters; for an ordinary address fewer than the 150 that an
        option of a menu takes.
        """
        return self.sign(text_of(query), user, kind)

    def verify_query(self, value: str, user: str, kind: Kind = Kind.LOOK) -> Query:
        """Return the query of a button's value. Raises `BadSignature`."""
        return query_of(self.verify(value, user, kind))

    def sign(self, text: str, user: str, kind: Kind) -> str:
        """Return a text that only `user` can send back, and only for this purpose."""
        dated = f"{(self._clock() - _FIRST_DAY) // _DAY:x}.{text}"
        key = self._keys[0]
        return _signature(key, dated, "", kind) + _signature(key, dated, user, kind) + dated

    def verify(self, value: str, user: str, kind: Kind) -> str:
        """Return the text. Raises `BadSignature`."""
        ours, theirs = value[:_SIGNATURE_LENGTH], value[_SIGNATURE_LENGTH : 2 * _SIGNATURE_LENGTH]
        dated = value[2 * _SIGNATURE_LENGTH :]
        key = next(
            (one for one in self._keys if _is_equal(ours, _signature(one, dated, "", kind))), None
        )
        if key is None:
            raise BadSignature(DenialReason.OUTDATED)
        day, _, text = dated.partition(".")
        if self._clock() - (_FIRST_DAY + int(day, 16) * _DAY) > VALID_FOR + _DAY:
            raise BadSignature(DenialReason.OUTDATED)
        if not _is_equal(theirs, _signature(key, dated, user, kind)):
            raise BadSignature(DenialReason.WRONG_USER)
        return text


def _signature(key: bytes, text: str, user: str, kind: Kind) -> str:
    signed = f"{_VERSION} {kind} {user} {text}".encode(errors="surrogatepass")
    # With a key, BLAKE2 is a MAC of its own: https://datatracker.ietf.org/doc/html/rfc7693
    digest = blake2b(signed, key=key, digest_size=_SIGNATURE_LENGTH * 6 // 8).digest()
    return urlsafe_b64encode(digest).decode()


def text_of(query: Query) -> str:
    """Return a query as short text, which `query_of` reads."""
    moment = query.moment and [
        query.moment.time.timestamp(),
        query.moment.of_message + query.moment.is_here,
        int(query.moment.span.total_seconds()),
    ]
    shown = query.shown and [query.shown.as_of.timestamp(), query.shown.fingerprint]
    fields = [query.limit, query.email, query.uid, moment, shown]
    while fields[-1] is None:
        fields.pop()
    return dumps(fields)


def insight_text(ids: str, query: Query, *, at_end: bool = False) -> str:
    """Return which session of a query is meant, and whether its end, as `insight_of` reads it."""
    return f"{ids}\n{'end' if at_end else ''}\n{text_of(query)}"


def insight_of(text: str) -> tuple[str, Query, bool]:
    """Return the ids of the session, the query, and whether the end of the session is meant."""
    ids, part, query = text.split("\n", 2)
    return ids, query_of(query), bool(part)


def query_of(text: str) -> Query:
    """Return the query that a verified text contains."""
    fields: list[Any] = json.loads(text)
    fields += [None] * (5 - len(fields))
    limit, email, uid, moment, shown = fields
    return Query(
        email,
        uid,
        limit,
        _moment(*moment) if moment else None,
        Snapshot(datetime.fromtimestamp(shown[0], UTC), shown[1]) if shown else None,
    )


def _moment(time: float, of_message: int, span: int) -> Moment:
    started = datetime.fromtimestamp(time, UTC)
    lasts = timedelta(seconds=span)
    return Moment(started, of_message=of_message > 0, span=lasts, is_here=of_message > 1)


def _is_equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode())
