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
from bot.slack import wording
from bot.slack.profiles import Lack, ProfileError, Profiles, Standing
from bot.slack.workspace import Workspace

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
        self._known: dict[str, tuple[float, str]] = {}
        self._asking: dict[str, asyncio.Task[str]] = {}

    async def refusal(self, user: str) -> str:
        """Why this person is not shown sessions, as a sentence for them; "" if they are."""
        until, sentence = self._known.get(user, (0.0, ""))
        if self._clock() < until:
            return sentence
        if user not in self._asking:
            # Commands that come at the same time share the question.
            self._asking[user] = task = asyncio.create_task(self._ask(user))
            task.add_done_callback(lambda _: self._asking.pop(user, None))
        return await asyncio.shield(self._asking[user])

    async def _ask(self, user: str) -> str:
        try:
            own = await self._workspace.own()
            standing = await self._profiles.standing(user, own)
        except (SlackError, ProfileError) as error:
            missing = isinstance(error, ProfileError) and error.lack is Lack.SCOPE
            _log.warning("not known who asks", exc_info=error)
            return wording.MAY_NOT_READ_PROFILES if missing else wording.WHO_ASKS
        sentence = {
            Standing.COLLEAGUE: "",
            Standing.GUEST: wording.NOT_FOR_GUESTS,
            Standing.STRANGER: wording.NOT_OF_THIS_WORKSPACE,
        }[standing]
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known.pop(user, None)
        self._known[user] = self._clock() + (NO_SECONDS if sentence else YES_SECONDS), sentence
        return sentence
