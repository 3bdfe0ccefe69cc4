"""Finds the people that a Slack message names: e-mail addresses and labeled uids.

`identities` reads a message of any shape: its text, blocks, attachments and files. It flattens them
into plain texts in reading order, in which links, fields and table cells mark where a value begins
and ends, and `bot.core.people` finds the people in each. Nothing raises.

- https://docs.slack.dev/reference/block-kit/blocks
- https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, groupby, islice
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from bot.core.labels import UID, Labels
from bot.core.people import (
    Identity,
    label_cell_pattern,
    mark_address,
    mark_value,
    people_in,
    set_apart,
    without_marks,
)
from bot.core.sessions import Moment, Query
from bot.core.words import INVISIBLE, unescape
from bot.slack import action_ids

MAX_DEPTH: Final = 20
"""Levels of nesting that are read; Slack's own messages have fewer than ten."""

MAX_CHARACTERS: Final = 100_000
"""Characters of a message that are read: a text has at most 40,000, and blocks repeat it."""

MAX_PIECES: Final = 5_000
"""Texts, blocks and elements of a message that are read."""

MAX_FOUND: Final = 1_000
"""Identities, and what looked like one, until the search ends: no one chooses among more."""


def identities(message: dict[str, Any], labels: Labels = UID) -> tuple[Identity, ...]:
    """Return the identities in a message in reading order, each once."""
    texts = _bounded(_message_texts(message, _Level(0, labels)))
    looked_at = chain.from_iterable(people_in(text, labels) for text in texts)
    found: dict[tuple[str, str], Identity] = {}
    for identity in islice(looked_at, MAX_FOUND):
        if identity:
            found.setdefault(identity.key, identity)
    return tuple(found.values())


def _bounded(texts: Iterator[str]) -> Iterator[str]:
    """Yield a limited number of texts and characters."""
    left = MAX_CHARACTERS
    for text in islice(texts, MAX_PIECES):
        yield text[:left]
        left -= len(text)
        if left <= 0:
            return


def external_identities(
    message: dict[str, Any], internal_domains: Collection[str], labels: Labels = UID
) -> tuple[Identity, ...]:
    """Return the identities in a message without addresses of the company's own domains."""
    people = identities(message, labels)
    return tuple(one for one in people if not is_internal(one.email or "", internal_domains))


def is_internal(email: str, domains: Collection[str]) -> bool:
    """Tell whether an address is a colleague's."""
    domain = email.rpartition("@")[2].casefold()
    return any(domain == own or domain.endswith(f".{own}") for own in domains)


def message_time(message: dict[str, Any]) -> datetime | None:
    """Return when a message was written, by its `ts`: seconds since 1970 as a decimal text."""
    try:
        return datetime.fromtimestamp(float(str(message.get("ts"))), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def is_offer(message: dict[str, Any]) -> bool:
    """Tell whether a message is one of the bot's offers below a ticket."""
    return any(
        isinstance(block, dict)
        and isinstance(block.get("accessory"), dict)
        and block["accessory"].get("action_id") == action_ids.OFFER
        for block in _items(message.get("blocks"))
    )


def queries_about(
    people: Sequence[Identity], message: dict[str, Any], limit: int, labels: Labels = UID
) -> tuple[Query, ...]:
    """Return a query for each person in a message, with the moment when it was written.

    For a person in a forwarded message, that is when the forwarded one was written. One e-mail and
    one uid are one person: ticket tools name them like that.
    """
    forwarded = dict(_forwarded(message, labels))
    written = message_time(message)

    def moment(*names: Identity) -> Moment | None:
        time = next((forwarded[one.key] for one in names if one.key in forwarded), written)
        return Moment(time, of_message=True, is_here=time is written) if time else None

    emails, uids = [one for one in people if one.email], [one for one in people if one.uid]
    if len(emails) == len(uids) == 1:
        return (Query(emails[0].email, uids[0].uid, limit, moment(*emails, *uids)),)
    return tuple(Query(one.email, one.uid, limit, moment(one)) for one in people)


def _forwarded(
    message: dict[str, Any], labels: Labels
) -> Iterator[tuple[tuple[str, str], datetime]]:
    """Yield the people in forwarded messages, and when each was written."""
    for attachment in _items(message.get("attachments")):
        if isinstance(attachment, dict) and any(attachment.get(name) for name in _FORWARDS):
            time = _forward_time(attachment)
            if time:
                for one in identities({"attachments": [attachment]}, labels):
                    yield one.key, time


def _forward_time(attachment: dict[str, Any]) -> datetime | None:
    """Return when a forwarded message was written, by its `ts` or its permalink."""
    in_url = _TS_IN_URL.search(str(attachment.get("from_url")))
    if not attachment.get("ts") and in_url:
        return message_time({"ts": f"{in_url[1]}.{in_url[2]}"})
    return message_time(attachment) if attachment.get("ts") else None


_TS_IN_URL: Final = re.compile(r"/p(\d{10})(\d{6})\b")
_FORWARDS: Final = ("is_share", "is_msg_unfurl", "message_blocks")

# -- Slack's markup -------------------------------------------------------------------------------

# https://docs.slack.dev/messaging/formatting-message-text. Other angle brackets are text.
_LINK: Final = re.compile(r"<([@#!]|[a-z][a-z0-9+.-]*:)([^<>|]*)(?:\|([^<>]*))?>", re.IGNORECASE)
_ODD_SPACES: Final = re.compile(
    r"(?<!\d)[\u00a0\u2007\u202f\u3000]|[\u00a0\u2007\u202f\u3000](?!\d)"
)
_BAR: Final = "\ue004"  # an escaped bar, until the cells of a table are known
_NOT_SHOWN: Final = "\ufffc"  # instead of an emoji, a mention and the like
_BOX: Final = str.maketrans("│┃║─━═├┤┼┌┐└┘┬┴╞╡╪", "|||---++++++++++++")
_MAILTO: Final = re.compile(r"\bmailto:([^\s<>()\[\]{}\"'`|]+)", re.IGNORECASE)
_JSON_ESCAPE: Final = re.compile(r"\\u00(2[267b]|3[ce]|40|7c)", re.IGNORECASE)  # as Go writes "<"
_ESCAPED_PUNCTUATION: Final = re.compile(r"\\([_*~`.+@#&!/-])")  # as Markdown does


def _plain(text: str) -> str:
    """Undo Slack's links and entities, and mark addresses in links."""
    text = _LINK.sub(_linked, _clean(text)).replace("\\|", _BAR)
    text = _ESCAPED_PUNCTUATION.sub(r"\1", unescape(text))
    text = _JSON_ESCAPE.sub(lambda escaped: chr(int(escaped[1], 16)), text)
    # Markdown's links, and addresses that were pasted with their scheme.
    return set_apart(_MAILTO.sub(lambda link: _address_of(link[1]), text))


def _clean(text: str) -> str:
    """Remove invisible characters; no-break spaces become plain ones, except between digits."""
    return _ODD_SPACES.sub(" ", without_marks(INVISIBLE.sub("", text)))


def _linked(link: re.Match[str]) -> str:
    scheme, target, label = link[1], link[2], link[3] or ""
    if scheme in "@#!":
        return scheme + target  # Slack's own, whatever their names are
    if scheme.lower() != "mailto:":
        return label or scheme + target
    return _address_of(unescape(target)) or label


def _address_of(target: str) -> str:
    """Mark the whole addresses of a `mailto:` target."""
    addresses = unquote(target.partition("?")[0]).split(",")
    return ",".join(mark_address(one.strip()) for one in addresses)


# -- Texts of a message ---------------------------------------------------------------------------

# Fields of blocks that are not shown: they would be read as text by mistake.
_FOR_MACHINES: Final = frozenset({"type", "style", "value", "source", "status", "level", "name"})

# https://docs.slack.dev/reference/block-kit/blocks/table-block
_MAX_ROWS: Final = 100
_MAX_COLUMNS: Final = 20
_MAX_CELL: Final = 1_000  # characters
_MAX_PIECES_INSIDE: Final = 100  # of a table's cell, or of a rich text element


class _Level(NamedTuple):
    depth: int
    labels: Labels

    @property
    def deeper(self) -> _Level:
        return self._replace(depth=self.depth + 1)


def _message_texts(message: object, at: _Level) -> Iterator[str]:
    if not isinstance(message, dict) or at.depth > MAX_DEPTH:
        return
    yield ""  # each one is counted, even if it is empty
    yield from _texts(message.get("text"), at)
    for block in _items(message.get("blocks")):
        yield from _block_texts(block, at.deeper)
    for attachment in _items(message.get("attachments")):
        yield from _attachment_texts(attachment, at.deeper)
    for file in _items(message.get("files")):
        yield from _file_texts(file, at.deeper)


def _file_texts(file: object, at: _Level) -> Iterator[str]:
    """Yield a file's name and text; Slack's e-mail integration posts e-mails as files."""
    if isinstance(file, dict):
        headers = file.get("headers")
        # A contact form sends as the site itself, with the customer in Reply-To.
        for name, value in headers.items() if isinstance(headers, dict) else ():
            if str(name).casefold().replace("-", "_") == "reply_to":
                yield from _senders(value)
        yield from _senders(file.get("from"))
        for name in ("title", "subject", "plain_text", "preview_plain_text", "preview"):
            yield from _texts(file.get(name), at)


def _senders(value: object) -> Iterator[str]:
    """Yield the senders of an e-mail: a text as in its header, an object, or a list of these."""
    for one in [value] if isinstance(value, str | dict) else _items(value):
        if isinstance(one, dict):
            one = one.get("address") or one.get("email") or one.get("original")
        if isinstance(one, str):
            yield _plain(one)


def _attachment_texts(attachment: object, at: _Level) -> Iterator[str]:
    if not isinstance(attachment, dict):
        return
    for name in ("pretext", "author_name", "title"):
        yield from _texts(attachment.get(name), at)
    for name in ("title_link", "author_link"):
        yield _link_target(attachment.get(name))
    yield from _message_texts({**attachment, "attachments": None}, at)
    for field in _items(attachment.get("fields")):
        if isinstance(field, dict):
            title = " ".join(_texts(field.get("title"), at))
            yield from _field(title, " ".join(_texts(field.get("value"), at)), at)
    yield from _texts(attachment.get("footer"), at)
    if not any(attachment.get(name) for name in ("text", "fields", "blocks", "message_blocks")):
        # It repeats the text above, often cut in the middle of an address.
        yield from _texts(attachment.get("fallback"), at)
    for shared in _items(attachment.get("message_blocks")):
        if isinstance(shared, dict):
            yield from _message_texts(shared.get("message"), at.deeper)


def _field(title: str, value: str, at: _Level) -> Iterator[str]:
    """Yield a title and its value; under the title of a uid, the whole value is one."""
    if not label_cell_pattern(at.labels).fullmatch(title):
        yield title
        yield value
    elif people_beside := [line for line in value.splitlines() if line.strip()]:
        yield f"{title.strip(' *_:')}: {mark_value(people_beside[0])}"
        yield from people_beside[1:]


def _block_texts(block: object, at: _Level) -> Iterator[str]:
    """Yield everything that a block, element or text object says, known or not, in its order."""
    if at.depth > MAX_DEPTH or not isinstance(block, list | dict):
        return
    yield ""
    if isinstance(block, list):
        for inside in block[:MAX_PIECES]:
            yield from _block_texts(inside, at.deeper)
    else:
        match block.get("type"):
            case "rich_text_section" | "rich_text_quote":
                yield _rich_text(block, at)
            case "rich_text_preformatted":
                yield from _with_tables(_rich_text(block, at), at)
            case "table":
                yield from _table_texts(_cells(block, at), at)
            case _:
                for name, value in islice(block.items(), MAX_PIECES):
                    yield from _value_texts(name, value, at)


def _value_texts(name: str, value: object, at: _Level) -> Iterator[str]:
    if not isinstance(value, str):
        yield from _block_texts(value, at.deeper)
    elif name == "url" or name.endswith("_url"):
        yield _link_target(value)
    elif name not in _FOR_MACHINES and not name.endswith("_id"):
        yield from _texts(value, at)


def _rich_text(section: dict[str, Any], at: _Level) -> str:
    """Join the elements of rich text, whatever their style is."""
    pieces: list[str] = []
    for piece in _items(section.get("elements")):
        if not isinstance(piece, dict):
            continue
        text = piece.get("text")
        if "elements" in piece:
            pieces += islice(_block_texts(piece, at.deeper), _MAX_PIECES_INSIDE)
        elif piece.get("type") == "link" and (address := _link_target(piece.get("url"))):
            pieces.append(address)
        elif piece.get("type") == "link" and not text:
            pieces.append(without_marks(str(piece.get("url") or "")))
        elif isinstance(text, str):
            text = _clean(text)
            pieces.append(f"`{text}`" if _is_code(piece) else text)
        else:
            pieces.append(_NOT_SHOWN)
    return _MAILTO.sub(lambda link: _address_of(link[1]), "".join(pieces))


def _is_code(piece: dict[str, Any]) -> bool:
    style = piece.get("style")
    return isinstance(style, dict) and style.get("code") is True


def _texts(text: object, at: _Level) -> Iterator[str]:
    """Yield a text or a text object; a table in it is read as one."""
    if isinstance(text, dict):
        if at.depth <= MAX_DEPTH:
            yield from _texts(text.get("text"), at.deeper)
    elif isinstance(text, str):
        # A label and its value often are on two lines: "*User ID*:\n42".
        for one in _with_tables(_plain(text[:MAX_CHARACTERS]).translate(_BOX), at):
            yield one.replace(_BAR, "|")


def _link_target(url: object) -> str:
    """Return the address of a `mailto:` link, marked as one; "" for another link."""
    if isinstance(url, str) and url.lower().startswith("mailto:"):
        return _address_of(without_marks(url[len("mailto:") :]))
    return ""


def _items(value: object) -> list[Any]:
    return value[:MAX_PIECES] if isinstance(value, list) else []


# -- Tables ---------------------------------------------------------------------------------------

_RULE: Final = re.compile(r"(?=.*-)(?=.*[|+])[\s|+:=-]++|-\[ RECORD \d+ \][+-]*+")
_HEADING: Final = re.compile(r"\w[\w.-]*(?: [\w.-]+){0,2}")
_BETWEEN_CELLS: Final = re.compile(r"\s\|(?=\s)|\s\|$|^\|\s")


def _cells(table: dict[str, Any], at: _Level) -> list[list[str]]:
    return [
        [
            " ".join(islice(_block_texts(cell, at.deeper), _MAX_PIECES_INSIDE)).strip()[:_MAX_CELL]
            for cell in _items(row)[:_MAX_COLUMNS]
        ]
        for row in _items(table.get("rows"))[:_MAX_ROWS]
    ]


def _with_tables(text: str, at: _Level) -> Iterator[str]:
    """Yield a text whose lines may be tables, as in Markdown and database shells."""
    if "|" not in text:
        yield from _with_csv(text, at)
        return
    others: list[str] = []
    for is_table, group in groupby(text.splitlines(), _is_in_table):
        lines = list(group)
        rows = [_row(line) for line in lines if not _is_rule(line)] if is_table else []
        if not is_table or len(rows) == len(lines):  # without a rule, it is a text with bars
            others += lines
        elif rows:
            yield "\n".join(others)
            others = []
            yield from _table_texts(rows, at)
    yield "\n".join(others)


def _with_csv(text: str, at: _Level) -> Iterator[str]:
    """Yield a text whose lines may be rows of CSV under a heading such as `user_id,email`."""
    lines = text.split("\n")
    label = label_cell_pattern(at.labels)
    for number, line in enumerate(lines):
        heading = _csv_row(line)
        is_heading = any(label.fullmatch(cell) for cell in heading)
        if not is_heading or not all(map(_HEADING.fullmatch, heading)):
            continue
        table: list[list[str]] = []
        for following in lines[number + 1 : number + _MAX_ROWS]:
            if len(row := _csv_row(following)) != len(heading):
                break
            table.append(row)
        yield "\n".join(lines[:number])
        yield from _table_texts([heading, *table], at)
        yield "\n".join(lines[number + 1 + len(table) :])
        return
    yield text


def _csv_row(line: str) -> list[str]:
    try:
        return next(csv.reader([line.strip("` \t\r")]), []) if "," in line else []
    except csv.Error:
        return []


def _is_in_table(line: str) -> bool:
    return "|" in line or _is_rule(line)


def _is_rule(line: str) -> bool:
    return _RULE.fullmatch(line.strip("`")) is not None


def _row(line: str) -> list[str]:
    """Return the cells of a line. Bars in a uid have no spaces around them."""
    line = line.strip().strip("`")
    cells = _BETWEEN_CELLS.split(line)
    if len([cell for cell in cells if cell.strip()]) < 2:
        cells = line.split("|")
    if line.startswith("|") and not cells[0].strip():
        cells = cells[1:]
    if line.endswith("|") and cells and not cells[-1].strip():
        cells = cells[:-1]
    return [cell.strip()[:_MAX_CELL] for cell in cells[:_MAX_COLUMNS]]


def _table_texts(rows: list[list[str]], at: _Level) -> Iterator[str]:
    """Yield each cell, with its heading if that is a label, or beside its label."""
    rows = rows[:_MAX_ROWS]
    label = label_cell_pattern(at.labels)
    if not _has_headings(rows, label):
        for row in rows:
            yield from _field(row[0], row[1], at) if len(row) == 2 else row
        return
    for row in rows[1:]:
        for heading, cell in zip(rows[0], row, strict=False):
            # If the cells do not line up with the headings, none is certainly a uid.
            is_uid = label.fullmatch(heading) and len(row) == len(rows[0])
            yield from _field(heading, cell, at) if is_uid else (cell,)


def _has_headings(rows: list[list[str]], label: re.Pattern[str]) -> bool:
    """Tell whether the first row has headings, and one of them is a uid's."""
    if len(rows) < 2 or not rows[0]:
        return False
    first, *others = rows[0]
    if any(re.fullmatch(r"[#\w|.-]*\d[\w|.-]*", cell) for cell in others) and len(others) > 1:
        return False  # labels beside their values, several in a row
    if any(label.fullmatch(cell) for cell in others):
        return True
    # "User ID" beside one cell: that is another heading, or the uid itself.
    beside_heading = len(others) != 1 or others[0].strip().isalpha()
    return beside_heading and label.fullmatch(first) is not None
