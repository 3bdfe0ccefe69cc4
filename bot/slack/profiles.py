"""What Slack knows of its people: an e-mail address, a time zone.

https://docs.slack.dev/reference/methods/users.info
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import structlog

from bot.errors import ProfileError, ProfileProblem, SlackError
from bot.slack.identity import BotIdentity
from bot.slack.web_api import SlackClient
from bot.timeouts import Timeouts

_log = structlog.get_logger()


class Standing(Enum):
    """What somebody is in the workspace."""

    COLLEAGUE = auto()
    GUEST = auto()
    STRANGER = auto()


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in the workspace; the time zone by its name, and by its seconds east of UTC."""

    standing: Standing
    zone: str = ""
    offset: int = 0


class Profiles:
    """Reads profiles with the bot token, which `client` carries.

    Each method tries for so many `seconds`, by default as long as somebody waits, and raises
    `ProfileError`.
    """

    def __init__(self, client: SlackClient, timeouts: Timeouts) -> None:
        self._client = client
        self._seconds = timeouts.profile

    async def email(self, user: str, bot: BotIdentity, seconds: float | None = None) -> str:
        """The e-mail address of somebody in the bot's workspace."""
        profile, scopes = await self._info(user, seconds)
        if _is_bot(profile):
            raise ProfileError(ProfileProblem.BOT)
        if not _is_of(bot, profile):
            raise ProfileError(ProfileProblem.STRANGER)
        if email := profile.get("profile", {}).get("email"):
            return str(email)
        # Without the scope Slack leaves the address out, and says nothing.
        raise ProfileError(
            ProfileProblem.EMAIL if "users:read.email" in scopes else ProfileProblem.SCOPE
        )

    async def member(self, user: str, bot: BotIdentity) -> Member:
        """What somebody is in the bot's workspace, and in which time zone."""
        try:
            profile, _ = await self._info(user, None)
        except ProfileError as error:
            if error.problem is ProfileProblem.STRANGER:
                return Member(Standing.STRANGER)
            raise
        name, offset = str(profile.get("tz") or ""), int(profile.get("tz_offset") or 0)
        if _is_bot(profile) or profile.get("deleted") or not _is_of(bot, profile):
            return Member(Standing.STRANGER, name, offset)
        # Of customers who were invited to one channel, for example.
        guest = profile.get("is_restricted") or profile.get("is_ultra_restricted")
        return Member(Standing.GUEST if guest else Standing.COLLEAGUE, name, offset)

    async def _info(self, user: str, seconds: float | None) -> tuple[dict[str, Any], list[str]]:
        try:
            answer = await self._client.call_with_retries(
                lambda: self._client.users_info(user=user), seconds=seconds or self._seconds
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


def _is_bot(profile: dict[str, Any]) -> bool:
    return bool(profile.get("is_bot")) or profile.get("id") == "USLACKBOT"


def _is_of(bot: BotIdentity, profile: dict[str, Any]) -> bool:
    """Whether somebody is a member of the bot's workspace.

    In an Enterprise Grid `team_id` may be missing, or be that of another workspace that they are in
    too: https://docs.slack.dev/reference/objects/user-object#enterprise-grid
    """
    if profile.get("is_stranger"):
        return False
    enterprise = profile.get("enterprise_user") or {}
    return bot.team in (profile.get("team_id"), *(enterprise.get("teams") or ()))
