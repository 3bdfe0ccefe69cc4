"""What `fsessions check` found out about one part of a deployment."""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import SlackError
from bot.settings import Settings
from bot.slack.web_api import TOKEN_ERRORS

LATER = "Run this check again later."


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of checking a part; `fix` says what to do, and is "" if nothing is wrong.

    `is_known` is False if the part can't be checked from here.
    """

    part: str
    result: str
    fix: str = ""
    is_known: bool = True


def slack_problem(part: str, settings: Settings, error: SlackError, token_fix: str) -> Finding:
    """Explain an error of Slack; `token_fix` says what to do about a bad token."""
    if error.code in TOKEN_ERRORS:
        return Finding(part, f"Slack says {error.code}", token_fix)
    if error.code:
        return Finding(part, f"Slack says {error.code}", LATER)
    return unreachable(part, settings.slack_api_url, error)


def unreachable(part: str, address: str, error: Exception) -> Finding:
    """Explain that an address can't be reached."""
    cause = type(error.__cause__ or error).__name__
    return Finding(
        part,
        f"no usable answer from {address} ({cause})",
        "Can this machine reach that address? A firewall or proxy may block it. If an _API_URL is "
        "set, check it.",
    )
