"""What a button remembers: whose sessions its message shows, sealed for the person who asked.

The value of a button is visible to those who see the message, so it holds what the message shows
and nothing else. Two seals stand before it: one tells whether the value is ours, and of this
version; the other whether the person who presses is the one who asked, without naming either. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

from bot.errors import FsessionsError
from bot.sessions import Moment, Query, Snapshot

_VERSION = "2"  # of the fields below: a value of any other is not read


class WrongUser(FsessionsError):
    """The value was not made for the person who sent it."""


class Outdated(FsessionsError):
    """The value is not of this version, was sealed with another secret, or was changed."""


def sign(query: Query, asker: str, secret: str) -> str:
    """A button's value, at most some 1,200 characters; `asker` is a Slack user id."""
    moment = query.moment and [query.moment.time.timestamp(), query.moment.of_message]
    shown = query.shown and [query.shown.as_of.timestamp(), query.shown.fingerprint]
    fields = [query.email, query.uid, query.limit, moment, shown]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return _seal(text, "", secret) + _seal(text, asker, secret) + text


def verify(value: str, presser: str, secret: str) -> Query:
    """The query of a button's value. Raises `WrongUser` and `Outdated`."""
    length = len(_seal("", "", secret))
    ours, theirs, text = value[:length], value[length : 2 * length], value[2 * length :]
    if not _same(ours, _seal(text, "", secret)):
        raise Outdated
    if not _same(theirs, _seal(text, presser, secret)):
        raise WrongUser
    email, uid, limit, moment, shown = json.loads(text)
    return Query(
        email,
        uid,
        limit,
        Moment(datetime.fromtimestamp(moment[0], UTC), moment[1]) if moment else None,
        Snapshot(datetime.fromtimestamp(shown[0], UTC), shown[1]) if shown else None,
    )


def _seal(text: str, user: str, secret: str) -> str:
    sealed = f"{_VERSION} {user} {text}".encode(errors="surrogatepass")
    return hmac.new(secret.encode(), sealed, hashlib.sha256).hexdigest()[:16]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode())
