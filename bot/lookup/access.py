"""Who may be shown sessions."""

from __future__ import annotations

from enum import Enum, auto


class Refusal(Enum):
    """Why somebody is shown none."""

    STRANGER = auto()
    """Of another organisation, a bot, or deactivated."""

    GUEST = auto()
    NOT_KNOWN = auto()
    """Slack doesn't say just now who they are."""

    NOT_READABLE = auto()
    """The bot is not allowed to read profiles."""
