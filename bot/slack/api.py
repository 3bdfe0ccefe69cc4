"""What the bot relies on of Slack's API: one place to compare with the vendor's pages.

Which scope an event or a method needs, and how much a block takes. The features' manifests have the
events and scopes that the bot asks for; they, the bot's requests and the stand-in are tested
against this.

- https://docs.slack.dev/reference/events
- https://docs.slack.dev/reference/methods
- https://docs.slack.dev/reference/block-kit/blocks
- https://docs.slack.dev/reference/block-kit/block-elements
- https://docs.slack.dev/reference/views
"""

from __future__ import annotations

from typing import Final

READ_ON: Final = "2026-11-22"
"""When the pages were read."""

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

MAX_BLOCKS: Final = 50
"""In a message; a view takes 100."""

MAX_SECTION: Final = 3000
MAX_HEADER: Final = 150
MAX_FIELD: Final = 150
"""Of a label, a hint or a placeholder."""

MAX_BUTTON_TEXT: Final = 75
MAX_BUTTON_URL: Final = 3000
MAX_OPTIONS: Final = 100
MAX_OPTION_TEXT: Final = 75
MAX_MENU_VALUE: Final = 150
MAX_TITLE: Final = 24
