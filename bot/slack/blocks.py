"""Block Kit's pieces: plain dicts from small functions, within Slack's limits.

Whatever came from outside is escaped here. Limits: https://docs.slack.dev/reference/block-kit/blocks
Text: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.fast_json import dumps

Block = dict[str, Any]
Message = dict[str, Any]
View = dict[str, Any]

MAX_BLOCKS: Final = 50
MAX_SECTION: Final = 3000
MAX_BUTTON_URL: Final = 3000
MAX_TITLE: Final = 24
MAX_FIELD: Final = 150
MAX_OPTIONS: Final = 100
SHOWN: Final = 100
"""Characters of a person's name or text, where it is repeated."""

SHORT: Final = 50
"""The same where there is less room."""

_MAX_HEADER: Final = 150
_MENTION: Final = re.compile(r"<[@#][A-Z0-9]+>")
_MARKUP: Final = re.compile(r"[*_~`:]|^\s|\s$")
_MAX_BUTTON_TEXT: Final = 75
_MAX_OPTION: Final = 75


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """How much a place holds: `characters` of all blocks as JSON, or as many as blocks hold (None).

    There are `buttons` where they can be pressed. What everybody in a conversation can see is
    `dismissable`: of what one person alone sees, Slack itself offers to be rid.
    """

    characters: int | None
    buttons: bool = True
    dismissable: bool = False

    def remaining_after(self, blocks: list[Block]) -> int | None:
        """How many characters are left for others."""
        return None if self.characters is None else self.characters - size_as_json(blocks)


RESPONSE_URL: Final = SizeLimit(None)
POSTED: Final = SizeLimit(13_000)
"""chat.postMessage takes some 13,200 characters of blocks in all, buttons and their values
included: https://github.com/slackapi/bolt-js/issues/2509"""
DIRECT: Final = SizeLimit(13_000, dismissable=True)
"""A direct message, which everybody in the conversation sees: the person, and the bot."""

WINDOW: Final = SizeLimit(200_000, buttons=False)
"""A view takes 250 KB in all: https://docs.slack.dev/reference/views"""

Renderer = Callable[[SizeLimit], Message]
"""A message that is drawn when it is known where it goes."""


def size_as_json(value: object) -> int:
    """As Slack gets it."""
    return len(dumps(value))


def always(message: Message) -> Renderer:
    """A message that fits everywhere."""
    return lambda _: message


def escape(text: str) -> str:
    """Text that Slack shows as it is: https://docs.slack.dev/messaging/formatting-message-text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(contact: str) -> str:
    """A contact of the settings: a mention stays one, anything else is text."""
    return contact if is_mention(contact) else escape(contact)


def is_mention(contact: str) -> bool:
    """Whether a contact of the settings is a person or a channel in Slack."""
    return bool(_MENTION.fullmatch(contact))


def mentions_of(channels: Sequence[str]) -> str:
    """Channels, in Slack's markup."""
    return ", ".join(f"<#{escape(channel)}>" for channel in channels)


def date_markup(time: datetime, template: str) -> str:
    """A time that Slack draws in the reader's own zone.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    return f"<!date^{int(time.timestamp())}^{template}|{time:%Y-%m-%d %H:%M} UTC>"


def shorten(text: str, length: int) -> str:
    """The text, its middle left out where it is too long."""
    if len(text) <= length:
        return text
    return f"{text[: length - length // 3 - 1]}…{text[-(length // 3) :]}"


def code(text: str) -> str:
    """The text as code: nothing in it is drawn as bold or as a link."""
    # A backtick would end the code early, and Slack knows no way to escape it.
    shown = escape(text).replace("`", "'")
    return f"`{shown}`"


def bold(text: str) -> str:
    """The text in bold; as code, if it holds a sign that Slack would take for markup."""
    return code(text) if _MARKUP.search(text) else f"*{escape(text)}*"


def plain(text: str, most: int) -> Block:
    """A plain text object; shortened until its escaped form has no more than `most` characters.

    Counted as Slack's clients do: a character beyond U+FFFF counts twice.
    """
    length = most
    while _size(escaped := escape(shorten(text, length))) > most:
        length -= 1
    return {"type": "plain_text", "text": escaped, "emoji": False}


def _size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def header(text: str) -> Block:
    """A heading."""
    return {"type": "header", "text": plain(text, _MAX_HEADER)}


def section(markdown: str) -> Block:
    """Text in Slack's markup; what came from outside has to be escaped already."""
    # verbatim: what looks like an address or a channel stays what it is.
    return {"type": "section", "text": {"type": "mrkdwn", "text": markdown, "verbatim": True}}


def plain_section(sentence: str) -> Block:
    """Text as it is, without markup."""
    return {"type": "section", "text": plain(sentence, MAX_SECTION)}


def context(text: str) -> Block:
    """A small line of text, as it is."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": escape(text)}]}


def markdown_context(markdown: str) -> Block:
    """The same in Slack's markup; what came from outside has to be escaped already."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": markdown}]}


def actions(*elements: Block) -> Block:
    """Buttons in a row."""
    return {"type": "actions", "elements": list(elements)}


def button(action_id: str, text: str, value: str) -> Block:
    """A button; Slack sends its value back when it is pressed."""
    label = plain(text, _MAX_BUTTON_TEXT)
    return {"type": "button", "action_id": action_id, "text": label, "value": value}


def option(text: str, value: str) -> Block:
    """An entry of a menu, a list or a choice."""
    return {"text": plain(text, _MAX_OPTION), "value": value}


def menu(action_id: str, entries: Sequence[tuple[str, str]]) -> Block:
    """A menu behind three dots: texts, and the values that Slack sends back."""
    options = [option(text, value) for text, value in entries]
    return {"type": "overflow", "action_id": action_id, "options": options}


def message(text: str, blocks: list[Block]) -> Message:
    """A message for one person; `text` is what screen readers and notifications say."""
    return {"response_type": "ephemeral", "text": escape(text), "blocks": blocks}


def note(sentence: str, *buttons: Block) -> Message:
    """One sentence as it is, without markup; and what can be done about it."""
    return message(sentence, [plain_section(sentence), *([actions(*buttons)] if buttons else [])])
