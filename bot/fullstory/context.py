"""Fullstory's Generate Context without the network: what happened in a session, or in a part of it.

Each call costs an Activation. The person, the organization and the location are not even asked for.
https://developer.fullstory.com/server/sessions/generate-context/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from bot.core.sessions import Session
from bot.core.story import CLICKS, TYPES, Event, Excerpt, Window, clean, path_of
from bot.errors import ReplyMalformed, ReplyNotJSON
from bot.fullstory.api import CONTEXT
from bot.fullstory.protocol import Request, as_object, document_of, error_of, text_of, time_of

EVENT_LIMIT: Final = 200

_Sent = tuple[str, object, dict[str, Any]]

_NAMES: Final = ("fs-button-name", "fs-form-name", "fs-input-name", "fs-dropdown-name")
"""The properties that say what was pressed. Others may have what was typed."""

_QUOTED: Final = re.compile(r'[^"“]*(?:"([^"]*)"|“([^”]*)”)')
_MAX_PAGES: Final = 1_000
_MAX_DESCRIPTION: Final = 400  # characters


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
    return Request(f"{base_url}{CONTEXT.path.format(id=name)}", json.dumps(body).encode())


def parse(status: int, reply_headers: Mapping[str, str], body: bytes) -> Excerpt:
    """Return what happened. Raises the `FullstoryError` for its status or its content."""
    if not 200 <= status < 300:
        raise error_of(status, reply_headers)
    data = as_object(_document(body)).get("context_data")
    pages = data.get("pages") or [] if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(pages, list):
        raise ReplyMalformed
    device = as_object(as_object(data.get("context")).get("device_context"))
    sent = list(islice(_sent(pages), EVENT_LIMIT))
    events = tuple(filter(None, map(_event, sent)))
    if sent and not events and any(kind in TYPES for _, kind, _ in sent):
        raise ReplyMalformed
    return Excerpt(
        events,
        len(sent) >= EVENT_LIMIT,
        browser=clean(text_of(device.get("browser"))),
        system=clean(text_of(device.get("operating_system"))),
    )


def _document(body: bytes) -> object:
    """Parse JSON, also if it has halves of characters: pages have them, and it was paid for."""
    with suppress(ReplyNotJSON):
        return document_of(body)
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        raise ReplyNotJSON from None


def _sent(pages: list[Any]) -> Iterator[_Sent]:
    """Yield what Fullstory sent: the path of a page, and the type and the fields of an event."""
    for page in pages[:_MAX_PAGES]:
        if isinstance(page, dict) and isinstance(events := page.get("events"), list):
            url = page.get("url")
            path = path_of(url if isinstance(url, str) else "")
            for event in events:
                fields = as_object(event)
                yield path, fields.get("type"), fields


def _event(sent: _Sent) -> Event | None:
    path, kind, fields = sent
    time = time_of(fields.get("timestamp"))
    if time is None or not isinstance(kind, str) or kind not in TYPES:
        return None
    return Event(kind, time, path, _said(kind, fields))


def _said(kind: str, event: dict[str, Any]) -> str:
    """Return what was pressed, or an error's message; a custom event's description is not read."""
    description = event.get("description")
    if kind == "navigate" or not isinstance(description, str):
        description = ""
    if kind not in CLICKS:
        return clean(description)
    properties = as_object(event.get("properties"))
    quoted = _QUOTED.match(description[:_MAX_DESCRIPTION])
    shown_on_page = (quoted[1] or quoted[2] or "") if quoted else ""
    names = [*map(properties.get, _NAMES), shown_on_page, properties.get("id")]
    cleaned = (clean(name) for name in names if isinstance(name, str))
    return next(filter(None, cleaned), "")


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
