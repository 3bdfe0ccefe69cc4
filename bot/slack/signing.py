"""What a button remembers: whose sessions its message shows, sealed for the person who asked.

The value of a button is visible to those who see the message, so it holds what the message shows
and nothing else. Two seals stand before it: one tells whether the value is ours, of this version
and of this kind; the other whether the person who presses is the one who asked, without naming
either. So a value of one kind of button is of no use on another, and of no use to anybody else.
Pure: the present time is a parameter.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from bot.core.sessions import Moment, Query, Snapshot
from bot.errors import FsessionsError
from bot.fast_json import dumps

GOOD_FOR: Final = timedelta(days=30)
"""How long a value can be used: an answer in direct messages stands there for years."""

_VERSION: Final = "1"  # of the fields below: a value of any other is not read
_DAY: Final = timedelta(days=1)
_FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What a value is for."""

    LOOK = "l"
    """To look once more: refresh, more, a choice."""

    SHARE = "s"
    """To share what was shown."""

    SHARE_FORM = "f"
    """What the window for sharing remembers."""

    CHANNEL = "p"
    """The channel in which a form was opened."""


class WrongUser(FsessionsError):
    """The value was not made for the person who sent it."""


class Outdated(FsessionsError):
    """The value is too old, of another version or kind, sealed with another key, or changed."""


def sign(query: Query, asker: str, key: bytes, now: datetime, kind: Kind = Kind.LOOK) -> str:
    """A button's value; `asker` is a Slack user id.

    It has some 1,200 characters at most; for an ordinary address less than the 150 that an entry of
    a menu takes.
    """
    moment = query.moment and [
        query.moment.time.timestamp(),
        int(query.moment.of_message),
        int(query.moment.whole_minute),
    ]
    shown = query.shown and [query.shown.as_of.timestamp(), query.shown.fingerprint]
    fields = [query.limit, query.email, query.uid, moment, shown]
    while fields[-1] is None:
        fields.pop()
    text = dumps(fields)
    return seal(text, asker, key, now, kind)


def verify(value: str, presser: str, key: bytes, now: datetime, kind: Kind = Kind.LOOK) -> Query:
    """The query of a button's value. Raises `WrongUser` and `Outdated`."""
    fields: list[Any] = json.loads(unseal(value, presser, key, now, kind))
    fields += [None] * (5 - len(fields))
    limit, email, uid, moment, shown = fields
    return Query(
        email,
        uid,
        limit,
        Moment(datetime.fromtimestamp(moment[0], UTC), *map(bool, moment[1:])) if moment else None,
        Snapshot(datetime.fromtimestamp(shown[0], UTC), shown[1]) if shown else None,
    )


def seal(text: str, asker: str, key: bytes, now: datetime, kind: Kind) -> str:
    """A text that only `asker` can send back, for that purpose alone."""
    made = f"{(now - _FIRST_DAY) // _DAY:x}."
    return _seal(made + text, "", key, kind) + _seal(made + text, asker, key, kind) + made + text


def unseal(value: str, sender: str, key: bytes, now: datetime, kind: Kind) -> str:
    """The text. Raises `WrongUser` and `Outdated`."""
    length = len(_seal("", "", key, kind))
    ours, theirs, text = value[:length], value[length : 2 * length], value[2 * length :]
    if not _same(ours, _seal(text, "", key, kind)):
        raise Outdated
    day, _, text_alone = text.partition(".")
    if now - (_FIRST_DAY + int(day, 16) * _DAY) > GOOD_FOR + _DAY:
        raise Outdated
    if not _same(theirs, _seal(text, sender, key, kind)):
        raise WrongUser
    return text_alone


def _seal(text: str, user: str, key: bytes, kind: Kind) -> str:
    sealed = f"{_VERSION} {kind} {user} {text}".encode(errors="surrogatepass")
    digest = hmac.digest(key, sealed, "sha256")
    return urlsafe_b64encode(digest[:12]).decode()  # 96 bits in 16 characters


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode())
