"""Who may be shown sessions: full members of the workspace that the bot is installed in.

Not guests, not people of other organisations in shared channels, not bots, not deactivated people.
Slack is asked once for each person, and the answer is kept for a while, so that an ordinary command
doesn't wait for it. https://docs.slack.dev/reference/objects/user-object
"""

from __future__ import annotations

import json
from datetime import tzinfo
from typing import Final

import structlog

from bot.errors import ProfileError, ProfileProblem, SlackError
from bot.lookup.access import Actor, EntryPoint, Refusal
from bot.slack.api.identity import Workspace
from bot.slack.api.profiles import Profiles, Standing
from bot.state.cache import Cache
from bot.state.protocol import State
from bot.typed.times import zone

_log = structlog.get_logger()

YES_SECONDS: Final = 60 * 60.0
"""How long it is remembered that somebody is a colleague."""

NO_SECONDS: Final = 60.0
"""How long that somebody is not: they may be made one."""


class Colleagues:
    """Asks Slack who somebody is; `bot.lookup.find` asks here before anything is looked up."""

    def __init__(self, profiles: Profiles, workspace: Workspace, state: State) -> None:
        self._profiles = profiles
        self._workspace = workspace
        self._answers = Cache(state, "member")

    async def refusal(self, actor: Actor) -> Refusal | None:
        """Why this person is not shown sessions; None if they are."""
        user = actor.user
        if not user:
            # A workflow whose outputs are all: its author decides who reads them.
            is_step = actor.entry_point is EntryPoint.WORKFLOW_STEP
            return None if is_step else Refusal.STRANGER
        refusal, _, _ = await self._known(user)
        return Refusal[refusal] if refusal else None

    async def zone(self, user: str) -> tzinfo:
        """The time zone that a person has set; UTC where Slack doesn't say."""
        _, name, offset = await self._known(user) if user else ("", "", 0)
        return zone(name, offset)

    async def _known(self, user: str) -> tuple[str, str, int]:
        """The name of the refusal or "", and the time zone by its name and offset."""
        refusal, name, offset = json.loads(await self._answers.get(user, lambda: self._ask(user)))
        return refusal, name, offset

    async def _ask(self, user: str) -> tuple[str, float]:
        try:
            bot = await self._workspace.bot_identity()
            member = await self._profiles.member(user, bot)
        except (SlackError, ProfileError) as error:
            missing = isinstance(error, ProfileError) and error.problem is ProfileProblem.SCOPE
            _log.warning("not known who asks", exc_info=error)
            refusal = Refusal.NOT_READABLE if missing else Refusal.NOT_KNOWN
            return json.dumps([refusal.name, "", 0]), 0
        name, seconds = {
            Standing.COLLEAGUE: ("", YES_SECONDS),
            Standing.GUEST: (Refusal.GUEST.name, NO_SECONDS),
            Standing.STRANGER: (Refusal.STRANGER.name, NO_SECONDS),
        }[member.standing]
        return json.dumps([name, member.zone, member.offset]), seconds
