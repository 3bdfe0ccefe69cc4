"""Who asks, and whether they may be shown sessions.

Two things decide: who somebody is, which Slack knows; and the administrator's rules, of whom and of
where. Nothing admits strangers, bots or deactivated people.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final


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
    AUDIT = "audit"
    TERMINAL = "terminal"


OTHER_WORKFLOW: Final = "other"
"""In the place of a workflow's name that the administrator has not listed."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, from where.

    `workspace`, `user` and `channel` are Slack's ids; `channel` is "" where there is none. Of a
    workflow, `user` is who is to be shown the sessions, or "" where its outputs are all; `workflow`
    is its name if the administrator has listed it, `OTHER_WORKFLOW`, or "". On the terminal, `user`
    is the operating system's.
    """

    workspace: str
    user: str
    entry_point: EntryPoint
    channel: str = ""
    workflow: str = ""


class DenialReason(Enum):
    """Why somebody is shown no sessions."""

    STRANGER = auto()
    """Of another organisation, a bot, or deactivated."""

    GUEST = auto()
    NOT_KNOWN = auto()
    """Slack doesn't say just now who they are, or in which user groups."""

    NOT_READABLE = auto()
    """The bot is not allowed to read profiles."""

    GROUPS_NOT_READABLE = auto()
    """The bot is not allowed to read user groups."""

    NOT_ALLOWED = auto()
    """Not among those whom the administrator has named."""

    NOT_HERE = auto()
    """Not in a channel that the administrator has named."""

    NOT_FOR_WORKFLOW = auto()
    """A workflow whose outputs nobody is shown, and which the administrator hasn't named."""

    WRONG_USER = auto()
    """What was pressed or sent had been made for somebody else."""

    OUTDATED = auto()
    """What was pressed or sent is forged, changed, or of earlier times."""

    NOT_AUDITOR = auto()
    """Not among those who may see who looked whom up."""


PASSING = frozenset({DenialReason.NOT_KNOWN})
"""What may be different in a minute."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Whom the administrator admits, and where: Slack's ids. Nobody named is everybody.

    A person may be named, or be in one of the `usergroups`. `workflows` are names that a workflow's
    author gives with the step: such a workflow may run anywhere, and have outputs that nobody is
    shown.
    """

    users: frozenset[str] = frozenset()
    usergroups: tuple[str, ...] = ()
    channels: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()
    guests: bool = False

    def refusal(self, actor: Actor) -> DenialReason | None:
        """Why not, as far as it can be told without the user groups."""
        if not actor.user:
            return None if self.gives_outputs(actor) else DenialReason.NOT_FOR_WORKFLOW
        if self.users and not self.usergroups and actor.user not in self.users:
            return DenialReason.NOT_ALLOWED
        is_named = actor.workflow in self.workflows
        if actor.entry_point in _ANYWHERE or is_named or not self.channels:
            return None
        return None if actor.channel in self.channels else DenialReason.NOT_HERE

    def gives_outputs(self, actor: Actor) -> bool:
        """Whether a workflow may have the sessions, beside whoever is shown them.

        Its author can show them to anybody, so it has to be named where anything is restricted.
        """
        restricted = self.users or self.usergroups or self.channels
        return not restricted or actor.workflow in self.workflows

    def depends_on_usergroups(self, actor: Actor) -> bool:
        """Whether it is the user groups that decide."""
        return bool(self.usergroups and actor.user) and actor.user not in self.users


_ANYWHERE = frozenset({EntryPoint.HOME, EntryPoint.AUDIT})
"""These show no sessions."""
