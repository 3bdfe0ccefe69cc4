"""The errors of this program.

    FsessionsError
    ├── SettingsError            the settings can't be used
    ├── SlackError               a Web API method failed, or Slack was not reached
    ├── ProfileError             a Slack profile doesn't have what is needed
    └── FullstoryError           Fullstory returned an error, or did not answer
        ├── KeyRejected          401: the key is wrong or revoked
        ├── PermissionMissing    403: the key's level is too low
        ├── RequestRejected      any other 4xx
        ├── RateLimited          429, with the seconds to wait
        ├── Unavailable          5xx, or no connection
        ├── DeadlineExceeded     no answer within the time for one lookup
        └── ReplyError           the reply can't be used
            ├── ReplyTooLarge    more than 512 KiB, or 1,000 sessions
            ├── ReplyCutOff      it is not complete
            ├── ReplyNotJSON     HTML, plain text, half of a document
            ├── ReplyMalformed   JSON of another shape
            └── ReplyRedirected  a redirect, which is not followed

Wrong input of a person is a value and not an error: `bot.core.query.ParseError`.

Errors contain data and not sentences, which are in `bot.core.outcomes` and `bot.slack.texts`.
Nothing in them is personal or secret, so each may be logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto


class FsessionsError(Exception):
    """The base of all errors."""


class SettingsError(FsessionsError):
    """The settings can't be used.

    Each of the `problems` is a sentence that begins with the setting's name; none has a value.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class SlackError(FsessionsError):
    """A Web API method failed. `code` is Slack's error code, such as `invalid_auth`.

    It is "" if Slack was not reached, or did not answer as its API does. `retry_after` is in
    seconds, or None if Slack did not say. With `may_have_arrived`, the request was sent but got no
    usable reply, so it may have had an effect.
    """

    def __init__(
        self, code: str, retry_after: float | None = None, *, may_have_arrived: bool = False
    ) -> None:
        super().__init__(code or "no readable answer")
        self.code = code
        self.retry_after = retry_after
        self.may_have_arrived = may_have_arrived


class ProfileProblem(Enum):
    """Why a Slack profile doesn't help."""

    BOT = auto()
    EMAIL = auto()
    """It has no e-mail address."""

    SCOPE = auto()
    """The bot may not read profiles."""

    SLACK = auto()
    """Slack doesn't answer right now."""

    STRANGER = auto()
    """The person is not in the bot's workspace."""


class ProfileError(FsessionsError):
    """A Slack profile doesn't have what is needed; `problem` says why."""

    def __init__(self, problem: ProfileProblem) -> None:
        super().__init__(problem.name)
        self.problem = problem


class FullstoryError(FsessionsError):
    """Fullstory returned an error, or did not answer."""


class KeyRejected(FullstoryError):
    """401: the API key is wrong or revoked."""


class PermissionMissing(FullstoryError):
    """403: the API key's level is too low for this request."""


class RequestRejected(FullstoryError):
    """A 4xx that no other class covers; `status` is the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class RateLimited(FullstoryError):
    """429: too many requests. `retry_after` is in seconds, or None if Fullstory did not say."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("HTTP 429")
        self.retry_after = retry_after


class Unavailable(FullstoryError):
    """A 5xx (`status`), or no connection at all (`status` is None)."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__("no connection" if status is None else f"HTTP {status}")
        self.status = status


class DeadlineExceeded(FullstoryError):
    """No answer within `seconds`, retries included."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


class ReplyError(FullstoryError):
    """The reply can't be used."""


class ReplyTooLarge(ReplyError):
    """The reply is too large."""


class ReplyCutOff(ReplyError):
    """The connection closed in the middle of the reply."""


class ReplyNotJSON(ReplyError):
    """The reply is not JSON."""


class ReplyMalformed(ReplyError):
    """The reply is JSON of an undocumented shape."""


class ReplyRedirected(ReplyError):
    """The reply is a redirect. It is not followed: the key is for the configured host only."""
