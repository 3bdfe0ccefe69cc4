"""What the bot and the stand-in do is what `bot.fullstory.api` says the vendor documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from bot.core.sessions import Moment, Query, Session
from bot.core.story import Window
from bot.fullstory import api, context
from bot.fullstory.client import FullstoryClient
from bot.fullstory.protocol import Endpoint, Request
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.people import PEOPLE, recordings

JANE = Query("jane@example.com", "user-42", 3)


def client(http: aiohttp.ClientSession, fullstory: FullstorySandbox, **how: Any) -> FullstoryClient:  # noqa: ANN401
    """Return a client of the stand-in."""
    endpoint = Endpoint(fullstory.url, how.get("path", api.SESSIONS.path), in_body="body" in how)
    return FullstoryClient(http, endpoint=endpoint, key=fullstory.key, timeout=30)


def session(fullstory: FullstorySandbox) -> Session:
    """Return a session that the stand-in knows."""
    latest = recordings(PEOPLE[0], fullstory.clock())[-1]
    return Session(latest.user_id, latest.session_id, latest.started, None)


def operation(method: str, path: str) -> api.Operation:
    """Return the operation that a request is."""
    for one in api.OPERATIONS:
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(one.path))
        if one.method == method and re.fullmatch(pattern, path):
            return one
    raise AssertionError(f"{method} {path} is not in bot/fullstory/api.py")


def names_in(body: Any, before: str = "") -> Iterator[str]:  # noqa: ANN401
    """Yield the parameters in a JSON body."""
    for name, value in body.items():
        if isinstance(value, dict):
            yield from names_in(value, f"{before}{name}.")
        else:
            yield before + name


async def test_every_request_is_declared() -> None:
    """And everything that is declared is used."""
    asked: dict[api.Operation, set[str]] = {}
    now = datetime.now(UTC) - timedelta(hours=1)
    async with FullstorySandbox().running() as fullstory, aiohttp.ClientSession() as http:
        for how in ({}, {"body": True}, {"path": api.SESSIONS_V2.path}):
            one = client(http, fullstory, **how)
            await one.sessions(JANE)
            await one.sessions(Query("fan@example.com", None, 100))  # in pages
        await one.organization()
        await one.quota()
        await one.user("user-42")
        await one.context(session(fullstory), None)
        await one.context(session(fullstory), Window.around(Moment(now, of_message=True)))
        for received in fullstory.received:
            found = operation(received.method, received.path)
            asked.setdefault(found, set()).update(received.query)
    bodies = [
        json.loads(context.request("", Session("1", "2", now, None), window).body or b"")
        for window in (None, Window.around(Moment(now, of_message=True)))
    ]
    asked[api.CONTEXT] = {name for body in bodies for name in names_in(body)}
    assert asked.keys() | {api.ME} == set(api.OPERATIONS)
    for found, names in asked.items():
        assert names <= set(found.parameters)
        if found is not api.SESSIONS_V2:
            assert names == set(found.parameters)


@pytest.mark.parametrize("found", api.OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
async def test_the_stand_in_answers_as_documented(found: api.Operation) -> None:
    """Each reply has every field that the bot reads."""
    async with FullstorySandbox().running() as fullstory, aiohttp.ClientSession() as http:
        path = found.path.format(id="{id}", uid="user-42")
        request = Request(f"{fullstory.url}{path}")
        if found is api.CONTEXT:
            request = context.request(fullstory.url, session(fullstory), None)
        elif found in (api.SESSIONS, api.SESSIONS_BY_POST, api.SESSIONS_V2):
            endpoint = Endpoint(fullstory.url, path, in_body=found is api.SESSIONS_BY_POST)
            request = endpoint.request(JANE)
        status, _, body = await client(http, fullstory).reply(request)
    assert status == 200
    document = json.loads(body)
    assert [field for field in found.fields if not api.has_field(document, field)] == []


def test_fields() -> None:
    """A field may be in a list, and may have two spellings."""
    document = {"a": [{}, {"b": {"c": 1}}], "d": None}
    for field in ("a", "a.*.b.c", "x|d", "a.*.x|b"):
        assert api.has_field(document, field)
    for field in ("b", "a.*.c", "d.e", "a.b", "x|y"):
        assert not api.has_field(document, field)


def test_dates() -> None:
    """They say when the vendor's pages were read, which are named."""
    assert datetime.fromisoformat(api.READ_ON) < datetime.now()  # noqa: DTZ005
    assert all(one.page.startswith("https://developer.fullstory.com/") for one in api.OPERATIONS)
