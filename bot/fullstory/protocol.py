"""Fullstory's List Sessions API, without the network.

A request is built and a reply deciphered by pure functions: a value comes back, or one error of
`bot.errors` is raised. Two endpoints exist, with two shapes; both are understood, and wherever the
documentation and its own examples disagree, both are accepted.

- https://developer.fullstory.com/server/v1/sessions/list-sessions/ (`/sessions/v2`)
- https://developer.fullstory.com/server/sessions/list-sessions/ (`/v2/sessions`)
- https://developer.fullstory.com/server/authentication/
- https://developer.fullstory.com/server/errors/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, unquote, urlencode

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import from_json

from bot.errors import (
    AccessDenied,
    FullstoryError,
    KeyRejected,
    RateLimited,
    ReplyMalformed,
    ReplyNotJSON,
    ReplyRedirected,
    RequestRejected,
    Unavailable,
)
from bot.sessions import Query, Session, usable_link

MAX_REPLY_BYTES: Final = 5 * 1024 * 1024
"""A hundred sessions are some 30 KB. Beyond this something is wrong, and we stop reading."""


@dataclass(frozen=True, slots=True)
class Page:
    """One reply's sessions, in Fullstory's order.

    `next_token` is "" on the last page. Only one of Fullstory's own clients follows it, no page
    documents it.
    """

    sessions: tuple[Session, ...]
    next_token: str


def sessions_url(base_url: str, path: str, query: Query, page_token: str = "") -> str:
    """The URL to GET, fully encoded: "+" in an address arrives as "+", not as a space."""
    parameters = {"email": query.email, "uid": query.uid, "limit": str(query.reach)}
    if page_token:
        parameters["pagination_token"] = page_token
    given = {name: value for name, value in parameters.items() if value}
    return f"{base_url}{path}?{urlencode(given, quote_via=quote, safe='')}"


def headers(key: str) -> dict[str, str]:
    """The headers of every request. The key goes out as it is: it is no base64 of anything."""
    return {
        "Accept": "application/json",
        "Authorization": f"Basic {key}",
        "Integration-Source": "fsessions",
    }


def decipher(status: int, reply_headers: Mapping[str, str], body: bytes) -> Page:
    """What a reply means.

    Raises the `FullstoryError` that fits its status, or its content if that is no list of sessions.
    """
    if status == 404:  # no such user: the same as no sessions
        return Page((), "")
    if not 200 <= status < 300:
        raise _error(status, reply_headers)
    try:
        document = from_json(body)
    except ValueError:
        raise ReplyNotJSON from None
    if isinstance(document, list):
        document = {"sessions": document}
    try:
        reply = _Reply.model_validate(document)
    except ValidationError:
        # Without its cause: pydantic's message quotes what Fullstory sent.
        raise ReplyMalformed from None
    return Page(tuple(item.session() for item in reply.items or ()), reply.next_token)


def organisation(status: int, reply_headers: Mapping[str, str], body: bytes) -> str:
    """The `orgId` of a reply to `GET /me`, or "" for whatever is no such reply.

    Raises as `decipher` does, but for 404. https://developer.fullstory.com/server/me/
    """
    if status != 404 and not 200 <= status < 300:
        raise _error(status, reply_headers)
    try:
        return str(from_json(body)["orgId"])
    except (ValueError, KeyError, TypeError, IndexError):
        return ""


def _error(status: int, reply_headers: Mapping[str, str]) -> FullstoryError:
    match status:
        case 401:
            return KeyRejected()
        case 403:
            return AccessDenied()
        case 429:
            return RateLimited(_retry_after(reply_headers.get("Retry-After", "")))
        case _ if status >= 500:
            return Unavailable(status)
        case _ if 300 <= status < 400:
            return ReplyRedirected()
        case _:
            return RequestRejected(status)


def _retry_after(value: str) -> float | None:
    """Whole seconds, as documented; anything else is no answer."""
    value = value.strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


# -- The shapes of a reply ------------------------------------------------------------------------

_datetime = TypeAdapter(datetime)


def _time(value: Any) -> datetime | None:  # noqa: ANN401 - whatever Fullstory sent
    """Seconds as a number or digits, or RFC 3339. What can't be read is None: no reason to fail."""
    try:
        time = _datetime.validate_python(value)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValidationError, OverflowError):
        return None
    # Zero times and the like: Fullstory has no recordings of then.
    return time if 2000 <= time.year < 2100 else None


def _or_empty(value: Any, validate: ValidatorFunctionWrapHandler) -> str:  # noqa: ANN401
    """A text, or "" for anything that is none."""
    try:
        return str(validate(value))
    except ValidationError:
        return ""


_Text = Annotated[str, WrapValidator(_or_empty)]


class _Item(BaseModel):
    """One session, in the spellings of both endpoints and of both the schema and its example."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: _Text = ""  # USER:SESSION
    user_id: _Text = Field("", validation_alias=AliasChoices("userId", "user_id"))
    session_id: _Text = Field("", validation_alias=AliasChoices("sessionId", "session_id"))
    created: Any = Field(None, validation_alias=AliasChoices("createdTime", "created_time"))
    link: _Text = Field("", validation_alias=AliasChoices("fsUrl", "fs_url", "app_url", "appUrl"))

    def session(self) -> Session:
        user_id, _, session_id = unquote(self.id).rpartition(":")
        return Session(
            uid=self.user_id or user_id,
            session_id=self.session_id or session_id,
            started=_time(self.created),
            link=usable_link(self.link),
        )


class _Reply(BaseModel):
    """A missing list, or null, is an empty one."""

    items: list[_Item] | None = Field(None, validation_alias=AliasChoices("sessions", "results"))
    next_token: _Text = Field("", validation_alias=AliasChoices("pagination_token"))
