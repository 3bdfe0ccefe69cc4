"""Splits a typed text into words, and tells which of them are addresses.

Slack, phones and mail programs change what was typed; that is undone here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from bot.core.labels import Labels
from bot.core.scripts import from_other_script, up_to_other_script

# -- Undoing what Slack and phones do -------------------------------------------------------------

_DOUBLE_QUOTES: Final = '"“”„‟«»'
_SINGLE_QUOTES: Final = "'‘’‚‛"
QUOTES: Final = _DOUBLE_QUOTES + _SINGLE_QUOTES
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
_WIDE: Final = str.maketrans(
    {"＠": "@", "。": ".", "．": ".", "｡": ".", "＿": "_", "＋": "+", "－": "-", "＇": "'"}
    | dict.fromkeys("\u2010\u2011\u2012\u2013", "-")  # phones replace hyphens with these
    | dict.fromkeys("\u00b4\u02bc\u2032", "'")
)
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


NUMBER: Final = re.compile(r"[-+\u2212\u2013]?\d+(?:[.,]\d+)?")
_DATE_WITH_DOTS: Final = re.compile(r"\d{1,2}\.\d{1,2}\.")


# -- Words ----------------------------------------------------------------------------------------


class Word(NamedTuple):
    """A word with its label: "uid", "email", "at", "limit", "unknown" or ""."""

    label: str
    text: str
    quoted: bool


def _quoted(name: str, quotes: str) -> str:
    # A quote closes only at the end of a word, so that "O'Brien's" needs no escaping.
    closing = rf"[{quotes}](?=[\s,;]|$)"
    inside = rf"(?:\\.|[^{quotes}\\]|\\(?=.)|(?!{closing})[{quotes}])*+"
    return rf"[{quotes}](?P<{name}>{inside}){closing}"


class Patterns(NamedTuple):
    """Patterns that depend on the labels for a uid."""

    word: re.Pattern[str]
    label_alone: re.Pattern[str]
    listed: re.Pattern[str]


@cache
def patterns_of(labels: Labels) -> Patterns:
    """Return the patterns for the labels of a uid."""
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
    return Patterns(
        re.compile(word, re.VERBOSE | re.IGNORECASE | re.DOTALL),
        re.compile(any_label, re.IGNORECASE),
        # "uid:5,jane@example.com" and "jane@example.com,uid:5": the comma ends the word before it.
        re.compile(rf"(?<=\S)[,;](?={any_label}|[^\s,;\"'@]+@)", re.IGNORECASE),
    )


_IN_BRACKETS: Final = re.compile(
    r"(?<!\S)[(\[]((?:uid|e?-?mail|at|limit)[:=][^\s\"()\[\]]+)[)\]](?!\S)", re.IGNORECASE
)
_ESCAPED: Final = re.compile(rf"\\([\\{QUOTES}])")


def split_words(text: str, patterns: Patterns) -> list[Word]:
    """Split a text without Slack's markup."""
    words = []
    text = _IN_BRACKETS.sub(r"\1", text)
    for match in patterns.word.finditer(text):
        label = _label(match)
        inside = match["double"] if match["double"] is not None else match["single"]
        if inside is not None:
            words.append(Word(label, _ESCAPED.sub(r"\1", inside).strip(), quoted=True))
            continue
        bare: str = match["bare"]
        if not label and patterns.label_alone.fullmatch(bare):
            continue
        first, *others = patterns.listed.split(bare)
        words += _pieces(label, first)
        words += [word for part in others for word in split_words(part, patterns)]
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


def _pieces(label: str, bare: str) -> list[Word]:
    """Split a word without quotes: a list of addresses, or an address and a limit."""
    listed = ("@" in bare or "＠" in bare) and label in ("", "email")
    words = []
    for piece in re.split(r"[,;，；、]|:(?=\d{1,3}$)", bare) if listed else [bare]:
        # A leftover quote was never closed, so it means nothing.
        plain = piece.strip(QUOTES).rstrip(",;")
        if label == "uid":
            plain = _without_pair(plain.strip("`")).lstrip("#№")
            plain = without_separators(plain)
        elif not listed:
            plain = _without_brackets(plain)
        if NUMBER.fullmatch(plain.rstrip(".")) and not _DATE_WITH_DOTS.fullmatch(plain):
            plain = plain.rstrip(".")  # the end of a sentence
        if plain:
            words.append(Word(label, plain, quoted=False))
    return words


def _without_brackets(word: str) -> str:
    """Remove the brackets around a word, or around the words that begin or end with it."""
    if len(word) > 1 and len(_BRACKETS.findall(word)) == 1:
        return word.lstrip("([{").rstrip(")]}")
    return _without_pair(word)


def _without_pair(word: str) -> str:
    return word[1:-1] if word[:1] + word[-1:] in ("()", "[]", "{}") else word


_BRACKETS: Final = re.compile(r"[()\[\]{}]")


# -- Addresses -------------------------------------------------------------------------------------

AROUND_ADDRESS: Final = ".,;:!?()[]{}<>…、，；：！？（）「」『』【】《》〈〉‹›—–؟،؛" + QUOTES
# An address can begin with "!" or "?", so these stay.
_BEFORE_ADDRESS: Final = AROUND_ADDRESS.translate(dict.fromkeys(map(ord, "!?")))
_MARKED_UP: Final = AROUND_ADDRESS + "*_`~/"
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


def _meant_as_address(word: Word) -> bool:
    if word.text == "@" or ("@" not in word.text and "＠" not in word.text):
        return False
    if _OF_A_PROVIDER.fullmatch(word.text.strip(_AROUND_UID)):
        return False
    return not word.quoted or is_address(word.text)


def is_address_word(word: Word) -> bool:
    """Tell whether a word is meant as an address, valid or not."""
    return word.label == "email" or (not word.label and _meant_as_address(word))


def is_in_angle_brackets(word: Word) -> bool:
    """Tell whether a word is an address as mail programs copy it, behind a name."""
    brackets = word.text.startswith("<") and word.text.endswith(">")
    return brackets and not word.quoted and is_address_word(word)


_CUT: Final = re.compile(r"\.(?:c|co|n|ne|o|or|e|ed|d|f|i|u)(?:…|\.\.\.)$", re.IGNORECASE)


def text_of(word: Word) -> str:
    """Return a word; an address without the characters around it, unless it was quoted."""
    if not is_address_word(word):
        bare = word.text.strip(_AROUND_UID)
        if "@" in bare and _OF_A_PROVIDER.fullmatch(bare):
            return bare
        return word.text if word.label or word.quoted else word.text.strip("`*").rstrip("?!")
    if not any(map(str.isalnum, word.text)):
        return ""
    text = word.text.translate(dict.fromkeys(map(ord, _SINGLE_QUOTES), "'") | _WIDE)
    if not word.quoted and text[:1] in ("@", "\\") and is_address(text[1:]):
        return text[1:]
    if word.quoted or text.startswith("@"):
        return text
    text = re.sub("^mailto:", "", text, flags=re.IGNORECASE)
    if _CUT.search(text):
        return text  # "jane@example.co…" may be anyone's
    text = text.rstrip(AROUND_ADDRESS).lstrip(_BEFORE_ADDRESS)
    if not text.isascii():
        local, sign, domain = text.rpartition("@")
        text = from_other_script(local) + sign + up_to_other_script(domain)
    # Stars and the like can belong to an address; otherwise they were markup.
    return text if is_address(text) else text.strip(_MARKED_UP)
