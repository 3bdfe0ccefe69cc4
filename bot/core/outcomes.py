"""What can come of a lookup, and how each outcome is explained to a person.

Outcomes are values. `explain` is the one place that turns them into words; where they are shown
decides only how those words look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.core.access import DenialReason
from bot.core.audit import AuditEvent
from bot.core.sessions import SessionList
from bot.errors import (
    DeadlineExceeded,
    FullstoryError,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    ReplyCutOff,
    ReplyMalformed,
    ReplyNotJSON,
    ReplyRedirected,
    ReplyTooLarge,
    RequestRejected,
    Unavailable,
)


@dataclass(frozen=True, slots=True)
class Found:
    """The sessions, possibly none. `event` is the audit's record of it, if there is one."""

    sessions: SessionList
    event: AuditEvent | None = None


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """The actor may not be shown sessions."""

    reason: DenialReason


@dataclass(frozen=True, slots=True)
class Failed:
    """Fullstory returned an error; `reference` is also in the log line that says more."""

    error: FullstoryError
    reference: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """The bot itself failed; `reference` is also in the log."""

    reference: str


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """AUDIT_REQUIRED is set, and the lookup could not be recorded."""

    reference: str


@dataclass(frozen=True, slots=True)
class Restarting:
    """The process is about to end; nothing was looked up."""


@dataclass(frozen=True, slots=True)
class Busy:
    """So many lookups are in progress that no other is begun."""


@dataclass(frozen=True, slots=True)
class TooMany:
    """The actor has looked up `per_minute` people in the last minute."""

    per_minute: int


LookupResult = Found | AccessDenied | Failed | Crashed
"""An outcome before it is recorded."""

NoResult = AccessDenied | Failed | Crashed | NotRecorded | Restarting | Busy | TooMany
Outcome = Found | NoResult

RESTARTING: Final = "I'm restarting right now. Please try again in a minute."
DEFAULT_CONTACT: Final = "your administrator"
_TELL: Final = "Trying again won't help: please tell {contact}."
_TRY_AGAIN: Final = "Please try again in a minute; if it keeps happening, tell {contact}."
_ASK_FOR_ACCESS: Final = "To get access, ask {contact}."

_DENIALS: Final = {
    DenialReason.STRANGER: (
        "Sorry, sessions are only for people of the organization that this bot belongs to."
    ),
    DenialReason.GUEST: (
        "Sorry, sessions are only for full members of this workspace, not for guests. A member can "
        "look for you."
    ),
    DenialReason.NOT_KNOWN: (
        "Slack can't tell me right now whether you are a member of this workspace, so I can't show "
        "you sessions. Please try again in a minute."
    ),
    DenialReason.NOT_READABLE: (
        "I'm not allowed to read Slack profiles, so I can't tell who may see sessions. An "
        "administrator can add the scopes users:read and users:read.email and reinstall this app."
    ),
    DenialReason.GROUPS_NOT_READABLE: (
        "I'm not allowed to read user groups, so I can't tell who may see sessions. An "
        "administrator can add the scope usergroups:read and reinstall this app."
    ),
    DenialReason.NOT_ALLOWED: "Sorry, you aren't one of the people who may see sessions.",
    DenialReason.NOT_HERE: "Sorry, sessions are only shown in certain channels.",
    DenialReason.NOT_FOR_WORKFLOW: (
        "“Show privately to” is empty, and this workflow isn't allowed to have the sessions "
        "without it. Please set a person, or give the step the name under which it is allowed."
    ),
    DenialReason.WRONG_USER: "This answer belongs to another person. Please run your own search.",
    DenialReason.OUTDATED: "The buttons of this answer don't work anymore. Please search again.",
    DenialReason.NOT_AUDITOR: "Sorry, only auditors may see who looked up a customer.",
}
_CHANGEABLE: Final = frozenset(
    {
        DenialReason.GUEST,
        DenialReason.NOT_ALLOWED,
        DenialReason.NOT_AUDITOR,
        DenialReason.NOT_FOR_WORKFLOW,
        DenialReason.NOT_HERE,
    }
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened and what to do next, as plain text; `next_step` may be "".

    `{contact}` in it is who to ask: ADMIN_CONTACT.
    """

    what: str
    next_step: str = ""
    reference: str = ""
    can_retry: bool = False

    def step_for(self, contact: str) -> str:
        """Return the next step with the contact filled in."""
        return self.next_step.replace("{contact}", contact or DEFAULT_CONTACT)

    def in_one_line(self, contact: str) -> str:
        """Return it as plain text, in which a contact in Slack's markup is not readable."""
        shown = "" if contact.startswith("<") else contact
        if self.reference:
            shown = f"{shown or DEFAULT_CONTACT} (reference {self.reference})"
        return f"{self.what} {self.step_for(shown)}".rstrip()


def explain(outcome: NoResult) -> Explanation:
    """Say why there are no sessions."""
    match outcome:
        case AccessDenied(reason):
            return denial(reason)
        case Failed(error, reference):
            what, step = _fullstory(error)
            return Explanation(what, step, reference, can_retry=can_pass(error))
        case Crashed(reference):
            return crash(reference)
        case NotRecorded(reference):
            what = (
                "The lookup could not be recorded, and your company shows no sessions without a "
                "record."
            )
            return Explanation(what, _TRY_AGAIN, reference, can_retry=True)
        case Restarting():
            return Explanation(RESTARTING, can_retry=True)
        case Busy():
            what = "I'm looking up many people right now."
            return Explanation(what, "Please try again in a moment.", can_retry=True)
        case TooMany(per_minute):
            what = f"That was more than {per_minute} lookups in a minute."
            return Explanation(what, "Please try again in a minute.", can_retry=True)


def denial(reason: DenialReason) -> Explanation:
    """Say why a person may not do something, and who can change that."""
    return Explanation(
        _DENIALS[reason],
        _ASK_FOR_ACCESS if reason in _CHANGEABLE else "",
        can_retry=reason.is_temporary,
    )


def crash(reference: str) -> Explanation:
    """Explain an error that no one expected."""
    what = "Something went wrong in this bot; it's not your fault."
    step = "Please try again. If it happens again, tell {contact}."
    return Explanation(what, step, reference, can_retry=True)


def can_pass(error: FullstoryError) -> bool:
    """Tell whether trying again can help."""
    lasting = KeyRejected | PermissionMissing | RequestRejected | ReplyMalformed | ReplyRedirected
    return not isinstance(error, lasting)


def _fullstory(error: FullstoryError) -> tuple[str, str]:
    step = _TRY_AGAIN if can_pass(error) else _TELL
    match error:
        case RateLimited(retry_after=float(seconds)):
            return _FULLSTORY[RateLimited], f"Please try again in {duration(seconds)}."
        case DeadlineExceeded(seconds=seconds):
            return f"Fullstory took longer than {duration(seconds)} to answer.", step
        case Unavailable(status=int()):
            return "Fullstory has trouble answering right now.", step
        case ReplyTooLarge():
            return _FULLSTORY[ReplyTooLarge], f"Fewer sessions may work. {step}"
        case _:
            return _FULLSTORY.get(type(error), "Fullstory's answer couldn't be used."), step


_FULLSTORY: Final[dict[type[FullstoryError], str]] = {
    KeyRejected: "Fullstory doesn't accept this bot's API key.",
    PermissionMissing: "This bot's Fullstory API key isn't allowed to list sessions.",
    RequestRejected: "Fullstory didn't accept the request.",
    Unavailable: "I can't reach Fullstory right now.",
    RateLimited: "Fullstory is getting too many requests right now.",
    ReplyTooLarge: "Fullstory's answer was too large to read.",
    ReplyCutOff: "Fullstory's answer broke off in the middle.",
    ReplyNotJSON: "Fullstory's answer wasn't readable.",
    ReplyMalformed: "Fullstory's answer wasn't what this bot understands.",
    ReplyRedirected: "Fullstory's answer pointed to another address, which I didn't follow.",
}


def duration(seconds: float) -> str:
    """Return a time to wait in words, rounded up."""
    if seconds < 1:
        return "a second"
    whole = -int(-seconds // 1)
    if whole < 120:
        return f"{whole} second{'s' if whole > 1 else ''}"
    minutes = -(-whole // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{-(-minutes // 60)} hours"
