"""Finds out what a person may have meant if nothing was found.

What was typed is always looked up first. Other spellings of the same person are tried at once;
what may be another person is only suggested.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from difflib import get_close_matches
from enum import Enum, auto
from typing import Final

from bot.core.sessions import Query
from bot.core.words import is_address

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


def respelled(query: Query) -> tuple[Query, ...]:
    """Return other ways to write the same person.

    Addresses are the same in small letters; some sites use the address as the uid.
    """
    if query.email and query.uid:
        return ()
    if query.email:
        lower = [replace(query, email=query.email.lower())] if not query.email.islower() else []
        return (*lower, replace(query, email=None, uid=query.email))
    is_email = query.uid is not None and is_address(query.uid) and "|" not in query.uid
    return (replace(query, email=query.uid, uid=None),) if is_email else ()


_COMMON_DOMAINS: Final = frozenset(
    {"gmail.com", "googlemail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com"}
    | {"live.com", "aol.com", "mail.com", "ymail.com", "msn.com", "proton.me", "protonmail.com"}
    | {"gmx.de", "gmx.net", "web.de", "t-online.de", "yahoo.co.uk", "hotmail.co.uk", "orange.fr"}
    | {"comcast.net"}
)


def with_usual_domain(query: Query, internal_domains: Collection[str]) -> Query | None:
    """Return the query with the domain that its e-mail address is one slip away from, if it is."""
    local, _, domain = (query.email or "").rpartition("@")
    domain = domain.lower()
    usual = [*_COMMON_DOMAINS, *internal_domains]
    if not local or domain in usual:
        return None
    near = [other for other in usual if _is_one_slip(domain, other)]
    return replace(query, email=f"{local}@{near[0]}", shown=None) if len(near) == 1 else None


def _is_one_slip(typed: str, meant: str) -> bool:
    """Tell whether one letter is missing, added or wrong, or two have changed places."""
    start = 0
    while start < min(len(typed), len(meant)) and typed[start] == meant[start]:
        start += 1
    a, b = typed[start:], meant[start:]
    is_swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (len(b) > 1 and is_swapped)
