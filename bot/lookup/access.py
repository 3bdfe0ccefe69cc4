"""Who asks, and whether they may be shown sessions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class EntryPoint(StrEnum):
    """The ways to ask."""

    COMMAND = "command"
    MESSAGE_SHORTCUT = "message shortcut"
    FORM = "form"
    BUTTON = "button"
    SHARE = "share"
    OFFER = "offer"
    MENTION = "mention"
    DIRECT_MESSAGE = "direct message"
    WORKFLOW_STEP = "workflow step"
    HOME = "home"
    TERMINAL = "terminal"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, from where.

    `workspace`, `user` and `channel` are Slack's ids; `channel` is "" where there is none. Of a
    workflow, `user` is who is to be shown the sessions, or "" where its outputs are all. On the
    terminal it is the operating system's user.
    """

    workspace: str
    user: str
    entry_point: EntryPoint
    channel: str = ""


class Refusal(Enum):
    """Why somebody is shown no sessions."""

    STRANGER = auto()
    """Of another organisation, a bot, or deactivated."""

    GUEST = auto()
    NOT_KNOWN = auto()
    """Slack doesn't say just now who they are."""

    NOT_READABLE = auto()
    """The bot is not allowed to read profiles."""
