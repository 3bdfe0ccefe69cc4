"""What people type, as a `Query`.

Strategy: undo what Slack and phones do to a text (links, entities, smart quotes, odd spaces), split
it into words, sort the words into addresses, uids and limits, and only then judge. Pure and total:
any text gives a `Query`, `Help` or a `Refused` with the reason; nothing raises. The sentences that
people read are in `bot.slack.ui.wording`.

How Slack escapes a command's text: https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple
from urllib.parse import unquote

from bot.sessions import MAX_UID_LENGTH, Moment, Query
from bot.typed import labels

MAX_TEXT_LENGTH: Final = 2000
"""Characters. Room for the longest uid and address several times over."""

_MAX_RAW_LENGTH: Final = 4 * MAX_TEXT_LENGTH  # Slack makes entities and links of some characters

_HELP: Final = frozenset({"", "help", "-h", "--help"})
_EXAMPLE_EMAIL: Final = "jane@example.com"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions: when nobody says, and at most."""

    default: int
    highest: int


@dataclass(frozen=True, slots=True)
class Help:
    """The person asks how this works."""


class Problem(Enum):
    """Why a text was refused."""

    BAD_ADDRESS = auto()
    CHANNEL = auto()
    CONTROL_CHARACTER = auto()
    LIMIT_NEGATIVE = auto()
    LIMIT_NOT_WHOLE = auto()
    LIMIT_TOO_HIGH = auto()
    LIMIT_ZERO = auto()
    MARKUP = auto()
    MENTION = auto()
    NOBODY = auto()
    TEXT_TOO_LONG = auto()
    TIME_UNCLEAR = auto()
    TWO_ADDRESSES = auto()
    TWO_LIMITS = auto()
    TWO_UIDS = auto()
    UID_TOO_LONG = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Refused:
    """The text can't be looked up.

    `shown` is the part of the text that is meant, or ""; `example` is a text that would work.
    """

    problem: Problem
    shown: str
    example: str


@dataclass(frozen=True, slots=True)
class QueryNeedingProfile:
    """A query that takes a look at Slack profiles first.

    `mention` is the user id of the colleague who is meant, or ""; `at` is the time as it was typed,
    in the asker's own zone, or "".
    """

    email: str | None
    uid: str | None
    limit: int
    mention: str
    at: str

    def resolved(self, email: str | None, moment: Moment | None) -> Query:
        """The query, with what the profiles gave."""
        return Query(self.email or email, self.uid, self.limit, moment)


Parsed = Query | QueryNeedingProfile | Help | Refused

# -- Undoing what Slack and phones do -------------------------------------------------------------

_DOUBLE_QUOTES: Final = '"“”„‟«»'
_SINGLE_QUOTES: Final = "'‘’‚‛"
_QUOTES: Final = _DOUBLE_QUOTES + _SINGLE_QUOTES
# Marks that nobody sees and that come along when text is pasted: zero-width spaces, soft hyphens,
# directions, tags, fillers. The two joiners (U+200C, U+200D) stay: some languages are spelt with
# them. A test compares the list with Unicode's own.
INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\ufe00-\ufe0f\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    # Fillers and selectors, which other categories hold.
    "\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0]"
)
# Letters of wide keyboards, for those that an address is made of.
_WIDE: Final = str.maketrans({"＠": "@", "。": ".", "．": ".", "｡": "."})
_SPACES: Final = re.compile(r"\s")
# \s includes the separators U+001C to U+001F and U+0085, which are control characters all the same.
_WRITTEN_SPACES: Final = frozenset("\t\n\v\f\r")

_MARKUP: Final = re.compile(r"<([^<>]*)>")
_MENTION: Final = re.compile(r"<@([A-Z0-9]+)(?:\|([^<>]*))?>")
_CHANNEL: Final = re.compile(r"<[#!]([^<>|]*)(?:\|([^<>]*))?>")
# What Slack would take for a link, a mention or a call of everybody, if it were passed on.
_WRITTEN_MARKUP: Final = re.compile(r"<(?:[@#!]|[a-z]+:)[^<>]*>", re.IGNORECASE)


def _typed(markup: re.Match[str]) -> str:
    """What the person typed before Slack made `<target|label>` of it."""
    target, _, label = markup[1].partition("|")
    if target.lower().startswith("mailto:") and not is_address(label):
        return unquote(target[len("mailto:") :].partition("?")[0])
    return label or target


def plain_text(text: str) -> str:
    """What a text says once Slack's links and entities are undone."""
    return _unescape(_MARKUP.sub(_typed, text))


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    return category == "Cs" or (category == "Cc" and character not in _WRITTEN_SPACES)


# -- Words ----------------------------------------------------------------------------------------


class _Word(NamedTuple):
    label: str  # "uid", "email", "at", "limit" or ""
    text: str
    quoted: bool


def _quoted(name: str, quotes: str) -> str:
    # A quote closes only where a word can end, so that "O'Brien's" needs no escaping.
    closing = rf"[{quotes}](?=[\s,;]|$)"
    inside = rf"(?:\\.|[^{quotes}\\]|\\(?=.)|(?!{closing})[{quotes}])*+"
    return rf"[{quotes}](?P<{name}>{inside}){closing}"


_ANY_LABEL: Final = rf"(?:{labels.UID}|id|e?-?mail|at|limit)\s?[:=]"
_WORD: Final = re.compile(
    rf"""
    (?: (?P<label>{labels.UID}|id|e?-?mail|at) \s? [:=] \s* (?!{_ANY_LABEL})
      | (?P<spaced>uid|e?-?mail|at(?=\s+\d)) \s+
      | (?P<limit>limit) (?: \s? [:=] \s* | \s+ (?=[-+]?\d) ) )?
    (?: {_quoted("double", _DOUBLE_QUOTES)}
      | {_quoted("single", _SINGLE_QUOTES)}
      | (?P<bare>\S+) )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_LABEL_ALONE: Final = re.compile(_ANY_LABEL, re.IGNORECASE)
_LABELS: Final = re.compile(rf"(?:^|\s){_ANY_LABEL}|<@", re.IGNORECASE)
# "uid:5,jane@example.com" and "jane@example.com,uid:5": the comma ends what stands before it.
_LISTED: Final = re.compile(rf"(?<=\S)[,;](?={_ANY_LABEL}|[^\s,;\"'@]+@)", re.IGNORECASE)
_ESCAPED: Final = re.compile(rf"\\([\\{_QUOTES}])")


def _words(text: str) -> list[_Word]:
    words = []
    for match in _WORD.finditer(text):
        label = _label(match)
        inside = match["double"] if match["double"] is not None else match["single"]
        if inside is not None:
            words.append(_Word(label, _ESCAPED.sub(r"\1", inside).strip(), quoted=True))
            continue
        bare: str = match["bare"]
        if not label and _LABEL_ALONE.fullmatch(bare):
            continue
        if _LISTED.search(bare):
            parts = _LISTED.split(bare)
            words += _pieces(label, parts[0])
            words += [word for part in parts[1:] for word in _words(part)]
            continue
        words += _pieces(label, bare)
    return words


def _label(match: re.Match[str]) -> str:
    if match["limit"]:
        return "limit"
    label = (match["label"] or match["spaced"] or "").lower()
    if label.endswith("mail"):
        return "email"
    return label if label in ("", "at") else "uid"


def _pieces(label: str, bare: str) -> list[_Word]:
    """A word without quotes; a list of addresses without spaces, and an address with its limit."""
    listed = ("@" in bare or "＠" in bare) and label in ("", "email")
    words = []
    for piece in re.split(r"[,;，；、]", bare) if listed else [bare]:
        # A quote that is left over was never closed: it means nothing.
        plain = piece.strip(_QUOTES).rstrip(",;")
        if _NUMBER.fullmatch(plain.rstrip(".")):
            plain = plain.rstrip(".")  # the end of a sentence
        if plain:
            words.append(_Word(label, plain, quoted=False))
    return words


# -- Judging --------------------------------------------------------------------------------------

_ENDS_TIME: Final = re.compile(
    r"(?:\d[:.]\d\d|[ap]\.?m\.?|ago|noon|midnight|now|Z)$", re.IGNORECASE
)
_NUMBER: Final = re.compile(r"[-+\u2212\u2013]?\d+(?:[.,]\d+)?")
# What hardly is a uid beside another name: "1/2", "1e2", "50%".
_NUMBERISH: Final = re.compile(rf"{_NUMBER.pattern}|\d+(?:/\d+|e\d+|%)")
_AROUND_ADDRESS: Final = ".,;:!?()[]{}<>…、，；：！？（）「」『』【】《》〈〉‹›—–؟،؛" + _QUOTES
_MARKED_UP: Final = _AROUND_ADDRESS + "*_`~/"
_GENERIC: Final = frozenset(
    {"account", "customer", "id", "member", "order", "person", "session", "sessions", "ticket"}
    | {"user", "userid", "user_id"}
)
# Loose on purpose: it catches slips, Fullstory knows which addresses exist. A local part without
# spaces, quotes and brackets; a domain of two labels or more; other scripts are welcome in both.
_LOCAL: Final = re.compile(rf"(?![.'])[^\s@{_DOUBLE_QUOTES}‘’‚‛<>()\[\]:;,\\]{{1,64}}(?<!\.)")
_DOMAIN_LABEL: Final = re.compile(r"(?!-)(?:[A-Za-z0-9-]|[^\x00-\x7f]){1,63}(?<!-)")


def is_address(text: str) -> bool:
    """Whether this looks like an e-mail address, by eye."""
    local, _, domain = text.rpartition("@")
    labels = domain.split(".")
    return (
        len(text) <= 254
        and _LOCAL.fullmatch(local) is not None
        and ".." not in local
        and len(labels) > 1
        and all(_DOMAIN_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
        and (len(labels[-1]) > 1 or not labels[-1].isascii())
        and text.isprintable()
    )


def _can_be_asked_for(uid: str) -> bool:
    return len(uid) <= MAX_UID_LENGTH and not _WRITTEN_MARKUP.search(uid)


def _limit(text: str, limits: Limits) -> int | Problem:
    if not _NUMBER.fullmatch(text):
        return Problem.LIMIT_NOT_WHOLE
    if text[0] in "-\u2212\u2013":
        return Problem.LIMIT_NEGATIVE
    if not text.lstrip("+").isdigit():
        return Problem.LIMIT_NOT_WHOLE
    digits = text.lstrip("+").lstrip("0")
    if len(digits) > 9:  # int() is slow, and by default refuses, beyond thousands of digits
        return Problem.LIMIT_TOO_HIGH
    value = int(digits or "0")
    if value == 0:
        return Problem.LIMIT_ZERO
    return Problem.LIMIT_TOO_HIGH if value > limits.highest else value


def _meant_as_address(word: _Word) -> bool:
    return ("@" in word.text or "＠" in word.text) and (not word.quoted or is_address(word.text))


def _with_whole_times(words: list[_Word]) -> list[_Word]:
    """The words, with what follows an `at:` taken into it where it needs no quotes to see that.

    "at:yesterday 5pm" is one time; in "at:14:05 5" the 5 is a limit.
    """
    for index, word in enumerate(words):
        if word.label != "at" or word.quoted:
            continue
        end = index + 1
        while end < len(words) and not (
            words[end].label or words[end].quoted or "@" in words[end].text
        ):
            end += 1
        following = [after.text for after in words[index + 1 : end]]
        if all(_NUMBER.fullmatch(text) for text in following):
            return words
        if _NUMBER.fullmatch(following[-1]) and _ENDS_TIME.search(f"{word.text} {following[-2]}"):
            following.pop()  # "at:yesterday 5pm 3": three sessions
            end -= 1
        time = _Word("at", " ".join([word.text, *following]), quoted=True)
        return [*words[:index], time, *words[end:]]
    return words


class _Sorted:
    """The words by what they are; the same one twice counts once."""

    def __init__(self, words: list[_Word], mentions: set[str]) -> None:
        self.mentions = mentions
        self.emails: list[str] = []
        self.uids: list[str] = []
        self.limits: list[str] = []
        self.times: list[str] = []
        self.stray: list[str] = []
        numbers = []
        for word in _with_whole_times(words):
            if word.label == "limit":
                self.limits.append(word.text)
            elif word.label == "at":
                self._once(self.times, word.text)
            elif word.label == "uid":
                self._once(self.uids, word.text)
            elif word.label == "email" or _meant_as_address(word):
                self._add_address(word)
            elif _NUMBERISH.fullmatch(word.text):
                numbers.append(word.text)
            else:
                self._once(self.stray, word.text)
        first = self.stray[0].lower().rstrip(":") if self.stray else ""
        if numbers and first in _GENERIC:
            self.stray += numbers  # "customer 42": the 42 is hardly a limit
            numbers = []
        elif len(self.stray) == 1 and not self._names_somebody():
            self.uids.append(self.stray.pop())
        if numbers and not (self._names_somebody() or self.stray):
            self.uids.append(numbers.pop(0))  # "12345" is a uid; "12345 5" a uid and a limit
        self.limits += numbers

    def _names_somebody(self) -> bool:
        return bool(self.emails or self.uids or self.mentions)

    def _add_address(self, word: _Word) -> None:
        text = word.text.translate(dict.fromkeys(map(ord, _SINGLE_QUOTES), "'") | _WIDE)
        if word.quoted:
            self._once(self.emails, text)
            return
        if text.startswith("<") and text.endswith(">"):
            self.stray.clear()  # "Jane Doe <jane@example.com>", as mail programs copy it
        if text[:1] != "@":
            text = re.sub("^mailto:", "", text, flags=re.IGNORECASE).strip(_AROUND_ADDRESS)
            # Stars and the like can belong to an address; where they do not, they were markup.
            if not is_address(text):
                text = text.strip(_MARKED_UP)
        self._once(self.emails, text)

    @staticmethod
    def _once(values: list[str], value: str) -> None:
        if value and value not in values:
            values.append(value)


def _identity_problem(found: _Sorted) -> tuple[Problem, str] | None:
    for email in found.emails:
        if email.startswith("@"):
            return Problem.MENTION, email
        if not is_address(email):
            return Problem.BAD_ADDRESS, email
    for uid in found.uids:
        if not _can_be_asked_for(uid):
            too_long = len(uid) > MAX_UID_LENGTH
            return (Problem.UID_TOO_LONG, "") if too_long else (Problem.MARKUP, uid)
    return _count_problem(found)


def _count_problem(found: _Sorted) -> tuple[Problem, str] | None:
    if len(found.emails) + len(found.mentions) > 1:
        return Problem.TWO_ADDRESSES, ""
    if len(found.uids) > 1:
        return Problem.TWO_UIDS, ""
    if found.stray:
        return Problem.UNCLEAR, " ".join(found.stray)
    if not (found.emails or found.uids or found.mentions):
        return Problem.NOBODY, ""
    if len(found.times) > 1:
        return Problem.TIME_UNCLEAR, ", ".join(found.times)
    return None


def _example(found: _Sorted, problem: Problem, limits: Limits) -> str:
    """A text that would work, of the person's own words where they are of use."""
    email = next(iter(filter(is_address, found.emails)), None)
    uid = next(filter(_can_be_asked_for, found.uids), None)
    if problem is Problem.UNCLEAR and not (email or uid):
        generic = found.stray[0].lower().rstrip(":") in _GENERIC and len(found.stray) == 2
        joined = found.stray[1] if generic else " ".join(found.stray)
        uid = joined if _can_be_asked_for(joined) else None
    # A backtick can't be shown as code, as examples are; a changed example would mislead.
    if not (email or uid) or "`" in (email or uid or ""):
        email = _EXAMPLE_EMAIL
    limit = limits.highest if problem is Problem.LIMIT_TOO_HIGH else min(5, limits.highest)
    with_limit = problem.name.startswith(("LIMIT", "TWO_LIMITS"))
    if problem is Problem.UNCLEAR and len(found.limits) == 1:
        typed = _limit(found.limits[0], limits)
        if isinstance(typed, int):
            limit, with_limit = typed, True
    if email:
        # Perhaps both were meant, if it looks like an id; a word like "please" does not.
        both = problem is Problem.UNCLEAR and len(found.stray) == 1 and not found.uids
        likely = both and re.search(r"[\d_-]", found.stray[0]) and _can_be_asked_for(found.stray[0])
        uid = found.stray[0] if likely else None
    query = Query(email=email, uid=uid, limit=limit)
    return typed_form(query, with_limit=with_limit)


def parse(text: str, limits: Limits) -> Parsed:
    """Whose sessions does this text ask for?

    `text` is a command's text as Slack sends it: links as `<…|…>`, and `&`, `<`, `>` as entities.
    """
    simple = f"{_EXAMPLE_EMAIL} {min(5, limits.highest)}"
    if len(text) > _MAX_RAW_LENGTH:
        return Refused(Problem.TEXT_TOO_LONG, "", simple)
    if any(map(_is_control, text)):
        return Refused(Problem.CONTROL_CHARACTER, "", simple)
    if channel := _CHANNEL.search(text):
        name = _unescape(channel[2] or channel[1])
        return Refused(Problem.CHANNEL, f"#{name}" if channel[0][1] == "#" else name, simple)
    mentions = {mention[1] for mention in _MENTION.finditer(text)}
    plain = plain_text(_MENTION.sub(" ", text))
    plain = _SPACES.sub(" ", INVISIBLE.sub("", plain)).strip()
    if plain.lower().rstrip("!?. ") in _HELP and not mentions:
        return Help()
    if len(plain) > MAX_TEXT_LENGTH:
        return Refused(Problem.TEXT_TOO_LONG, "", simple)
    words = _words(plain)
    return _judge(_Sorted(words, mentions), limits) if words or mentions else Help()


def parse_person(person: str, limit: str | None, limits: Limits) -> Parsed:
    """The same where person and limit have a place of their own: on a command line, in a form.

    A uid with spaces needs no quotes there, and nothing in `person` is taken for a limit.
    """
    if len(person) > _MAX_RAW_LENGTH or len(limit or "") > _MAX_RAW_LENGTH:
        return Refused(Problem.TEXT_TOO_LONG, "", f"{_EXAMPLE_EMAIL} {min(5, limits.highest)}")
    person = person.strip()
    plain = " " in person and "@" not in person and not _LABELS.search(person)
    suffix = "" if limit is None else f" limit:{limit.lower().removeprefix('limit:')}"
    return parse(_escape(f"{_uid_form(person) if plain else person}{suffix}"), limits)


def _judge(found: _Sorted, limits: Limits) -> Query | QueryNeedingProfile | Refused:
    trouble = _identity_problem(found)
    limit: int | Problem = limits.default
    if not trouble and len(found.limits) > 1:
        trouble = Problem.TWO_LIMITS, " ".join(found.limits)
    if not trouble and found.limits:
        limit = _limit(found.limits[0], limits)
        if isinstance(limit, Problem):
            trouble = limit, found.limits[0]
    if trouble or isinstance(limit, Problem):
        problem, shown = trouble or (Problem.UNCLEAR, "")
        return Refused(problem, shown, _example(found, problem, limits))
    email, uid = next(iter(found.emails), None), next(iter(found.uids), None)
    if found.mentions or found.times:
        return QueryNeedingProfile(email, uid, limit, "".join(found.mentions), "".join(found.times))
    return Query(email, uid, limit)


def typed_form(query: Query, *, with_limit: bool = True) -> str:
    """What a person would type to get this query: the inverse of `parse`, before Slack escapes."""
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
    if re.fullmatch(r"[\w.-]*[\w-]", uid, re.ASCII):
        return f"uid:{uid}"
    escaped = re.sub(rf"([\\{_QUOTES}])", r"\\\1", uid)
    return f'uid:"{escaped}"'
