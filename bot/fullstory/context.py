"""Fullstory's Generate Context without the network: what happened in a session, or in a part of it.

Each call costs an Activation. The person, the organization and the location are not even asked for.
https://developer.fullstory.com/server/sessions/generate-context/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from bot.core.sessions import Session
from bot.core.story import CLICKS, TYPES, Event, Excerpt, Window, clean, path_of
from bot.errors import ReplyMalformed
from bot.fullstory.protocol import Request, as_object, document_of, error_of, text_of, time_of

EVENT_LIMIT: Final = 200

_NAMES: Final = ("fs-button-name", "fs-form-name", "fs-input-name", "fs-dropdown-name", "id")
"""The properties that say what was pressed. Others may have what was typed."""

_QUOTED: Final = re.compile(r"[“\"'](.{1,200}?)[”\"']")


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
    name = quote(session.ids, safe="")
    return Request(f"{base_url}/v2/sessions/{name}/context", json.dumps(body).encode())


def parse(status: int, reply_headers: Mapping[str, str], body: bytes) -> Excerpt:
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
    return Excerpt(
        tuple(_events(sent[:EVENT_LIMIT])),
        len(sent) >= EVENT_LIMIT,
        browser=clean(text_of(device.get("browser"))),
        system=clean(text_of(device.get("operating_system"))),
    )


def _events(sent: list[tuple[dict[str, Any], Any]]) -> Iterator[Event]:
    shown: dict[int, str] = {}
    for page, item in sent:
        event = as_object(item)
        kind, time = event.get("type"), time_of(event.get("timestamp"))
        if time and isinstance(kind, str) and kind in TYPES:
            if (path := shown.get(id(page))) is None:
                url = page.get("url")
                path = shown[id(page)] = path_of(url if isinstance(url, str) else "")
            yield Event(kind, time, path, _said(kind, event))


def _said(kind: str, event: dict[str, Any]) -> str:
    """Return what was pressed, or an error's message; a custom event's description is not read."""
    properties = as_object(event.get("properties"))
    description = event.get("description")
    if kind == "navigate" or not isinstance(description, str):
        description = ""
    if kind not in CLICKS:
        return clean(description)
    names = (properties.get(name) for name in _NAMES)
    named = next((one for one in names if isinstance(one, str) and one.strip()), "")
    quoted = _QUOTED.search(description)
    return clean(named or (quoted[1] if quoted else description))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
