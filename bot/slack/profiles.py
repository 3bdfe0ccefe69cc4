"""What Slack knows of its people: an e-mail address, a time zone.

https://docs.slack.dev/reference/methods/users.info
"""

from __future__ import annotations

from datetime import tzinfo
from enum import Enum, auto
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import FsessionsError, SlackError
from bot.moments import zone
from bot.slack.web_api import called

_log = structlog.get_logger()


class Lack(Enum):
    """What a profile does not give."""

    BOT = auto()
    EMAIL = auto()
    SCOPE = auto()
    SLACK = auto()
    STRANGER = auto()


class ProfileError(FsessionsError):
    """The profile can't tell; `lack` says why."""

    def __init__(self, lack: Lack) -> None:
        super().__init__(lack.name)
        self.lack = lack


class Profiles:
    """Reads profiles with the bot token, which `client` carries."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def email(self, user: str, team: str) -> str:
        """The e-mail address of a colleague in the workspace `team`. Raises `ProfileError`."""
        profile, scopes = await self._info(user)
        if profile.get("is_bot") or user == "USLACKBOT":
            raise ProfileError(Lack.BOT)
        if not _is_of(team, profile):
            raise ProfileError(Lack.STRANGER)
        if email := profile.get("profile", {}).get("email"):
            return str(email)
        # Without the scope Slack leaves the address out, and says nothing.
        raise ProfileError(Lack.EMAIL if "users:read.email" in scopes else Lack.SCOPE)

    async def belongs(self, user: str, team: str) -> bool:
        """Whether somebody is of the workspace `team`. Raises `ProfileError`."""
        profile, _ = await self._info(user)
        return _is_of(team, profile)

    async def zone(self, user: str) -> tzinfo:
        """The time zone that a person has set. Raises `ProfileError`."""
        profile, _ = await self._info(user)
        return zone(str(profile.get("tz") or ""), int(profile.get("tz_offset") or 0))

    async def _info(self, user: str) -> tuple[dict[str, Any], list[str]]:
        try:
            answer = await called(self._client.users_info(user=user))
        except SlackError as error:
            match error.code:
                case "missing_scope":
                    lack = Lack.SCOPE
                case "user_not_found" | "user_not_visible":
                    lack = Lack.STRANGER
                case _:
                    _log.warning("users.info failed", exc_info=error)
                    lack = Lack.SLACK
            raise ProfileError(lack) from None
        return dict(answer["user"]), str(answer.headers.get("X-OAuth-Scopes", "")).split(",")


def _is_of(team: str, profile: dict[str, Any]) -> bool:
    """Also where `team` is not known ("")."""
    return not profile.get("is_stranger") and (not team or profile.get("team_id") == team)
