"""Reads what people type: words, sorted into addresses, uids, limits and times.

`read` undoes what phones do to a text, such as smart quotes, splits it into words, and sorts these.
`bot.slack.typed_text` decides who is meant. Nothing raises.

How Slack escapes a command's text: https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from itertools import pairwise
from string import punctuation
from typing import Final, NamedTuple
from urllib.parse import unquote

from bot.core.labels import Labels
from bot.core.scripts import from_other_script, up_to_other_script
from bot.core.sessions import Moment, Query
from bot.core.times import DAY_WORDS, is_time

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

# -- Undoing what Slack and phones do -------------------------------------------------------------

_DOUBLE_QUOTES: Final = '"“”„‟«»'
_SINGLE_QUOTES: Final = "'‘’‚‛"
_QUOTES: Final = _DOUBLE_QUOTES + _SINGLE_QUOTES
# Invisible characters that come with pasted text: zero-width spaces, soft hyphens, directions,
# tags, fillers. The two joiners (U+200C, U+200D) stay: some languages are spelled with them. A test
# compares the list with Unicode's own.
INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\ufe00-\ufe0f\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    # Fillers and selectors of other categories.
    "\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0]"
)
# Full-width letters, for those that an address is made of.
_WIDE: Final = str.maketrans({"＠": "@", "。": ".", "．": ".", "｡": "."})
_SPACES: Final = re.compile(r"\s")
# Unicode's Cc and Cs, but for the spaces that people write. \s includes U+001C to U+001F and
# U+0085: they are still control characters. A test compares the list with Unicode's own.
CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

_MARKUP: Final = re.compile(r"<([^<>]*)>")
MENTION: Final = re.compile(r"<@([A-Z0-9]+)(?:\|([^<>]*))?>")
CHANNEL: Final = re.compile(r"<(?:#|!(?!date\^))([^<>|]*)(?:\|([^<>]*))?>")
# What Slack would take for a link, a mention or @channel if it were passed on.
_WRITTEN_MARKUP: Final = re.compile(r"<(?:[@#!]|[a-z]+:)[^<>]*>", re.IGNORECASE)


def _typed(markup: re.Match[str]) -> str:
    """Return what was typed before Slack turned it into `<target|label>`."""
    target, _, label = markup[1].partition("|")
    if target.startswith("!date^"):
        return f"at:{target.split('^')[1]}"
    if target.lower().startswith("mailto:") and not is_address(label):
        return unquote(target[len("mailto:") :].partition("?")[0])
    return label or target


def plain_text(text: str) -> str:
    """Undo Slack's links and entities."""
    return unescape(_MARKUP.sub(_typed, text))


def unescape(text: str) -> str:
    """Undo Slack's entities."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


_THOUSANDS: Final = re.compile(r"\d{1,3}(?:(?:([,'’])\d{3})(?:\1\d{3})*|(?:\.\d{3}){2,})")


def without_separators(uid: str) -> str:
    """Remove the separators that a tool put between digits: `12,345` is `12345`."""
    return re.sub(r"\D", "", uid) if _THOUSANDS.fullmatch(uid) else uid


# -- Words ----------------------------------------------------------------------------------------


class _Word(NamedTuple):
    label: str  # "uid", "email", "at", "limit" or ""
    text: str
    quoted: bool


def _quoted(name: str, quotes: str) -> str:
    # A quote closes only at the end of a word, so that "O'Brien's" needs no escaping.
    closing = rf"[{quotes}](?=[\s,;]|$)"
    inside = rf"(?:\\.|[^{quotes}\\]|\\(?=.)|(?!{closing})[{quotes}])*+"
    return rf"[{quotes}](?P<{name}>{inside}){closing}"


class _Patterns(NamedTuple):
    """Patterns that depend on the labels for a uid."""

    word: re.Pattern[str]
    label_alone: re.Pattern[str]
    listed: re.Pattern[str]


@cache
def _patterns(labels: Labels) -> _Patterns:
    any_label = rf"(?:{labels}|id|e?-?mail|at|limit)\s?[:=]"
    word = rf"""
    (?: (?P<label>id|e?-?mail|at) \s? [:=] \s* (?!{any_label})
      # As in messages: "*User ID*: 42", `"user_id": "42"`, "uid #42".
      | [*_`"']{{0,3}}+ (?P<uid>{labels}) [*_`"']{{0,3}}+ \s? (?:\#\s?(?=[:：=]))? [:：=#]
        (?: [*_`]{{1,3}}+ (?=\s) | [*`]{{0,3}}+ ) \s*  # an underscore may begin a uid
        (?!{any_label})
      | (?P<spaced>e?-?mail|{labels}(?=\s+(?:(?:is|was|of)\s+)?\S*\d|\s?`)) [\s`]+
        (?: (?:is|was|of) \s+ (?=\S*\d) )?
      | (?P<limit>limit) (?: \s? [:=] \s* | \s+ (?=[-+]?\d) ) )?
    (?: {_quoted("double", _DOUBLE_QUOTES)}
      | {_quoted("single", _SINGLE_QUOTES)}
      | (?P<bare>\S+) )
    """
    return _Patterns(
        re.compile(word, re.VERBOSE | re.IGNORECASE | re.DOTALL),
        re.compile(any_label, re.IGNORECASE),
        # "uid:5,jane@example.com" and "jane@example.com,uid:5": the comma ends the word before it.
        re.compile(rf"(?<=\S)[,;](?={any_label}|[^\s,;\"'@]+@)", re.IGNORECASE),
    )


_IN_BRACKETS: Final = re.compile(
    r"(?<!\S)[(\[]((?:uid|e?-?mail|at|limit)[:=][^\s\"()\[\]]+)[)\]](?!\S)", re.IGNORECASE
)
_ESCAPED: Final = re.compile(rf"\\([\\{_QUOTES}])")


def _words(text: str, patterns: _Patterns) -> list[_Word]:
    words = []
    text = _IN_BRACKETS.sub(r"\1", text)
    for match in patterns.word.finditer(text):
        label = _label(match)
        inside = match["double"] if match["double"] is not None else match["single"]
        if inside is not None:
            words.append(_Word(label, _ESCAPED.sub(r"\1", inside).strip(), quoted=True))
            continue
        bare: str = match["bare"]
        if not label and patterns.label_alone.fullmatch(bare):
            continue
        first, *others = patterns.listed.split(bare)
        words += _pieces(label, first)
        words += [word for part in others for word in _words(part, patterns)]
    return words


def _label(match: re.Match[str]) -> str:
    if match["limit"]:
        return "limit"
    if match["uid"]:
        return "uid"
    label = (match["label"] or match["spaced"] or "").lower()
    if label.endswith("mail"):
        return "email"
    return label if label in ("", "at") else "uid"


def _pieces(label: str, bare: str) -> list[_Word]:
    """Split a word without quotes: a list of addresses, or an address and a limit."""
    listed = ("@" in bare or "＠" in bare) and label in ("", "email")
    words = []
    for piece in re.split(r"[,;，；、]|:(?=\d{1,3}$)", bare) if listed else [bare]:
        # A leftover quote was never closed, so it means nothing.
        plain = piece.strip(_QUOTES).rstrip(",;")
        if label == "uid":
            plain = _without_pair(plain.strip("`")).lstrip("#№")
            plain = without_separators(plain)
        elif not listed:
            plain = _without_brackets(plain)
        if _NUMBER.fullmatch(plain.rstrip(".")) and not _DATE_WITH_DOTS.fullmatch(plain):
            plain = plain.rstrip(".")  # the end of a sentence
        if plain:
            words.append(_Word(label, plain, quoted=False))
    return words


def _without_brackets(word: str) -> str:
    """Remove the brackets around a word, or around the words that begin or end with it."""
    if len(word) > 1 and len(_BRACKETS.findall(word)) == 1:
        return word.lstrip("([{").rstrip(")]}")
    return _without_pair(word)


def _without_pair(word: str) -> str:
    return word[1:-1] if word[:1] + word[-1:] in ("()", "[]", "{}") else word


_BRACKETS: Final = re.compile(r"[()\[\]{}]")


# -- Times and limits ------------------------------------------------------------------------------

_NUMBER: Final = re.compile(r"[-+\u2212\u2013]?\d+(?:[.,]\d+)?")
_DATE_WITH_DOTS: Final = re.compile(r"\d{1,2}\.\d{1,2}\.")
# Hardly a uid beside another name: "1/2", "1e2", "50%".
_NUMBERISH: Final = re.compile(rf"{_NUMBER.pattern}|\d+(?:/\d+|e\d+|%)")
_NUMBER_AT_END: Final = re.compile(
    r"(?:^|\s)(?:at|around|um|@|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*) \d+$",
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
    r"|(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?",
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
    | {"por", "und", "van", "von"}
    | _BEFORE_TIME
    | _BEHIND_LIMIT
)
"""Words around a person that everyone understands and that change nothing."""

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


def _is_plain(word: _Word) -> bool:
    has_at = "@" in word.text or "＠" in word.text
    return not (word.label or word.quoted or (has_at and word.text != "@"))


def _with_times(words: list[_Word]) -> list[_Word]:
    """Join the words that say when: "at:yesterday 5pm", "around 14:05 UTC", "2 hours ago"."""
    joined: list[_Word] = []
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
        joined.append(_Word("at", _as_time(text), quoted=True))
        start = end
    return joined


def _may_begin_time(words: list[_Word], start: int) -> bool:
    first = words[start]
    if _is_quoted_time(words, start):
        return True
    if start and first.text.isdigit() and words[start - 1].text.lower() in _BEFORE_LIMIT:
        return False  # "last 5 nov 25"
    if first.quoted or not (first.label == "at" or _is_plain(first)):
        return False
    is_preposition = first.text.lower() in _BEFORE_TIME and start + 1 < len(words)
    return _BEGINS_TIME.fullmatch(words[start + is_preposition].text) is not None


def _end_of_time(words: list[_Word], start: int, *, has_person: bool) -> int:
    """Return the end of the longest time that begins at `start`, or `start`."""
    if _is_quoted_time(words, start):
        return start + 2
    is_labeled = words[start].label == "at"
    end = start + 1
    while end < min(len(words), start + _LONGEST_TIME) and _is_plain(words[end]):
        end += 1
    for last in range(end, start, -1):
        texts = [word.text for word in words[start:last]]
        phrase = _as_time(" ".join(texts))
        if _NUMBER_AT_END.search(phrase) and _counts(words[last : last + 2]):
            continue  # "around 5 sessions", "looked at 3 products"
        is_date = has_person and _GLUED_DATE.fullmatch(phrase)
        if is_time(phrase) and (is_labeled or is_date or _is_spoken_time(phrase)):
            return last
    return start


def _counts(behind: Sequence[_Word]) -> bool:
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
    {"%", "€", "$", "tage", "tagen", "wochen", "stunden", "minuten", "mal", "fois", "veces"}
    | {"people", "children", "men", "women"}
)


def _is_quoted_time(words: list[_Word], start: int) -> bool:
    """Tell whether it is `at "25.11.2026 14:05"`."""
    if start + 1 == len(words) or not words[start + 1].quoted or words[start + 1].label:
        return False
    is_preposition = _is_plain(words[start]) and words[start].text.lower() in _BEFORE_TIME
    return is_preposition and is_time(words[start + 1].text)


def _as_time(phrase: str) -> str:
    """Return a phrase without its preposition, unless that is a part of the time: "at 9"."""
    bare = _without_preposition(phrase)
    whole = phrase.rstrip(",.;!?")
    return whole if not is_time(bare) and is_time(whole) else bare


def _without_preposition(phrase: str) -> str:
    first, _, rest = phrase.rstrip(",.;!?").partition(" ")
    return rest if rest and first.lower() in _BEFORE_TIME else phrase.rstrip(",.;!?")


def _is_spoken_time(phrase: str) -> bool:
    """Tell whether a time needs no label to be taken for one."""
    phrase = _SPACED_HALF.sub("", phrase)
    first, _, rest = phrase.partition(" ")
    if not rest:
        return _TIME_IN_A_WORD.fullmatch(phrase) is not None
    last = phrase.rpartition(" ")[2]
    # "around 9 yesterday". An hour alone may be anything: "stuck at 9".
    has_hour = first.lower() in _BEFORE_TIME and " " in rest
    begins_well = has_hour or first.lower() not in _FILLER
    return first.lower() in ("last", "a") or (begins_well and last.lower() not in _FILLER)


def _with_limits(words: list[_Word]) -> list[_Word]:
    """Label the numbers that say how many: "last 5", "5 sessions of", "x5", beside the person."""
    labeled: list[_Word] = []
    for index, word in enumerate(words):
        number = _said_limit(words, index)
        if number:
            labeled.append(_Word("limit", number, quoted=False))
        elif _is_number(word) and index and _is_preposition(words[index - 1]):
            labeled.append(_Word("unknown", word.text, quoted=False))  # "since 9"
        else:
            labeled.append(word)
        if _is_address_word(word) and (glued := _IN_OTHER_SCRIPT.fullmatch(_behind_address(word))):
            labeled.append(_Word("limit", glued[1], quoted=False))  # "jane@example.comの最新5件"
    return labeled


def _behind_address(word: _Word) -> str:
    if word.quoted or word.text.isascii():
        return ""
    address = _text_of(word)
    return word.text.partition(address)[2] if address else ""


def _said_limit(words: list[_Word], index: int) -> str:
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


def _is_preposition(word: _Word) -> bool:
    return _is_plain(word) and word.text.lower() in _BEFORE_TIME


def _is_number(word: _Word | None) -> bool:
    return word is not None and _is_plain(word) and _NUMBERISH.fullmatch(word.text) is not None


def _is_counted(words: list[_Word], index: int) -> bool:
    """Tell whether a number counts sessions: "last 5", "5 sessions"; not "last 7 days"."""
    before = words[index - 1].text.lower() if index else ""
    behind = [word.text.lower() if _is_plain(word) else "" for word in words[index + 1 :]][:2]
    first, second = [*behind, "", ""][:2]
    if before in _BEFORE_LIMIT:
        return first in _BEHIND_LIMIT or not _is_countable(first)
    # In "4711 last 5", the second number is the limit.
    return first in _BEHIND_LIMIT and not (
        first in _BEFORE_LIMIT and _NUMBER.fullmatch(second) is not None
    )


def _is_person(word: _Word) -> bool:
    return word.label == "uid" or _is_address_word(word)


def parse_limit(text: str, limits: Limits) -> int | Problem:
    """Read how many sessions to show: "5", or "limit:5"."""
    text = text.lower().removeprefix("limit:")
    if not _NUMBER.fullmatch(text):
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


# -- People ----------------------------------------------------------------------------------------

_AROUND_ADDRESS: Final = ".,;:!?()[]{}<>…、，；：！？（）「」『』【】《》〈〉‹›—–؟،؛" + _QUOTES
# An address can begin with "!" or "?", so these stay.
_BEFORE_ADDRESS: Final = _AROUND_ADDRESS.translate(dict.fromkeys(map(ord, "!?")))
_MARKED_UP: Final = _AROUND_ADDRESS + "*_`~/"
_GENERIC: Final = frozenset(
    {"account", "case", "customer", "id", "issue", "member", "order", "person", "ticket", "uid"}
    | {"user", "userid", "user_id", "#"}
)
_NO_PERSON: Final = frozenset({"case", "invoice", "issue", "order", "ticket"})
# Loose on purpose: it catches typos, and Fullstory knows which addresses exist. A local part
# without spaces, quotes and brackets; a domain of two labels or more; any script in both.
_LOCAL: Final = re.compile(rf"(?![.'])[^\s@{_DOUBLE_QUOTES}‘’‚‛<>()\[\]:;,\\]{{1,64}}(?<!\.)")
_DOMAIN_LABEL: Final = re.compile(r"(?!-)(?:[A-Za-z0-9-]|[^\x00-\x7f]){1,63}(?<!-)")


def is_address(text: str) -> bool:
    """Tell whether a text looks like an e-mail address."""
    local, _, domain = text.rpartition("@")
    parts = domain.split(".")
    return (
        len(text) <= 254
        and _LOCAL.fullmatch(local) is not None
        and ".." not in local
        and len(parts) > 1
        and all(_DOMAIN_LABEL.fullmatch(part) for part in parts)
        and not parts[-1].isdigit()
        and (len(parts[-1]) > 1 or not parts[-1].isascii())
        and text.isprintable()
        and not _MASK.search(text)
    )


_MASK: Final = re.compile(r"[•●○■█…]|\*\*")


def has_markup(uid: str) -> bool:
    """Tell whether Slack would take a part of a uid for a link or a mention."""
    return _WRITTEN_MARKUP.search(uid) is not None


# Identity providers put the connection before an id: "auth0|5f7c", "samlp|acme|jane@…".
_AROUND_UID: Final = "`()<>[]{}"
_OF_A_PROVIDER: Final = re.compile(r"[a-z][\w.-]*\|.+", re.IGNORECASE)
_LIKE_AN_ID: Final = re.compile(r"[^\W\d_][-.|]?\d|\d[-.|]?[^\W\d_]|\w_\w|\d{4}")


def _meant_as_address(word: _Word) -> bool:
    if word.text == "@" or ("@" not in word.text and "＠" not in word.text):
        return False
    if _OF_A_PROVIDER.fullmatch(word.text.strip(_AROUND_UID)):
        return False
    return not word.quoted or is_address(word.text)


def _is_address_word(word: _Word) -> bool:
    return word.label == "email" or (not word.label and _meant_as_address(word))


def _is_in_angle_brackets(word: _Word) -> bool:
    brackets = word.text.startswith("<") and word.text.endswith(">")
    return brackets and not word.quoted and _is_address_word(word)


# What can't be in a name: emoji, arrows, dashes; a mask such as "•" stays, and is refused.
_SYMBOL: Final = r"[^\x00-\x7f\w\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff•●○■█…]"
_SYMBOLS_BEFORE: Final = re.compile(rf"^[^@]*{_SYMBOL}(?=[^@]*@)")
_SYMBOLS_BEHIND: Final = re.compile(rf"(?<=\w){_SYMBOL}[^@]*$")
_CUT: Final = re.compile(r"\.(?:c|co|n|ne|o|or|e|ed|d|f|i|u)(?:…|\.\.\.)$", re.IGNORECASE)


def _text_of(word: _Word) -> str:
    """Return a word; an address without the characters around it, unless it was quoted."""
    if not _is_address_word(word):
        bare = word.text.strip(_AROUND_UID)
        if "@" in bare and _OF_A_PROVIDER.fullmatch(bare):
            return bare
        return word.text if word.label or word.quoted else word.text.strip("`*").rstrip("?!")
    text = word.text.translate(dict.fromkeys(map(ord, _SINGLE_QUOTES), "'") | _WIDE)
    if not word.quoted and text[:1] in ("@", "\\") and is_address(text[1:]):
        return text[1:]
    if word.quoted or text.startswith("@"):
        return text
    text = re.sub("^mailto:", "", text, flags=re.IGNORECASE)
    if _CUT.search(text):
        return text  # "jane@example.co…" may be anyone's
    text = text.rstrip(_AROUND_ADDRESS).lstrip(_BEFORE_ADDRESS)
    if not text.isascii():
        local, sign, domain = text.rpartition("@")
        text = from_other_script(local) + sign + up_to_other_script(domain)
        text = _SYMBOLS_BEHIND.sub("", _SYMBOLS_BEFORE.sub("", text))
    # Stars and the like can belong to an address; otherwise they were markup.
    return text if is_address(text) else text.strip(_MARKED_UP)


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
    words = _with_limits(_with_times(_words(plain, _patterns(labels))))
    found = Reading(plain)
    numbers: list[str] = []
    for word in words:
        if _is_in_angle_brackets(word):
            # "Jane Doe <jane@example.com>", as mail programs copy it: the name is not a uid.
            while found.unknown and found.unknown[-1][:1].isupper():
                found.unknown.pop()
        kind, text = _kind_of(word, found, numbers), _text_of(word)
        found.is_labeled |= kind is found.uids or kind is found.emails
        if kind is found.unknown and not word.quoted and _is_filler(text):
            found.has_filler = True
        elif text and (kind is numbers or text not in kind):
            kind.append(text)
            found.quoted |= {text} if word.quoted else set()
    has_person = names_colleague or bool(found.emails or found.uids)
    if has_person and len(numbers) == 1 and not (found.unknown or found.limits):
        found.limits += numbers
    elif has_person or not _is_uid_and_limit(found, numbers):
        found.unknown += numbers
    return found


def _is_filler(word: str) -> bool:
    bare = word.lower().strip(punctuation)
    return not bare or bare in _FILLER


def _kind_of(word: _Word, found: Reading, numbers: list[str]) -> list[str]:
    """Return the list that a word belongs to, by its label or its looks."""
    by_label = {
        "limit": found.limits,
        "at": found.times,
        "uid": found.uids,
        "unknown": found.unknown,
    }
    if word.label in by_label:
        return by_label[word.label]
    if _is_address_word(word):
        return found.emails
    return numbers if _NUMBERISH.fullmatch(word.text) else found.unknown


def _is_uid_and_limit(found: Reading, numbers: list[str]) -> bool:
    """Take a lone word for a uid, and a number behind it for the limit; tell whether it is so."""
    if len(found.unknown) == 1:
        (word,) = found.unknown
        stands_alone = not (found.has_filler or numbers or found.limits or found.times)
        looks_like_one = "." in word or _LIKE_AN_ID.search(word) is not None
        is_one = stands_alone or looks_like_one or word in found.quoted
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


def typed_form(query: Query | Search, *, with_limit: bool = True) -> str:
    """Return what a person would type for this query."""
    parts = []
    if query.email:
        plain = query.email == query.email.strip(_AROUND_ADDRESS)
        parts.append(query.email if plain else f'email:"{query.email}"')
    if query.uid:
        parts.append(_uid_form(query.uid))
    if with_limit:
        parts.append(str(query.limit))
    return " ".join(parts)


def _uid_form(uid: str) -> str:
    if re.fullmatch(r"(?!_)[\w.-]*[\w-]", uid, re.ASCII):
        return f"uid:{uid}"
    escaped = re.sub(rf"([\\{_QUOTES}])", r"\\\1", uid)
    return f'uid:"{escaped}"'
