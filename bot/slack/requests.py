"""Who asks, by what Slack sent.

https://docs.slack.dev/interactivity/handling-user-interaction#payloads
"""

from __future__ import annotations

from typing import Any

from bot.lookup.access import Actor, EntryPoint


def actor_in(body: dict[str, Any], entry_point: EntryPoint) -> Actor:
    """Of a command, an interaction, or an event; an id that Slack didn't send is ""."""
    event, user = _dict(body.get("event")), _dict(body.get("user"))
    team, channel = _dict(body.get("team")), _dict(body.get("channel"))
    return Actor(
        workspace=str(body.get("team_id") or team.get("id") or ""),
        user=str(body.get("user_id") or user.get("id") or event.get("user") or ""),
        entry_point=entry_point,
        channel=str(body.get("channel_id") or channel.get("id") or event.get("channel") or ""),
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
