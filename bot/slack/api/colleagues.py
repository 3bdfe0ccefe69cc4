"""Who may be shown sessions: full members of the workspace that the bot is installed in.

Not guests, not people of other organisations in shared channels, not bots, not deactivated people.
Slack is asked once for each person, and the answer is kept for a while, so that an ordinary command
doesn't wait for it. https://docs.slack.dev/reference/objects/user-object
"""

from __future__ import annotations

from typing import Final

import structlog

from bot.errors import ProfileError, ProfileProblem, SlackError
from bot.lookup.access import Actor, EntryPoint, Refusal
from bot.slack.api.identity import Workspace
from bot.slack.api.profiles import Profiles, Standing
from bot.state.answers import KeptAnswers
from bot.state.protocol import State

_log = structlog.get_logger()

YES_SECONDS: Final = 60 * 60.0
"""How long it is remembered that somebody is a colleague."""

NO_SECONDS: Final = 60.0
"""How long that somebody is not: they may be made one."""

_COLLEAGUE: Final = "COLLEAGUE"


class Colleagues:
    """Asks Slack who somebody is; `bot.lookup.find` asks here before anything is looked up."""

    def __init__(self, profiles: Profiles, workspace: Workspace, state: State) -> None:
        self._profiles = profiles
        self._workspace = workspace
        self._answers = KeptAnswers(state, "colleague")

    async def refusal(self, actor: Actor) -> Refusal | None:
        """Why this person is not shown sessions; None if they are."""
        user = actor.user
        if not user:
            # A workflow whose outputs are all: its author decides who reads them.
            is_step = actor.entry_point is EntryPoint.WORKFLOW_STEP
            return None if is_step else Refusal.STRANGER
        answer = await self._answers.get(user, lambda: self._ask(user))
        return None if answer == _COLLEAGUE else Refusal[answer]

    async def _ask(self, user: str) -> tuple[str, float]:
        try:
            bot = await self._workspace.bot_identity()
            standing = await self._profiles.standing(user, bot)
        except (SlackError, ProfileError) as error:
            missing = isinstance(error, ProfileError) and error.problem is ProfileProblem.SCOPE
            _log.warning("not known who asks", exc_info=error)
            return (Refusal.NOT_READABLE if missing else Refusal.NOT_KNOWN).name, 0
        match standing:
            case Standing.COLLEAGUE:
                return _COLLEAGUE, YES_SECONDS
            case Standing.GUEST:
                return Refusal.GUEST.name, NO_SECONDS
            case Standing.STRANGER:
                return Refusal.STRANGER.name, NO_SECONDS
