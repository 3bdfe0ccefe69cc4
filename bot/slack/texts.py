"""Every sentence that people read in Slack, and nothing else.

Plain text goes in, plain text comes out: it is escaped where it is drawn. Short, kind, and with
what to do next.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bot.core.access import DenialReason
from bot.core.query import Limits, ParseError, Problem
from bot.core.sessions import Moment, SessionList
from bot.errors import (
    DeadlineExceeded,
    FullstoryError,
    KeyRejected,
    PermissionMissing,
    ProfileProblem,
    RateLimited,
    ReplyCutOff,
    ReplyMalformed,
    ReplyNotJSON,
    ReplyRedirected,
    ReplyTooLarge,
    RequestRejected,
    Unavailable,
)

WATCH_REPLAY: Final = "Watch replay"
FROM_ITS_BEGINNING: Final = "Watch it from its beginning"
SHOW_MORE: Final = "Show more"
REFRESH: Final = "Refresh"
SHARE: Final = "Share…"
DISMISS: Final = "Dismiss"
HOW_TO_ASK: Final = "How to ask"
LATEST: Final = "Latest"
UNKNOWN_TIME: Final = "time unknown"
UNUSABLE_LINK: Final = "Fullstory gave no link that is safe to open"
LONG_LINK: Final = "its link is too long for Slack"
STILL_LOOKING: Final = "Still looking. The sessions will appear here in a moment."
RESTARTING: Final = "I'm being restarted just now. Please ask once more in a minute."
MAYBE_ANSWERED: Final = (
    "I was restarted while I was sending your answer. If you don't see it above, please ask again."
)
UNCONFIRMED: Final = (
    "Slack did not confirm that it took my answer. If you don't see it, please ask again."
)
SIGN_IN: Final = "Links open for people who are signed in to Fullstory."
CLOSEST_BEFORE_MESSAGE: Final = "Closest before this message"
PROBABLY_THIS_ONE: Final = "Probably this one"
NOT_AT_MOMENT: Final = "None started in the eight hours before that time. The latest comes first."
A_CUSTOMER: Final = "a customer"
CHOOSE: Final = "Several people are in this message. Whose sessions would you like to see?"
NOT_YOURS: Final = "This answer belongs to somebody else. Please ask for yourself."
OUTDATED: Final = "The buttons of this answer don't work any more. Please ask once more."
FORM_OUTDATED: Final = "This window doesn't work any more. Please open it once more."
SESSIONS_CHANGED: Final = (
    "The sessions are not the same any more, so nothing was shared. Please refresh the answer, and "
    "share then."
)
NOT_SHARED: Final = "Slack didn't take the message, so nothing was shared. Please share it again."
SHARE_NOT_STORED: Final = (
    "My database is not available, so nothing was shared. Please share it again in a minute."
)
MAYBE_SHARED: Final = (
    "Slack didn't say whether it took the message. Please look before you share it again."
)
SHARED_ALREADY: Final = "You have shared these sessions from this window already."
WINDOW_NOT_OPENED: Final = "Slack didn't open the window. Please press the button once more."
THIS_THREAD: Final = "this thread"
THIS_CONVERSATION: Final = "this conversation"
SHARE_TITLE: Final = "Share sessions"
SHARE_SUBMIT: Final = "Share"
SHARE_PREPARING: Final = "One moment …"
SHARE_WHICH: Final = "Which session?"
SHARE_NAME: Final = "With the name?"
SHARE_UNNAMED_HINT: Final = "If not, it says “a customer”."
SHARE_WHERE: Final = "Where?"
SHARE_IN_THREAD: Final = "In this thread"
SHARE_IN_CHANNEL: Final = "In the channel"
TRY_AGAIN: Final = "Try again"
TOO_FAR: Final = (
    "None of the latest 100 sessions had started by then; the one you are looking for may be older."
)
USE_MOMENT_FIELD: Final = "Please leave the at: out here and use the field for the time below."
FORM_NOT_OPENED: Final = (
    "I found no e-mail address and no uid in that message. Please type the command with one, like "
    "/fsessions jane@example.com"
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
FORM_MOMENT_HINT: Final = "The session that started closest before it comes first."
NEW_SEARCH: Final = "New search"
SHOW_SESSIONS: Final = "View privately"
TERMINAL_MENTION: Final = (
    "The terminal does not know the people of your Slack workspace. Please give the e-mail address "
    "or the uid."
)
NOT_OF_THIS_WORKSPACE: Final = (
    "Sorry, the sessions are only for people of the organisation that this bot belongs to."
)
NOT_FOR_GUESTS: Final = (
    "Sorry, the sessions are only for full members of this workspace, not for guests. A member can "
    "look for you."
)
WHO_ASKS: Final = (
    "Slack doesn't tell me just now whether you are a member of this workspace, so I can't show "
    "you sessions. Please try again in a minute."
)
MAY_NOT_READ_PROFILES: Final = (
    "I'm not allowed to read Slack profiles, so I can't tell who may see sessions. An "
    "administrator can add the scopes users:read and users:read.email and reinstall this app."
)
MAY_NOT_READ_GROUPS: Final = (
    "I'm not allowed to read user groups, so I can't tell who may see sessions. An administrator "
    "can add the scope usergroups:read and reinstall this app."
)
NOT_ALLOWED: Final = "Sorry, you aren't among the people who may see sessions."
NOT_HERE: Final = "Sorry, sessions are shown in certain channels only."
NOT_AUDITOR: Final = "Sorry, only auditors may see who looked up a customer."
SHOWN_IN: Final = "You can ask in"
ASK_WHOM: Final = "To be given access, ask {contact}."
CAN_BE_CHANGED: Final = frozenset(
    {
        DenialReason.GUEST,
        DenialReason.NOT_ALLOWED,
        DenialReason.NOT_AUDITOR,
        DenialReason.NOT_FOR_WORKFLOW,
        DenialReason.NOT_HERE,
    }
)
"""Where people are told whom to ask."""

NOT_RECORDED: Final = (
    "The lookup could not be recorded, and your company shows no sessions without a record.",
    "Please try again in a minute. If it happens once more, tell {administrator}.",
)
MESSAGE_NAMES_NOBODY: Final = (
    "The message contains no e-mail or uid. Please type the command with one, like "
    "/fsessions jane@example.com"
)
MESSAGE_NOT_READ: Final = (
    "Slack doesn't show me the message just now. Please try again in a minute, or type the "
    "command with an e-mail or uid, like /fsessions jane@example.com"
)
MENTION_HELP: Final = (
    "Tell me a customer's e-mail or uid, such as jane@example.com or uid:user-42, and I'll find "
    "their latest Fullstory sessions."
)
SLACK_TROUBLE: Final = "Slack doesn't answer me just now. Please ask once more in a minute."
HOME_TITLE: Final = "Find a customer's sessions"
HOME_SEARCH: Final = "Search…"
HOME_ANYWHERE: Final = "You can ask in any conversation, or here."
IN_ANY_CHANNEL: Final = "in any channel"
IN_THESE_CHANNELS: Final = "in these channels"
OR_DIRECTLY: Final = ", or a direct message to me"
HOME_ONLY_IN: Final = "You can ask in these channels:"
AUDIT_BUTTON: Final = "Who looked up a customer…"
AUDIT_TITLE: Final = "Who looked up a customer"
AUDIT_SUBMIT: Final = "Show"
AUDIT_PERSON: Final = "Whose e-mail or uid?"
AUDIT_PERSON_HINT: Final = "That you asked is recorded, too."
AUDIT_SINCE: Final = "Since"
AUDIT_READING: Final = "Reading the record …"
AUDIT_NONE: Final = "Older events may have been deleted."
AUDIT_NO_KEY: Final = (
    "People can't be found in the record: no AUDIT_KEY is set.",
    "Please tell {administrator}.",
)
AUDIT_TROUBLE: Final = (
    "The record can't be read just now.",
    "Please try again in a minute. If it happens once more, tell {administrator}.",
)
AUDIT_MORE: Final = "These are the latest. fsessions audit, on the bot's machine, shows all."
HOME_PRIVACY: Final = (
    "Answers are for you alone, unless you share them. I keep no addresses and no sessions; that "
    "you looked is recorded."
)
HELP_TITLE: Final = "How to ask"
HELP_MORE: Final = "More…"
PRIVACY_TITLE: Final = "Who sees what"
PRIVACY: Final = (
    "Answers are for you alone, unless you share them.",
    "Links open for people who are signed in to Fullstory.",
    "Guests and people of other organisations are shown no sessions.",
    "I keep no e-mail addresses and no sessions. That you looked is recorded.",
)
STEP_NOT_STORED: Final = (
    "My database is not available, so I can't show the sessions. Please run the workflow again in "
    "a minute."
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
STEP_STRANGER: Final = (
    "The person in “Show privately to” is no full member of this workspace, so I showed them "
    "nothing. Please choose somebody else."
)
STEP_NOT_ALLOWED: Final = (
    "The person in “Show privately to” isn't among the people who may see sessions, so I showed "
    "them nothing."
)
STEP_NOT_HERE: Final = (
    "Sessions are shown in certain channels only, and “In channel” is none of them. Please choose "
    "another, or give the step the name under which this workflow is allowed."
)
STEP_NOT_NAMED: Final = (
    "Nobody is set in “Show privately to”, and this workflow isn't allowed to have the sessions "
    "without that. Please set a person, or give the step the name under which it is allowed."
)
STEP_SHOWN_ALONE: Final = "The person in “Show privately to” was shown the sessions, alone."
STEP_OF_ANOTHER: Final = (
    "This workflow is of another workspace than the bot, so I looked nobody up."
)
TIME_EXAMPLE: Final = 'jane@example.com at:"yesterday 5pm"'
TRY: Final = "Try"

TODAY: Final = "Today"
YESTERDAY: Final = "Yesterday"
MEANT_HELP: Final = "Did you mean help? Please type: /fsessions help"
NONE_FOUND: Final = "Fullstory may know them by another address or id."
SEARCH_AGAIN: Final = "Search again"
WHY: Final = "Why?"
WHY_TITLE: Final = "No sessions?"
NONE_FOUND_INTRO: Final = (
    "Fullstory knows people by what your site tells it. Common reasons to find nothing:"
)
NONE_FOUND_REASONS: Final = (
    "they were not signed in, so their sessions carry no e-mail or uid",
    "your site uses another spelling of the address, or another id",
    "the sessions are older than your Fullstory plan keeps them",
    "only a part of all visits is recorded",
)


def offer(count: int) -> str:
    """Under a message that names so many customers."""
    whom = "the customer" if count == 1 else f"{count} customers"
    return f"Fullstory sessions of {whom} above"


def meant_address(typed: str) -> str:
    """Where nothing was found under what looks like an address without its @."""
    return f"There is no @ in {typed}. Did you mean an e-mail address? Please type it whole."


def meant_address_or_uid(typed: str) -> str:
    """Where nothing was found under a lone word."""
    return (
        f"I looked for the uid “{typed}”. Did you mean somebody else? An e-mail address, typed "
        "whole, is the surest."
    )


def choose_among_first(count: int) -> str:
    """Where not all of the people in a message can be offered."""
    return (
        f"Many people are in this message; these are the first {count}. Whose sessions would you "
        "like to see?"
    )


def heading(person: str, count: int, limit: int) -> str:
    """The answer's first line, where it is one line; 0 as `limit` doesn't say "latest"."""
    return f"{sessions_of(count, limit)} of {person}"


def sessions_of(count: int, limit: int) -> str:
    """How many sessions, and whether there may be more."""
    if count == 0:
        return "No sessions"
    if count == 1:
        return "Latest session" if limit == 1 else "1 session"
    return f"{'Latest ' if count == limit else ''}{count} sessions"


def at_moment(moment: Moment | None) -> str:
    """What the first session is called: the list has no ends, so it is a guess."""
    if moment is None:
        return LATEST
    return CLOSEST_BEFORE_MESSAGE if moment.of_message else PROBABLY_THIS_ONE


def not_at_moment(found: SessionList) -> str:
    """Say that no session was in progress at the moment; "" if one was, or no moment is known."""
    if found.query.moment is None or found.at_moment:
        return ""
    return TOO_FAR if found.moment_before_fetched else NOT_AT_MOMENT


def audit_heading(person: str, count: int, *, more: bool) -> str:
    """Over the record of who looked a person up."""
    if not count:
        return f"Nobody has looked up {person}."
    entries = f"{count} entries" if count > 1 else "1 entry"
    return f"Lookups of {person}: {'the latest ' if more else ''}{entries}"


def audit_result(result: str, reason: str, count: int) -> str:
    """What came of an attempt, in the record."""
    match result:
        case "found":
            return f"saw {_count(count, 'session')}"
        case "none":
            return "no sessions"
        case "shared":
            return f"shared {_count(count, 'session')}"
        case "audit read":
            return "read this record"
        case "purged":
            return f"deleted {_count(count, 'event')}"
        case _:
            return f"{result}: {reason.replace('_', ' ')}" if reason else result


def shared_by(user: str) -> str:
    """Over what was shared; `user` is Slack's markup for the person."""
    return f"{user} shared"


def shared_in(target: str) -> str:
    """Under the answer afterwards; `target` is Slack's markup for the channel, or a word."""
    return f"Shared in {target}"


def include_name(person: str) -> str:
    """The box to tick, in the window for sharing."""
    return f"Say that it is {person}"


def share_seen_by() -> str:
    """Before anything is shared: who will see it."""
    return "Everyone in the conversation will see it, and that you shared it. " + SIGN_IN


def share_all(count: int) -> str:
    """The entry for everything, in the window for sharing."""
    return f"All {count} sessions"


def share_one(started: str, *, is_first: bool, moment: Moment | None) -> str:
    """The entry for one session, in the window for sharing."""
    return f"{at_moment(moment)}: {started}" if is_first else started


def started_before(started: datetime, moment: datetime, reference: str = "") -> str:
    """How long before a moment a session started; `reference` is what the moment is called."""
    passed = moment - started
    suffix = f" {reference}" if reference else ""
    if passed <= timedelta(0):
        return "started in that minute"
    if passed < timedelta(minutes=1):
        return f"started less than a minute before{suffix}"
    hours, minutes = divmod(passed // timedelta(minutes=1), 60)
    parts = [f"{hours} h"] if hours else []
    parts += [f"{minutes} min"] if minutes else []
    return f"started {' '.join(parts)} before{suffix}"


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


def not_for(refusal: DenialReason) -> str:
    """Why somebody is shown no sessions."""
    return {
        DenialReason.STRANGER: NOT_OF_THIS_WORKSPACE,
        DenialReason.GUEST: NOT_FOR_GUESTS,
        DenialReason.NOT_KNOWN: WHO_ASKS,
        DenialReason.NOT_READABLE: MAY_NOT_READ_PROFILES,
        DenialReason.GROUPS_NOT_READABLE: MAY_NOT_READ_GROUPS,
        DenialReason.NOT_ALLOWED: NOT_ALLOWED,
        DenialReason.NOT_HERE: NOT_HERE,
        DenialReason.NOT_FOR_WORKFLOW: STEP_NOT_NAMED,
        DenialReason.WRONG_USER: NOT_YOURS,
        DenialReason.OUTDATED: OUTDATED,
        DenialReason.NOT_AUDITOR: NOT_AUDITOR,
    }[refusal]


def whom_to_ask(contact: str) -> str:
    """Where access can be given; without Slack's markup. A contact may be a sentence."""
    if not contact or contact.startswith("<"):
        return ASK_WHOM.replace("{contact}", ADMINISTRATOR)
    return contact if contact[-1] in ".!?" else f"{contact}."


def refused_in_one_line(refusal: DenialReason, contact: str) -> str:
    """Why not, and whom to ask, as plain text."""
    sentence = not_for(refusal)
    return f"{sentence} {whom_to_ask(contact)}" if refusal in CAN_BE_CHANGED else sentence


def step_not_for(refusal: DenialReason, contact: str) -> str:
    """Why the person who is to be shown the sessions by a workflow isn't; and whom to ask."""
    sentence = {
        DenialReason.NOT_KNOWN: STEP_SLACK_TROUBLE,
        DenialReason.NOT_READABLE: MAY_NOT_READ_PROFILES,
        DenialReason.GROUPS_NOT_READABLE: MAY_NOT_READ_GROUPS,
        DenialReason.NOT_ALLOWED: STEP_NOT_ALLOWED,
        DenialReason.NOT_HERE: STEP_NOT_HERE,
        DenialReason.NOT_FOR_WORKFLOW: STEP_NOT_NAMED,
    }.get(refusal, STEP_STRANGER)
    return f"{sentence} {whom_to_ask(contact)}" if refusal in CAN_BE_CHANGED else sentence


def step_list(count: int, person: str, lines: list[str], more: int) -> str:
    """The sessions as plain text: an output that any tool can show."""
    shown = [heading(person, count, 0), *lines]
    if more:
        shown.append(f"and {_count(more, 'older session')}")
    return "\n".join(shown)


def left_out(count: int) -> str:
    """Under an answer that is more than one message can hold."""
    return f"{count} older {'session' if count == 1 else 'sessions'} didn't fit into one message."


def fallback_text(person: str, count: int, limit: int, first: str, title: str = LATEST) -> str:
    """The answer in one breath, for screen readers and notifications."""
    if count == 0:
        return f"{heading(person, 0, limit)}. {NONE_FOUND}"
    named = f"{title}: {first}" if title else first
    return f"{heading(person, count, limit)}. {named}."


def _count(count: int, name: str) -> str:
    return f"{count} {name}{'s' if count > 1 else ''}"


HELP_INTRO: Final = "I find a customer's latest Fullstory sessions. Tell me who, by e-mail or uid:"


def examples(command: str, limits: Limits) -> tuple[tuple[str, str], ...]:
    """Lines that work, each with its meaning; the first three are the ones most people need."""
    return (
        (f"{command} jane@example.com", f"the latest {limits.default} sessions"),
        (f'{command} jane@example.com at:"yesterday 5pm"', "the session at that time first"),
        (f"{command} user-42", "by uid, the id your site gives its users"),
        (f"{command} jane@example.com 5", f"the latest 5 (at most {limits.highest})"),
        (f"{command} jane@example.com uid:user-42", "both, in one list"),
        (f"{command} uid:jane@example.com", "a uid that looks like an address"),
        (f'{command} "a uid with spaces"', "with quotes around it"),
        (f"{command} @jane", "a colleague, by the e-mail of their Slack profile"),
    )


def refusal(refused: ParseError, limits: Limits) -> str:  # noqa: C901 - one flat list of sentences
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
                'at:"yesterday 5pm" or at:"2026-11-22 14:05"; in the night when clocks change, '
                'with its offset: at:"2026-10-25 02:30 +02:00".'
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


def failure(error: FullstoryError) -> tuple[str, str]:
    """What went wrong at Fullstory, and what to do; `{administrator}` is to be filled in."""
    tell = "Trying again won't help: please tell {administrator}."
    again = "Please try again in a minute; if it goes on, tell {administrator}."
    match error:
        case KeyRejected():
            return "Fullstory doesn't accept this bot's API key.", tell
        case PermissionMissing():
            return "This bot's Fullstory API key isn't allowed to list sessions.", tell
        case RequestRejected():
            return "Fullstory didn't accept the request.", tell
        case Unavailable(status=None):
            return "I can't reach Fullstory just now.", again
        case Unavailable():
            return "Fullstory has trouble answering just now.", again
        case RateLimited(retry_after=float(seconds)):
            wait = f"Please try again in {duration(seconds)}."
            return "Fullstory is getting too many requests just now.", wait
        case ReplyTooLarge():
            return (
                "Fullstory's answer was too large to read.",
                f"Asking for fewer may help. {again}",
            )
        case DeadlineExceeded():
            return f"Fullstory took longer than {duration(error.seconds)} to answer.", again
        case _:
            known = (sentence for kind, sentence in _FAILURES if isinstance(error, kind))
            sentence = next(known, "Fullstory's answer couldn't be used.")
            return sentence, tell if isinstance(error, ReplyMalformed | ReplyRedirected) else again


def may_pass(error: FullstoryError) -> bool:
    """Whether trying again can help."""
    lasting = KeyRejected | PermissionMissing | RequestRejected | ReplyMalformed | ReplyRedirected
    return not isinstance(error, lasting)


_FAILURES: Final = (
    (RateLimited, "Fullstory is getting too many requests just now."),
    (ReplyCutOff, "Fullstory's answer broke off in the middle."),
    (ReplyNotJSON, "Fullstory's answer wasn't readable."),
    (ReplyMalformed, "Fullstory's answer wasn't what this bot understands."),
    (ReplyRedirected, "Fullstory's answer pointed to another address, and I didn't follow it."),
)
ADMINISTRATOR: Final = "your administrator"


def reference_line(reference: str) -> str:
    """Under a failure: what an administrator finds in the log."""
    return f"Reference {reference}, for your administrator"


def in_one_line(sentences: tuple[str, str], contact: str, reference: str = "") -> str:
    """A failure as plain text, for a workflow's author or a terminal."""
    mark = f" (reference {reference})" if reference else ""
    is_markup = contact.startswith("<")  # a person or a channel, by Slack's id
    whom = ADMINISTRATOR if is_markup or not contact else contact
    return " ".join(sentences).replace("{administrator}", whom + mark)


def our_fault() -> tuple[str, str]:
    """Where this bot itself failed: as `failure`."""
    return (
        "Something went wrong in this bot; you did nothing wrong.",
        "Please try again. If it happens once more, tell {administrator}.",
    )


def duration(seconds: float) -> str:
    """A time to wait, rounded up."""
    if seconds < 1:
        return "a second"
    whole = -int(-seconds // 1)
    if whole < 120:
        return f"{whole} second{'s' if whole > 1 else ''}"
    return f"{-(-whole // 60)} minutes"
