"""What a button remembers: whose sessions its message shows, sealed for the person who asked.

The value of a button is visible to those who see the message, so it holds what the message shows
and nothing else. Two seals stand before it: one tells whether the value is ours, and of this
version; the other whether the person who presses is the one who asked, without naming either. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

from bot.errors import FsessionsError
from bot.sessions import Moment, Query, Snapshot

_VERSION = "3"  # of the fields below: a value of any other is not read


class WrongUser(FsessionsError):
    """The value was not made for the person who sent it."""


class Outdated(FsessionsError):
    """The value is not of this version, was sealed with another secret, or was changed."""


def sign(query: Query, asker: str, secret: str) -> str:
    """A button's value; `asker` is a Slack user id.

    It has some 1,200 characters at most; for an ordinary address less than the 150 that an entry of
    a menu takes.
    """
    moment = query.moment and [query.moment.time.timestamp(), query.moment.of_message]
    shown = query.shown and [query.shown.as_of.timestamp(), query.shown.fingerprint]
    fields = [query.limit, query.email, query.uid, moment, shown]
    while fields[-1] is None:
        fields.pop()
    return seal(json.dumps(fields, ensure_ascii=False, separators=(",", ":")), asker, secret)


def verify(value: str, presser: str, secret: str) -> Query:
    """The query of a button's value. Raises `WrongUser` and `Outdated`."""
    fields: list[Any] = json.loads(unseal(value, presser, secret))
    fields += [None] * (5 - len(fields))
    limit, email, uid, moment, shown = fields
    return Query(
        email,
        uid,
        limit,
        Moment(datetime.fromtimestamp(moment[0], UTC), moment[1]) if moment else None,
        Snapshot(datetime.fromtimestamp(shown[0], UTC), shown[1]) if shown else None,
    )


def seal(text: str, asker: str, secret: str) -> str:
    """A text that only `asker` can send back."""
    return _seal(text, "", secret) + _seal(text, asker, secret) + text


def unseal(value: str, sender: str, secret: str) -> str:
    """The text. Raises `WrongUser` and `Outdated`."""
    length = len(_seal("", "", secret))
    ours, theirs, text = value[:length], value[length : 2 * length], value[2 * length :]
    if not _same(ours, _seal(text, "", secret)):
        raise Outdated
    if not _same(theirs, _seal(text, sender, secret)):
        raise WrongUser
    return text


def _seal(text: str, user: str, secret: str) -> str:
    sealed = f"{_VERSION} {user} {text}".encode(errors="surrogatepass")
    digest = hmac.new(secret.encode(), sealed, hashlib.sha256).digest()
    return urlsafe_b64encode(digest[:12]).decode()  # 96 bits in 16 characters


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode())
