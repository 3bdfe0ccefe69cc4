"""Fullstory's List Sessions API without the network: builds requests and parses replies.

A reply becomes a value, or one error of `bot.errors`. There are two endpoints with two shapes.
Where the documentation and its examples disagree, both are accepted.

- https://developer.fullstory.com/server/v1/sessions/list-sessions/ (`/sessions/v2`)
- https://developer.fullstory.com/server/sessions/list-sessions/ (`/v2/sessions`)
- https://developer.fullstory.com/server/authentication/
- https://developer.fullstory.com/server/errors/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from bot.core.no_sessions import KnownUser, Quota
from bot.core.sessions import Query, Session, usable_link
from bot.errors import (
    FullstoryError,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    ReplyMalformed,
    ReplyNotJSON,
    ReplyRedirected,
    ReplyTooLarge,
    RequestRejected,
    Unavailable,
)

MAX_REPLY_BYTES: Final = 512 * 1024
"""A hundred sessions have some 30 KB; more than this is an error."""

MAX_SESSIONS: Final = 1_000
"""In one reply; we ask for at most a hundred of each name."""


REGIONS: Final = {"api.fullstory.com": "US data center", "api.eu1.fullstory.com": "EU data center"}
"""Where the data of an organization is, by the host of the API."""

JSON_BODY: Final = {"Content-Type": "application/json"}
"""The header of a request with a body."""


@dataclass(frozen=True, slots=True)
class Page:
    """One reply's sessions, in Fullstory's order.

    `next_token` is "" on the last page. It is not documented, but Fullstory's own client uses it.
    """

    sessions: tuple[Session, ...]
    next_token: str


@dataclass(frozen=True, slots=True)
class Request:
    """What to send: `url` is fully encoded; `body` is JSON, or None for a GET."""

    url: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of the two endpoints.

    With `in_body`, a POST has the person in its JSON body, because proxies log URLs. That is only
    documented for `/sessions/v2`.
    """

    base_url: str
    path: str
    in_body: bool = False

    def request(self, query: Query, page_token: str = "") -> Request:
        """Return the request for a page of sessions."""
        parameters: dict[str, str | int | None] = {
            "email": query.email,
            "uid": query.uid,
            "limit": query.fetch_limit,
            "pagination_token": page_token,
        }
        given = {name: value for name, value in parameters.items() if value}
        url = f"{self.base_url}{self.path}"
        if self.in_body:
            return Request(url, json.dumps(given).encode())
        # "+" in an address must not arrive as a space.
        return Request(f"{url}?{urlencode(given, quote_via=quote, safe='')}")


def headers(key: str) -> dict[str, str]:
    """Return the headers of every request; the key is sent as it is, without base64."""
    return {
        "Accept": "application/json",
        "Authorization": f"Basic {key}",
        "Integration-Source": "fsessions",
    }


def parse_reply(status: int, reply_headers: Mapping[str, str], body: bytes) -> Page:
    """Parse a list of sessions. Raises the `FullstoryError` for its status or its content."""
    if status == 404:  # no such user
        return Page((), "")
    if not 200 <= status < 300:
        raise error_of(status, reply_headers)
    items, token = _list_in(document_of(body))
    if len(items) > MAX_SESSIONS:
        raise ReplyTooLarge
    if not all(isinstance(item, dict) for item in items):
        raise ReplyMalformed
    return Page(tuple(map(_session, items)), token)


def organization(status: int, reply_headers: Mapping[str, str], body: bytes) -> str:
    """Return the `orgId` of a reply to `GET /me`; "" if it has none. Raises like `parse_reply`."""
    if status != 404 and not 200 <= status < 300:
        raise error_of(status, reply_headers)
    try:
        return str(from_json(body)["orgId"])
    except (ValueError, KeyError, TypeError, IndexError):
        return ""


def quota(status: int, reply_headers: Mapping[str, str], body: bytes) -> Quota | None:
    """Return the quota of a reply to `GET /v2/organization/quotas`; None if it has none.

    Raises like `parse_reply`. https://developer.fullstory.com/server/organization/get-quotas/
    """
    if not 200 <= status < 300:
        raise error_of(status, reply_headers)
    found = as_object(as_object(document_of(body)).get("session_quota"))
    used, limit = _number(found.get("usage")), _number(found.get("limit"))
    if used is None or limit is None:
        return None
    return Quota(used, limit, time_of(found.get("period_end")))


def user(status: int, reply_headers: Mapping[str, str], body: bytes) -> KnownUser | None:
    """Return the person of a reply to `GET /users/v1/individual/{uid}`; None if there is none.

    Raises like `parse_reply`. https://developer.fullstory.com/server/v1/users/get-user/
    """
    if status == 404:
        return None
    if not 200 <= status < 300:
        raise error_of(status, reply_headers)
    found = as_object(document_of(body))
    return KnownUser(
        _number(found.get("numSessions", found.get("num_sessions"))),
        time_of(found.get("lastSeen", found.get("last_seen"))),
        is_being_deleted=bool(found.get("existingOperation", found.get("existing_operation"))),
    )


def error_of(status: int, reply_headers: Mapping[str, str]) -> FullstoryError:
    """Return the error for a status that is no success."""
    match status:
        case 401:
            return KeyRejected()
        case 403:
            return PermissionMissing()
        case 429:
            return RateLimited(retry_after(reply_headers))
        case _ if status >= 500:
            return Unavailable(status)
        case _ if 300 <= status < 400:
            return ReplyRedirected()
        case _:
            return RequestRejected(status)


def retry_after(reply_headers: Mapping[str, str]) -> float | None:
    """Return whole seconds, as documented; None for anything else."""
    value = reply_headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


# -- The shapes of a reply ------------------------------------------------------------------------

_MAX_ID_LENGTH: Final = 200
_MAX_TIME_LENGTH: Final = 40
_USUAL_TIME_LENGTH: Final = 10  # seconds, from 2001 to 2286
_datetime = TypeAdapter(datetime)


def _list_in(document: object) -> tuple[list[Any], str]:
    """Return the sessions of a reply, and the token of the next page; a list may be missing."""
    if isinstance(document, list):
        return document, ""
    if not isinstance(document, dict):
        raise ReplyMalformed
    items = document.get("sessions", document.get("results"))
    if items is None:
        items = []
    if not isinstance(items, list):
        raise ReplyMalformed
    return items, text_of(document.get("pagination_token"))


def _session(item: dict[str, Any]) -> Session:
    """Read a session in the spellings of both endpoints, and of the schema and its example."""
    user_id = text_of(item.get("userId", item.get("user_id")))
    session_id = text_of(item.get("sessionId", item.get("session_id")))
    if not (user_id and session_id):
        # The id consists of both, with a colon between them.
        first, _, second = unquote(text_of(item.get("id"))).rpartition(":")
        user_id, session_id = user_id or first, session_id or second
    started = time_of(item.get("createdTime", item.get("created_time")))
    v2_link = item.get("app_url", item.get("appUrl"))
    link = item.get("fsUrl", item.get("fs_url", v2_link))
    safe_link = usable_link(link) if isinstance(link, str) else None
    return Session(user_id, session_id, started, safe_link)


def document_of(body: bytes) -> object:
    """Parse JSON. Raises `ReplyNotJSON`."""
    try:
        return from_json(body)
    except ValueError:
        raise ReplyNotJSON from None


def as_object(value: object) -> dict[str, Any]:
    """Return a JSON object; {} for anything else."""
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    """Return a whole number, which may be a text; None for anything else."""
    text = text_of(value)
    return int(text) if text.isascii() and text.isdigit() else None


def text_of(value: object) -> str:
    """Return a text, or an integer as text; "" for anything else, or if it is too long."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 100:
        value = str(value)
    return value if isinstance(value, str) and len(value) <= _MAX_ID_LENGTH else ""


def time_of(value: object) -> datetime | None:
    """Return a time in seconds or RFC 3339; None if it can't be read, which is no error."""
    if isinstance(value, str):
        if len(value) == _USUAL_TIME_LENGTH and value.isascii() and value.isdigit():
            return datetime.fromtimestamp(int(value), UTC)
        if len(value) > _MAX_TIME_LENGTH:
            return None
    try:
        time = _datetime.validate_python(value)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValidationError, OverflowError):
        return None
    # Not a zero time or the like.
    return time if 2000 <= time.year < 2100 else None
