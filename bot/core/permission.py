"""May they? Asks whoever knows, in the order that costs the least time."""

from __future__ import annotations

from typing import Protocol

from bot.core.access import Actor, DenialReason, EntryPoint, Rules


class People(Protocol):
    """Knows who somebody is: `bot.slack.users`."""

    async def refusal(self, user: str, workspace: str = "") -> DenialReason | None:
        """Why a person is not a full member of the workspace, or None.

        `workspace` is the bot's, where it is known for sure; otherwise Slack is asked for it.
        """

    async def refusal_by_usergroups(
        self, user: str, usergroups: tuple[str, ...]
    ) -> DenialReason | None:
        """None, if somebody is in one of the user groups."""


class Access:
    """Decides who may be shown sessions, in two parts.

    The first has to be known before anything is looked up. The second may be found out beside the
    lookup; nothing is shown before both have come.
    """

    def __init__(self, people: People, rules: Rules) -> None:
        self._people = people
        self._rules = rules

    async def refusal(self, actor: Actor) -> DenialReason | None:
        """Why not, or None."""
        return await self.refusal_at_once(actor) or await self.refusal_by_usergroup_rules(actor)

    async def refusal_at_once(self, actor: Actor) -> DenialReason | None:
        """By who they are, and where they ask."""
        return await self.refusal_by_membership(actor) or self._rules.refusal(actor)

    async def refusal_by_membership(self, actor: Actor) -> DenialReason | None:
        """By who they are alone."""
        if not actor.user:
            # A workflow whose outputs are all: its author decides who reads them.
            is_step = actor.entry_point is EntryPoint.WORKFLOW_STEP
            return None if is_step else DenialReason.STRANGER
        # A command comes from the workspace of the bot, as Slack has signed.
        workspace = actor.workspace if actor.entry_point is EntryPoint.COMMAND else ""
        refusal = await self._people.refusal(actor.user, workspace)
        return None if refusal is DenialReason.GUEST and self._rules.guests else refusal

    def depends_on_usergroups(self, actor: Actor) -> bool:
        """Whether the user groups that they are in decide, too."""
        return self._rules.depends_on_usergroups(actor)

    async def refusal_by_usergroup_rules(self, actor: Actor) -> DenialReason | None:
        """By the user groups that they are in, where it hangs on these."""
        if not self._rules.depends_on_usergroups(actor):
            return None
        return await self._people.refusal_by_usergroups(actor.user, self._rules.usergroups)
