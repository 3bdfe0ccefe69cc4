"""Who is meant in a Slack message: every e-mail address and every labelled uid in it.

And in a text that may say other things too, such as a form's answer: `asked_in`.

Strategy: flatten the message into lines of plain text, in reading order (its text, its blocks of
every kind, its attachments), then look for addresses and labels in the lines. A message says most
things twice, as text and as blocks; each identity counts once. Pure and total: a message of any
shape gives a list.

- https://docs.slack.dev/reference/block-kit/blocks
- https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from bot.parsing import (
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
from bot.sessions import Moment, Query

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


# What ends an address, whatever stands around it; the rest is judged by `is_address`. Each pattern
# is bounded and starts at the beginning of a run, so that long words cost no more than short ones.
_OUTSIDE: Final = r"\s@<>()\[\]{}|\"“”„«»,;:\\`*/?&=#…—–•→←‹›。、：，；！？（）「」『』【】"
_ADDRESS: Final = re.compile(rf"(?<![^{_OUTSIDE}])[^{_OUTSIDE}]{{1,80}}@[^{_OUTSIDE}]{{1,255}}")
# As support tools write them: in bold, over two lines, in JSON.
_LABEL: Final = r"(?:uid|user[ _-]?id)"
_LABELLED: Final = re.compile(
    rf"(?<![A-Za-z0-9.-]){_LABEL}(?:[*_`\"']{{0,3}}\s?[:：=#]|\*\s?\n)"
    r"[*_` \t]{0,8}\n?[*_` \t]{0,8}"
    r"(?:\"(?P<quoted>[^\"\n]{1,256})\"|“(?P<curly>[^”\n]{1,256})”"
    r"|(?P<bare>[^\s,;<>\"`*|&]{0,255}[^\s,;<>\"`*|&:]))(?![^\s,;<>\"`*|&])",
    re.IGNORECASE,
)
_LABEL_CELL: Final = re.compile(rf"[\s*]*{_LABEL}[\s*:]*", re.IGNORECASE)
_NOBODY: Final = frozenset(
    {"", "-", "—", "–", "n/a", "na", "no", "none", "not", "null", "undefined", "unknown"}
    | {"anonymous"}
)
_MAILTO: Final = re.compile(r"<mailto:[^<>]*>", re.IGNORECASE)
_EDGES: Final = ".!?'’‘"
_AROUND_UID: Final = "()[]{}'’‘.!?"


def identities(message: dict[str, Any]) -> tuple[Identity, ...]:
    """The identities in a message, in the order in which a person meets them."""
    found: dict[str, Identity] = {}
    for line in _message_lines(message, 0):
        for identity in _in_line(line):
            key = f"e {identity.email.casefold()}" if identity.email else f"u {identity.uid}"
            found.setdefault(key, identity)
    return tuple(found.values())


def customers(message: dict[str, Any], internal_domains: Collection[str]) -> tuple[Identity, ...]:
    """The identities in a message but for addresses of the company's own domains."""
    return tuple(
        one for one in identities(message) if not _is_internal(one.email or "", internal_domains)
    )


def _is_internal(email: str, domains: Collection[str]) -> bool:
    domain = email.rpartition("@")[2].casefold()
    return any(domain == own or domain.endswith(f".{own}") for own in domains)


def written(message: dict[str, Any]) -> datetime | None:
    """When a message was written, by its `ts`: seconds since 1970 as a decimal text."""
    try:
        return datetime.fromtimestamp(float(str(message.get("ts"))), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def query_about(identity: Identity, message: dict[str, Any], limit: int) -> Query:
    """The query for somebody in a message, with the moment at which it was written."""
    time = written(message)
    moment = Moment(time, of_message=True) if time else None
    return Query(identity.email, identity.uid, limit, moment)


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


def asked_in(text: str, limits: Limits) -> Parsed:
    """Whose sessions a text asks for: typed as for the command, or anybody that it names."""
    parsed = parse(text, limits)
    if not (isinstance(parsed, Refused) and parsed.problem in _NOT_FOR_US):
        return parsed
    return person_in(text, limits) if identities({"text": text}) else parsed


def person_in(text: str, limits: Limits, limit: str | None = None) -> Parsed:
    """Who is meant in a text that may say other things too, such as a form's answer.

    `limit` has a place of its own, if there is one. An address and a uid are of one person; a lone
    word is a uid, unless it says that there is none.
    """
    people = identities({"text": text})
    emails = [one.email for one in people if one.email]
    uids = [one.uid for one in people if one.uid]
    if len(emails) > 1 or len(uids) > 1:
        problem = Problem.TWO_ADDRESSES if len(emails) > 1 else Problem.TWO_UIDS
        return Refused(problem, "", "jane@example.com")
    if people:
        query = Query("".join(emails) or None, "".join(uids) or None, limits.default)
        return parse_person(typed_form(query, with_limit=False), limit, limits)
    if text.strip().lower() in _NOBODY:
        return Refused(Problem.NOBODY, "", "jane@example.com")
    return parse(text if limit is None else f"{text} limit:{limit}", limits)


def _in_line(line: str) -> Iterator[Identity]:
    labelled = []
    for match in _LABELLED.finditer(line):
        uid = match["quoted"] or match["curly"] or match["bare"].strip(_AROUND_UID).rstrip("_~")
        if uid.strip().lower() not in _NOBODY and uid.isprintable() and uid[0] != "@":
            labelled.append((match.start(), match.end(), Identity(uid=uid.strip())))
    addresses = [
        (match.start(), Identity(email=address))
        for match in _ADDRESS.finditer(line)
        # What is labelled as a uid is one, though it may look like an address.
        if not any(start <= match.start() < end for start, end, _ in labelled)
        and (address := _address(match[0]))
    ]
    everything = [(start, identity) for start, _, identity in labelled] + addresses
    yield from (identity for _, identity in sorted(everything, key=lambda pair: pair[0]))


def _address(text: str) -> str:
    """The address in what was found, without what a sentence or its markup left on it; or ""."""
    text = text.replace("’", "'").strip(_EDGES).removesuffix("'s")
    return next((one for one in (text, text.strip("_~")) if is_address(one)), "")


def _readable(text: str) -> str:
    """A text as plain words: a mailto link says where its address begins and ends."""
    spaced = _MAILTO.sub(lambda link: f" {link[0]} ", INVISIBLE.sub("", text))
    return plain_text(spaced).replace("\\_", "_")


# What a block holds for machines: it would be read as text, and found as an identity, by mistake.
_FOR_MACHINES: Final = frozenset({"type", "style", "value", "source", "status", "level", "name"})


# -- Lines of a message ---------------------------------------------------------------------------


def _message_lines(message: object, depth: int) -> Iterator[str]:
    if not isinstance(message, dict) or depth > MAX_DEPTH:
        return
    yield from _text_lines(message.get("text"), depth)
    for block in _items(message.get("blocks")):
        yield from _block_lines(block, depth + 1)
    for attachment in _items(message.get("attachments")):
        yield from _attachment_lines(attachment, depth + 1)
    for file in _items(message.get("files")):
        yield from _file_lines(file, depth + 1)


def _file_lines(file: object, depth: int) -> Iterator[str]:
    """A file's name and text; Slack's e-mail integration posts e-mails as files."""
    if isinstance(file, dict):
        for sender in _items(file.get("from")):
            yield from _text_lines(sender.get("address") if isinstance(sender, dict) else "", depth)
        for name in ("title", "subject", "plain_text", "preview_plain_text"):
            yield from _text_lines(file.get(name), depth)


def _attachment_lines(attachment: object, depth: int) -> Iterator[str]:
    if not isinstance(attachment, dict):
        return
    for name in ("pretext", "author_name", "title"):
        yield from _text_lines(attachment.get(name), depth)
    yield from _link_lines(attachment.get("title_link"))
    yield from _link_lines(attachment.get("author_link"))
    yield from _message_lines({**attachment, "attachments": None}, depth)
    for field in _items(attachment.get("fields")):
        if isinstance(field, dict):
            value = " ".join(_text_lines(field.get("value"), depth))
            yield f"{' '.join(_text_lines(field.get('title'), depth)).rstrip(': ')}: {value}"
    yield from _text_lines(attachment.get("footer"), depth)
    if not any(attachment.get(name) for name in ("text", "fields", "blocks", "message_blocks")):
        # It repeats what stands above, often cut in the middle of an address.
        yield from _text_lines(attachment.get("fallback"), depth)
    for shared in _items(attachment.get("message_blocks")):
        if isinstance(shared, dict):
            yield from _message_lines(shared.get("message"), depth + 1)


def _block_lines(block: object, depth: int) -> Iterator[str]:
    """Any block, element or text object, known or not: all that it says, in its own order."""
    if depth > MAX_DEPTH:
        return
    if isinstance(block, list):
        for inside in block:
            yield from _block_lines(inside, depth + 1)
    elif isinstance(block, dict):
        match block.get("type"):
            case "rich_text_section" | "rich_text_preformatted" | "rich_text_quote":
                yield _rich_line(block, depth)
            case "table":
                yield from _table_lines(block, depth)
            case _:
                for name, value in block.items():
                    yield from _value_lines(name, value, depth)


def _value_lines(name: str, value: object, depth: int) -> Iterator[str]:
    if not isinstance(value, str):
        yield from _block_lines(value, depth + 1)
    elif name == "url" or name.endswith("_url"):
        yield from _link_lines(value)
    elif name not in _FOR_MACHINES and not name.endswith("_id"):
        yield _readable(value)


def _table_lines(table: dict[str, Any], depth: int) -> Iterator[str]:
    """A line for each cell: under a heading such as "User ID" with it, else beside its label."""
    rows = [
        [" ".join(_block_lines(cell, depth + 1)) for cell in _items(row)]
        for row in _items(table.get("rows"))
    ]
    if not _has_headings(rows):
        for row in rows:
            yield ": ".join(row) if len(row) == 2 else " ".join(row)
        return
    for row in rows[1:]:
        for heading, cell in zip(rows[0], row, strict=False):
            labelled = _LABEL_CELL.fullmatch(heading)
            yield f"{heading.rstrip(': ')}: {cell}" if labelled else cell


def _has_headings(rows: list[list[str]]) -> bool:
    """Whether the first row names what stands below it, a uid among that."""
    if len(rows) < 2 or not rows[0]:
        return False
    first, *others = rows[0]
    if any(_LABEL_CELL.fullmatch(cell) for cell in others):
        return True
    # "User ID" beside one cell: that is another heading, or the uid itself.
    beside_heading = len(others) != 1 or others[0].strip().isalpha()
    return beside_heading and _LABEL_CELL.fullmatch(first) is not None


def _rich_line(section: dict[str, Any], depth: int) -> str:
    """A line of rich text: its pieces stand side by side, whatever their style is."""
    pieces: list[str] = []
    for piece in _items(section.get("elements")):
        if not isinstance(piece, dict):
            continue
        if piece.get("type") == "link":
            pieces += _link_lines(piece.get("url"))
        elif "elements" in piece:
            pieces += _block_lines(piece, depth + 1)
        text = piece.get("text")
        if isinstance(text, str) and not (piece.get("type") == "link" and pieces[-1:] == [text]):
            pieces.append(text)
    return "".join(pieces)


def _text_lines(text: object, depth: int) -> Iterator[str]:
    """A text, or a text object, as plain lines."""
    if isinstance(text, dict):
        if depth <= MAX_DEPTH:
            yield from _text_lines(text.get("text"), depth + 1)
    elif isinstance(text, str):
        # A label and its value often stand on two lines: "*User ID*:\n42".
        yield _readable(text)


def _link_lines(url: object) -> Iterator[str]:
    if isinstance(url, str) and url.lower().startswith("mailto:"):
        yield f" {unquote(url[len('mailto:') :].partition('?')[0])} "


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
