"""A stand-in for Fullstory's API, as awkward as the real one.

It has both list endpoints with their shapes, the documented errors, a union that repeats sessions
and exceeds the limit, pages, what happened in a session and what that costs, and whatever a test
scripts: slow, cut off, redirecting, garbage.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any, Final

from aiohttp import web

from bot.sandbox.people import PEOPLE, Person, Recording, Trouble, recordings
from bot.sandbox.server import serving
from bot.sandbox.stories import Page, pages

KEY: Final = "na1.c2FuZGJveA/key.with/slashes.and.dots"
SLOW_SECONDS: Final = 3.0
PAGE_SIZE: Final = 40
ORGANISATION: Final = "DEMO1"
QUOTA: Final = 100_000


@dataclass(frozen=True, slots=True)
class Scripted:
    """A reply instead of the usual one.

    `seconds` to wait before it; with `cut_off`, the connection ends after half of the body.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A request; `raw_query` is as it was sent. `query` is from the URL or a JSON body."""

    method: str
    path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]


class FullstorySandbox:
    """Knows `people`; `received` is what it was asked, and `told` what it replied.

    `seconds` is how long it takes for any answer, and after `hold` none is given until the event is
    set; whoever asks once `held` is None doesn't wait. `me` is what the organization's endpoint
    answers instead. `on_answer` is told of each: what was asked,
    the status, the reply, and how many milliseconds it took. `script` is what it will answer first.
    `clock` says when now is: the latest session began some minutes before. It stands still, so that
    the sessions stay where they were. `used` is how many sessions of the quota are used, and
    `being_deleted` has uids. `paid` are the sessions whose context was paid for; once that are
    `activations`, the answer is 402. `script_of_contexts` is like `script`.
    """

    def __init__(self, people: Iterable[Person] = PEOPLE, *, key: str = KEY) -> None:
        self.people = tuple(people)
        self.key = key
        self.key_may_list = True
        self.key_may_explain = True
        self.used = 15_234
        self.paid: list[str] = []
        self.activations = 1_000
        self.script_of_contexts: deque[Scripted] = deque()
        self.held_contexts: asyncio.Event | None = None
        self.being_deleted: set[str] = set()
        self.url = ""
        self.received: list[Received] = []
        self.told: list[str] = []
        started = datetime.now(UTC)
        self.clock: Callable[[], datetime] = lambda: started
        self.script: deque[Scripted] = deque()
        self.always: Scripted | None = None
        self.me: Scripted | None = None
        self.seconds = 0.0
        self.held: asyncio.Event | None = None
        self.on_answer: Callable[[str, int, str, int], None] = lambda *_: None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FullstorySandbox]:
        """Serve on loopback, at `self.url`."""
        app = web.Application()
        app.router.add_get("/sessions/v2", self._sessions)
        app.router.add_post("/sessions/v2", self._sessions)
        app.router.add_get("/v2/sessions", self._sessions)
        app.router.add_post("/v2/sessions/{id}/context", self._context)
        app.router.add_get("/me", self._me)
        app.router.add_get("/v2/organization/quotas", self._quotas)
        app.router.add_get("/users/v1/individual/{uid}", self._user)
        async with serving(app) as self.url:
            yield self

    def hold(self) -> asyncio.Event:
        """Let everyone wait from now on, until the event is set."""
        self.held = asyncio.Event()
        return self.held

    def hold_contexts(self) -> asyncio.Event:
        """Let everyone wait who asks what happened and has paid, until the event is set."""
        self.held_contexts = asyncio.Event()
        return self.held_contexts

    async def _me(self, request: web.Request) -> web.StreamResponse:
        if self.me:
            return await _play(self.me, request)
        if request.headers.get("Authorization") != f"Basic {self.key}":
            return _error(401, "unauthorized", "Invalid API key")
        return _json({"email": "", "orgId": ORGANISATION, "role": "STANDARD"})

    async def _quotas(self, request: web.Request) -> web.StreamResponse:
        if other := await self._instead(request, {}):
            return other
        if not self.key_may_explain:
            return _error(403, "forbidden", "This key can't read that")
        month = self.clock().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        period = {
            "limit": str(QUOTA),
            "period_start": _rfc3339(month),
            "period_end": _rfc3339((month + timedelta(days=32)).replace(day=1)),
        }
        return _json(
            {
                "session_quota": {"usage": str(self.used), **period},
                "server_event_quota": {"usage": "0", **period},
            }
        )

    async def _user(self, request: web.Request) -> web.StreamResponse:
        if other := await self._instead(request, {}):
            return other
        if not self.key_may_explain:
            return _error(403, "forbidden", "This key can't read that")
        uid = request.match_info["uid"]
        person = next((one for one in self.people if one.uid == uid), None)
        if person is None:
            return _error(404, "resource_not_found", "No such user")
        sessions = recordings(person, self.clock())
        user = {"uid": uid, "email": person.email or "", "numSessions": str(len(sessions))}
        # The example is in camelCase, the schema is not.
        seen = {"last_seen": _rfc3339(sessions[-1].started)} if sessions else {}
        deleted = {"existing_operation": {"id": "1"}} if uid in self.being_deleted else {}
        return _json(user | seen | deleted)

    async def _context(self, request: web.Request) -> web.StreamResponse:
        """Tell what happened. The slice's limit counts after the types, as in the real API."""
        body = await request.json()
        if other := await self._instead(request, {}):
            return other
        # As it was sent: the colon has to be encoded.
        device, _, name = request.raw_path.split("/")[3].partition("%3A")
        found = next(
            (
                (person, one)
                for person in self.people
                for one in recordings(person, self.clock())
                if (one.user_id, one.session_id) == (device, name)
            ),
            None,
        )
        if not self.key_may_explain:
            return _error(403, "forbidden", "This key can't read that")
        if found is None:
            return _error(404, "resource_not_found", "No such session")
        if len(self.paid) >= self.activations:
            return _error(402, "payment_required", "No Activations left")
        self.paid.append(name)
        if self.held_contexts:
            await self.held_contexts.wait()
        if self.script_of_contexts:
            return await _play(self.script_of_contexts.popleft(), request)
        person, recording = found
        told = pages(recording.story, recording.started, self.clock())
        return _json(_context_of(person, recording, _sliced(told, body), body))

    async def _sessions(self, request: web.Request) -> web.StreamResponse:
        started = perf_counter()
        response = await self._answer(request)
        body = response.body if isinstance(response, web.Response) else b""
        text = body.decode(errors="replace") if isinstance(body, bytes) else ""
        took = round((perf_counter() - started) * 1000)
        self.told.append(text)
        self.on_answer(f"{request.method} {request.path_qs}", response.status, text, took)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = await _asked(request)
        except ValueError:
            return _error(400, "invalid_body", "The body is no JSON object")
        if other := await self._instead(request, asked):
            return other
        if not self.key_may_list:
            return _error(403, "forbidden", "This key can't list sessions")
        return await self._list(request, asked)

    async def _instead(
        self, request: web.Request, asked: dict[str, str]
    ) -> web.StreamResponse | None:
        """Note the request and wait; return what is answered instead, if anything."""
        self.received.append(
            Received(
                request.method,
                request.path,
                request.url.raw_query_string,
                asked,
                dict(request.headers),
            )
        )
        if self.held:
            await self.held.wait()
        await asyncio.sleep(self.seconds)
        if scripted := self.script.popleft() if self.script else self.always:
            return await _play(scripted, request)
        if request.headers.get("Authorization") != f"Basic {self.key}":
            return _error(401, "unauthorized", "Invalid API key")
        return None

    async def _list(self, request: web.Request, asked: dict[str, str]) -> web.Response:
        email, uid = asked.get("email"), asked.get("uid")
        if not (email or uid):
            return _error(400, "required_field", "email or uid is required")
        try:
            limit = int(asked.get("limit", "20"))
        except ValueError:
            return _error(400, "invalid_field", "limit")
        # Queried separately, answered as the union: a session of both comes twice.
        known = [person for person in self.people if email and person.email == email]
        known += [person for person in self.people if uid and person.uid == uid]
        for person in known:
            match person.trouble:
                case Trouble.SLOW:
                    await asyncio.sleep(SLOW_SECONDS)
                case Trouble.DOWN:
                    return web.Response(status=503, text="<html>Service unavailable</html>")
                case Trouble.BUSY:
                    busy = _error(429, "too_many_requests", "Slow down")
                    busy.headers["Retry-After"] = "11"
                    return busy
        if not known:
            # For an unknown uid and an unknown address the real thing differs; both happen.
            return _error(404, "resource_not_found", "No such user") if uid else _json({})
        now = self.clock()
        found = [one for person in known for one in recordings(person, now)[-limit:]]
        if request.path == "/v2/sessions":
            return _json({"results": [_server_v2(one) for one in found]})
        start = int(asked.get("pagination_token", "0"))
        reply: dict[str, Any] = {"sessions": [_v1(one) for one in found[start:][:PAGE_SIZE]]}
        if start + PAGE_SIZE < len(found):
            reply["pagination_token"] = str(start + PAGE_SIZE)
        return _json(reply)


def _sliced(told: list[Page], body: dict[str, Any]) -> list[Page]:
    """Return the events that a request asks for, in their pages."""
    part, types = body.get("slice", {}), body.get("events", {}).get("include_types")
    events = [
        (page, event)
        for page in told
        for event in page["events"]
        if types is None or event["type"] in types
    ]
    limit = int(part.get("event_limit", 1_000_000))
    match part.get("mode", "FIRST"):
        case "LAST":
            events = events[-limit:]
        case "TIMESTAMP":
            start, end = (part[f"{name}_timestamp"] for name in ("start", "end"))
            events = [(page, one) for page, one in events if start <= one["timestamp"] <= end]
    events = events[:limit]
    kept = [page | {"events": [one for of, one in events if of is page]} for page in told]
    return [page for page in kept if page["events"]]


def _context_of(
    person: Person, recording: Recording, told: list[Page], body: dict[str, Any]
) -> dict[str, Any]:
    """Return the reply; what is excluded is not in it."""
    size = {"height_pixels": 1080, "width_pixels": 1920}
    about = {
        "user": {"user_uid": person.uid or "", "email": person.email or "", "properties": {}},
        "org": {"org_id": ORGANISATION},
        "location": {"country": "DE", "region": "BE", "city": "Berlin"},
        "device": {"browser": "Chrome 131", "operating_system": "Windows 11", "screen_size": size},
    }
    excluded = body.get("context", {}).get("exclude", [])
    context: dict[str, Any] = {
        "session_id": f"{recording.user_id}:{recording.session_id}",
        "session_url": _link(recording, "%3A"),
        "session_created_at": _rfc3339(recording.started),
    }
    context |= {f"{name}_context": one for name, one in about.items() if name not in excluded}
    return {"context_data": {"context": context, "pages": told}}


async def _asked(request: web.Request) -> dict[str, str]:
    """Read the query of a GET, or the JSON body of a POST. Raises `ValueError`."""
    if request.method == "GET":
        return dict(request.query)
    document = await request.json()
    if not isinstance(document, dict) or request.content_type != "application/json":
        raise ValueError
    return {name: str(value) for name, value in document.items()}


async def _play(scripted: Scripted, request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(scripted.seconds)
    headers = {"Content-Type": "application/json", **scripted.headers}
    if not scripted.cut_off:
        return web.Response(status=scripted.status, body=scripted.body, headers=headers)
    response = web.StreamResponse(status=scripted.status, headers=headers)
    response.content_length = len(scripted.body)
    await response.prepare(request)
    await response.write(scripted.body[: len(scripted.body) // 2])
    if request.transport:
        request.transport.close()
    return response


def _json(document: object) -> web.Response:
    return web.json_response(document)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"message": message, "code": code}, status=status)


def _link(one: Recording, separator: str) -> str:
    host = "fullstory.example.net" if one.foreign else "app.fullstory.com"
    path = f"ui/{ORGANISATION}/session/{one.user_id}{separator}{one.session_id}"
    return f"https://{host}/{path}"


def _v1(one: Recording) -> dict[str, str]:
    """Return a session as in the documentation's example: camelCase, everything a string."""
    return {
        "userId": one.user_id,
        "sessionId": one.session_id,
        "createdTime": str(int(one.started.timestamp())),
        "fsUrl": _link(one, ":"),
    }


def _rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _server_v2(one: Recording) -> dict[str, str]:
    return {
        "id": f"{one.user_id}:{one.session_id}",
        "created_time": _rfc3339(one.started),
        "app_url": _link(one, "%3A"),
    }
