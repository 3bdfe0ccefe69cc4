"""Suggests what a person may have meant if nothing was found.

What was typed is always looked up first; the suggestion is only a question.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import Enum, auto
from typing import Final

from bot.core.sessions import Query

_HELP: Final = ("help", "hilfe", "aide", "ayuda", "usage", "commands")
# A word with a dot and an ending, in which an @ may be missing: "janeexample.com".
_LIKE_A_DOMAIN: Final = re.compile(r"[\w.+-]+\.[a-z]{2,10}", re.IGNORECASE)
_PLAIN_WORD: Final = re.compile(r"[^\W\d_]+")


class Suggestion(Enum):
    """What a person may have meant."""

    HELP = auto()
    """The word "help", misspelled."""

    ADDRESS_WITHOUT_AT = auto()
    WORD = auto()
    """An ordinary word rather than an id."""


def suggest(query: Query) -> Suggestion | None:
    """Return what a uid without sessions looks like."""
    uid = query.uid or ""
    if query.email or not uid:
        return None
    if get_close_matches(uid.lower(), _HELP, n=1, cutoff=0.75):
        return Suggestion.HELP
    if "@" not in uid and _LIKE_A_DOMAIN.fullmatch(uid):
        return Suggestion.ADDRESS_WITHOUT_AT
    return Suggestion.WORD if _PLAIN_WORD.fullmatch(uid) else None
