"""Who asks, and whether they may be shown sessions.

Two things decide: who a person is, which Slack knows, and the administrator's rules about people
and channels. Strangers, bots and deactivated people are never admitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final, Protocol


class EntryPoint(StrEnum):
    """A way to ask. The values are recorded in the audit."""

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
"""Recorded instead of a workflow's name that the administrator has not listed."""

_WITHOUT_SESSIONS: Final = frozenset({EntryPoint.HOME, EntryPoint.AUDIT})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, and from where.

    `workspace`, `user` and `channel` are Slack's ids; `channel` is "" if there is none. For a
    workflow, `user` is who is shown the sessions, or "" if its outputs are all it wants; `workflow`
    is its name if the administrator has listed it, `OTHER_WORKFLOW` if not, or "". On the terminal,
    `user` is the operating system's.
    """

    workspace: str
    user: str
    entry_point: EntryPoint
    channel: str = ""
    workflow: str = ""


class DenialReason(Enum):
    """Why a person is shown no sessions."""

    STRANGER = auto()
    """From another organization, a bot, or deactivated."""

    GUEST = auto()
    NOT_KNOWN = auto()
    """Slack can't say right now who they are, or which user groups they are in."""

    NOT_READABLE = auto()
    """The bot may not read profiles."""

    GROUPS_NOT_READABLE = auto()
    """The bot may not read user groups."""

    NOT_ALLOWED = auto()
    """Not one of the people that the administrator has named."""

    NOT_HERE = auto()
    """Not in one of the channels that the administrator has named."""

    NOT_FOR_WORKFLOW = auto()
    """A workflow that shows its outputs to no one in particular and is not on the list."""

    WRONG_USER = auto()
    """What was pressed or sent was made for another person."""

    OUTDATED = auto()
    """What was pressed or sent is forged, changed or too old."""

    NOT_AUDITOR = auto()
    """May not see who looked up a customer."""

    @property
    def is_temporary(self) -> bool:
        """Tell whether trying again in a minute can help."""
        return self is DenialReason.NOT_KNOWN


@dataclass(frozen=True, slots=True)
class Rules:
    """The administrator's rules, as Slack's ids. An empty rule admits everyone.

    A person may be named or be in one of the `usergroups`. `workflows` are names that a workflow's
    author passes to the step: such a workflow may run anywhere, and have outputs that no one in
    particular is shown.
    """

    users: frozenset[str] = frozenset()
    usergroups: tuple[str, ...] = ()
    channels: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()
    guests: bool = False

    def denial(self, actor: Actor) -> DenialReason | None:
        """Apply every rule but that of the user groups."""
        if not actor.user:
            return None if self.gives_outputs(actor) else DenialReason.NOT_FOR_WORKFLOW
        if self.users and not self.usergroups and actor.user not in self.users:
            return DenialReason.NOT_ALLOWED
        is_listed = actor.workflow in self.workflows
        if actor.entry_point in _WITHOUT_SESSIONS or is_listed or not self.channels:
            return None
        return None if actor.channel in self.channels else DenialReason.NOT_HERE

    def gives_outputs(self, actor: Actor) -> bool:
        """Tell whether a workflow may have the sessions as outputs.

        Its author can show them to anyone, so it has to be listed if anything is restricted.
        """
        is_restricted = self.users or self.usergroups or self.channels
        return not is_restricted or actor.workflow in self.workflows

    def depends_on_usergroups(self, actor: Actor) -> bool:
        """Tell whether the user groups decide about this actor."""
        return bool(self.usergroups and actor.user) and actor.user not in self.users


class Directory(Protocol):
    """Knows who a person is: `bot.slack.users`."""

    async def denial(self, user: str, workspace: str = "") -> DenialReason | None:
        """Return why a person is not a full member of the workspace, or None.

        `workspace` is the bot's if it is known for sure; otherwise Slack is asked for it.
        """

    async def denial_by_usergroups(
        self, user: str, usergroups: tuple[str, ...]
    ) -> DenialReason | None:
        """Return None if the person is in one of the user groups."""


class Access:
    """Decides who may be shown sessions, in two parts.

    The first part has to be known before anything is looked up. The second, the user groups, may be
    found out during the lookup; nothing is shown before both are known.
    """

    def __init__(self, directory: Directory, rules: Rules) -> None:
        self._directory = directory
        self.rules = rules

    async def denial(self, actor: Actor) -> DenialReason | None:
        """Decide in full."""
        return await self.first_denial(actor) or await self.usergroup_denial(actor)

    async def first_denial(self, actor: Actor) -> DenialReason | None:
        """Decide by who they are and where they ask."""
        return await self.membership_denial(actor) or self.rules.denial(actor)

    async def membership_denial(self, actor: Actor) -> DenialReason | None:
        """Decide by who they are alone."""
        if not actor.user:
            # A workflow that only wants outputs: its author decides who reads them.
            is_step = actor.entry_point is EntryPoint.WORKFLOW_STEP
            return None if is_step else DenialReason.STRANGER
        # Slack has signed that a command comes from the bot's own workspace.
        workspace = actor.workspace if actor.entry_point is EntryPoint.COMMAND else ""
        denial = await self._directory.denial(actor.user, workspace)
        return None if denial is DenialReason.GUEST and self.rules.guests else denial

    async def usergroup_denial(self, actor: Actor) -> DenialReason | None:
        """Decide by the user groups, if they matter."""
        if not self.rules.depends_on_usergroups(actor):
            return None
        return await self._directory.denial_by_usergroups(actor.user, self.rules.usergroups)
