"""What the bot relies on of Fullstory's API: one place to compare with the vendor's pages.

The client and the stand-in are tested against it, and `fsessions check --lookup` compares it with
the real API.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

READ_ON: Final = "2026-09-26"
"""When the pages were read: the day of Fullstory's own snapshot of them."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `path` has placeholders in braces.

    `parameters` are those that the bot sends, in the query or the JSON body; `fields` those that it
    reads of the reply. Both are paths with dots; `*` stands for each element of a list, and `|`
    separates spellings. `level` is the lowest level of a key that may call it.
    """

    method: str
    path: str
    level: str
    parameters: tuple[str, ...]
    fields: tuple[str, ...]
    page: str


_PAGES: Final = "https://developer.fullstory.com/server"

SESSIONS: Final = Operation(
    "GET",
    "/sessions/v2",
    "Standard",
    ("email", "uid", "limit", "pagination_token"),
    (
        "sessions.*.userId",
        "sessions.*.sessionId",
        "sessions.*.createdTime",
        "sessions.*.fsUrl",
    ),
    f"{_PAGES}/v1/sessions/list-sessions/",
)
"""Its `pagination_token` and its POST are not documented; the latter is optional."""

SESSIONS_BY_POST: Final = Operation(
    "POST", SESSIONS.path, SESSIONS.level, SESSIONS.parameters, SESSIONS.fields, SESSIONS.page
)
SESSIONS_V2: Final = Operation(
    "GET",
    "/v2/sessions",
    "Standard",
    ("email", "uid", "limit"),
    ("results.*.id", "results.*.created_time", "results.*.app_url"),
    f"{_PAGES}/sessions/list-sessions/",
)
CONTEXT: Final = Operation(
    "POST",
    "/v2/sessions/{id}/context",
    "Standard",
    (
        "slice.mode",
        "slice.event_limit",
        "slice.start_timestamp",
        "slice.end_timestamp",
        "events.include_types",
        "events.exclude_selectors",
        "context.exclude",
    ),
    (
        "context_data.context.device_context.browser",
        "context_data.context.device_context.operating_system",
        "context_data.pages.*.url",
        "context_data.pages.*.events.*.type",
        "context_data.pages.*.events.*.timestamp",
    ),
    f"{_PAGES}/sessions/generate-context/",
)
"""Metered: one Activation a call. Events may also have a `description` and `properties`."""

QUOTAS: Final = Operation(
    "GET",
    "/v2/organization/quotas",
    "Standard",
    (),
    ("session_quota.usage", "session_quota.limit", "session_quota.period_end"),
    f"{_PAGES}/organization/get-quotas/",
)
USER: Final = Operation(
    "GET",
    "/users/v1/individual/{uid}",
    "Standard",
    (),
    ("numSessions|num_sessions", "lastSeen|last_seen"),
    f"{_PAGES}/v1/users/get-user/",
)
ME: Final = Operation("GET", "/me", "Standard", (), ("orgId",), f"{_PAGES}/me/")

OPERATIONS: Final = (SESSIONS, SESSIONS_BY_POST, SESSIONS_V2, CONTEXT, QUOTAS, USER, ME)


def has_field(document: object, field: str) -> bool:
    """Tell whether a reply has a field, in one of its spellings."""
    name, _, rest = field.partition(".")
    if name == "*":
        inside = document if isinstance(document, list) else []
        return any(has_field(one, rest) for one in inside)
    if not isinstance(document, dict):
        return False
    found = [document[one] for one in name.split("|") if one in document]
    return bool(found) and (not rest or has_field(found[0], rest))
