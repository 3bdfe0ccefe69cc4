"""Who may be shown sessions: full members of the workspace that the bot is installed in.

Not guests, not people of other organisations in shared channels, not bots, not deactivated people.
Slack is asked once for each person, and the answer is kept for a while, so that an ordinary command
doesn't wait for it. https://docs.slack.dev/reference/objects/user-object
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from bot.errors import SlackError
from bot.lookup.access import Actor, EntryPoint, Refusal
from bot.slack.api.identity import Workspace
from bot.slack.api.profiles import ProfileError, ProfileProblem, Profiles, Standing

_log = structlog.get_logger()

YES_SECONDS: Final = 60 * 60.0
"""How long it is remembered that somebody is a colleague."""

NO_SECONDS: Final = 60.0
"""How long that somebody is not: they may be made one."""

_MOST: Final = 10_000  # people


class Colleagues:
    """Asks Slack and remembers; `clock` gives seconds."""

    def __init__(
        self,
        profiles: Profiles,
        workspace: Workspace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._profiles = profiles
        self._workspace = workspace
        self._clock = clock
        self._known: dict[str, tuple[float, Refusal | None]] = {}
        self._asking: dict[str, asyncio.Task[Refusal | None]] = {}

    async def refusal(self, actor: Actor) -> Refusal | None:
        """Why this person is not shown sessions; None if they are."""
        user = actor.user
        if not user:
            # A workflow whose outputs are all: its author decides who reads them.
            is_step = actor.entry_point is EntryPoint.WORKFLOW_STEP
            return None if is_step else Refusal.STRANGER
        until, refusal = self._known.get(user, (0.0, None))
        if self._clock() < until:
            return refusal
        if user not in self._asking:
            # Commands that come at the same time share the question.
            self._asking[user] = task = asyncio.create_task(self._ask(user))
            task.add_done_callback(lambda _: self._asking.pop(user, None))
        return await asyncio.shield(self._asking[user])

    async def _ask(self, user: str) -> Refusal | None:
        try:
            own = await self._workspace.own()
            standing = await self._profiles.standing(user, own)
        except (SlackError, ProfileError) as error:
            missing = isinstance(error, ProfileError) and error.problem is ProfileProblem.SCOPE
            _log.warning("not known who asks", exc_info=error)
            return Refusal.NOT_READABLE if missing else Refusal.NOT_KNOWN
        refusal = {
            Standing.COLLEAGUE: None,
            Standing.GUEST: Refusal.GUEST,
            Standing.STRANGER: Refusal.STRANGER,
        }[standing]
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known.pop(user, None)
        self._known[user] = self._clock() + (NO_SECONDS if refusal else YES_SECONDS), refusal
        return refusal
