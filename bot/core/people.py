"""Finds the people that a plain text names: e-mail addresses, and uids after a label.

A value counts only if both of its borders are known: quotes, brackets, a link, a field, the end of
a word. If a value continues in the same word, it is not clear where it ends, and a shorter value
would be another customer: such a word names no one.

`mark_address` and `mark_value` mark borders that the plain text no longer shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import unquote, urlsplit

from bot.core.labels import NOT_WITHIN_A_WORD, Labels
from bot.core.scripts import from_other_script, up_to_other_script
from bot.core.sessions import MAX_UID_LENGTH
from bot.core.words import is_address, without_separators

# Private-use characters, which `without_marks` removes from text from outside.
_ADDRESS, _ADDRESS_END, _VALUE, _VALUE_END = "\ue000", "\ue001", "\ue002", "\ue003"
_MARKS: Final = re.compile("[\ue000-\ue003]")
_GLUED: Final = re.compile(
    rf"(?<={_ADDRESS_END})[-/&+=>]{{0,2}}(?={_ADDRESS}|[\w.+-]{{1,64}}@)", re.ASCII
)

_LONGEST_TOKEN: Final = 2_000
"""Characters of a word that are read; no address or uid is as long."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to name a person: either `email` or `uid` is set."""

    email: str | None = None
    uid: str | None = None

    @property
    def shown(self) -> str:
        """The name for a button or a list."""
        return self.email or f"uid {self.uid}"

    @property
    def key(self) -> tuple[str, str]:
        """A key that is equal for two spellings of one address."""
        return ("e", self.email.casefold()) if self.email else ("u", str(self.uid))


def without_marks(text: str) -> str:
    """Remove the characters that mark borders."""
    return _MARKS.sub("", text)


def mark_address(address: str) -> str:
    """Mark a whole address, as a `mailto:` link has it."""
    return f"{_ADDRESS}{address}{_ADDRESS_END}" if address else ""


def set_apart(text: str) -> str:
    """Put a space between a marked address and another one that is glued to it."""
    return _GLUED.sub(" ", text)


def mark_value(value: str) -> str:
    """Mark a whole value, as a table cell or a field has it."""
    return f"{_VALUE}{value}{_VALUE_END}"


def people_in(text: str, labels: Labels) -> Iterator[Identity | None]:
    """Yield the identities in reading order, and None for each place that only looked like one.

    Callers bound the work by counting both.
    """
    start = 0
    for url in _URL.finditer(text):
        yield from _in_words(text, start, url.start(), labels)
        yield from _in_url(url[0], labels)
        start = url.end()
    yield from _in_words(text, start, len(text), labels)


# -- Links ----------------------------------------------------------------------------------------

_URL: Final = re.compile(
    r"(?<![^\W\d_])[a-z][a-z0-9+.-]{1,30}+://[^\s<>\"“”`\ue000-\ue003]++", re.IGNORECASE
)


def _in_url(url: str, labels: Labels) -> Iterator[Identity | None]:
    """Read the parameters and the path, whose borders are known."""
    url = url.rstrip(",;:!?'’)]}>*_~")
    is_cut = url.endswith(("…", ".."))
    try:
        parts = urlsplit(url.rstrip(".…"))
    except ValueError:
        return
    fragment_path, _, fragment_query = parts.fragment.partition("?")
    segments = [*parts.path.split("/"), *fragment_path.split("/")]
    parameters = [one for one in (*parts.query.split("&"), *fragment_query.split("&")) if one]
    if is_cut:  # the last one may continue
        segments = segments if parameters else segments[:-2]
        parameters = parameters[:-1]
    for segment in segments:
        yield _customer(unquote(segment))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        # A plus stays a plus: addresses have it, and never a space.
        value = without_separators(unquote(value))
        if _label_alone(labels).fullmatch(unquote(name)):
            yield Identity(uid=value) if _is_uid(value) else None
        else:
            yield _customer(value)


def _customer(text: str) -> Identity | None:
    return Identity(email=text) if "@" in text and is_customers_address(text) else None


# -- Labels and their uids ------------------------------------------------------------------------


@cache
def _label_pattern(labels: Labels) -> re.Pattern[str]:
    """Match a label as tools write it: bold, over two lines, in JSON, in a Ruby hash, in XML."""
    sign = r"(?:[=-]>|:=|={1,3}+|#?\s?[:：]{1,2}+|[#№])"
    after_sign = r"(?:[*_~]{1,3}+(?=\s))?[ \t]{0,40}+\n?[ \t]{0,40}+"
    return re.compile(
        rf"{NOT_WITHIN_A_WORD}(?P<label>{labels})"
        rf"(?:[*_~`\"'’”\\)\]]{{0,8}}+\s?{sign}{after_sign}"
        rf"|[*_~]{{1,3}}\s?\n[ \t]{{0,40}}+"
        rf"|[*_~]{{0,3}}[ \t]?(?=[`{_VALUE}])"
        r"|>(?=[^<>\s]++</)"
        r"|(?P<line>[ \t]{0,40}+\n[ \t]{0,40}+(?=\S*\d\S*[ \t]*(?:\n|$)))"
        # Without a sign, the next word has to look like an id: "failed for user ID 12345".
        r"|[*_~]{0,3}[ \t]++(?:(?:is|was|of|[-–—→])[ \t]++)?(?=\(?[#№\"'“‘]?[\w|.-]*\d))",
        re.IGNORECASE,
    )


@cache
def _label_alone(labels: Labels) -> re.Pattern[str]:
    return re.compile(labels, re.IGNORECASE)


@cache
def label_cell_pattern(labels: Labels) -> re.Pattern[str]:
    """Match a table cell that is a label and nothing else."""
    return re.compile(rf"[\s*_]*+{labels}[\s*_:]*+", re.IGNORECASE)


_QUOTES: Final = {
    '"': '"',
    "“": "”",
    "„": "“",
    "«": "»",
    "»": "«",
    "'": "'",
    "‘": "’",
    "‚": "‘",
    "‹": "›",
    "`": "`",
    '\\"': '\\"',
}
# What people and forms write instead of a uid.
_NO_UID: Final = frozenset(
    {"", "-", "—", "–", "n/a", "na", "no", "none", "not", "null", "nil", "nan", "undefined"}
    | {"unknown", "0", "-1", "false", "true", "anonymous", "anon", "guest", "empty", "invalid"}
    | {"is", "missing", "optional", "please", "provided", "required", "tbd", "the", "unavailable"}
    | {"your", "filtered", "redacted", "masked", "hidden", "removed", "scrubbed", "?", "xxx"}
)
_NOT_GIVEN: Final = re.compile(
    r"(?:not|no)[ _-]?(?:set|given|provided|available|found|known|applicable|logged[ _-]?in)",
    re.IGNORECASE,
)
# In free text, a bare word after a label may be the next word of a sentence; an id has a digit, or
# letters that are in no sentence.
_LIKE_AN_ID: Final = re.compile(r"\d|[_@|:+=/-]|[a-z][A-Z]|\w{16}")
# After a label without a sign, a time, a percentage or a version is hardly an id.
_LIKE_A_QUANTITY: Final = re.compile(r"\d+(?::\d\d)+|\d+(?:[.,]\d+)?%|v\d[\d.]*|\d+(?:st|nd|rd|th)")
# A value ends here: the next key of a list, a quote, a tag.
_NEXT_KEY: Final = re.compile(
    r"[,;][\"'\\]{0,8}[a-z_][\w.-]{0,60}+[\"'\\]{0,8}(?:=>|[:=])|&[a-z_][\w.\[\]-]{0,60}=|[,;][\"'{\[]|</|<br",
    re.IGNORECASE,
)
_DIRECTORY_NAME: Final = re.compile(r",(?:ou|dc|cn|o|c|l|st)=", re.IGNORECASE)  # LDAP's
_NOT_IN_A_UID: Final = re.compile(r"[,;\"“”<>(){}\[\]`\\\s—–•→←、，。；：！？\ufffc]")
_OPENING: Final = "([{<'‘\"“`「『【（"
_CLOSING: Final = ".,;!?)]}>'’\"”`」』】）、。，；！？|"
_CUT_SHORT: Final = re.compile(r"…|\.\.")
# Punctuation that is never part of an id.
_BORDER: Final = re.compile("[—–→←、，。；：！？「」『』【】（）](?![A-Za-z0-9])")
_MASKED_UID: Final = re.compile(r"\*\*|x{4}", re.IGNORECASE)
# What programming languages print around a value: `int(4711)`, `ObjectId('…')`, `{"$oid":"…"}`.
_WRAPPED: Final = re.compile(
    r"(?:string\(\d+\) \"(?P<b>[^\"]*)\""
    r"|(?:int(?:32|64)?|(?:bson\.)?ObjectI[dD]|UUID|Some|Number(?:Long|Int)|Guid)"
    r"\((?P<q>[\"'\\]{0,2})(?P<a>[^\"'()\\]+)(?P=q)\)"
    r"|\{(?P<r>[\"'\\]{1,2})\$oid(?P=r):\s?(?P=r)(?P<c>[^\"'\\{}]+)(?P=r)\})(?![\w|.-])"
)
# What follows a uid, and shows that it was not complete, or not the only one.
_CONTINUES: Final = re.compile(
    r" ?(?:…|\.\.)|[ \t]\d|,? ?(?:and|or|to|und|oder|bis|et|ou|y|&|/) ?#?\d{3,}|, #?\d{3,}"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d.*")
_NAMED: Final = re.compile(r"[A-Za-z_]\w{0,30}=.+")  # the next key of a log, or a directory's
# Before a label, these say that it is the id of another system, or not of a customer.
_ELSEWHERE: Final = re.compile(
    r"\b(?:slack|discord|github|gitlab|jira|telegram|agent|admin|staff|employee|bot|process|unix)"
    r"(?:'s|’s)?[ _-]$",
    re.IGNORECASE,
)
_TEMPLATE: Final = re.compile(r"[$%#]?\{\{?|<%|%[(a-z]", re.IGNORECASE)
_THOUSANDS_WITH_SPACES: Final = re.compile(
    r"\d{1,3}(?P<space>[\u00a0\u202f\u2009 ])\d{3}(?:(?P=space)\d{3})*(?![\d\u00a0\u202f\u2009])"
)


def _in_words(text: str, start: int, end: int, labels: Labels) -> Iterator[Identity | None]:
    """Read a text without links. A labelled value is a uid, even if it is an address."""
    for label in _label_pattern(labels).finditer(text, start, end):
        if label.start() < start:
            continue  # part of the uid before
        uid, after = _uid_at(text, label, end)
        yield from _addresses(text, start, label.start())
        if uid:
            yield Identity(uid=uid)
        start = after
    yield from _addresses(text, start, end)


def _uid_at(text: str, label: re.Match[str], end: int) -> tuple[str, int]:
    """Return the uid after a label and its end; "" and the label's end if there is none."""
    start = label.end()
    if label["line"] and text[: label.start()].rpartition("\n")[2].strip(" \t*_•-"):
        return "", start  # a label above its value is alone on its line
    if _ELSEWHERE.search(text[max(0, label.start() - 20) : label.start()]):
        return "", start
    inside, after = _in_known_borders(text, start, end)
    if after:
        uid = inside if _is_uid(inside) else ""
        return uid, after if uid else start
    if thousands := _THOUSANDS_WITH_SPACES.match(text, start, end):
        # Tools group digits by a space that does not break; a plain one may begin the next word.
        joined = "".join(re.findall(r"\d+", text[start : thousands.end()]))
        is_group = thousands["space"] in "\u00a0\u202f\u2009"
        return (joined if is_group else "", thousands.end() if is_group else start)
    if wrapped := _WRAPPED.match(text, start, end):
        uid = wrapped["a"] or wrapped["b"] or wrapped["c"] or ""
        return (uid, wrapped.end()) if _is_uid(uid) else ("", start)
    return _bare_uid_at(text, label, end)


def _bare_uid_at(text: str, label: re.Match[str], end: int) -> tuple[str, int]:
    """Return the same for a word without known borders."""
    start = label.end()
    token = _TOKEN.match(text, start, end)
    if not token or len(token[0]) > _LONGEST_TOKEN:
        return "", token.end() if token else start
    value = _up_to_border(token[0])
    if value == token[0] and _CONTINUES.match(text, token.end(), end) and token[0][-1] not in ".;":
        return "", start
    if label[0][-1:].isspace() and _NAMED.match(value):
        return "", start  # nothing follows the label
    uid = _bare_uid(value, token[0][len(value) :], text[max(0, label.start() - 200) : start])
    sign = label[0][len(label["label"]) :]
    if sign.endswith("="):
        uid = _decoded(uid)  # of a form's body, or of a URL without its host
    has_sign = re.search("[:：=>#№\n`]", sign) is not None
    is_sure = _is_uid(uid) and _is_sure(uid, label["label"], has_sign=has_sign)
    if is_sure and not has_sign and uid.isdigit() and len(uid) < 4:
        # "user id 42." may be one, "user id 401 Unauthorized" is not.
        is_sure = token[0] != uid or not text[token.end() : end].strip(" \t").strip("\n")
    return (uid, start + len(value)) if is_sure else ("", start)


def _decoded(value: str) -> str:
    """Undo percent-encoding, unless it isn't one: programs don't encode letters and digits."""
    encoded = [chr(int(one, 16)) for one in re.findall("%([0-9a-fA-F]{2})", value)]
    if len(encoded) != value.count("%") or any(one.isascii() and one.isalnum() for one in encoded):
        return value
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def _is_sure(uid: str, label: str, *, has_sign: bool) -> bool:
    """Tell whether a word after a label is an id, and not the next word of a sentence."""
    if has_sign and _is_set_off(label):
        return True
    looks_like_one = _LIKE_AN_ID.search(uid) is not None
    return looks_like_one and (has_sign or not _LIKE_A_QUANTITY.fullmatch(uid))


def _in_known_borders(text: str, start: int, end: int) -> tuple[str, int]:
    """Return what is in quotes, in code or in a field, and its end; 0 if there is none."""
    if text.startswith(_VALUE, start):
        after = text.find(_VALUE_END, start, end)
        return _in_field(without_marks(text[start:after])), after + 1
    for opening, closing in _QUOTES.items():
        if not text.startswith(opening, start):
            continue
        first = start + len(opening)
        after = text.find(closing, first, min(end, first + MAX_UID_LENGTH + 1))
        behind = text[after + len(closing) : after + len(closing) + 1]
        is_closed = after > first and not re.match(r"[\w|/@+=&%#-]", behind)
        if is_closed:
            inside = without_marks(text[first:after]).strip()
            return inside.lstrip("#№") if opening == "`" else inside, after + len(closing)
    return "", 0


def _in_field(value: str) -> str:
    """Return the uid that a field consists of; an explanation may follow: "4711 (Acme)"."""
    value = value.strip().strip("*`_").strip()
    for quote in "\"'":
        value = value.removeprefix(quote).removesuffix(quote) if value[:1] == quote else value
    first, _, rest = value.partition(" ")
    if rest.lstrip()[:1] in ("(", "["):
        value = first
    # Several values or words: none of them is certain.
    is_one = not re.search(r"[\s,;]", value) or without_separators(value) != value
    return without_separators(value.lstrip("#№")) if is_one else ""


def _up_to_border(token: str) -> str:
    """Cut a word at punctuation that no id has, and a list such as `42,plan=pro` at its key."""
    first = len(token) - len(token.lstrip(_OPENING))
    border, key = _BORDER.search(token, first), _NEXT_KEY.search(token, first)
    return token[: min([one.start() for one in (border, key) if one], default=len(token))]


def _bare_uid(value: str, rest: str, before: str) -> str:
    """Return the uid that a word is, without the punctuation around it; "" if uncertain.

    `rest` is what follows in the same word, and `before` what comes before it.
    """
    if _TEMPLATE.match(value) or value[:1] in ("@", '"', "“") or _CUT_SHORT.search(value):
        return ""
    if value.endswith("|") or _DATE.fullmatch(value):
        return ""
    value = without_marks(value).lstrip(_OPENING).lstrip("#№")
    value = _without_markup(value.rstrip(_CLOSING), before).rstrip(_CLOSING).lstrip("#№")
    for ending in ("'s", "’s"):
        value = value.removesuffix(ending)
    value = up_to_other_script(value)
    joined = without_separators(value)
    if joined != value:
        return joined
    is_number_of_a_kind = re.fullmatch(r"\d{1,3}\.\d{3}", value)  # 12.345 in half of Europe
    if is_number_of_a_kind or _NOT_IN_A_UID.search(value) or _DIRECTORY_NAME.match(rest):
        return ""
    return "" if value.endswith(":") else value


def _without_markup(value: str, before: str) -> str:
    """Remove bold and italics around a word, or their end if they began before it."""
    for sign in "*_~":
        begins = value.startswith(sign)
        opened = re.search(rf"(?<!\w){re.escape(sign)}(?=\S)", before.rpartition("\n")[2])
        if value.endswith(sign) and (begins or opened):
            value = value.rstrip(sign)
            value = value.lstrip(sign) if begins else value
    return value


def _is_set_off(label: str) -> bool:
    """Tell labels that are in no sentence, such as `uid` and `user_id`, from "user id"."""
    label = label.lower()
    return "uid" in label or "_id" in label


def is_no_uid(text: str) -> bool:
    """Tell whether a text only says that there is no uid: "n/a", "not set"."""
    return text.lower() in _NO_UID or _NOT_GIVEN.fullmatch(text) is not None


def _is_uid(uid: str) -> bool:
    if is_no_uid(uid.strip("[](){}<>*_ ")) or not uid.isprintable():
        return False
    if uid[0] in "@$" or _TEMPLATE.match(uid) or len(uid) > MAX_UID_LENGTH:
        return False
    if _MASKED_UID.search(uid) or _CUT_SHORT.search(uid):
        return False
    return len(uid) > 1 or uid.isdigit()


# -- Addresses ------------------------------------------------------------------------------------

# What an address consists of if it is not quoted, and marks of scripts that \w leaves out.
_ADDRESS_CHARACTERS: Final = (
    r"\w.!#$%&'’*+/=?^~@\u200c\u200d\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff-"
)
_TOKEN: Final = re.compile(r"\S++")
_PART: Final = re.compile(rf"[{_ADDRESS_CHARACTERS}]++")
_MARKED: Final = re.compile(f"{_ADDRESS}([^{_ADDRESS}{_ADDRESS_END}]*+){_ADDRESS_END}")
_DOMAIN: Final = re.compile(r"[\w.\u200c\u200d\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff-]+")
# Before a link of its own. Slack also links what looks like an address at the end of a word.
_BEFORE_A_LINK: Final = frozenset(":([{<>\"“”„«»,;*~`→·—–•-_'‘’/")
_NAMES_AN_ADDRESS: Final = (
    r"(?:e?[_-]?mail(?:[_-]?(?:address|adresse))?|user(?:[_-]?name)?|usr|login(?:[_-]?hint)?"
    r"|customer|client|contact|requester|reporter|submitter|sender|recipient|account|owner|author"
    r"|from|to|cc|reply[_-]?to|member|person|name|address|by|subject|principal|identity|actor|upn"
    r"|sub|id|correo|courriel)"
)
# As in "email=jane@example.com", "user.email=…", "plan=pro&customer_email=…".
_KEY_WITH_EQUALS: Final = re.compile(
    rf"(?:^|.*[&?])(?:[\w]{{1,40}}[_.])?{_NAMES_AN_ADDRESS}=", re.IGNORECASE
)
# "From:jane@example.com", "mailto:…", "メール:…"; but not "jane:secret@example.com".
_KEY_WITH_COLON: Final = re.compile(
    rf"(?:(?:^|[^\w-])(?:[\w.-]{{1,40}}[_.-])?{_NAMES_AN_ADDRESS}|\b(?:mailto|smtp|sip|acct|xmpp)"
    r"|(?![\x00-\x7f])\w)[\"'\\\]*_]{0,3}:$",
    re.IGNORECASE,
)
_LONGEST_KEY: Final = 100
_ENTITY: Final = re.compile(r"&(?!(?:lt|gt|quot|nbsp);)#?\w{1,8};$")  # "O&#39;Brien@example.com"
# In "contact=example.com@…" the rest is a domain that was added; in "email=jane.doe" it is not.
_BARE_DOMAIN: Final = re.compile(
    r"[\w.-]+\.(?:com|net|org|edu|gov|info|biz|io|co|dev|app|example|[a-z]{2})", re.IGNORECASE
)
# Before an address: the name of a header with a message id or a content id.
_CONTINUES_WITH: Final = re.compile(r"[@A-Za-z0-9_]|[.-]+[A-Za-z0-9]")
# Before an ellipsis, these may be the beginning of a longer one.
_CUT_TOPS: Final = frozenset({"c", "co", "ne", "or", "in", "inf", "ed", "go"})
_MESSAGE_ID: Final = re.compile(
    r"(?:message-id|in-reply-to|references|content-id)\s?:[^\n]*$|cid:$", re.IGNORECASE
)


def _addresses(text: str, start: int, end: int) -> Iterator[Identity | None]:
    for token in _TOKEN.finditer(text, start, end):
        if "@" not in token[0] and "＠" not in token[0] and "%40" not in token[0]:
            continue
        before = text[max(0, token.start() - 100) : token.start()]
        if len(token[0]) > _LONGEST_TOKEN or _MESSAGE_ID.search(before):
            yield None
        else:
            yield from _in_token(token[0], text[token.end() : token.end() + 200])


def _in_token(token: str, following: str) -> Iterator[Identity | None]:
    """Read one word; it may be a list of addresses."""
    marked = [one for one in _MARKED.finditer(token) if _is_set_apart(token, one)]
    if marked:
        yield from (_customer(one[1]) for one in marked)
        return
    token = without_marks(token).replace("＠", "@")
    if "%40" in token:
        token = unquote(token)
    for part in _PART.finditer(token):
        if "@" in part[0]:
            yield from _in_part(token, part, following)


def _is_set_apart(token: str, marked: re.Match[str]) -> bool:
    """Tell whether a link is a whole address, and not the end of a longer word."""
    left, right = token[: marked.start()], token[marked.end() :]
    if _CONTINUES_WITH.match(right) or (_CUT_SHORT.match(right) and _is_top_cut(marked[1])):
        return False
    if left.endswith("|"):
        return _is_row(token)
    if left.endswith(";") and _ENTITY.search(left):
        return False
    if left.endswith("="):
        return _KEY_WITH_EQUALS.match(left) is not None
    if left[-1:] in ("-", "_", "/", "'", "’"):
        return len(left) == 1 or left[-2:-1] in ("(", '"')
    return not left or left[-1] in _BEFORE_A_LINK or up_to_other_script(f"a{left[-1]}") == "a"


def _in_part(token: str, part: re.Match[str], following: str) -> Iterator[Identity | None]:
    pieces = part[0].split("/")
    if len(pieces) > 1 and all(is_address(piece) for piece in pieces):
        yield from map(_customer, pieces)  # "jane@example.com/omar@example.com"
        return
    is_whole = _has_borders(token, part.start(), part.end())
    address = _address(part[0], following) if is_whole else ""
    yield _customer(address) if address else None


def _has_borders(token: str, start: int, end: int) -> bool:
    """Tell whether a value has borders on both sides that are not part of an address."""
    left, right = token[:start], token[end:]
    is_listed = right[:1] in (",", ";") and right[1:2].isascii() and right[1:].strip(_CLOSING)
    if left.endswith((",", ";")) or is_listed:
        return _is_list(token)
    if left.endswith("|") or (right[:1] == "|" and right[1:].strip(_CLOSING)):
        return _is_row(token)
    if left.endswith(":") and not _KEY_WITH_COLON.search(left[-_LONGEST_KEY:]):
        return False
    if right[:1] in (":", "…") and right.strip(f":*_…{_CLOSING}"):
        return False
    if right[:1] == "…" and _is_top_cut(token[start:end]):
        return False
    if right.startswith("\\") and not re.match(r"\\+[nrt\"'/]", right):
        return False
    # A mask, a name in brackets, an opening quote inside a word, something not shown.
    if re.search(r"(?:••|\w•|\w[\])]|\w[\"“`]|\ufffc)$", left):
        return False
    return not left.endswith(("\\", "@", "…", "..."))


def _is_row(token: str) -> bool:
    """Tell whether bars are the borders of cells, as in a row of a table."""
    return token.startswith("|") and token.endswith("|")


def _is_list(token: str) -> bool:
    """Tell whether commas separate addresses, keys with values, or cells of CSV."""
    if "," in token and ";" in token:
        return False
    items = re.split("[,;]", token.strip("()[]{}<>,;.\"'"))
    clear = [one for one in items if "@" in one or re.search(r"[=:]|^[\"'].*[\"']$", one)]
    return len(items) > 2 or len(clear) == len(items)


def _address(part: str, following: str) -> str:
    """Return the address in a piece of a word, without markup and punctuation; "" if uncertain.

    `following` is the text after the word.
    """
    local, _, rest = part.partition("@")
    match = _DOMAIN.match(rest)
    if not match or "@" in rest:
        return ""
    domain, tail = match[0].rstrip("._"), rest[match.end() :]
    cut = up_to_other_script(domain)
    if cut == domain and not _is_only_punctuation(tail):
        return ""
    if match[0][len(domain) :].startswith("..") and _is_top_cut(domain):
        return ""
    is_in_form = tail.startswith("&")  # another key follows, so one has to come before
    if is_in_form and not _KEY_WITH_EQUALS.match(local):
        return ""
    markup = match[0][len(domain) :] + tail
    local = _local(local.replace("’", "'"), markup + following.partition("\n")[0])
    return f"{local}@{cut}" if local else ""


def _is_top_cut(domain: str) -> bool:
    """Tell whether an ellipsis after this may be the rest of it: "example.co…"."""
    return domain.rpartition(".")[2].lower() in _CUT_TOPS


def _is_only_punctuation(tail: str) -> bool:
    """Tell whether nothing of an address follows: only punctuation, markup or the next key."""
    return re.fullmatch(r"(?:['’]s)?[.!?'’*_~/]*+|&[\w.%\[\]-]+=.*", tail) is not None


def _local(local: str, following: str) -> str:
    """Return the part before the @ without its key, its markup, or text of another script."""
    for sign in "*_~":
        if local.startswith(sign) and re.search(rf"{re.escape(sign)}(?!\w)", following):
            local = local.lstrip(sign)
    if re.match(r"[bruN]'", local) and following.startswith("'"):
        local = local[2:]  # as languages write texts: b'jane@example.com'
    local = local.lstrip("'")
    if key := _KEY_WITH_EQUALS.match(local):
        local = local[key.end() :].lstrip("'")
        if _BARE_DOMAIN.fullmatch(local):
            return ""
    return "" if local[:1] in ("", ".", "/") else from_other_script(local)


# -- Who is no customer ---------------------------------------------------------------------------

# Programs that send mail, by a part or the beginning of the name. People's names have a dot.
_MACHINE: Final = re.compile(
    r"(?:.*[._+-])?(?:no[._-]?reply|do[._-]?not[._-]?reply|mailer-daemon)(?:[+._-].*)?"
    r"|(?:.*[_-])?(?:bounces?|notifications?)(?:[+_-].*)?"
    r"|(?:postmaster|notify|notifier|(?:list-)?unsubscribe|alerts?|invitations?|git|root|www-data"
    r"|daemon|auto[._-]?confirm|auto[._-]?repl(?:y|ies)|autoresponder|out-of-office|mailer|abuse"
    r"|wordpress|dmarc[._-]?reports?|systemalerts?)(?:[+_-].*)?"
    r"|(?:reply|replies|receipts?|invoices?|support)\+.*|.*\+acct_\w+",
    re.IGNORECASE | re.DOTALL,
)
_MACHINE_DOMAINS: Final = re.compile(
    r"(?:.*\.)?(?:amazonses\.com|sendgrid\.net|mailgun\.org|mandrillapp\.com|mcsv\.net|mtasv\.net"
    r"|gserviceaccount\.com|calendar\.google\.com|noreply\.github\.com|intercom-mail\.com"
    r"|microsoftonline\.com|docusign\.net|incoming\.gitlab\.com|mg\.gitlab\.com|bcc\.hubspot\.com)"
    r"|.+\.(?:zendesk\.com|freshdesk\.com|helpscout\.net|atlassian\.net|gorgias\.com|spiceworks\.com)"
    r"|(?:bounces?|reply|no-?reply|notifications?)\..*\..*",
    re.IGNORECASE,
)
_MACHINE_ADDRESSES: Final = re.compile(
    r"service@(?:intl\.)?paypal\.com|feedback@slack\.com|builds@(?:circleci|travis-ci)\.com"
    r"|automated@airbnb\.com|hello@calendly\.com",
    re.IGNORECASE,
)
# A rewritten sender contains another address: "bounces+1-jane=example.com@…".
_REWRITTEN: Final = re.compile(
    r".*[=%][\w-]+(?:\.[\w-]+)+|srs[01][=+-].*|(?:ms)?prvs\d?=.*|btv1=.*|.*\+caf_=.*|imcea\w+-.*|.*#ext#",
    re.IGNORECASE,
)
_MASKED: Final = re.compile(r".*\*\*.*|\*.*|.*\*|x{3,}", re.IGNORECASE)
# Files and packages: `logo@2x.png`, `image001.png@01D9ABCD.1234`, `pkg@1.0.0-beta`.
_FILE_TYPES: Final = ("png", "jpg", "jpeg", "gif", "svg", "webp", "pdf", "css", "js", "mjs", "json")
_DOMAIN_END: Final = re.compile(r"[^\W\d_]+|xn--[a-z0-9-]+|[^\x00-\x7f]+", re.IGNORECASE)


def is_customers_address(address: str) -> bool:
    """Tell whether an address may be a customer's, and not that of a file, program or server."""
    local, _, domain = address.rpartition("@")
    top = domain.rpartition(".")[2].lower()
    return (
        is_address(address)
        and not _MACHINE.fullmatch(local)
        and not _MACHINE_DOMAINS.fullmatch(domain)
        and not _MACHINE_ADDRESSES.fullmatch(address)
        and not _REWRITTEN.fullmatch(local)
        and not _MASKED.fullmatch(local)
        and _DOMAIN_END.fullmatch(top) is not None
        and not local.lower().endswith(tuple(f".{kind}" for kind in _FILE_TYPES))
        and top not in _FILE_TYPES
    )
