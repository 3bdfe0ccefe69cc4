"""Who is meant in a Slack message: every e-mail address and every labelled uid in it.

And in a text that may say other things too, such as a form's answer: `parse_free_text`.

Strategy: flatten the message into lines of plain text, in reading order (its text, its blocks of
every kind, its attachments), then look for addresses and labels in the lines. A message says most
things twice, as text and as blocks; each identity counts once. Pure and total: a message of any
shape gives a list.

- https://docs.slack.dev/reference/block-kit/blocks
- https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain, islice
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from bot.sessions import MAX_UID_LENGTH, Moment, Query
from bot.typed.labels import NOT_WITHIN_A_WORD, UID, Labels
from bot.typed.query import (
    INVISIBLE,
    Limits,
    Parsed,
    Problem,
    Refused,
    is_address,
    parse,
    parse_person,
    plain_text,
    typed_form,
)

MAX_DEPTH: Final = 20
"""Levels of nesting that are read. Slack's own messages have fewer than ten."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to name a person: either `email` or `uid` is set."""

    email: str | None = None
    uid: str | None = None

    @property
    def shown(self) -> str:
        """For a button or a list."""
        return self.email or f"uid {self.uid}"


MAX_CHARACTERS: Final = 100_000
"""Of a message that are read: Slack's own text has 40,000 at most, and its blocks repeat it."""

MAX_PIECES: Final = 5_000
"""Texts, blocks and elements of a message that are read."""

MAX_FOUND: Final = 1_000
"""The search ends when so many were found, or looked at: nobody chooses among more."""

# Each pattern below is possessive or bounded, and is tried once at each place: the work grows as
# the text does, whatever the text is.

# What ends an address, whatever stands around it; the rest is judged by `is_address`.
_OUTSIDE: Final = r"\s@<>()\[\]{}|\"“”„«»,;:\\`*/?&=#…—–•→←‹›。、：，；！？（）「」『』【】"
_ADDRESS: Final = re.compile(rf"(?<![^{_OUTSIDE}])[^{_OUTSIDE}]{{1,80}}+@[^{_OUTSIDE}]{{1,255}}+")
_QUOTES: Final = {'"': '"', "“": "”"}
_BARE: Final = re.compile(r"[^\s,;<>\"`*|&]+")
_MAILTO: Final = re.compile(r"<mailto:[^<>]*>", re.IGNORECASE)
_EDGES: Final = ".!?'’‘"
_AROUND_UID: Final = "()[]{}'’‘.!?"
_OPENING: Final = frozenset("([{")


@cache
def _label_pattern(labels: Labels) -> re.Pattern[str]:
    """As support tools write them: in bold, over two lines, in JSON; or before a uid as code."""
    return re.compile(
        rf"{NOT_WITHIN_A_WORD}(?P<label>{labels})"
        r"(?:[*_`\"']{0,3}+\s?[:：=#]|\*\s?\n|\*?\s?(?=`))[*_` \t]{0,40}+\n?[*_` \t]{0,40}+",
        re.IGNORECASE,
    )


@cache
def _label_cell_pattern(labels: Labels) -> re.Pattern[str]:
    """A cell of a table that is a label and nothing else."""
    return re.compile(rf"[\s*]*+{labels}[\s*:]*+", re.IGNORECASE)


# -- What is no customer --------------------------------------------------------------------------

# What people and forms write where they know no uid.
_NO_UID: Final = frozenset(
    {"", "-", "—", "–", "n/a", "na", "no", "none", "not", "null", "undefined", "unknown"}
    | {"anonymous", "empty", "invalid", "is", "missing", "optional", "please", "provided"}
    | {"required", "tbd", "the", "unavailable", "your"}
)
# In free text a bare word after a label may be the next word of a sentence; an id has a digit, or
# letters that no sentence has in a row.
_LIKE_AN_ID: Final = re.compile(r"\d|[_@|:+=/-]|[a-z][A-Z]|\w{16}")
# Senders that nobody is behind, and users of programs: `git@github.com`, `root@db1.example`.
_NOBODY: Final = re.compile(
    r"(?:no[._-]?reply|do[._-]?not[._-]?reply|mailer-daemon|postmaster|bounces?|notifications?"
    r"|git|root)(?:[+._-].*)?",
    re.IGNORECASE | re.DOTALL,
)
# Files and packages: `logo@2x.png`, `image001.png@01D9ABCD.1234`, `pkg@1.0.0-beta`.
_FILE_TYPES: Final = ("png", "jpg", "jpeg", "gif", "svg", "webp", "pdf", "css", "js", "mjs", "json")
_DOMAIN_END: Final = re.compile(r"[^\W\d_]+|xn--[a-z0-9-]+", re.IGNORECASE)
# Before an address: the password of a URL, or the name of a header that holds a message's own id.
_BEFORE: Final = re.compile(
    r"://(?:[^\s/@]*:)?$|(?:message-id|in-reply-to|references|content-id)\s?:\s?<?[^\s<>]*$|cid:$",
    re.IGNORECASE,
)


def identities(message: dict[str, Any], labels: Labels = UID) -> tuple[Identity, ...]:
    """The identities in a message, in the order in which a person meets them."""
    found: dict[str, Identity] = {}
    lines = _bounded(_message_lines(message, _Level(0, _label_cell_pattern(labels))))
    label = _label_pattern(labels)
    looked_at = chain.from_iterable(_in_line(line, label) for line in lines)
    for identity in islice(looked_at, MAX_FOUND):
        if identity is None:
            continue
        key = f"e {identity.email.casefold()}" if identity.email else f"u {identity.uid}"
        found.setdefault(key, identity)
    return tuple(found.values())


def _bounded(lines: Iterator[str]) -> Iterator[str]:
    """The lines as far as they are read: so many, and so many characters of them, as they came."""
    left = MAX_CHARACTERS
    for line in islice(lines, MAX_PIECES):
        yield _readable(line[:left])
        left -= len(line)
        if left <= 0:
            return


def external_identities(
    message: dict[str, Any], internal_domains: Collection[str], labels: Labels = UID
) -> tuple[Identity, ...]:
    """The identities in a message but for addresses of the company's own domains."""
    people = identities(message, labels)
    return tuple(one for one in people if not _is_internal(one.email or "", internal_domains))


def _is_internal(email: str, domains: Collection[str]) -> bool:
    domain = email.rpartition("@")[2].casefold()
    return any(domain == own or domain.endswith(f".{own}") for own in domains)


def message_time(message: dict[str, Any]) -> datetime | None:
    """When a message was written, by its `ts`: seconds since 1970 as a decimal text."""
    try:
        return datetime.fromtimestamp(float(str(message.get("ts"))), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def queries_about(
    people: Sequence[Identity], message: dict[str, Any], limit: int
) -> tuple[Query, ...]:
    """A query for each person in a message, with the moment at which it was written.

    One e-mail and one uid are of one person: that is how ticket tools name them.
    """
    time = message_time(message)
    moment = Moment(time, of_message=True) if time else None
    emails, uids = (
        [one.email for one in people if one.email],
        [one.uid for one in people if one.uid],
    )
    if len(emails) == len(uids) == 1:
        return (Query(emails[0], uids[0], limit, moment),)
    return tuple(Query(one.email, one.uid, limit, moment) for one in people)


# With these, a text was not written for us, and may well name somebody all the same.
_NOT_FOR_US: Final = frozenset(
    {
        Problem.CHANNEL,
        Problem.CONTROL_CHARACTER,
        Problem.MENTION,
        Problem.NOBODY,
        Problem.TEXT_TOO_LONG,
        Problem.UNCLEAR,
    }
)


def parse_free_text(text: str, limits: Limits, labels: Labels = UID) -> Parsed:
    """Whose sessions a text asks for: typed as for the command, or anybody that it names."""
    parsed = parse(text, limits, labels)
    if not (isinstance(parsed, Refused) and parsed.problem in _NOT_FOR_US):
        return parsed
    people = identities({"text": text}, labels)
    return _one_of(people, limits) if people else parsed


def parse_step_person(
    text: str, limits: Limits, limit: str | None = None, labels: Labels = UID
) -> Parsed:
    """Who is meant in a text that may say other things too, such as a form's answer.

    `limit` has a place of its own, if there is one. An address and a uid are of one person; a lone
    word is a uid, unless it says that there is none.
    """
    if people := identities({"text": text}, labels):
        return _one_of(people, limits, limit)
    if text.strip().lower() in _NO_UID:
        return Refused(Problem.NOBODY, "", "jane@example.com")
    return parse(text if limit is None else f"{text} limit:{limit}", limits, labels)


def _one_of(people: Sequence[Identity], limits: Limits, limit: str | None = None) -> Parsed:
    emails = [one.email for one in people if one.email]
    uids = [one.uid for one in people if one.uid]
    if len(emails) > 1 or len(uids) > 1:
        problem = Problem.TWO_ADDRESSES if len(emails) > 1 else Problem.TWO_UIDS
        return Refused(problem, "", "jane@example.com")
    query = Query("".join(emails) or None, "".join(uids) or None, limits.default)
    return parse_person(typed_form(query, with_limit=False), limit, limits)


def _in_line(line: str, labels: re.Pattern[str]) -> Iterator[Identity | None]:
    """In the line's order. What is labelled as a uid is one, though it looks like an address."""
    start = 0
    for label in labels.finditer(line):
        if label.start() < start:
            continue  # within the uid before
        uid, end = _uid_at(line, label.end())
        yield from _addresses(line, start, label.start())
        if uid:
            yield Identity(uid=uid)
        start = end
    yield from _addresses(line, start, len(line))


def _uid_at(line: str, start: int) -> tuple[str, int]:
    """The uid that stands here, or "", and where reading goes on: before it if it is none."""
    quote = _QUOTES.get(line[start : start + 1])
    if quote and (end := line.find(quote, start + 1, start + 2 + MAX_UID_LENGTH)) > 0:
        uid = line[start + 1 : end].strip()
        return (uid, end + 1) if _is_uid(uid) else ("", start)
    match = _BARE.match(line, start)
    if not match:
        return "", start
    if len(match[0]) > MAX_UID_LENGTH:
        return "", match.end()
    uid = match[0].strip(_AROUND_UID).rstrip("_~").strip(_AROUND_UID)
    # A colon at the end: the label of the next line. A bracket within: "1000(jane)".
    if not _is_uid(uid) or uid[-1] == ":" or not _OPENING.isdisjoint(uid):
        return "", start
    sure = _is_set_off(line, start) or _LIKE_AN_ID.search(uid)
    return (uid, match.end()) if sure else ("", start)


def _is_set_off(line: str, start: int) -> bool:
    """Whether the uid is set off from the text: as code, or by a label that no sentence has."""
    before = line[max(0, start - 12) : start].lower()
    return before.endswith("`") or "uid" in before or "_id" in before


def _is_uid(uid: str) -> bool:
    if uid.lower() in _NO_UID or not uid.isprintable() or uid[0] == "@":
        return False
    return len(uid) > 1 or uid.isdigit()


def _addresses(line: str, start: int, end: int) -> Iterator[Identity | None]:
    """None for what looked like one, and is none."""
    for match in _ADDRESS.finditer(line, start, end):
        before = line[max(0, match.start() - 100) : match.start()]
        address = _address(match[0])
        known = address and not _BEFORE.search(before)
        yield Identity(email=address) if known else None


def _address(text: str) -> str:
    """The address in what was found, without what a sentence or its markup left on it; or ""."""
    if "." not in text:
        return ""
    text = text.replace("’", "'").strip(_EDGES).removesuffix("'s")
    return next((one for one in (text, text.strip("_~")) if _is_customers(one)), "")


def _is_customers(address: str) -> bool:
    """Whether an address may be a customer's, and not a file, a program or a mail server."""
    local, _, domain = address.rpartition("@")
    return (
        is_address(address)
        and not _NOBODY.fullmatch(local)
        and _DOMAIN_END.fullmatch(domain.rpartition(".")[2]) is not None
        and not local.lower().endswith(tuple(f".{kind}" for kind in _FILE_TYPES))
        and domain.rpartition(".")[2].lower() not in _FILE_TYPES
    )


def _readable(text: str) -> str:
    """A text as plain words: a mailto link says where its address begins and ends."""
    visible = INVISIBLE.sub("", text)
    plain = plain_text(_MAILTO.sub(lambda link: f" {link[0]} ", visible)).replace("\\_", "_")
    # As links write addresses: "?email=jane%2Btag%40example.com".
    return plain.replace("%40", "@").replace("%2B", "+").replace("%2b", "+")


# What a block holds for machines: it would be read as text, and found as an identity, by mistake.
_FOR_MACHINES: Final = frozenset({"type", "style", "value", "source", "status", "level", "name"})


# https://docs.slack.dev/reference/block-kit/blocks/table-block
_MAX_ROWS: Final = 100
_MAX_COLUMNS: Final = 20
_MAX_CELL: Final = 1_000  # characters
_MAX_PIECES_INSIDE: Final = 100  # of a table's cell, or of a piece of rich text

# -- Lines of a message ---------------------------------------------------------------------------


class _Level(NamedTuple):
    depth: int
    label_cell: re.Pattern[str]

    @property
    def deeper(self) -> _Level:
        return self._replace(depth=self.depth + 1)


def _message_lines(message: object, at: _Level) -> Iterator[str]:
    if not isinstance(message, dict) or at.depth > MAX_DEPTH:
        return
    yield ""  # each piece is counted, also one that says nothing
    yield from _text_lines(message.get("text"), at)
    for block in _items(message.get("blocks")):
        yield from _block_lines(block, at.deeper)
    for attachment in _items(message.get("attachments")):
        yield from _attachment_lines(attachment, at.deeper)
    for file in _items(message.get("files")):
        yield from _file_lines(file, at.deeper)


def _file_lines(file: object, at: _Level) -> Iterator[str]:
    """A file's name and text; Slack's e-mail integration posts e-mails as files."""
    if isinstance(file, dict):
        for sender in _items(file.get("from")):
            yield from _text_lines(sender.get("address") if isinstance(sender, dict) else "", at)
        for name in ("title", "subject", "plain_text", "preview_plain_text"):
            yield from _text_lines(file.get(name), at)


def _attachment_lines(attachment: object, at: _Level) -> Iterator[str]:
    if not isinstance(attachment, dict):
        return
    for name in ("pretext", "author_name", "title"):
        yield from _text_lines(attachment.get(name), at)
    yield from _link_lines(attachment.get("title_link"))
    yield from _link_lines(attachment.get("author_link"))
    yield from _message_lines({**attachment, "attachments": None}, at)
    for field in _items(attachment.get("fields")):
        if isinstance(field, dict):
            value = " ".join(_text_lines(field.get("value"), at))
            yield f"{' '.join(_text_lines(field.get('title'), at)).rstrip(': ')}: {value}"
    yield from _text_lines(attachment.get("footer"), at)
    if not any(attachment.get(name) for name in ("text", "fields", "blocks", "message_blocks")):
        # It repeats what stands above, often cut in the middle of an address.
        yield from _text_lines(attachment.get("fallback"), at)
    for shared in _items(attachment.get("message_blocks")):
        if isinstance(shared, dict):
            yield from _message_lines(shared.get("message"), at.deeper)


def _block_lines(block: object, at: _Level) -> Iterator[str]:
    """Any block, element or text object, known or not: all that it says, in its own order."""
    if at.depth > MAX_DEPTH or not isinstance(block, list | dict):
        return
    yield ""
    if isinstance(block, list):
        for inside in block[:MAX_PIECES]:
            yield from _block_lines(inside, at.deeper)
    else:
        match block.get("type"):
            case "rich_text_section" | "rich_text_preformatted" | "rich_text_quote":
                yield _rich_line(block, at)
            case "table":
                yield from _table_lines(block, at)
            case _:
                for name, value in islice(block.items(), MAX_PIECES):
                    yield from _value_lines(name, value, at)


def _value_lines(name: str, value: object, at: _Level) -> Iterator[str]:
    if not isinstance(value, str):
        yield from _block_lines(value, at.deeper)
    elif name == "url" or name.endswith("_url"):
        yield from _link_lines(value)
    elif name not in _FOR_MACHINES and not name.endswith("_id"):
        yield value


def _table_lines(table: dict[str, Any], at: _Level) -> Iterator[str]:
    """A line for each cell: under a heading such as "User ID" with it, else beside its label."""
    rows = [
        [_cell(cell, at.deeper) for cell in _items(row)[:_MAX_COLUMNS]]
        for row in _items(table.get("rows"))[:_MAX_ROWS]
    ]
    if not _has_headings(rows, at.label_cell):
        for row in rows:
            yield ": ".join(row) if len(row) == 2 else " ".join(row)
        return
    names = [(heading, at.label_cell.fullmatch(heading)) for heading in rows[0]]
    for row in rows[1:]:
        for (heading, labelled), cell in zip(names, row, strict=False):
            yield f"{heading.rstrip(': ')}: {cell}" if labelled else cell


def _cell(cell: object, at: _Level) -> str:
    return " ".join(islice(_block_lines(cell, at), _MAX_PIECES_INSIDE)).strip()[:_MAX_CELL]


def _has_headings(rows: list[list[str]], label: re.Pattern[str]) -> bool:
    """Whether the first row names what stands below it, a uid among that."""
    if len(rows) < 2 or not rows[0]:
        return False
    first, *others = rows[0]
    if any(label.fullmatch(cell) for cell in others):
        return True
    # "User ID" beside one cell: that is another heading, or the uid itself.
    beside_heading = len(others) != 1 or others[0].strip().isalpha()
    return beside_heading and label.fullmatch(first) is not None


def _rich_line(section: dict[str, Any], at: _Level) -> str:
    """A line of rich text: its pieces stand side by side, whatever their style is."""
    pieces: list[str] = []
    for piece in _items(section.get("elements")):
        if not isinstance(piece, dict):
            continue
        if piece.get("type") == "link":
            pieces += _link_lines(piece.get("url"))
        elif "elements" in piece:
            pieces += islice(_block_lines(piece, at.deeper), _MAX_PIECES_INSIDE)
        text = piece.get("text")
        if isinstance(text, str) and not (piece.get("type") == "link" and pieces[-1:] == [text]):
            pieces.append(f"`{text}`" if _is_code(piece) else text)
    return "".join(pieces)


def _is_code(piece: dict[str, Any]) -> bool:
    style = piece.get("style")
    return isinstance(style, dict) and style.get("code") is True


def _text_lines(text: object, at: _Level) -> Iterator[str]:
    """A text, or a text object, as plain lines."""
    if isinstance(text, dict):
        if at.depth <= MAX_DEPTH:
            yield from _text_lines(text.get("text"), at.deeper)
    elif isinstance(text, str):
        # A label and its value often stand on two lines: "*User ID*:\n42".
        yield text


def _link_lines(url: object) -> Iterator[str]:
    if isinstance(url, str) and url.lower().startswith("mailto:"):
        yield f" {unquote(url[len('mailto:') :].partition('?')[0])} "


def _items(value: object) -> list[Any]:
    return value[:MAX_PIECES] if isinstance(value, list) else []
