"""Everything that can go wrong, in one tree.

    FsessionsError
    ├── SettingsError            our side: what the administrator has to mend
    ├── SlackError               their side: a Web API method failed, or Slack was not reached
    ├── ProfileError             a Slack profile does not tell what was asked
    └── FullstoryError           their side: what Fullstory answered, or did not
        ├── KeyRejected          401: the key is wrong or revoked
        ├── AccessDenied         403: the key's level is too low
        ├── RequestRejected      any other 4xx: it did not accept what we asked
        ├── RateLimited          429: with the seconds until it is worth trying again
        ├── Unavailable          5xx, or no connection
        ├── DeadlineExceeded     no answer within the time for one lookup
        └── ReplyError           an answer came, and it is of no use
            ├── ReplyTooLarge    more than 512 KiB, or than 1,000 sessions
            ├── ReplyCutOff      it ended before its end
            ├── ReplyNotJSON     HTML, plain text, half of a document
            ├── ReplyMalformed   JSON of another shape
            └── ReplyRedirected  it points elsewhere; the key does not follow

What a person typed wrongly is no exception but a value: `bot.core.query.ParseError`.

Errors carry data, not sentences for people: those are in `bot.slack.texts`. Nothing in an
error is personal or secret, so each may be logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto


class FsessionsError(Exception):
    """The root of the tree."""


class SettingsError(FsessionsError):
    """The settings can't be used.

    `problems` holds one sentence for each, beginning with the setting's name; no values.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class SlackError(FsessionsError):
    """A Web API method failed. `code` is Slack's own word, such as `invalid_auth`.

    It is "" where Slack was not reached, or answered something that is no answer of its API.
    `retry_after` is in seconds, or None where Slack did not say. With `may_have_arrived`, Slack may
    have done what it was asked for: the request was sent, and no usable reply came.
    """

    def __init__(
        self, code: str, retry_after: float | None = None, *, may_have_arrived: bool = False
    ) -> None:
        super().__init__(code or "no readable answer")
        self.code = code
        self.retry_after = retry_after
        self.may_have_arrived = may_have_arrived


class ProfileProblem(Enum):
    """Why a Slack profile can't tell."""

    BOT = auto()
    EMAIL = auto()
    """There is no e-mail address in it."""

    SCOPE = auto()
    """The bot is not allowed to read profiles."""

    SLACK = auto()
    """Slack does not answer just now."""

    STRANGER = auto()
    """It is of nobody in the bot's workspace."""


class ProfileError(FsessionsError):
    """A Slack profile does not tell what was asked; `problem` says why."""

    def __init__(self, problem: ProfileProblem) -> None:
        super().__init__(problem.name)
        self.problem = problem


class FullstoryError(FsessionsError):
    """Fullstory did not give us what we asked for."""


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
    """429: too many requests. `retry_after` is in seconds, or None where Fullstory did not say."""

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
    """An answer came that can't be used."""


class ReplyTooLarge(ReplyError):
    """The reply is larger than we are willing to read."""


class ReplyCutOff(ReplyError):
    """The connection ended in the middle of the reply."""


class ReplyNotJSON(ReplyError):
    """The reply is not JSON."""


class ReplyMalformed(ReplyError):
    """The reply is JSON, of a shape that nobody documents."""


class ReplyRedirected(ReplyError):
    """The reply is a redirect. It is not followed: the key goes to the configured host alone."""
