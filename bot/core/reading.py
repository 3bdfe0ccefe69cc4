"""Sorts the words of a typed text: who, how many, when, and what is not understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from string import punctuation
from typing import Final

from bot.core.labels import Labels
from bot.core.times import DAY_NAMES, DAY_WORDS, MONTH, is_time, without_accents
from bot.core.words import (
    INVISIBLE,
    NUMBER,
    Word,
    is_address_word,
    is_in_angle_brackets,
    patterns_of,
    split_words,
    text_of,
)

_SPACES: Final = re.compile(r"\s")
_NO_PERSON: Final = frozenset({"case", "invoice", "issue", "order", "ticket"})
_GENERIC: Final = _NO_PERSON.union(
    ("account", "customer", "id", "member", "person", "uid", "user", "userid", "user_id", "#")
)
_LIKE_AN_ID: Final = re.compile(r"[^\W\d_][-.|]?\d|\d[-.|]?[^\W\d_]|\w_\w|\d{4}")

# -- Times and limits ------------------------------------------------------------------------------

# Hardly a uid beside another name: "1/2", "1e2", "50%".
_NUMBERISH: Final = re.compile(rf"{NUMBER.pattern}|\d+(?:/\d+|e\d+|%)")
_NUMBER_AT_END: Final = re.compile(
    rf"(?:^|\s)(?:at|around|um|@|{MONTH}[a-z]*) \d+$",
    re.IGNORECASE,
)
_MAX_TRIES: Final = 40  # words of a text that may begin a time
_LONGEST_TIME: Final = 10  # words, such as "Wed, Nov 20, 2026 at 6:39 PM UTC"
_BEFORE_TIME: Final = frozenset(
    {"@", "~", "about", "am", "around", "at", "ca", "ca.", "circa", "from", "gegen", "on"}
    | {"since", "um", "vers", "à"}
)
_CHANGES_TIME: Final = frozenset({"after", "before", "by", "next", "till", "until"})
"""Before a time, these make it another one, such as "the day before yesterday"."""

_BEGINS_TIME: Final = re.compile(
    rf".*\d.*|last|this|an?|one|half|utc|gmt|noon|midnight|tonight|{'|'.join(DAY_WORDS)}"
    rf"|(?:mon|tue|wed|thu|fri|sat|sun|{MONTH})[a-z]*\.?"
    rf"|letzte[nr]|(?:{'|'.join(DAY_NAMES)})\.?",
    re.IGNORECASE,
)
# One word that says when. Others, such as "may" and "sun", need company.
_TIME_IN_A_WORD: Final = re.compile(
    r"\d{1,2}:\d\d.*|\d{1,2}(?:\.\d\d)?[ap]\.?m\.?|\d{4}-\d\d-\d\d.*|\d{1,2}([./-])\d{1,2}\1\d{4}"
    rf"|{'|'.join(word for word, days in DAY_WORDS.items() if days <= 0)}"
    r"|tonight|noon|midnight|(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    re.IGNORECASE,
)
_GLUED_DATE: Final = re.compile(r"\d{1,2}[a-z]{3,9}|[a-z]{3,9}\d{1,2}", re.IGNORECASE)
"""Such as "25nov". Where no one else is named, it may be a uid."""

_COUNT_IN_A_WORD: Final = re.compile(r"(?:an?|one|half) ", re.IGNORECASE)
_SPACED_HALF: Final = re.compile(r"(?<=\d) (?=[ap]\.?m\b)", re.IGNORECASE)  # "9 am"
_BEFORE_LIMIT: Final = frozenset(
    {"last", "latest", "limit", "newest", "recent", "top", "letzte", "letzten", "neueste"}
    | {"neuesten", "dernières", "derniers", "últimas", "últimos", "ultimas", "ultimos", "ultime"}
    | {"ultimi", "laatste", "siste", "senaste", "последние", "ostatnie"}
)
_BEHIND_LIMIT: Final = frozenset(
    {"session", "sessions", "recording", "recordings", "replay", "replays", "visit", "visits"}
    | {"sitzung", "sitzungen", "aufnahmen", "séances", "sesiones", "sessioni", "sessies"}
    | {"sessões", "sesje", "sesji", "сессий", "most", *_BEFORE_LIMIT}
)
_FILLER: Final = frozenset(
    {"a", "all", "and", "any", "by", "can", "could", "de", "des", "di", "du", "find", "for"}
    | {"get", "give", "hello", "hey", "hi", "i", "las", "les", "look", "los", "me", "my", "need"}
    | {"of", "or", "please", "pls", "pull", "search", "see", "show", "thanks", "the", "to", "up"}
    | {"want", "with", "would", "you", "like", "bitte", "oder", "ou", "para", "per", "pour"}
    | {"por", "und", "van", "von", "asap", "first", "gimme", "just", "max", "only", "thx"}
    | _BEFORE_TIME
    | _BEHIND_LIMIT
)
"""Words around a person that everyone understands and that change nothing."""

_JOINS: Final = frozenset({"and", "or", "und", "oder", "ou"})
_IN_OTHER_SCRIPT: Final = re.compile(  # "の最新5件"
    r"(?:の|最新|直近|最近|最後|최근|최신)*(\d{1,4})(?:件|個|つ|本|개|건|条|个)?(?:の.*)?"
)
_NUMBER_WORDS: Final = dict(
    zip(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        map(str, range(1, 11)),
        strict=True,
    )
)
_TIMES: Final = re.compile(r"x(\d{1,4})|(\d{1,4})x", re.IGNORECASE)


def _is_plain(word: Word) -> bool:
    has_at = "@" in word.text or "\uff20" in word.text
    return not (word.label or word.quoted or (has_at and word.text != "@"))


def _with_times(words: list[Word]) -> list[Word]:
    """Join the words that say when: "at:yesterday 5pm", "around 14:05 UTC", "2 hours ago"."""
    joined: list[Word] = []
    has_person = any(map(_is_person, words))
    start = tried = 0
    while start < len(words):
        may_begin = _may_begin_time(words, start) and tried < _MAX_TRIES
        tried += may_begin
        end = _end_of_time(words, start, has_person=has_person) if may_begin else start
        if end == start or (start and words[start - 1].text.lower() in _CHANGES_TIME):
            joined += words[start : max(end, start + 1)]
            start = max(end, start + 1)
            continue
        text = " ".join(word.text for word in words[start:end])
        joined.append(Word("at", _as_time(text), quoted=True))
        start = end
    return joined


def _may_begin_time(words: list[Word], start: int) -> bool:
    first = words[start]
    if _is_quoted_time(words, start):
        return True
    if start and first.text.isdigit() and words[start - 1].text.lower() in _BEFORE_LIMIT:
        return False  # "last 5 nov 25"
    if first.quoted or not (first.label == "at" or _is_plain(first)):
        return False
    is_preposition = first.text.lower() in _BEFORE_TIME and start + 1 < len(words)
    return _BEGINS_TIME.fullmatch(without_accents(words[start + is_preposition].text)) is not None


def _end_of_time(words: list[Word], start: int, *, has_person: bool) -> int:
    """Return the end of the longest time that begins at `start`, or `start`."""
    if _is_quoted_time(words, start):
        return start + 2
    is_labeled = words[start].label == "at"
    end = start + 1
    while end < min(len(words), start + _LONGEST_TIME) and _is_plain(words[end]):
        end += 1
    for last in range(end, start, -1):
        texts = [word.text for word in words[start:last]]
        counts = _counts(words[last : last + 2])
        for phrase in _without_and_with_preposition(" ".join(texts)):
            if counts and _NUMBER_AT_END.search(phrase):
                continue  # "around 5 sessions", "looked at 3 products"
            is_date = has_person and _GLUED_DATE.fullmatch(phrase)
            # Reading a time costs the most, so it is last.
            if (is_labeled or is_date or _is_spoken_time(phrase)) and is_time(phrase):
                return last
    return start


def _counts(behind: Sequence[Word]) -> bool:
    """Tell whether the words behind a number may say what it counts."""
    text = behind[0].text.lower() if behind and _is_plain(behind[0]) else ""
    if not text or _NUMBERISH.fullmatch(text):
        return False
    begins_limit = text in _BEFORE_LIMIT and len(behind) > 1 and behind[1].text.isdigit()
    return not begins_limit and (text in _BEHIND_LIMIT | {"of"} or _is_countable(text))


def _is_countable(word: str) -> bool:
    """Tell whether a word may be what a number counts: "3 products", "7 Tage"."""
    return word.endswith("s") or word in _UNITS


_UNITS: Final = frozenset(
    {"h", "hr", "hour", "min", "minute", "sec", "d", "day", "week", "month", "year"}
    | {"%", "€", "$", "tage", "tagen", "wochen", "stunden", "minuten", "mal", "fois", "veces"}
    | {"people", "children", "men", "women"}
)


def _is_quoted_time(words: list[Word], start: int) -> bool:
    """Tell whether it is `at "25.11.2026 14:05"`."""
    if start + 1 == len(words) or not words[start + 1].quoted or words[start + 1].label:
        return False
    return _is_preposition(words[start]) and is_time(words[start + 1].text)


def _as_time(phrase: str) -> str:
    """Return a phrase without its preposition, unless that is a part of the time: "at 9"."""
    *_, whole = phrases = _without_and_with_preposition(phrase)
    return next((one for one in phrases if is_time(one)), whole)


def _without_and_with_preposition(phrase: str) -> tuple[str, ...]:
    whole = phrase.rstrip(",.;!?")
    first, _, rest = whole.partition(" ")
    return (rest, whole) if rest and first.lower() in _BEFORE_TIME else (whole,)


def _is_spoken_time(phrase: str) -> bool:
    """Tell whether a time needs no label to be taken for one."""
    phrase = _SPACED_HALF.sub("", phrase)
    if _COUNT_IN_A_WORD.match(phrase) and " ago" not in phrase:
        return False  # "a customer"
    first, _, rest = phrase.partition(" ")
    if not rest:
        return _TIME_IN_A_WORD.fullmatch(phrase) is not None
    last = phrase.rpartition(" ")[2]
    # "around 9 yesterday". An hour alone may be anything: "stuck at 9".
    has_hour = first.lower() in _BEFORE_TIME and " " in rest
    begins_well = has_hour or first.lower() not in _FILLER
    return first.lower() in ("last", "letzten", "a") or (
        begins_well and last.lower() not in _FILLER
    )


def _with_limits(words: list[Word]) -> list[Word]:
    """Label the numbers that say how many: "last 5", "5 sessions of", "x5", beside the person."""
    labeled: list[Word] = []
    for index, word in enumerate(words):
        number = _said_limit(words, index)
        if number:
            labeled.append(Word("limit", number, quoted=False))
        elif _is_number(word) and index and _is_preposition(words[index - 1]):
            labeled.append(Word("unknown", word.text, quoted=False))  # "since 9"
        else:
            labeled.append(word)
        if is_address_word(word) and (glued := _IN_OTHER_SCRIPT.fullmatch(_behind_address(word))):
            labeled.append(Word("limit", glued[1], quoted=False))  # "jane@example.comの最新5件"
    return labeled


def _behind_address(word: Word) -> str:
    if word.quoted or word.text.isascii():
        return ""
    address = text_of(word)
    return word.text.partition(address)[2] if address else ""


def _said_limit(words: list[Word], index: int) -> str:
    word = words[index]
    if not _is_plain(word):
        return ""
    before = words[index - 1] if index else None
    behind = words[index + 1 : index + 3]
    marked = _TIMES.fullmatch(word.text)
    number = (marked[1] or marked[2]) if marked else word.text
    is_word = number.lower() in _NUMBER_WORDS
    number = _NUMBER_WORDS.get(number.lower(), number)
    other = _IN_OTHER_SCRIPT.fullmatch(word.text)
    if other and not word.text.isascii():
        return other[1] or ""
    if not _NUMBERISH.fullmatch(number) or (before and before.text.lower() in _GENERIC):
        return ""
    if _is_counted(words, index):
        return number
    if is_word or _is_number(before) or number.startswith("+"):
        return ""  # of a phone, perhaps
    if before and _is_preposition(before):
        return ""  # "since 9"
    if len(behind) == 2 and behind[0].text.lower() in _FILLER:
        behind = behind[1:]
    if behind and _is_number(behind[0]):
        return ""
    counts_other = (
        behind
        and _is_plain(behind[0])
        and not (_is_filler(behind[0].text) or _LIKE_AN_ID.search(behind[0].text))
    )
    if before and _is_person(before) and not counts_other:
        return number
    # In "iPhone 15 jane@example.com", the number belongs to the word before it.
    is_free = before is None or not _is_plain(before) or _is_filler(before.text)
    return number if behind and _is_person(behind[0]) and is_free else ""


def _is_preposition(word: Word) -> bool:
    return _is_plain(word) and word.text.lower() in _BEFORE_TIME


def _is_number(word: Word | None) -> bool:
    return word is not None and _is_plain(word) and _NUMBERISH.fullmatch(word.text) is not None


def _is_counted(words: list[Word], index: int) -> bool:
    """Tell whether a number counts sessions: "last 5", "5 sessions"; not "last 7 days"."""
    before = words[index - 1].text.lower() if index else ""
    behind = [word.text.lower() if _is_plain(word) else "" for word in words[index + 1 : index + 3]]
    first, second = [*behind, "", ""][:2]
    if first in _BEHIND_LIMIT and _is_countable(second) and second not in _BEHIND_LIMIT:
        return False  # "2 recent orders"
    if before in _BEFORE_LIMIT:
        return first in _BEHIND_LIMIT or not _is_countable(first)
    # In "4711 last 5", the second number is the limit.
    return first in _BEHIND_LIMIT and not (
        first in _BEFORE_LIMIT and NUMBER.fullmatch(second) is not None
    )


def _is_person(word: Word) -> bool:
    return word.label == "uid" or is_address_word(word)


# -- Sorting ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Reading:
    """The words of a text by what they are, each once. `unknown` could be anything."""

    text: str
    emails: list[str] = field(default_factory=list)
    uids: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    quoted: set[str] = field(default_factory=set)
    has_filler: bool = False
    is_labeled: bool = False  # or an address, which needs no label

    @property
    def is_empty(self) -> bool:
        """Tell whether there are no words at all."""
        words = self.emails or self.uids or self.limits or self.times or self.unknown
        return not (words or self.has_filler)

    @property
    def like_ids(self) -> list[str]:
        """The unknown words that look like an id, or are the only one behind "customer"."""
        others = [
            word
            for before, word in pairwise(["", *self.unknown])
            # "ticket 4711" is no person.
            if word.lower().rstrip(":") not in _GENERIC
            and not (before.lower() in _NO_PERSON and (word[0].isdigit() or word.isupper()))
        ]
        is_named = len(others) == 1 and len(self.unknown) == 2 and not self.has_filler
        return [word for word in others if is_named or _LIKE_AN_ID.search(word)]


def read(text: str, labels: Labels, *, names_colleague: bool = False) -> Reading:
    """Sort the words of a text without Slack's markup."""
    plain = _SPACES.sub(" ", INVISIBLE.sub("", text)).strip()
    words = _with_limits(_with_times(split_words(plain, patterns_of(labels))))
    found = Reading(plain)
    numbers: list[str] = []
    for word in words:
        if is_in_angle_brackets(word):
            # "Jane Doe <jane@example.com>", as mail programs copy it: the name is not a uid.
            while found.unknown and found.unknown[-1][:1].isupper():
                found.unknown.pop()
        kind, text = _kind_of(word, found, numbers), text_of(word)
        found.is_labeled |= kind is found.uids or kind is found.emails
        if kind is found.unknown and not word.quoted and _is_filler(text):
            found.has_filler = True
        elif text and (kind is numbers or text not in kind):
            kind.append(text)
            found.quoted |= {text} if word.quoted else set()
    has_person = names_colleague or bool(found.emails or found.uids)
    is_joined = any(word.text.lower() in _JOINS for word in words)  # "uid 42 or 43"
    if has_person and len(numbers) == 1 and not (found.unknown or found.limits or is_joined):
        found.limits += numbers
    elif has_person or not _is_uid_and_limit(found, numbers):
        found.unknown += numbers
    return found


def _is_filler(word: str) -> bool:
    bare = word.lower().strip(punctuation)
    return bare in _FILLER or not any(map(str.isalnum, bare))


def _kind_of(word: Word, found: Reading, numbers: list[str]) -> list[str]:
    """Return the list that a word belongs to, by its label or its looks."""
    by_label = {
        "limit": found.limits,
        "at": found.times,
        "uid": found.uids,
        "unknown": found.unknown,
    }
    if word.label in by_label:
        return by_label[word.label]
    if is_address_word(word):
        return found.emails
    return numbers if _NUMBERISH.fullmatch(word.text) else found.unknown


def _is_uid_and_limit(found: Reading, numbers: list[str]) -> bool:
    """Take a lone word for a uid, and a number behind it for the limit; tell whether it is so."""
    if len(found.unknown) == 1:
        (word,) = found.unknown
        stands_alone = not (found.has_filler or numbers or found.limits or found.times)
        looks_like_one = "." in word or _LIKE_AN_ID.search(word) is not None
        is_one = stands_alone or looks_like_one or word in found.quoted
        if numbers and not _is_small(numbers[0]):
            return False  # "4711 or user-42"
        if not is_one or word.lower().rstrip(":") in _GENERIC or len(numbers) > 1:
            return False
        found.uids, found.unknown, found.limits = [word], [], found.limits + numbers
        return True
    if found.unknown or not 1 <= len(numbers) <= 2 or numbers[0].startswith("+"):
        return False
    uid, *limit = numbers if len(numbers) == 1 or _is_small(numbers[1]) else numbers[::-1]
    if limit and not _is_small(limit[0]):
        return False
    found.uids, found.limits = [uid], found.limits + limit
    return True


def _is_small(number: str) -> bool:
    """Tell whether a number may be a limit beside another one, which is the uid."""
    return len(number) < 4 and not (number.isdigit() and int(number) > 100)
