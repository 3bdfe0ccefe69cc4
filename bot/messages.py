"""Who is meant in a Slack message: every e-mail address and every labelled uid in it.

Strategy: flatten the message into lines of plain text, in reading order (its text, its blocks of
every kind, its attachments), then look for addresses and labels in the lines. A message says most
things twice, as text and as blocks; each identity counts once. Pure and total: a message of any
shape gives a list.

- https://docs.slack.dev/reference/block-kit/blocks
- https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bot.parsing import is_address, plain_text
from bot.sessions import MAX_UID_LENGTH

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


# Loose at its edges, judged by `is_address`: whatever stands around an address is left outside.
_NOT_IN_ADDRESS: Final = r"\s@<>()\[\]{}|\"“”„«»,;:\\`*/?&=#"
_ADDRESS: Final = re.compile(rf"[^{_NOT_IN_ADDRESS}]+@[^{_NOT_IN_ADDRESS}]+")
# As support tools write them, in bold and over two lines too.
_LABELLED: Final = re.compile(
    r"(?<![\w.-])(?:uid|user[ _-]?id)[*_`]*\s?[:=#][*_` \t]*\n?[*_` \t]*"
    r"(?:\"(?P<quoted>[^\"\n]+)\"|(?P<bare>[^\s,;<>\"`*|]*[^\s,;<>\"`*|:]))(?![^\s,;<>\"`*|])",
    re.IGNORECASE,
)
_NOBODY: Final = frozenset({"-", "n/a", "na", "none", "null", "undefined", "unknown", "anonymous"})
_EDGES: Final = ".!?'’‘"


def identities(message: dict[str, Any]) -> tuple[Identity, ...]:
    """The identities in a message, in the order in which a person meets them."""
    found: dict[str, Identity] = {}
    for line in _message_lines(message, 0):
        for identity in _in_line(line):
            key = f"e {identity.email.casefold()}" if identity.email else f"u {identity.uid}"
            found.setdefault(key, identity)
    return tuple(found.values())


def _in_line(line: str) -> Iterator[Identity]:
    labelled = []
    for match in _LABELLED.finditer(line):
        uid = (match["quoted"] or match["bare"].rstrip(").]" + _EDGES)).strip()
        if uid.lower() not in _NOBODY and 0 < len(uid) <= MAX_UID_LENGTH and uid.isprintable():
            labelled.append((match.start(), match.end(), Identity(uid=uid)))
    addresses = [
        (match.start(), Identity(email=address))
        for match in _ADDRESS.finditer(line)
        # What is labelled as a uid is one, though it may look like an address.
        if not any(start <= match.start() < end for start, end, _ in labelled)
        and is_address(address := match[0].strip(_EDGES).replace("’", "'"))
    ]
    everything = [(start, identity) for start, _, identity in labelled] + addresses
    yield from (identity for _, identity in sorted(everything, key=lambda pair: pair[0]))


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
    for name in ("footer", "fallback"):
        yield from _text_lines(attachment.get(name), depth)
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
        yield plain_text(value)


def _table_lines(table: dict[str, Any], depth: int) -> Iterator[str]:
    """A line for each row; two cells are a label and its value."""
    for row in _items(table.get("rows")):
        cells = [" ".join(_block_lines(cell, depth + 1)) for cell in _items(row)]
        yield ": ".join(cells) if len(cells) == 2 else " ".join(cells)


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
        yield plain_text(text)


def _link_lines(url: object) -> Iterator[str]:
    if isinstance(url, str) and url.lower().startswith("mailto:"):
        yield f" {url[len('mailto:') :].partition('?')[0]} "


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
