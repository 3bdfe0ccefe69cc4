"""Which scope of the bot token an event or a method needs, from Slack's reference pages.

- https://docs.slack.dev/reference/events
- https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

from typing import Final

EVENT_SCOPES: Final = {
    "app_home_opened": "",
    "app_mention": "app_mentions:read",
    "channel_archive": "channels:read",
    "channel_created": "channels:read",
    "channel_rename": "channels:read",
    "file_shared": "files:read",
    "function_executed": "",
    "link_shared": "links:read",
    "member_joined_channel": "channels:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "pin_added": "pins:read",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "star_added": "stars:read",
    "team_join": "users:read",
    "user_change": "users:read",
}
"""The scope that each event needs; "" for none."""

HISTORY_SCOPES: Final = {
    "C": "channels:history",
    "D": "im:history",
    "G": "groups:history",
}
"""The scope to read a channel, by the first letter of its id."""

METHOD_SCOPES: Final[dict[str, tuple[str, ...]]] = {
    "auth.test": (),
    "apps.connections.open": (),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": tuple(HISTORY_SCOPES.values()),
    "conversations.replies": tuple(HISTORY_SCOPES.values()),
    "functions.completeError": (),
    "functions.completeSuccess": (),
    "reactions.add": ("reactions:write",),
    "reactions.get": ("reactions:read",),
    "usergroups.users.list": ("usergroups:read",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
    "views.push": (),
    "views.update": (),
}
"""The scopes that each method needs, one of which is enough."""
