"""What people ask for: a person, how many sessions, and when; or why a text can't be looked up.

`bot.core.words` and `bot.core.reading` read a text word by word, and `bot.slack.typed_text` decides
who is meant. How Slack escapes a command's text:
https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from bot.core.sessions import Moment, Query
from bot.core.words import AROUND_ADDRESS, NUMBER, QUOTES

MAX_TEXT_LENGTH: Final = 2000
"""Characters that are read word by word: enough for several of the longest uids and addresses."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions to show: by default, and at most."""

    default: int
    highest: int


@dataclass(frozen=True, slots=True)
class Search:
    """What a text asks for.

    `mention` is the Slack user id of a colleague whose profile has the e-mail address, or "". `at`
    is a time as it was typed, in the person's own time zone, or "". `ignored` are the words that
    were not understood.
    """

    email: str | None
    uid: str | None
    limit: int
    mention: str = ""
    at: str = ""
    ignored: str = ""

    def query(self, email: str | None = None, moment: Moment | None = None) -> Query:
        """Return the query, with what Slack's profiles say."""
        return Query(self.email or email, self.uid, self.limit, moment)


@dataclass(frozen=True, slots=True)
class Several:
    """The text names several people, one for each search."""

    searches: tuple[Search, ...]


@dataclass(frozen=True, slots=True)
class Help:
    """The text asks for help."""


class Problem(Enum):
    """Why a text can't be looked up."""

    BAD_ADDRESS = auto()
    CHANNEL = auto()
    CONTROL_CHARACTER = auto()
    LIMIT_NEGATIVE = auto()
    LIMIT_NOT_WHOLE = auto()
    LIMIT_TOO_HIGH = auto()
    LIMIT_ZERO = auto()
    LINK = auto()
    MARKUP = auto()
    MENTION = auto()
    MESSAGE_LINK = auto()
    NO_ONE = auto()
    PROFILE_LINK = auto()
    SESSION_LINK = auto()
    TEXT_TOO_LONG = auto()
    TICKET_LINK = auto()
    TWO_COLLEAGUES = auto()
    UID_TOO_LONG = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class ParseError:
    """A text that can't be looked up.

    `shown` is the part that is wrong, or "". `proposal` is what was probably meant. `typed` is the
    whole text, for the search form.
    """

    problem: Problem
    shown: str = ""
    proposal: Search | None = None
    typed: str = ""


Parsed = Search | Several | Help | ParseError


def parse_limit(text: str, limits: Limits) -> int | Problem:
    """Read how many sessions to show: "5", or "limit:5"."""
    text = text.lower().removeprefix("limit:")
    if not NUMBER.fullmatch(text):
        return Problem.LIMIT_NOT_WHOLE
    if text[0] in "-\u2212\u2013":
        return Problem.LIMIT_NEGATIVE
    if not text.lstrip("+").isdigit():
        return Problem.LIMIT_NOT_WHOLE
    digits = text.lstrip("+").lstrip("0")
    if len(digits) > 9:  # int() is slow, and refuses thousands of digits
        return Problem.LIMIT_TOO_HIGH
    value = int(digits or "0")
    if value == 0:
        return Problem.LIMIT_ZERO
    return Problem.LIMIT_TOO_HIGH if value > limits.highest else value


def typed_form(query: Query | Search, *, with_limit: bool = True) -> str:
    """Return what a person would type for this query."""
    parts = []
    if query.email:
        plain = query.email == query.email.strip(AROUND_ADDRESS)
        parts.append(query.email if plain else f'email:"{query.email}"')
    if query.uid:
        parts.append(_uid_form(query.uid))
    if with_limit:
        parts.append(str(query.limit))
    return " ".join(parts)


def _uid_form(uid: str) -> str:
    if re.fullmatch(r"(?!_)[\w.-]*[\w-]", uid, re.ASCII):
        return f"uid:{uid}"
    escaped = re.sub(rf"([\\{QUOTES}])", r"\\\1", uid)
    return f'uid:"{escaped}"'
