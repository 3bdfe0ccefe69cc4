"""What a button remembers: whose sessions its message shows, sealed for the person who asked.

The value of a button is visible to those who see the message, so it holds what the message shows
and nothing else. The seal tells whether the person who presses is the one who asked, without naming
either. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

from bot.errors import FsessionsError
from bot.sessions import Moment, Query


class NotYours(FsessionsError):
    """The value was not made for the person who sent it."""


def remember(query: Query, asker: str, secret: str) -> str:
    """A button's value, at most some 1,200 characters; `asker` is a Slack user id."""
    moment = query.moment and [query.moment.time.timestamp(), query.moment.of_message]
    fields = [query.email, query.uid, query.limit, moment]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return _seal(text, asker, secret) + text


def recall(value: str, presser: str, secret: str) -> Query:
    """The query of a button's value. Raises `NotYours`."""
    length = len(_seal("", "", secret))
    seal, text = value[:length], value[length:]
    if not hmac.compare_digest(seal.encode(), _seal(text, presser, secret).encode()):
        raise NotYours
    email, uid, limit, moment = json.loads(text)
    if moment:
        seconds, of_message = moment
        return Query(email, uid, limit, Moment(datetime.fromtimestamp(seconds, UTC), of_message))
    return Query(email, uid, limit)


def _seal(text: str, user: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"{user} {text}".encode(), hashlib.sha256).hexdigest()[:16]
