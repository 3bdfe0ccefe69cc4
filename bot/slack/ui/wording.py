"""Every sentence that people read in Slack, and nothing else.

Plain text goes in, plain text comes out: `bot.slack.ui.blocks` escapes it. Short, kind, and with
what to do next.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bot.errors import (
    AccessDenied,
    DeadlineExceeded,
    FullstoryError,
    KeyRejected,
    ProfileProblem,
    RateLimited,
    ReplyCutOff,
    ReplyError,
    ReplyMalformed,
    ReplyNotJSON,
    ReplyRedirected,
    ReplyTooLarge,
    RequestRejected,
    Unavailable,
)
from bot.lookup.access import Refusal
from bot.typed.query import Limits, Problem, Refused

WATCH_REPLAY: Final = "Watch replay"
SHOW_MORE: Final = "Show more"
REFRESH: Final = "Refresh"
SHARE: Final = "Share…"
DISMISS: Final = "Dismiss"
SHARE_NAMED: Final = "Share with the name"
SHARE_UNNAMED: Final = "Share without the name"
SHARE_CANCEL: Final = "Don't share"
LATEST: Final = "Latest"
UNKNOWN_TIME: Final = "time unknown"
UNUSABLE_LINK: Final = "Fullstory gave no link that is safe to open"
LONG_LINK: Final = "its link is too long for Slack"
STILL_LOOKING: Final = "Still looking. The sessions will appear here in a moment."
RESTARTING: Final = "I'm being restarted just now. Please ask once more in a minute."
ONLY_YOU: Final = "Only you can see this. Links open for people who are signed in to Fullstory."
THIS_MESSAGE: Final = "this message"
AT_MOMENT: Final = "In progress then"
NOT_AT_MOMENT: Final = "No session was in progress at that time; these are the latest."
A_CUSTOMER: Final = "a customer"
CHOOSE: Final = "Several people are in this message. Whose sessions would you like to see?"
NOT_YOURS: Final = "This answer belongs to somebody else. Please ask for yourself."
OUTDATED: Final = "The buttons of this answer don't work any more. Please ask once more."
BACK: Final = "Back to the sessions"
SHARING: Final = "Sharing …"
SHARED_ALREADY: Final = "That came too late: the sessions are being shared already."
SESSIONS_CHANGED: Final = (
    "The sessions are not the same any more, so I shared nothing. Please look at them once more, "
    "then share them."
)
NOT_SHARED: Final = "Slack didn't take the message, so nothing was shared. Please ask once more."
TRY_AGAIN: Final = "Try again"
TOO_FAR: Final = (
    "None of the latest 100 sessions had started by then; the one you are looking for may be older."
)
USE_MOMENT_FIELD: Final = "Please leave the at: out here and use the field for the time below."
FORM_NOT_OPENED: Final = (
    "I found no e-mail address and no uid in that message. Please type the command with one, like "
    "/fsessions jane@example.com"
)
MAYBE_SHARED: Final = (
    "Slack didn't say whether it took the message. Please look before you share again."
)
NOBODY_IN_MESSAGE: Final = (
    "I found no e-mail address and no uid in that message. Whose sessions would you like to see?"
)
LOOKING: Final = "Looking … The sessions will appear here. You can close this window any time."
MOMENT_TO_COME: Final = "That time is in the future. Please give one that has passed."
FORM_TITLE: Final = "Find sessions"
FORM_SUBMIT: Final = "Find"
FORM_CLOSE: Final = "Close"
FORM_PERSON: Final = "E-mail or uid"
FORM_LIMIT: Final = "How many"
FORM_MOMENT: Final = "When did it happen?"
FORM_MOMENT_HINT: Final = "The session that was in progress then comes first."
NEW_SEARCH: Final = "New search"
OFFER: Final = "Sessions of this customer"
SHOW_SESSIONS: Final = "Show to me only"
NOT_OF_THIS_WORKSPACE: Final = (
    "Sorry, the sessions are only for people of the organisation that this bot belongs to."
)
NOT_FOR_GUESTS: Final = (
    "Sorry, the sessions are only for full members of this workspace, not for guests. Please ask a "
    "member to look for you."
)
WHO_ASKS: Final = (
    "Slack doesn't tell me just now whether you are a member of this workspace, so I can't show "
    "you sessions. Please try again in a minute."
)
MAY_NOT_READ_PROFILES: Final = (
    "I'm not allowed to read Slack profiles, so I can't tell who may see sessions. An "
    "administrator can add the scopes users:read and users:read.email and reinstall this app."
)
TICKET_NAMES_NOBODY: Final = (
    "The message above no longer contains an e-mail or uid. Please type the command with one, like "
    "/fsessions jane@example.com"
)
TICKET_NOT_READ: Final = (
    "Slack doesn't show me the message above just now. Please try again in a minute, or type the "
    "command with an e-mail or uid, like /fsessions jane@example.com"
)
MENTION_HELP: Final = (
    "Tell me a customer's e-mail or uid, such as jane@example.com or uid:user-42, and I'll find "
    "their latest Fullstory sessions."
)
SLACK_TROUBLE: Final = "Slack doesn't answer me just now. Please ask once more in a minute."
HOME_TITLE: Final = "A customer's Fullstory sessions, in Slack"
HOME_INTRO: Final = (
    "I find a customer's latest Fullstory sessions, and the one in progress when they wrote to you."
)
HOME_SEARCH: Final = "Search…"
HOME_ENTRY_POINTS: Final = "How to ask"
HOME_EXAMPLES: Final = "What I understand"
HOME_PRIVACY: Final = "Who sees what"
PRIVACY: Final = (
    "Answers are for you alone, unless you press Share… and confirm.",
    "Links open for people who are signed in to Fullstory.",
    "People of other organisations, in shared channels, are shown no sessions.",
    "I keep no e-mail addresses and no sessions.",
)
STEP_NOBODY: Final = (
    "I found no e-mail address and no uid in “Person”. Please fill it from the form's question or "
    "the variable that holds one."
)
STEP_SEVERAL: Final = (
    "“Person” names several people; I look up one at a time. Please fill it from a question or "
    "variable that holds one e-mail or uid."
)
STEP_MOMENT_ZONE: Final = (
    "“Moment” doesn't say its time zone, and nobody is set in “Show privately to” whose zone I "
    "could take. Please write it like 2026-11-22T14:05Z."
)
STEP_MOMENT_UNCLEAR: Final = (
    "I'm not sure which time “Moment” is. Please write it like 2026-11-22T14:05Z, or leave it "
    "empty."
)
STEP_MOMENT_TO_COME: Final = "“Moment” is in the future. Please give a time that has passed."
STEP_SHOW_TO_WHOM: Final = (
    "“In channel” is set, but not “Show privately to”. Please set both, or only the person."
)
STEP_RESTARTING: Final = (
    "The bot was being restarted before it was done. Please run the workflow again."
)
STEP_SLACK_TROUBLE: Final = (
    "Slack doesn't answer me just now. Please run the workflow again in a minute."
)
STEP_UNKNOWN: Final = (
    "This step is no longer part of the app. Please put the step “Find Fullstory sessions” in its "
    "place."
)
STEP_STRANGER: Final = (
    "The person in “Show privately to” is no full member of this workspace, so I showed them "
    "nothing. Please choose somebody else."
)
EVERYONE: Final = (
    "Everyone in this conversation can see this. Links open for people who are signed in to "
    "Fullstory."
)
TIME_EXAMPLE: Final = 'jane@example.com at:"yesterday 5pm"'
TRY: Final = "Try"
UNKNOWN_COMMAND: Final = "I don't know that command. An administrator may have to update this app."

NONE_FOUND_REASONS: Final = (
    "Fullstory knows people by what your site tells it. Common reasons to find nothing:",
    "they were not signed in, so their sessions carry no e-mail or uid",
    "your site uses another spelling of the address, or another id",
    "the sessions are older than your Fullstory plan keeps them",
    "only a part of all visits is recorded",
)
NONE_FOUND_NEXT: Final = "If you know another address or their uid, try that."


def choose_among_first(count: int) -> str:
    """Where not all of the people in a message can be offered."""
    return (
        f"Many people are in this message; these are the first {count}. Whose sessions would you "
        "like to see?"
    )


def heading(person: str, count: int, limit: int) -> str:
    """The first line of an answer."""
    if count == 0:
        return f"No sessions of {person}"
    if count == 1:
        return f"{'Latest session' if limit == 1 else '1 session'} of {person}"
    return f"{'Latest ' if count == limit else ''}{count} sessions of {person}"


def share_question(channel: str, person: str) -> str:
    """Before anything is shared: who will see it, and what of it."""
    return (
        f"Everyone in {channel or 'this conversation'} will see these sessions, and that you "
        f"shared them. You can share them with the name ({person}) or without it. The links work "
        "for people who are signed in to Fullstory."
    )


def shared_by(user: str) -> str:
    """Under what was shared; `user` is Slack's markup for the person."""
    return f"Shared by {user}. {EVERYONE}"


def started_before(started: datetime, moment: datetime, reference: str) -> str:
    """How long before a moment a session started; `reference` is what the moment is called."""
    passed = moment - started
    if passed < timedelta(minutes=1):
        return f"Started less than a minute before {reference}"
    minutes = passed // timedelta(minutes=1)
    hours, rest = divmod(minutes, 60)
    parts = [_count(hours, "hour")] if hours else []
    parts += [_count(rest, "minute")] if rest else []
    return f"Started {' and '.join(parts)} before {reference}"


def profile_problem(problem: ProfileProblem) -> str:
    """Why a Slack profile could not help."""
    email = "Please give the e-mail or uid."
    return {
        ProfileProblem.BOT: f"That is a bot; it has no sessions. {email}",
        ProfileProblem.EMAIL: f"There is no e-mail address in that profile. {email}",
        ProfileProblem.SCOPE: (
            "I'm not allowed to read Slack profiles. An administrator can add the scopes "
            "users:read and users:read.email and reinstall this app. Until then, please give the "
            "e-mail or uid, and times with their zone, like at:2026-11-22T14:05Z."
        ),
        ProfileProblem.SLACK: (
            f"Slack doesn't show me profiles just now. Please try again in a minute. {email}"
        ),
        ProfileProblem.STRANGER: (
            f"That person isn't in this workspace, so I can't see their address. {email}"
        ),
    }[problem]


def shared(person: str) -> str:
    """After it was shared."""
    return f"The sessions of {person} are shared."


def step_not_shown(code: str, reference: str) -> str:
    """Why a workflow's step could not show the sessions; `code` is Slack's word."""
    match code:
        case "not_in_channel" | "channel_not_found":
            return (
                "I'm not in the channel of “In channel”. Please invite me there with /invite "
                "@fsessions, and run the workflow again."
            )
        case "user_not_in_channel":
            return (
                "The person in “Show privately to” isn't in the channel of “In channel”. Please "
                "add them, or leave the channel empty: then I send a direct message."
            )
        case _:
            return (
                "Slack didn't let me show the sessions. Please run the workflow again; if it goes "
                f"on, tell your administrator (reference {reference})."
            )


def not_for(refusal: Refusal) -> str:
    """Why somebody is shown no sessions."""
    return {
        Refusal.STRANGER: NOT_OF_THIS_WORKSPACE,
        Refusal.GUEST: NOT_FOR_GUESTS,
        Refusal.NOT_KNOWN: WHO_ASKS,
        Refusal.NOT_READABLE: MAY_NOT_READ_PROFILES,
    }[refusal]


def step_not_for(refusal: Refusal) -> str:
    """Why the person who is to be shown the sessions by a workflow isn't."""
    return {
        Refusal.NOT_KNOWN: STEP_SLACK_TROUBLE,
        Refusal.NOT_READABLE: MAY_NOT_READ_PROFILES,
    }.get(refusal, STEP_STRANGER)


def step_list(count: int, person: str, lines: list[str], more: int) -> str:
    """The sessions as plain text: an output that any tool can show."""
    shown = [heading(person, count, 0), *lines]
    if more:
        shown.append(f"and {_count(more, 'older session')}")
    return "\n".join(shown)


def left_out(count: int) -> str:
    """Under an answer that is more than one message can hold."""
    return f"{count} older {'session' if count == 1 else 'sessions'} didn't fit into one message."


def fallback_text(
    person: str, count: int, limit: int, first: str, *, at_moment: bool = False
) -> str:
    """The answer in one breath, for screen readers and notifications."""
    if count == 0:
        return f"{heading(person, 0, limit)}. {NONE_FOUND_NEXT}"
    return f"{heading(person, count, limit)}. {AT_MOMENT if at_moment else LATEST}: {first}."


def ago(then: datetime, now: datetime) -> str:
    """How long ago, in one unit."""
    passed = now - then
    if passed < timedelta(minutes=1):
        return "just now"  # also a Fullstory clock that is ahead of ours
    for unit, name in (
        (timedelta(days=365), "year"),
        (timedelta(days=30), "month"),
        (timedelta(days=1), "day"),
        (timedelta(hours=1), "hour"),
        (timedelta(minutes=1), "minute"),
    ):
        if count := passed // unit:
            return f"{_count(count, name)} ago"
    raise AssertionError("a minute or more is at least one of these")  # pragma: no cover


def _count(count: int, name: str) -> str:
    return f"{count} {name}{'s' if count > 1 else ''}"


def help_lines(command: str, limits: Limits) -> tuple[str, list[tuple[str, str]], str]:
    """What the bot does; examples, each with its meaning; what else to know."""
    return (
        "I find a customer's latest Fullstory sessions. Tell me who, by e-mail or uid:",
        [
            (f"{command} jane@example.com", f"the latest {limits.default} sessions"),
            (f"{command} jane@example.com 5", f"the latest 5 (at most {limits.highest})"),
            (f"{command} user-42", "by uid, the id your site gives its users"),
            (f"{command} uid:jane@example.com", "a uid that looks like an address"),
            (f'{command} "a uid with spaces"', "with quotes around it"),
            (f"{command} jane@example.com uid:user-42", "both, in one list"),
            (f"{command} @jane", "a colleague, by the e-mail of their Slack profile"),
            (f"{command} jane@example.com at:14:05", "the session at a time first"),
        ],
        ONLY_YOU,
    )


def refusal(refused: Refused, limits: Limits) -> str:  # noqa: C901 - one flat list of sentences
    """Why a text can't be looked up. What would work stands under it."""
    range_ = f"Please use a whole number from 1 to {limits.highest}."
    match refused.problem:
        case Problem.BAD_ADDRESS:
            return (
                "That doesn't look like a complete e-mail address. For a uid, put uid: before it."
            )
        case Problem.CHANNEL:
            return "I look up people, not channels or groups. Please give an e-mail or a uid."
        case Problem.CONTROL_CHARACTER:
            return "The text holds characters that can't be typed. Please type it by hand."
        case Problem.LIMIT_NEGATIVE:
            return f"I can't show fewer than one session. {range_}"
        case Problem.LIMIT_NOT_WHOLE:
            return f"How many sessions? {range_}"
        case Problem.LIMIT_TOO_HIGH:
            return (
                f"I can show {limits.highest} sessions at most. For a uid that is a number, "
                "put uid: before it."
            )
        case Problem.LIMIT_ZERO:
            return f"That would be no sessions at all. {range_}"
        case Problem.MARKUP:
            return (
                "That uid holds Slack's own signs for a link or a mention. Please type it by hand."
            )
        case Problem.MENTION:
            return "I can't tell which colleague that is. Please pick the name from Slack's list."
        case Problem.NOBODY:
            return "Whose sessions? Please give an e-mail or a uid."
        case Problem.TEXT_TOO_LONG:
            return "That is more text than I can read. An e-mail or a uid is enough."
        case Problem.TIME_UNCLEAR:
            return (
                "I'm not sure which time that is. Please write it like at:14:05, "
                'at:"yesterday 5pm" or at:"2026-11-22 14:05".'
            )
        case Problem.TWO_ADDRESSES:
            return "I look up one person at a time. Please give one e-mail address."
        case Problem.TWO_LIMITS:
            return "I see two numbers of sessions. Please give one."
        case Problem.TWO_UIDS:
            return "I look up one person at a time. Please give one uid."
        case Problem.UID_TOO_LONG:
            return "That uid is too long. A uid has 256 characters at most."
        case Problem.UNCLEAR:
            return (
                "I'm not sure who that is. Please give one e-mail or uid, and how many if you "
                "like. A uid with spaces goes in quotes."
            )


def failure(error: FullstoryError, reference: str = "") -> str:  # noqa: C901 - as above
    """What went wrong at Fullstory, whether to try again, and what an administrator needs.

    `reference` is the mark of the log line that says more, if there is one.
    """
    mark = f" (reference {reference})" if reference else ""
    tell = f"Trying again won't help: please tell your administrator{mark}."
    again = f"Please try again in a minute; if it goes on, tell your administrator{mark}."
    match error:
        case KeyRejected():
            return f"Fullstory doesn't accept this bot's API key. {tell}"
        case AccessDenied():
            return f"This bot's Fullstory API key isn't allowed to list sessions. {tell}"
        case RequestRejected():
            return f"Fullstory didn't accept the request. {tell}"
        case RateLimited(retry_after=None):
            return f"Fullstory is getting too many requests just now. {again}"
        case RateLimited(retry_after=float(seconds)):
            return (
                "Fullstory is getting too many requests just now. Please try again in "
                f"{duration(seconds)}."
            )
        case Unavailable(status=None):
            return f"I can't reach Fullstory just now. {again}"
        case Unavailable():
            return f"Fullstory has trouble answering just now. {again}"
        case DeadlineExceeded():
            return f"Fullstory took longer than {duration(error.seconds)} to answer. {again}"
        case ReplyTooLarge():
            return f"Fullstory's answer was too large to read. Asking for fewer may help. {again}"
        case ReplyCutOff():
            return f"Fullstory's answer broke off in the middle. {again}"
        case ReplyNotJSON():
            return f"Fullstory's answer wasn't readable. {again}"
        case ReplyMalformed():
            return f"Fullstory's answer wasn't what this bot understands. {tell}"
        case ReplyRedirected():
            return f"Fullstory's answer pointed to another address, and I didn't follow it. {tell}"
        case ReplyError() | _:
            return f"Fullstory's answer couldn't be used. {again}"


def our_fault(reference: str) -> str:
    """Where this bot itself failed."""
    return (
        "Something went wrong in this bot; you did nothing wrong. Please try again. If it happens "
        f"once more, tell your administrator (reference {reference})."
    )


def duration(seconds: float) -> str:
    """A time to wait, rounded up."""
    if seconds < 1:
        return "a second"
    whole = -int(-seconds // 1)
    if whole < 120:
        return f"{whole} second{'s' if whole > 1 else ''}"
    return f"{-(-whole // 60)} minutes"
