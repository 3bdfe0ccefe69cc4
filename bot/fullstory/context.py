"""Fullstory's Generate Context without the network: what happened in a session, or in a part of it.

Each call costs an Activation. The person, the organization and the location are not even asked for.
https://developer.fullstory.com/server/sessions/generate-context/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from bot.core.sessions import Moment, Session
from bot.core.story import CLICKS, TYPES, Event, Story, clean, path_of, tell
from bot.errors import ReplyMalformed
from bot.fullstory.protocol import Request, as_object, document_of, error_of, text_of, time_of

EVENT_LIMIT: Final = 200
AROUND: Final = timedelta(minutes=3)
"""The window around a moment begins so long before it, and ends so long after it."""

_NAMES: Final = ("fs-button-name", "fs-form-name", "fs-input-name", "fs-dropdown-name", "id")
"""The properties that say what was pressed. Others may have what was typed."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a session; `start` and `end` are aware and in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def around(cls, moment: Moment) -> Window:
        """Return the window around a moment."""
        return cls(moment.time - AROUND, moment.end + AROUND)


def request(base_url: str, session: Session, window: Window | None) -> Request:
    """Return the request for what happened in a window, or at the end of the session."""
    part: dict[str, object] = {"mode": "LAST"}
    if window:
        part = {
            "mode": "TIMESTAMP",
            "start_timestamp": _rfc3339(window.start),
            "end_timestamp": _rfc3339(window.end),
        }
    body = {
        "slice": part | {"event_limit": EVENT_LIMIT},
        "events": {"include_types": list(TYPES), "exclude_selectors": True},
        "context": {"exclude": ["user", "org", "location"]},
    }
    # Ordinary quoting leaves the colon as it is, but Fullstory wants it encoded.
    name = quote(f"{session.fullstory_user_id}:{session.session_id}", safe="")
    return Request(f"{base_url}/v2/sessions/{name}/context", json.dumps(body).encode())


def parse(status: int, reply_headers: Mapping[str, str], body: bytes) -> Story:
    """Return what happened. Raises the `FullstoryError` for its status or its content."""
    if not 200 <= status < 300:
        raise error_of(status, reply_headers)
    data = as_object(as_object(document_of(body)).get("context_data"))
    pages = data.get("pages") or []
    if not isinstance(pages, list):
        raise ReplyMalformed
    device = as_object(as_object(data.get("context")).get("device_context"))
    # The limit counts what Fullstory sent, also what can't be read.
    sent = [(page, item) for page in map(as_object, pages) for item in _list(page.get("events"))]
    return tell(
        _events(sent),
        is_cut=len(sent) >= EVENT_LIMIT,
        browser=text_of(device.get("browser")),
        system=text_of(device.get("operating_system")),
    )


def _events(sent: list[tuple[dict[str, Any], Any]]) -> Iterator[Event]:
    for page, item in sent:
        event = as_object(item)
        kind, time = event.get("type"), time_of(event.get("timestamp"))
        if time and isinstance(kind, str) and kind in TYPES:
            url = page.get("url")
            yield Event(
                kind, time, path_of(url if isinstance(url, str) else ""), _said(kind, event)
            )


def _said(kind: str, event: dict[str, Any]) -> str:
    """Return what was pressed, or an error's message; a custom event's description is not read."""
    properties = as_object(event.get("properties"))
    if kind in CLICKS:
        names = (properties.get(name) for name in _NAMES)
        named = next((one for one in names if isinstance(one, str) and one.strip()), "")
        if named:
            return clean(named)
    description = event.get("description")
    return clean(description) if isinstance(description, str) and kind != "navigate" else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
