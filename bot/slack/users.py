"""Who people are: members of the workspace, their e-mail addresses, time zones and user groups.

Slack is asked once for each person and user group, and the answer is kept for a while, so that a
command doesn't usually wait for it.

- https://docs.slack.dev/reference/methods/users.info
- https://docs.slack.dev/reference/methods/usergroups.users.list
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, tzinfo
from functools import partial
from typing import Any, Final, NamedTuple

import structlog

from bot.cache import Cache
from bot.core.access import DenialReason
from bot.core.times import zone
from bot.errors import ProfileError, ProfileProblem, SlackError
from bot.slack.web_api import BotIdentity, WebApi
from bot.timeouts import Timeouts

_log = structlog.get_logger()

MEMBER_SECONDS: Final = 60 * 60.0
"""How long it is remembered that a person is a full member."""

NO_MEMBER_SECONDS: Final = 60.0
"""How long it is remembered that a person is not: they may become one."""

USERGROUP_SECONDS: Final = 60.0
"""How long it is remembered who is in a user group."""

_UNKNOWN_USERGROUP: Final = frozenset({"no_such_subteam", "subteam_not_found"})


class _Member(NamedTuple):
    """A person in the workspace, or why they are not a full member."""

    denial: DenialReason | None
    zone: tzinfo = UTC


class Users:
    """Asks Slack about people, and caches its answers: a `bot.core.access.Directory`."""

    def __init__(
        self, web_api: WebApi, timeouts: Timeouts, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._web_api = web_api
        self._seconds = timeouts.profile
        self._members: Cache[_Member] = Cache(clock)
        self._usergroups: Cache[frozenset[str]] = Cache(clock)

    async def denial(self, user: str, workspace: str = "") -> DenialReason | None:
        """Return why a person is not a full member of the bot's workspace, or None."""
        return (await self._member(user, workspace)).denial

    async def zone(self, user: str) -> tzinfo:
        """Return the time zone that a person has set; UTC if Slack doesn't know."""
        return (await self._member(user)).zone if user else UTC

    async def email(self, user: str, seconds: float | None = None) -> str:
        """Return a member's e-mail address. Raises `ProfileError` and `SlackError`.

        Slack is asked for up to `seconds`; by default as long as a person waits.
        """
        bot = await self._web_api.bot_identity()
        profile, scopes = await self._profile(user, seconds)
        if _is_bot(profile):
            raise ProfileError(ProfileProblem.BOT)
        if not _is_member(profile, bot):
            raise ProfileError(ProfileProblem.STRANGER)
        if email := profile.get("profile", {}).get("email"):
            return str(email)
        # Without the scope, Slack leaves the address out without an error.
        raise ProfileError(
            ProfileProblem.EMAIL if "users:read.email" in scopes else ProfileProblem.SCOPE
        )

    async def denial_by_usergroups(
        self, user: str, usergroups: tuple[str, ...]
    ) -> DenialReason | None:
        """Return None if the person is in one of the groups, which are asked about concurrently."""
        denial = DenialReason.NOT_ALLOWED
        for asking in asyncio.as_completed([self._in_usergroup(user, one) for one in usergroups]):
            reason = await asking
            if reason is None:
                return None
            if reason is not DenialReason.NOT_ALLOWED:
                denial = reason
        return denial

    async def _in_usergroup(self, user: str, usergroup: str) -> DenialReason | None:
        """Decide by one group. Never raises: the caller may not wait for the result."""
        try:
            members = await self._usergroups.get(usergroup, partial(self._ask_usergroup, usergroup))
        except SlackError as error:
            _log.warning("user group not readable", exc_info=error)
            is_missing = error.code == "missing_scope"
            return DenialReason.GROUPS_NOT_READABLE if is_missing else DenialReason.NOT_KNOWN
        return None if user in members else DenialReason.NOT_ALLOWED

    async def _ask_usergroup(self, usergroup: str) -> tuple[frozenset[str], float]:
        client = self._web_api.client
        try:
            answer = await client.call_with_retries(
                lambda: client.usergroups_users_list(usergroup=usergroup), seconds=self._seconds
            )
        except SlackError as error:
            if error.code not in _UNKNOWN_USERGROUP:
                raise
            _log.warning("no such user group", usergroup=usergroup)
            return frozenset(), USERGROUP_SECONDS
        return frozenset(map(str, answer.get("users") or ())), USERGROUP_SECONDS

    async def _member(self, user: str, workspace: str = "") -> _Member:
        return await self._members.get(user, partial(self._ask_member, user, workspace))

    async def _ask_member(self, user: str, workspace: str) -> tuple[_Member, float]:
        try:
            bot, is_cacheable = await self._bot_identity(workspace)
            profile, _ = await self._profile(user)
        except ProfileError as error:
            if error.problem is ProfileProblem.STRANGER:
                return _Member(DenialReason.STRANGER), NO_MEMBER_SECONDS
            is_missing = error.problem is ProfileProblem.SCOPE
            return _not_known(error, DenialReason.NOT_READABLE if is_missing else None)
        except SlackError as error:
            return _not_known(error)
        reason = _denial(profile, bot)
        its_zone = zone(str(profile.get("tz") or ""), int(profile.get("tz_offset") or 0))
        seconds = NO_MEMBER_SECONDS if reason else MEMBER_SECONDS
        return _Member(reason, its_zone), seconds if is_cacheable else 0

    async def _bot_identity(self, workspace: str) -> tuple[BotIdentity, bool]:
        """Return the bot's identity, and whether it comes from Slack.

        Raises `SlackError` unless the bot's `workspace` is known without Slack.
        """
        try:
            return await self._web_api.bot_identity(), True
        except SlackError:
            if not workspace:
                raise
            return BotIdentity(workspace, "", ""), False

    async def _profile(
        self, user: str, seconds: float | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        """Return a user object and the token's scopes. Raises `ProfileError`."""
        client = self._web_api.client
        try:
            answer = await client.call_with_retries(
                lambda: client.users_info(user=user), seconds=seconds or self._seconds
            )
        except SlackError as error:
            match error.code:
                case "missing_scope":
                    problem = ProfileProblem.SCOPE
                case "user_not_found" | "user_not_visible":
                    problem = ProfileProblem.STRANGER
                case _:
                    _log.warning("users.info failed", exc_info=error)
                    problem = ProfileProblem.SLACK
            raise ProfileError(problem) from None
        return dict(answer["user"]), str(answer.headers.get("X-OAuth-Scopes", "")).split(",")


def _not_known(error: Exception, reason: DenialReason | None = None) -> tuple[_Member, float]:
    _log.warning("actor not known", exc_info=error)
    return _Member(reason or DenialReason.NOT_KNOWN), 0


def _denial(profile: dict[str, Any], bot: BotIdentity) -> DenialReason | None:
    if _is_bot(profile) or profile.get("deleted") or not _is_member(profile, bot):
        return DenialReason.STRANGER
    # For example a customer who was invited to one channel.
    is_guest = profile.get("is_restricted") or profile.get("is_ultra_restricted")
    return DenialReason.GUEST if is_guest else None


def _is_bot(profile: dict[str, Any]) -> bool:
    return bool(profile.get("is_bot")) or profile.get("id") == "USLACKBOT"


def _is_member(profile: dict[str, Any], bot: BotIdentity) -> bool:
    """Tell whether a person is a member of the bot's workspace.

    On Enterprise Grid, `team_id` may be missing or name another workspace that they are in too:
    https://docs.slack.dev/reference/objects/user-object#enterprise-grid
    """
    if profile.get("is_stranger"):
        return False
    enterprise = profile.get("enterprise_user") or {}
    return bot.team in (profile.get("team_id"), *(enterprise.get("teams") or ()))
