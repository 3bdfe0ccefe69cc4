"""Block Kit as plain dicts from small functions, within Slack's limits.

Text from outside is escaped here; `bot.slack.api` has the limits.
Text: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.fast_json import dumps
from bot.slack.api import (
    MAX_BUTTON_TEXT,
    MAX_FIELD,
    MAX_HEADER,
    MAX_OPTION_TEXT,
    MAX_SECTION,
    MAX_TITLE,
)

Block = dict[str, Any]
Message = dict[str, Any]
View = dict[str, Any]

SHOWN: Final = 100
"""Characters that are shown of a person's address, uid or text."""

_MENTION: Final = re.compile(r"<[@#][A-Z0-9]+>")
_MARKUP: Final = re.compile(r"[*_~`:]|^\s|\s$")


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """How large a message may be: `characters` of its blocks as JSON, or None for no limit.

    An ordinary message in direct messages `can_dismiss`; for ephemeral ones, Slack has a button of
    its own. A modal has a button for a new search.
    """

    characters: int | None
    can_dismiss: bool = False
    is_modal: bool = False

    def remaining_after(self, blocks: list[Block]) -> int | None:
        """Return how many characters are left."""
        return None if self.characters is None else self.characters - size_as_json(blocks)


RESPONSE_URL: Final = SizeLimit(None)
POSTED: Final = SizeLimit(13_000)
"""chat.postMessage takes some 13,200 characters of blocks in all, buttons and their values
included: https://github.com/slackapi/bolt-js/issues/2509"""

DIRECT: Final = SizeLimit(13_000, can_dismiss=True)
MODAL: Final = SizeLimit(200_000, is_modal=True)
"""A view takes 250 KB in all: https://docs.slack.dev/reference/views"""

Renderer = Callable[[SizeLimit], Message]
"""Renders a message once its target is known."""


def size_as_json(value: object) -> int:
    """Return the number of characters that Slack gets."""
    return len(dumps(value))


def always(message: Message) -> Renderer:
    """Return a renderer for a message that fits everywhere."""
    return lambda _: message


def escape(text: str) -> str:
    """Escape text for Slack: https://docs.slack.dev/messaging/formatting-message-text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(contact: str) -> str:
    """Return a contact of the settings in markup: a mention stays one."""
    return contact if is_mention(contact) else escape(contact)


def is_mention(contact: str) -> bool:
    """Tell whether a contact of the settings is a person or a channel in Slack."""
    return bool(_MENTION.fullmatch(contact))


def mentions_of(channels: Sequence[str]) -> str:
    """Return channels in Slack's markup."""
    return ", ".join(f"<#{escape(channel)}>" for channel in channels)


def date_markup(time: datetime, template: str, link: str = "") -> str:
    """Return a time that Slack shows in the reader's own zone; it may be a link.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    opens = f"^{escape(link)}" if link else ""
    return f"<!date^{int(time.timestamp())}^{template}{opens}|{utc(time)}>"


def utc(time: datetime) -> str:
    """Return a time, which is in UTC, as text to the minute."""
    return f"{time.isoformat(' ', 'minutes')[:16]} UTC"


def shorten(text: str, length: int) -> str:
    """Cut the middle out of a text that is too long."""
    if len(text) <= length:
        return text
    return f"{text[: length - length // 3 - 1]}…{text[-(length // 3) :]}"


def code(text: str) -> str:
    """Return text as code: nothing in it becomes bold or a link."""
    # A backtick would end the code early, and Slack has no way to escape it.
    shown = escape(text).replace("`", "'")
    return f"`{shown}`"


def quote(text: str) -> str:
    """Return text as a quotation, line by line."""
    return "\n".join(f"> {escape(line)}" for line in text.splitlines())


def bold(text: str) -> str:
    """Return text in bold; as code if it contains a character that Slack takes for markup."""
    return code(text) if _MARKUP.search(text) else f"*{escape(text)}*"


def plain(text: str, limit: int) -> Block:
    """Create a plain text object of at most `limit` characters when escaped.

    As in Slack's clients, a character beyond U+FFFF counts twice.
    """
    length = limit
    while _size(escaped := escape(shorten(text, length))) > limit:
        length -= 1
    return {"type": "plain_text", "text": escaped, "emoji": False}


def cut(text: str, limit: int) -> str:
    """Return the beginning of a text, counted as Slack's clients do."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * limit].decode("utf-16-le", "ignore")


def _size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def header(text: str) -> Block:
    """Create a header."""
    return {"type": "header", "text": plain(text, MAX_HEADER)}


def section(markdown: str) -> Block:
    """Create a section from Slack's markup; text from outside has to be escaped already."""
    # verbatim: Slack does not turn addresses and channel names into links.
    return {"type": "section", "text": {"type": "mrkdwn", "text": markdown, "verbatim": True}}


def plain_section(sentence: str) -> Block:
    """Create a section of plain text."""
    return {"type": "section", "text": plain(sentence, MAX_SECTION)}


def context(text: str) -> Block:
    """Create a small line of plain text."""
    return {"type": "context", "elements": [plain(text, MAX_SECTION)]}


def markdown_context(markdown: str) -> Block:
    """Create a small line from Slack's markup, which has to be escaped already."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": markdown}]}


def actions(*elements: Block) -> Block:
    """Create a row of buttons."""
    return {"type": "actions", "elements": list(elements)}


def button(action_id: str, text: str, value: str) -> Block:
    """Create a button; Slack sends its value back when it is pressed."""
    label = plain(text, MAX_BUTTON_TEXT)
    return {"type": "button", "action_id": action_id, "text": label, "value": value}


def link_button(action_id: str, text: str, url: str, value: str = "") -> Block:
    """Create a primary button that opens a link; Slack also sends its value back, if it has one."""
    label = plain(text, MAX_BUTTON_TEXT)
    link = {"type": "button", "action_id": action_id, "style": "primary", "text": label, "url": url}
    return link | ({"value": value} if value else {})


def option(text: str, value: str) -> Block:
    """Create an option of a menu, a select or radio buttons."""
    return {"text": plain(text, MAX_OPTION_TEXT), "value": value}


def menu(action_id: str, entries: Sequence[tuple[str, str]]) -> Block:
    """Create an overflow menu from texts and the values that Slack sends back."""
    options = [option(text, value) for text, value in entries]
    return {"type": "overflow", "action_id": action_id, "options": options}


def message(text: str, blocks: list[Block]) -> Message:
    """Create an ephemeral message; `text` is for screen readers and notifications."""
    return {"response_type": "ephemeral", "text": escape(text), "blocks": blocks}


def note(sentence: str, *buttons: Block) -> Message:
    """Create a message of one plain sentence, with buttons if there are any."""
    return message(sentence, [plain_section(sentence), *([actions(*buttons)] if buttons else [])])


def modal(
    title: str, blocks: list[Block], callback_id: str = "", submit: str = "", metadata: str = ""
) -> View:
    """Create a modal; one that can be submitted has a `callback_id` and a `submit` button.

    Slack sends `metadata` back with it. https://docs.slack.dev/reference/views/modal-views
    """
    view: View = {
        "type": "modal",
        "title": plain(title, MAX_TITLE),
        "close": plain("Close", MAX_TITLE),
        "blocks": blocks,
    }
    if callback_id:
        view |= {"callback_id": callback_id, "private_metadata": metadata}
    if submit:
        view["submit"] = plain(submit, MAX_TITLE)
    return view


def input_block(
    name: str, label: str, element: Block, hint: str = "", *, is_optional: bool = False
) -> Block:
    """Create an input; its `name` is both the block's and the element's id."""
    return {
        "type": "input",
        "block_id": name,
        "label": plain(label, MAX_FIELD),
        "element": {**element, "action_id": name},
        "optional": is_optional,
        **({"hint": plain(hint, MAX_FIELD)} if hint else {}),
    }
