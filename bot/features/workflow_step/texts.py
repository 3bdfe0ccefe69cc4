"""What the step tells the author of a workflow.

Words in “quotes” are the titles of its inputs in Workflow Builder.
"""

from __future__ import annotations

from typing import Final

from bot.core.access import DenialReason
from bot.core.outcomes import AccessDenied, Explanation, NoResult, Restarting, denial, explain
from bot.core.query import Limits, ParseError, Problem
from bot.errors import ProfileProblem
from bot.settings import Settings
from bot.slack import texts

NOT_STORED: Final = (
    "My database is not available, so I can't show the sessions. Please run the workflow again in "
    "a minute."
)
NO_ONE: Final = (
    "I found no e-mail address or uid in “Person”. Please fill it from the form's question or the "
    "variable that contains one."
)
SEVERAL: Final = (
    "“Person” names several people; I look up one at a time. Please fill it from a question or "
    "variable that contains one e-mail address or uid."
)
MOMENT_ZONE: Final = (
    "“Moment” doesn't say its time zone, and “Show privately to” is empty, so I don't know whose "
    "to use. Please write it like 2026-11-22T14:05Z."
)
MOMENT_UNCLEAR: Final = (
    "I'm not sure which time “Moment” is. Please write it like 2026-11-22T14:05Z, or leave it "
    "empty."
)
MOMENT_IN_FUTURE: Final = "“Moment” is in the future. Please give a time that has passed."
SHOW_TO_WHOM: Final = (
    "“In channel” is set, but not “Show privately to”. Please set both, or only the person."
)
RESTARTING: Final = "The bot restarted before it was done. Please run the workflow again."
SLACK_TROUBLE: Final = (
    "Slack isn't answering me right now. Please run the workflow again in a minute."
)
OTHER_WORKSPACE: Final = (
    "This workflow belongs to another workspace than the bot, so I looked no one up."
)
INSIGHTS_OFF: Final = "No bug report: your administrator hasn't turned INSIGHTS on."
SHOWN_ALONE: Final = "Only the person in “Show privately to” was shown the sessions."
STRANGER: Final = (
    "The person in “Show privately to” is not a full member of this workspace, so I showed them "
    "nothing. Please choose another person."
)
NOT_ALLOWED: Final = (
    "The person in “Show privately to” isn't one of the people who may see sessions, so I showed "
    "them nothing."
)
NOT_HERE: Final = (
    "Sessions are only shown in certain channels, and “In channel” isn't one of them. Please "
    "choose another, or give the step the name under which this workflow is allowed."
)
_DENIALS: Final = {
    DenialReason.NOT_KNOWN: SLACK_TROUBLE,
    DenialReason.NOT_ALLOWED: NOT_ALLOWED,
    DenialReason.NOT_HERE: NOT_HERE,
}
_SAME: Final = frozenset(
    {
        DenialReason.NOT_READABLE,
        DenialReason.GROUPS_NOT_READABLE,
        DenialReason.NOT_FOR_WORKFLOW,
    }
)
"""Reasons that are explained to an author as to anyone else."""


def no_result(outcome: NoResult, settings: Settings) -> str:
    """Say why there are no sessions."""
    match outcome:
        case AccessDenied(reason):
            return access_denied(reason, settings.admin_contact)
        case Restarting():
            return RESTARTING
        case _:
            return explain(outcome).in_one_line(settings.admin_contact)


def access_denied(reason: DenialReason, contact: str) -> str:
    """Say why the person in “Show privately to” may not be shown sessions."""
    said = denial(reason)
    what = said.what if reason in _SAME else _DENIALS.get(reason, STRANGER)
    return Explanation(what, said.next_step).in_one_line(contact)


def parse_error(error: ParseError, limits: Limits) -> str:
    """Say why “Person” can't be looked up."""
    match error.problem:
        case Problem.NO_ONE | Problem.UNCLEAR:
            return NO_ONE
        case _:
            return texts.parse_error(error, limits)


def no_report(why: str) -> str:
    """Say why there is no bug report."""
    return f"No bug report: {why}"


def profile_problem(problem: ProfileProblem) -> str:
    """Say why a colleague's profile could not help."""
    return SLACK_TROUBLE if problem is ProfileProblem.SLACK else texts.profile_problem(problem)


def not_shown(code: str, reference: str) -> str:
    """Say why Slack did not show the sessions; `code` is its error code."""
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
                "Slack didn't let me show the sessions. Please run the workflow again; if it "
                f"keeps happening, tell your administrator (reference {reference})."
            )
