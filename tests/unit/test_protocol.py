"""Fullstory's requests and replies, without a network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.sessions import Query, Session
from bot.errors import (
    FullstoryError,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    ReplyMalformed,
    ReplyNotJSON,
    ReplyRedirected,
    RequestRejected,
    Unavailable,
)
from bot.fullstory import protocol

BASE = "https://api.fullstory.com"
STARTED = datetime(2014, 9, 23, 17, 18, 59, tzinfo=UTC)
LINK = "https://www.fullstory.com/ui/ORG_ID/discover/session/1234567890:1234567890"


def parse_reply(document: object, status: int = 200, **headers: str) -> tuple[Session, ...]:
    """Return the sessions of a reply with this JSON in it."""
    return protocol.parse_reply(status, headers, json.dumps(document).encode()).sessions


def test_documented_example() -> None:
    """The example of the documentation, word for word in its shape."""
    found = parse_reply(
        {
            "sessions": [
                {
                    "userId": "1234567890",
                    "sessionId": "1234567890",
                    "createdTime": "1411492739",
                    "fsUrl": LINK,
                }
            ]
        }
    )
    assert found == (Session("1234567890", "1234567890", STARTED, LINK),)


@pytest.mark.parametrize(
    "item",
    [
        {"user_id": 1, "session_id": 2, "created_time": 1411492739, "fs_url": LINK},
        {"userId": "1", "sessionId": "2", "createdTime": "1411492739", "fsUrl": LINK},
        {"id": "1:2", "created_time": "2014-09-23T17:18:59Z", "app_url": LINK},
        {"id": "1%3A2", "created_time": "2014-09-23T19:18:59+02:00", "app_url": LINK},
        {"id": "1:2", "created_time": "2014-09-23T17:18:59.000000001Z", "app_url": LINK},
        {"id": "1:2", "created_time": 1411492739000, "app_url": LINK, "new": {"field": []}},
    ],
)
@pytest.mark.parametrize("envelope", ["sessions", "results"])
def test_every_spelling(envelope: str, item: dict[str, Any]) -> None:
    """Both endpoints, the schema and its example: one session comes out."""
    assert parse_reply({envelope: [item]}) == (Session("1", "2", STARTED, LINK),)


@pytest.mark.parametrize(
    "document", [{}, [], {"sessions": []}, {"results": []}, {"sessions": None}, {"other": 1}]
)
def test_no_sessions(document: object) -> None:
    """A missing list is an empty one."""
    assert parse_reply(document) == ()


def test_unknown_user_is_no_sessions() -> None:
    """404 `resource_not_found`."""
    assert protocol.parse_reply(404, {}, b'{"code": "resource_not_found"}').sessions == ()


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"id": "1:2", "created_time": "yesterday", "app_url": "https://example.net/"},
        {"id": None, "created_time": None, "app_url": None},
        {"id": [], "created_time": {}, "app_url": 7},
        {"created_time": 10**400},
        {"created_time": "9999-12-31T23:59:59-10:00"},
        {"created_time": "0001-01-01T00:00:00+10:00"},
        {"created_time": "0001-01-01T00:00:00Z"},
        {"created_time": 0},
    ],
)
def test_one_odd_session_costs_no_other(item: dict[str, Any]) -> None:
    """What can't be read of a session is left open; the others are there."""
    good = {"id": "1:3", "created_time": 1411492739, "app_url": LINK}
    odd, fine = parse_reply({"results": [item, good]})
    assert (odd.started, odd.link) == (None, None)
    assert fine == Session("1", "3", STARTED, LINK)


@pytest.mark.parametrize("document", [1, "x", None, {"sessions": {}}, {"sessions": [1]}, [[]], [1]])
def test_other_shapes_are_an_error(document: object) -> None:
    """JSON that is no list of sessions."""
    with pytest.raises(ReplyMalformed):
        parse_reply(document)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"sessions": [', b"\xff", b"[" * 100_000])
def test_not_json_is_an_error(body: bytes) -> None:
    """HTML, nothing, half a document."""
    with pytest.raises(ReplyNotJSON):
        protocol.parse_reply(200, {}, body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, ReplyRedirected),
        (400, RequestRejected),
        (401, KeyRejected),
        (403, PermissionMissing),
        (418, RequestRejected),
        (429, RateLimited),
        (500, Unavailable),
        (503, Unavailable),
        (599, Unavailable),
    ],
)
@pytest.mark.parametrize("body", [b'{"message": "m", "code": "c"}', b"<html>", b""])
def test_errors_by_status(status: int, error: type[FullstoryError], body: bytes) -> None:
    """The status says what happened; the body need not be JSON."""
    with pytest.raises(error):
        protocol.parse_reply(status, {}, body)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30.0), (" 5 ", 5.0), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("²", None)],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """Whole seconds; anything else is as good as nothing."""
    with pytest.raises(RateLimited) as caught:
        protocol.parse_reply(429, {"Retry-After": header}, b"")
    assert caught.value.retry_after == seconds


def test_pagination_token() -> None:
    """Given on, whatever its type."""
    assert protocol.parse_reply(200, {}, b'{"pagination_token": "t"}').next_token == "t"
    assert protocol.parse_reply(200, {}, b'{"pagination_token": null}').next_token == ""


def test_the_key_goes_out_as_it_is() -> None:
    """No base64, no trimming: keys hold slashes and dots."""
    assert protocol.headers("na1.a/b.c==")["Authorization"] == "Basic na1.a/b.c=="


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))
def test_every_character_arrives_as_meant(email: str, uid: str) -> None:
    """`+`, `&`, `%`, spaces, other scripts: decoding the URL gives back what was asked."""
    url = protocol.Endpoint(BASE, "/sessions/v2").request(Query(email, uid, 27)).url
    parts = urlsplit(url)
    expected = {"email": [email], "limit": ["27"]} | ({"uid": [uid]} if uid else {})
    assert parse_qs(parts.query, strict_parsing=True) == expected
    assert "+" not in url
    assert url.isascii()
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{BASE}/sessions/v2"
