"""Sentences that several features show in Slack or on the terminal.

They are plain text; whoever renders them escapes them. A feature's own sentences are in its module,
and those about a lookup's outcome in `bot.core.outcomes`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bot.core.query import Limits, ParseError, Problem, Search
from bot.core.sessions import Moment, SessionList
from bot.errors import ProfileProblem

WATCH_REPLAY: Final = "Watch replay"
WHAT_HAPPENED: Final = "What happened?"
WATCH_FROM_START: Final = "Watch from the start"
SHOW_MORE: Final = "Show more"
REFRESH: Final = "Refresh"
SHARE: Final = "Share…"
DISMISS: Final = "Dismiss"
SEARCH_TITLE: Final = "Find sessions"
SEARCH_AGAIN: Final = "Search again"
NEW_SEARCH: Final = "New search"
TRY_AGAIN: Final = "Try again"
EDIT: Final = "Edit…"
WHY: Final = "Why?"
LATEST: Final = "Latest"
CLOSEST_BEFORE_MESSAGE: Final = "Closest before this message"
PROBABLY_THIS_ONE: Final = "Probably this one"
NOT_AT_MOMENT: Final = "None started around that time. The latest comes first."
BEFORE_FETCHED: Final = (
    "None of the latest 100 sessions had started by then; the one you are looking for may be older."
)
UNKNOWN_TIME: Final = "time unknown"
UNUSABLE_LINK: Final = "Fullstory gave no link that is safe to open"
LONG_LINK: Final = "its link is too long for Slack"
A_CUSTOMER: Final = "a customer"
SIGN_IN: Final = "Links open for people who are signed in to Fullstory."
NONE_FOUND: Final = "Fullstory may know them by another address or uid."
MEANT_HELP: Final = "Did you mean help?"
CHOOSE: Final = "There are several people in this text. Whose sessions would you like to see?"
CHOOSE_TIME: Final = "That can mean more than one time. Which one?"

STILL_LOOKING: Final = "This search takes longer than usual. The answer follows."
"""True afterwards, too: most of these messages can't be replaced."""

LOOKING: Final = "Looking … The sessions will appear here. You can close this window any time."
MAYBE_ANSWERED: Final = (
    "I restarted while I was sending your answer. If you don't see it above, please search again."
)
UNCONFIRMED: Final = (
    "Slack didn't confirm that it took my answer. If you don't see it, please search again."
)
SLACK_TROUBLE: Final = "Slack isn't answering me right now. Please try again in a minute."
MODAL_NOT_OPENED: Final = "Slack didn't open the window. Please press the button again."

MESSAGE_NAMES_NO_ONE: Final = (
    "The message contains no e-mail address or uid. Please type the command with one, like "
    "/fsessions jane@example.com"
)
MESSAGE_NOT_READ: Final = (
    "Slack isn't showing me the message right now. Please try again in a minute, or type the "
    "command with an e-mail address or uid, like /fsessions jane@example.com"
)
FUTURE_MOMENT: Final = "That time is in the future. Please give one that has passed."

ASK_ME: Final = (
    "Tell me a customer's e-mail address or uid, such as jane@example.com or uid:user-42, and I'll "
    "find their latest Fullstory sessions."
)
HELP_TITLE: Final = "How to search"
HELP_MORE: Final = "More…"
HELP_INTRO: Final = (
    "I find a customer's latest Fullstory sessions. Tell me who, by e-mail address or uid:"
)


def examples(command: str, limits: Limits) -> tuple[tuple[str, str], ...]:
    """Return lines that work and what they mean; most people only need the first three."""
    return (
        (f"{command} jane@example.com", f"the latest {limits.default} sessions"),
        (f"{command} jane@example.com yesterday 5pm", "the session at that time first"),
        (f"{command} user-42", "by uid, the id your site gives its users"),
        (f"{command} jane@example.com 5", f"the latest 5 (at most {limits.highest})"),
        (f"{command} jane@example.com uid:user-42", "both, in one list"),
        (f"{command} uid:jane@example.com", "a uid that looks like an address"),
        (f'{command} "a uid with spaces"', "with quotes around it"),
        (f"{command} @jane", "a colleague, by the address in their Slack profile"),
    )


# -- Answers --------------------------------------------------------------------------------------


def heading(person: str, count: int, limit: int) -> str:
    """Name the sessions and the person in one line; a `limit` of 0 never says "latest"."""
    return f"{sessions_of(count, limit)} {'of' if count else 'found for'} {person}"


def show_all(count: int) -> str:
    """Label the button that shows all sessions that were found."""
    return f"Show all {count}"


def one_and_latest(count: int, time: str, *, of_message: bool) -> str:
    """Say that the session at a moment comes before the latest ones."""
    one = f"The one before the message of {time}" if of_message else f"The one at {time}"
    return f"{one}, and the latest {count - 1}" if count > 1 else one


def sessions_of(count: int, limit: int) -> str:
    """Say how many sessions there are, and whether there may be more."""
    if count == 0:
        return "No sessions"
    if count == 1:
        return "Latest session" if limit == 1 else "1 session"
    return f"{'Latest ' if count == limit else ''}{count} sessions"


def at_moment(moment: Moment | None) -> str:
    """Name the first session: sessions have no end, so the one at a moment is a guess."""
    if moment is None:
        return LATEST
    return CLOSEST_BEFORE_MESSAGE if moment.of_message else PROBABLY_THIS_ONE


def not_at_moment(found: SessionList) -> str:
    """Say that no session was in progress at the moment; "" if one was, or no moment is known."""
    if found.query.moment is None or found.at_moment:
        return ""
    return BEFORE_FETCHED if found.moment_before_fetched else NOT_AT_MOMENT


def started_around(started: datetime, moment: Moment) -> str:
    """Say how long before or after a moment a session started; "" if it was in a longer span."""
    passed = moment.time - started
    if started > moment.end:
        seconds = (started - moment.end) // timedelta(seconds=1)
        return f"started {f'{seconds // 60} min' if seconds >= 60 else f'{seconds} s'} after"
    if passed <= timedelta(0):
        return "" if moment.span > timedelta(minutes=1) else "started in that minute"
    if passed < timedelta(minutes=1):
        return "started less than a minute before"
    hours, minutes = divmod(passed // timedelta(minutes=1), 60)
    parts = [f"{hours} h"] if hours else []
    parts += [f"{minutes} min"] if minutes else []
    return f"started {' '.join(parts)} before"


def left_out(count: int) -> str:
    """Say how many sessions don't fit."""
    return f"{counted(count, 'older session')} didn't fit into one message."


def fallback_text(person: str, count: int, limit: int, first: str, title: str = LATEST) -> str:
    """Say the answer in one line, for screen readers and notifications."""
    if count == 0:
        return f"{heading(person, 0, limit)}. {NONE_FOUND}"
    named = f"{title}: {first}" if title else first
    return f"{heading(person, count, limit)}. {named}."


def counted(count: int, name: str) -> str:
    """Return a count with its noun."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def meant_address(typed: str) -> str:
    """Ask about a uid without sessions that looks like an address without its @."""
    return (
        f"There is no @ in {typed}. Did you mean an e-mail address? Please type the full address."
    )


def meant_address_or_uid(typed: str) -> str:
    """Ask about a uid without sessions that is an ordinary word."""
    return (
        f"I searched for the uid “{typed}”. Did you mean another person? A full e-mail address "
        "works best."
    )


def choose_among_first(count: int) -> str:
    """Ask whose sessions if a message names more people than fit."""
    return (
        f"There are many people in this text; these are the first {count}. Whose sessions would "
        "you like to see?"
    )


# -- Input that can't be looked up ----------------------------------------------------------------


def profile_problem(problem: ProfileProblem) -> str:
    """Say why a Slack profile could not help."""
    instead = "Please give the e-mail address or uid."
    return {
        ProfileProblem.BOT: f"That is a bot; it has no sessions. {instead}",
        ProfileProblem.EMAIL: f"There is no e-mail address in that profile. {instead}",
        ProfileProblem.SCOPE: (
            "I'm not allowed to read Slack profiles. An administrator can add the scopes "
            "users:read and users:read.email and reinstall this app. Until then, please give the "
            "e-mail address or uid, and times with their zone, like at:2026-11-22T14:05Z."
        ),
        ProfileProblem.SLACK: (
            f"Slack isn't showing me profiles right now. Please try again in a minute. {instead}"
        ),
        ProfileProblem.STRANGER: (
            f"That person isn't in this workspace, so I can't see their address. {instead}"
        ),
    }[problem]


def proposal(search: Search) -> str:
    """Name a search on a button."""
    return search_for(search.email or f"uid {search.uid}")


def search_for(name: str) -> str:
    """Label a button that looks a person up."""
    return f"Search {name}"


def did_you_mean(meant: str) -> str:
    """Ask about a proposal, for screen readers and notifications."""
    return f"Did you mean: {meant}?"


def found_as(asked: str, email: str, uid: str) -> str:
    """Say under which spelling sessions were found."""
    name = f"the uid {uid}" if uid == asked else f"the address {email or uid}"
    return f"There are no sessions of {asked} as typed; these are of {name}."


def not_used(words: str) -> str:
    """Name the words of a text that were not understood."""
    return f"I didn't use: {words}"


def future_time(text: str) -> str:
    """Say that a time has not come yet."""
    return f"“{text}” is in the future, so the latest sessions come first."


def unclear_time(text: str) -> str:
    """Say that a time was not understood."""
    return f"I don't understand the time “{text}”, so the latest sessions come first."


def parse_error(error: ParseError, limits: Limits) -> str:
    """Say why a text can't be looked up."""
    if error.problem is Problem.LIMIT_TOO_HIGH:
        return f"I can show at most {limits.highest} sessions."
    if sentence := _LIMIT_ERRORS.get(error.problem):
        return f"{sentence} Please use a whole number from 1 to {limits.highest}."
    return _PARSE_ERRORS[error.problem]


_LIMIT_ERRORS: Final = {
    Problem.LIMIT_NEGATIVE: "I can't show fewer than one session.",
    Problem.LIMIT_NOT_WHOLE: "How many sessions?",
    Problem.LIMIT_ZERO: "That would be no sessions at all.",
}
_PARSE_ERRORS: Final = {
    Problem.BAD_ADDRESS: (
        "That doesn't look like a complete e-mail address. For a uid, put uid: before it."
    ),
    Problem.CHANNEL: (
        "I look up people, not channels or groups. Please give an e-mail address or a uid."
    ),
    Problem.CONTROL_CHARACTER: (
        "The text contains characters that can't be typed. Please type it by hand."
    ),
    Problem.MARKUP: (
        "That uid contains Slack's own characters for a link or a mention. Please type it by hand."
    ),
    Problem.MENTION: (
        "I can't tell which colleague that is. Please pick the name from Slack's list."
    ),
    Problem.NO_ONE: "Whose sessions? Please give an e-mail address or a uid.",
    Problem.TEXT_TOO_LONG: (
        "That is more text than I can read. An e-mail address or a uid is enough."
    ),
    Problem.LINK: (
        "I can't read what this link leads to. Please give the customer's e-mail address or uid."
    ),
    Problem.MESSAGE_LINK: (
        "I can't open messages from here. In Slack, choose Find sessions from the message's menu."
    ),
    Problem.PROFILE_LINK: (
        "I can't open profiles. To look up a colleague, type @ and pick the name; for a customer, "
        "please give the e-mail address or uid."
    ),
    Problem.TICKET_LINK: (
        "I can't read tickets. Please copy the customer's e-mail address or uid from it."
    ),
    Problem.SESSION_LINK: "That is a link to a session.",
    Problem.TWO_COLLEAGUES: "I look up one colleague at a time. Please mention one.",
    Problem.UID_TOO_LONG: "That uid is too long. A uid has at most 256 characters.",
    Problem.UNCLEAR: (
        "I'm not sure who that is. Please give an e-mail address or a uid; a uid with spaces goes "
        "in quotes."
    ),
}
