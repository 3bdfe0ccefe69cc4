"""Parses what people type into a `Query`.

First undo what Slack and phones do to a text: links, entities, smart quotes, odd spaces. Then split
it into words, and sort these into addresses, uids and limits. Any text gives a `Query`, `Help` or a
`ParseError`; nothing raises. The sentences for errors are in `bot.slack.texts`.

How Slack escapes a command's text: https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from bot.core.labels import UID, Labels
from bot.core.scripts import from_other_script, up_to_other_script
from bot.core.sessions import MAX_UID_LENGTH, Moment, Query

MAX_TEXT_LENGTH: Final = 2000
"""Characters: enough for several of the longest uids and addresses."""

_MAX_RAW_LENGTH: Final = 4 * MAX_TEXT_LENGTH  # Slack turns some characters into entities and links

_HELP: Final = frozenset({"", "help", "-h", "--help"})
_EXAMPLE_EMAIL: Final = "jane@example.com"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions to show: by default, and at most."""

    default: int
    highest: int


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
    MARKUP = auto()
    MENTION = auto()
    NO_ONE = auto()
    TEXT_TOO_LONG = auto()
    TIME_UNCLEAR = auto()
    TWO_ADDRESSES = auto()
    TWO_LIMITS = auto()
    TWO_UIDS = auto()
    UID_TOO_LONG = auto()
    UNCLEAR = auto()

    @property
    def of_limit(self) -> bool:
        """Tell whether it is about how many sessions."""
        return self in _OF_LIMIT


_OF_LIMIT: Final = frozenset(
    {
        Problem.LIMIT_NEGATIVE,
        Problem.LIMIT_NOT_WHOLE,
        Problem.LIMIT_TOO_HIGH,
        Problem.LIMIT_ZERO,
        Problem.TWO_LIMITS,
    }
)


@dataclass(frozen=True, slots=True)
class ParseError:
    """A text that can't be looked up.

    `shown` is the part that is wrong, or ""; `example` is a text that works.
    """

    problem: Problem
    shown: str
    example: str


@dataclass(frozen=True, slots=True)
class QueryNeedingProfile:
    """A query that depends on Slack profiles.

    `mention` is the user id of a colleague, or "". `at` is a time as it was typed, in the person's
    own time zone, or "".
    """

    email: str | None
    uid: str | None
    limit: int
    mention: str
    at: str

    def resolved(self, email: str | None, moment: Moment | None) -> Query:
        """Return the query with what the profiles say."""
        return Query(self.email or email, self.uid, self.limit, moment)


Parsed = Query | QueryNeedingProfile | Help | ParseError

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
_MENTION: Final = re.compile(r"<@([A-Z0-9]+)(?:\|([^<>]*))?>")
_CHANNEL: Final = re.compile(r"<[#!]([^<>|]*)(?:\|([^<>]*))?>")
# What Slack would take for a link, a mention or @channel if it were passed on.
_WRITTEN_MARKUP: Final = re.compile(r"<(?:[@#!]|[a-z]+:)[^<>]*>", re.IGNORECASE)


def _typed(markup: re.Match[str]) -> str:
    """Return what was typed before Slack turned it into `<target|label>`."""
    target, _, label = markup[1].partition("|")
    if target.lower().startswith("mailto:") and not is_address(label):
        return unquote(target[len("mailto:") :].partition("?")[0])
    return label or target


def plain_text(text: str) -> str:
    """Undo Slack's links and entities."""
    return _unescape(_MARKUP.sub(_typed, text))


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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
    has_label: re.Pattern[str]
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
      | (?P<spaced>uid|e?-?mail|at(?=\s+\d)|{labels}(?=\s+\S*\d|\s?`)) [\s`]+
        (?: (?:is|was|of) \s+ (?=\S*\d) )?
      | (?P<limit>limit) (?: \s? [:=] \s* | \s+ (?=[-+]?\d) ) )?
    (?: {_quoted("double", _DOUBLE_QUOTES)}
      | {_quoted("single", _SINGLE_QUOTES)}
      | (?P<bare>\S+) )
    """
    return _Patterns(
        re.compile(word, re.VERBOSE | re.IGNORECASE | re.DOTALL),
        re.compile(any_label, re.IGNORECASE),
        re.compile(rf"(?:^|\s){any_label}|<@", re.IGNORECASE),
        # "uid:5,jane@example.com" and "jane@example.com,uid:5": the comma ends the word before it.
        re.compile(rf"(?<=\S)[,;](?={any_label}|[^\s,;\"'@]+@)", re.IGNORECASE),
    )


_ESCAPED: Final = re.compile(rf"\\([\\{_QUOTES}])")


def _words(text: str, patterns: _Patterns) -> list[_Word]:
    words = []
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
    for piece in re.split(r"[,;，；、]", bare) if listed else [bare]:
        # A leftover quote was never closed, so it means nothing.
        plain = piece.strip(_QUOTES).rstrip(",;")
        if label == "uid":
            plain = _without_brackets(plain.strip("`")).lstrip("#№")
            plain = without_separators(plain)
        if _NUMBER.fullmatch(plain.rstrip(".")):
            plain = plain.rstrip(".")  # the end of a sentence
        if plain:
            words.append(_Word(label, plain, quoted=False))
    return words


def _without_brackets(uid: str) -> str:
    return uid[1:-1] if uid[:1] + uid[-1:] in ("()", "[]", "{}") else uid


# -- Judging --------------------------------------------------------------------------------------

_ENDS_TIME: Final = re.compile(
    r"(?:\d[:.]\d\d|[ap]\.?m\.?|ago|noon|midnight|now|Z)$", re.IGNORECASE
)
_NUMBER: Final = re.compile(r"[-+\u2212\u2013]?\d+(?:[.,]\d+)?")
# Hardly a uid beside another name: "1/2", "1e2", "50%".
_NUMBERISH: Final = re.compile(rf"{_NUMBER.pattern}|\d+(?:/\d+|e\d+|%)")
_AROUND_ADDRESS: Final = ".,;:!?()[]{}<>…、，；：！？（）「」『』【】《》〈〉‹›—–؟،؛" + _QUOTES
# An address can begin with "!" or "?", so these stay.
_BEFORE_ADDRESS: Final = _AROUND_ADDRESS.translate(dict.fromkeys(map(ord, "!?")))
_MARKED_UP: Final = _AROUND_ADDRESS + "*_`~/"
_GENERIC: Final = frozenset(
    {"account", "customer", "id", "member", "order", "person", "session", "sessions", "ticket"}
    | {"user", "userid", "user_id"}
)
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
    if len(digits) > 9:  # int() is slow, and refuses thousands of digits
        return Problem.LIMIT_TOO_HIGH
    value = int(digits or "0")
    if value == 0:
        return Problem.LIMIT_ZERO
    return Problem.LIMIT_TOO_HIGH if value > limits.highest else value


# Identity providers put the connection before an id: "auth0|5f7c", "samlp|acme|jane@…".
_AROUND_UID: Final = "`()<>[]{}"
_OF_A_PROVIDER: Final = re.compile(r"[a-z][\w.-]*\|.+", re.IGNORECASE)


def _meant_as_address(word: _Word) -> bool:
    if "@" not in word.text and "＠" not in word.text:
        return False
    if _OF_A_PROVIDER.fullmatch(word.text.strip(_AROUND_UID)):
        return False
    return not word.quoted or is_address(word.text)


def _with_whole_times(words: list[_Word]) -> list[_Word]:
    """Join the words after an `at:` that clearly belong to its time.

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


_BEFORE_LIMIT: Final = frozenset({"last", "latest", "newest", "recent", "top"})
_BEHIND_LIMIT: Final = frozenset({"session", "sessions"})


def _with_spoken_limits(words: list[_Word]) -> list[_Word]:
    """Turn "last 5", "5 sessions" and "last 5 sessions" into limits."""
    kept: list[_Word] = []
    for word in words:
        plain = word.text.lower() if not (word.label or word.quoted) else ""
        before = kept[-1] if kept else None
        is_number = _NUMBER.fullmatch(plain) is not None
        if is_number and before and not before.label and before.text.lower() in _BEFORE_LIMIT:
            kept[-1] = _Word("limit", word.text, quoted=False)
        elif before and plain in _BEHIND_LIMIT and before.label in ("", "limit"):
            if not _NUMBER.fullmatch(before.text):
                kept.append(word)
            else:
                kept[-1] = before._replace(label="limit")
        else:
            kept.append(word)
    return kept


@dataclass(slots=True)
class _Classified:
    """Words by what they are, without duplicates. `unknown` could be anything."""

    mentions: set[str]
    emails: list[str] = field(default_factory=list)
    uids: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def names_somebody(self) -> bool:
        return bool(self.emails or self.uids or self.mentions)


def _classify(words: list[_Word], mentions: set[str]) -> _Classified:
    """Sort words by their looks first; then those that could be anything, together."""
    found = _Classified(mentions)
    numbers: list[str] = []
    for word in _with_whole_times(_with_spoken_limits(words)):
        if _is_in_angle_brackets(word):
            # "Jane Doe <jane@example.com>", as mail programs copy it: the name is not a uid.
            found.unknown = []
        kind, text = _kind_of(word, found, numbers), _text_of(word)
        counts_each_time = kind is numbers or kind is found.limits
        if counts_each_time or (text and text not in kind):
            kind.append(text)

    first = found.unknown[0].lower().rstrip(":") if found.unknown else ""
    if numbers and first in _GENERIC:
        found.unknown += numbers  # "customer 42": the 42 is hardly a limit
        return found
    if len(found.unknown) == 1 and not found.names_somebody:
        found.uids.append(found.unknown.pop())
    if numbers and not (found.names_somebody or found.unknown):
        found.uids.append(numbers.pop(0))  # "12345" is a uid; "12345 5" a uid and a limit
    found.limits += numbers
    return found


def _kind_of(word: _Word, found: _Classified, numbers: list[str]) -> list[str]:
    """Return the list that a word belongs to, by its label or its looks."""
    by_label = {"limit": found.limits, "at": found.times, "uid": found.uids}
    if word.label in by_label:
        return by_label[word.label]
    if _is_address_word(word):
        return found.emails
    return numbers if _NUMBERISH.fullmatch(word.text) else found.unknown


def _is_address_word(word: _Word) -> bool:
    return word.label == "email" or (not word.label and _meant_as_address(word))


def _is_in_angle_brackets(word: _Word) -> bool:
    brackets = word.text.startswith("<") and word.text.endswith(">")
    return brackets and not word.quoted and _is_address_word(word)


def _text_of(word: _Word) -> str:
    """Return a word; an address without the characters around it, unless it was quoted."""
    if not _is_address_word(word):
        bare = word.text.strip(_AROUND_UID)
        return bare if "@" in bare and _OF_A_PROVIDER.fullmatch(bare) else word.text
    text = word.text.translate(dict.fromkeys(map(ord, _SINGLE_QUOTES), "'") | _WIDE)
    if word.quoted or text.startswith("@"):
        return text
    text = re.sub("^mailto:", "", text, flags=re.IGNORECASE)
    text = text.rstrip(_AROUND_ADDRESS).lstrip(_BEFORE_ADDRESS)
    if not text.isascii():
        local, sign, domain = text.rpartition("@")
        text = from_other_script(local) + sign + up_to_other_script(domain)
    # Stars and the like can belong to an address; otherwise they were markup.
    return text if is_address(text) else text.strip(_MARKED_UP)


def _identity_problem(found: _Classified) -> tuple[Problem, str] | None:
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


def _count_problem(found: _Classified) -> tuple[Problem, str] | None:
    if len(found.emails) + len(found.mentions) > 1:
        return Problem.TWO_ADDRESSES, ""
    if len(found.uids) > 1:
        return Problem.TWO_UIDS, ""
    if found.unknown:
        return Problem.UNCLEAR, " ".join(found.unknown)
    if not (found.emails or found.uids or found.mentions):
        return Problem.NO_ONE, ""
    if len(found.times) > 1:
        return Problem.TIME_UNCLEAR, ", ".join(found.times)
    return None


def _example(found: _Classified, problem: Problem, limits: Limits) -> str:
    """Return a text that works, with the person's own words if possible."""
    email = next(iter(filter(is_address, found.emails)), None)
    uid = next(filter(_can_be_asked_for, found.uids), None)
    if problem is Problem.UNCLEAR and not (email or uid):
        generic = found.unknown[0].lower().rstrip(":") in _GENERIC and len(found.unknown) == 2
        joined = found.unknown[1] if generic else " ".join(found.unknown)
        uid = joined if _can_be_asked_for(joined) else None
    # Examples are shown as code, which can't contain a backtick.
    if not (email or uid) or "`" in (email or uid or ""):
        email = _EXAMPLE_EMAIL
    limit = limits.highest if problem is Problem.LIMIT_TOO_HIGH else min(5, limits.highest)
    with_limit = problem.of_limit
    if problem is Problem.UNCLEAR and len(found.limits) == 1:
        typed = _limit(found.limits[0], limits)
        if isinstance(typed, int):
            limit, with_limit = typed, True
    if email:
        # Both may be meant if it looks like an id, unlike "please".
        uid = None
        if problem is Problem.UNCLEAR and len(found.unknown) == 1 and not found.uids:
            word = found.unknown[0]
            uid = word if re.search(r"[\d_-]", word) and _can_be_asked_for(word) else None
    query = Query(email=email, uid=uid, limit=limit)
    return typed_form(query, with_limit=with_limit)


def parse(text: str, limits: Limits, labels: Labels = UID) -> Parsed:
    """Parse the text of a command.

    `text` is as Slack sends it: links as `<…|…>`, and `&`, `<`, `>` as entities. `labels` name a
    uid.
    """
    simple = f"{_EXAMPLE_EMAIL} {min(5, limits.highest)}"
    if len(text) > _MAX_RAW_LENGTH:
        return ParseError(Problem.TEXT_TOO_LONG, "", simple)
    if CONTROL.search(text):
        return ParseError(Problem.CONTROL_CHARACTER, "", simple)
    if channel := _CHANNEL.search(text):
        name = _unescape(channel[2] or channel[1])
        return ParseError(Problem.CHANNEL, f"#{name}" if channel[0][1] == "#" else name, simple)
    mentions = {mention[1] for mention in _MENTION.finditer(text)}
    plain = plain_text(_MENTION.sub(" ", text))
    plain = _SPACES.sub(" ", INVISIBLE.sub("", plain)).strip()
    if plain.lower().rstrip("!?. ") in _HELP and not mentions:
        return Help()
    if len(plain) > MAX_TEXT_LENGTH:
        return ParseError(Problem.TEXT_TOO_LONG, "", simple)
    words = _words(plain, _patterns(labels))
    return _judge(_classify(words, mentions), limits) if words or mentions else Help()


def parse_person(person: str, limit: str | None, limits: Limits, labels: Labels = UID) -> Parsed:
    """Parse a person and a limit that were typed separately, such as in a form.

    A uid with spaces needs no quotes, and nothing in `person` is taken for a limit.
    """
    if len(person) > _MAX_RAW_LENGTH or len(limit or "") > _MAX_RAW_LENGTH:
        return ParseError(Problem.TEXT_TOO_LONG, "", f"{_EXAMPLE_EMAIL} {min(5, limits.highest)}")
    person = person.strip()
    plain = " " in person and "@" not in person and not _patterns(labels).has_label.search(person)
    suffix = "" if limit is None else f" limit:{limit.lower().removeprefix('limit:')}"
    return parse(_escape(f"{_uid_form(person) if plain else person}{suffix}"), limits, labels)


def _judge(found: _Classified, limits: Limits) -> Query | QueryNeedingProfile | ParseError:
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
        return ParseError(problem, shown, _example(found, problem, limits))
    email, uid = next(iter(found.emails), None), next(iter(found.uids), None)
    if found.mentions or found.times:
        return QueryNeedingProfile(email, uid, limit, "".join(found.mentions), "".join(found.times))
    return Query(email, uid, limit)


def typed_form(query: Query, *, with_limit: bool = True) -> str:
    """Return what a person would type for this query: the inverse of `parse`."""
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
