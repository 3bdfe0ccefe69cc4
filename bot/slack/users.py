"""Who is a colleague: a full member of the workspace that the bot is installed in.

Not guests, not people of other organisations in shared channels, not bots, not deactivated people.
Slack is asked once for each person and for each user group, and the answer is kept for a while, so
that an ordinary command doesn't wait for it.

- https://docs.slack.dev/reference/objects/user-object
- https://docs.slack.dev/reference/methods/usergroups.users.list
"""

from __future__ import annotations

import asyncio
import json
from datetime import tzinfo
from functools import partial
from typing import Final

import structlog

from bot.core.access import DenialReason
from bot.core.times import zone
from bot.errors import ProfileError, ProfileProblem, SlackError
from bot.slack.identity import BotIdentity, Workspace
from bot.slack.profiles import Profiles, Standing
from bot.slack.web_api import SlackClient
from bot.store.cache import Cache
from bot.store.protocol import State
from bot.timeouts import Timeouts

_log = structlog.get_logger()

YES_SECONDS: Final = 60 * 60.0
"""How long it is remembered that somebody is a colleague."""

NO_SECONDS: Final = 60.0
"""How long that somebody is not: they may be made one."""

_NO_GROUP: Final = frozenset({"no_such_subteam", "subteam_not_found"})

GROUP_SECONDS: Final = 60.0
"""How long it is remembered who is in a user group."""


class Colleagues:
    """A `bot.core.permission.People`: asks Slack, and keeps what it said."""

    def __init__(
        self,
        client: SlackClient,
        profiles: Profiles,
        workspace: Workspace,
        state: State,
        timeouts: Timeouts,
    ) -> None:
        self._client = client
        self._seconds = timeouts.profile
        self._profiles = profiles
        self._workspace = workspace
        self._answers = Cache(state, "member")
        self._members = Cache(state, "members of")

    async def refusal(self, user: str, workspace: str = "") -> DenialReason | None:
        """See the protocol."""
        refusal, _, _ = await self._known(user, workspace)
        return DenialReason[refusal] if refusal else None

    async def refusal_by_usergroups(
        self, user: str, usergroups: tuple[str, ...]
    ) -> DenialReason | None:
        """As the protocol says. All groups are asked about at the same time; one yes is enough."""
        refusal = DenialReason.NOT_ALLOWED
        for asking in asyncio.as_completed([self._refusal_by(user, one) for one in usergroups]):
            refused = await asking
            if refused is None:
                return None
            if refused is not DenialReason.NOT_ALLOWED:
                refusal = refused
        return refusal

    async def _refusal_by(self, user: str, usergroup: str) -> DenialReason | None:
        """The same for one group. It raises nothing: perhaps nobody waits for it any more."""
        try:
            members = await self._members.get(usergroup, partial(self._ask_members, usergroup))
        except SlackError as error:
            _log.warning("not known who is in a user group", exc_info=error)
            missing = error.code == "missing_scope"
            return DenialReason.GROUPS_NOT_READABLE if missing else DenialReason.NOT_KNOWN
        return None if user in members.split() else DenialReason.NOT_ALLOWED

    async def _ask_members(self, usergroup: str) -> tuple[str, float]:
        try:
            answer = await self._client.call_with_retries(
                lambda: self._client.usergroups_users_list(usergroup=usergroup),
                seconds=self._seconds,
            )
        except SlackError as error:
            if error.code not in _NO_GROUP:
                raise
            _log.warning("no such user group", usergroup=usergroup)
            return "", GROUP_SECONDS
        return " ".join(map(str, answer.get("users") or ())), GROUP_SECONDS

    async def zone(self, user: str) -> tzinfo:
        """The time zone that a person has set; UTC where Slack doesn't say."""
        _, name, offset = await self._known(user) if user else ("", "", 0)
        return zone(name, offset)

    async def _known(self, user: str, workspace: str = "") -> tuple[str, str, int]:
        """The name of the refusal or "", and the time zone by its name and offset."""
        answer = await self._answers.get(user, lambda: self._ask(user, workspace))
        refusal, name, offset = json.loads(answer)
        return refusal, name, offset

    async def _ask(self, user: str, workspace: str) -> tuple[str, float]:
        try:
            bot, is_sure = await self._bot_identity(workspace)
            member = await self._profiles.member(user, bot)
        except (SlackError, ProfileError) as error:
            missing = isinstance(error, ProfileError) and error.problem is ProfileProblem.SCOPE
            _log.warning("not known who asks", exc_info=error)
            refusal = DenialReason.NOT_READABLE if missing else DenialReason.NOT_KNOWN
            return json.dumps([refusal.name, "", 0]), 0
        name, seconds = {
            Standing.COLLEAGUE: ("", YES_SECONDS),
            Standing.GUEST: (DenialReason.GUEST.name, NO_SECONDS),
            Standing.STRANGER: (DenialReason.STRANGER.name, NO_SECONDS),
        }[member.standing]
        return json.dumps([name, member.zone, member.offset]), seconds if is_sure else 0

    async def _bot_identity(self, workspace: str) -> tuple[BotIdentity, bool]:
        """Return who the bot is, and whether that is Slack's word; otherwise it is not kept.

        Raises `SlackError`, unless the bot's workspace is known without Slack.
        """
        try:
            return await self._workspace.bot_identity(), True
        except SlackError:
            if not workspace:
                raise
            return BotIdentity(workspace, "", ""), False
