"""The bug report: a preview to change and to copy, and what everyone in the thread sees.

It names no customer, unless the person who posts it adds a name.
"""

from __future__ import annotations

import re
from typing import Any, Final

from bot.core.sessions import usable_link
from bot.slack import texts
from bot.slack.api import MAX_SECTION
from bot.slack.blocks import (
    Block,
    Message,
    Renderer,
    View,
    always,
    context,
    cut,
    escape,
    input_block,
    message,
    modal,
    section,
    shorten,
)
from bot.slack.request import input_value
from bot.slack.sharing import Places, where_input

FORM: Final = "bug_report_form"
TEXT: Final = "text"
OPEN: Final = "Bug report…"
TITLE: Final = "Bug report"
FORGOTTEN: Final = "That was too long ago. Please press What happened? again."
EVERYONE: Final = (
    "Change it as you like, and copy it, or post it: everyone in the conversation will see it, and "
    "that you posted it. "
)
_SPOKEN: Final = 500  # characters for screen readers and notifications
_REPLAY: Final = re.compile(r"(?<=^Replay: )https://\S+$", re.MULTILINE)


def form(written: str, where: Places, metadata: str) -> View:
    """Return the preview; posting it asks where, if there is a choice."""
    element = {
        "type": "plain_text_input",
        "multiline": True,
        "max_length": MAX_SECTION,
        "initial_value": cut(written, MAX_SECTION),
    }
    blocks = [
        input_block(TEXT, "What to post", element),
        *where_input(where),
        context(EVERYONE + texts.SIGN_IN),
    ]
    return modal(TITLE, blocks, FORM, "Post", metadata)


def written_in(body: dict[str, Any]) -> str:
    """Return the text of a submitted preview."""
    return cut(str(input_value(body["view"], TEXT) or "").strip(), MAX_SECTION)


def posted(written: str, user: str) -> Message:
    """Render the report for everyone; nothing in it becomes a mention, and only our links work."""
    title = section(f":beetle: <@{escape(user)}> posted a bug report")
    text = {"type": "rich_text_preformatted", "elements": _elements(written)}
    quiet = {"response_type": "in_channel", "unfurl_links": False, "unfurl_media": False}
    blocks = [title, {"type": "rich_text", "elements": [text]}, context(texts.SIGN_IN)]
    return message(f"Bug report\n{shorten(written, _SPOKEN)}", blocks) | quiet


def _elements(written: str) -> list[Block]:
    """Split a text at the link to the replay; others stay text, as they may be the page's."""
    elements: list[Block] = []
    end = 0
    for found in _REPLAY.finditer(written):
        if link := usable_link(found[0]):
            elements += _text(written[end : found.start()])
            elements.append({"type": "link", "url": link})
            end = found.end()
    return [*elements, *_text(written[end:])]


def _text(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text else []


def posted_in(where: str) -> Renderer:
    """Tell the person where it was posted, in Slack's markup."""
    done = f":white_check_mark: Bug report posted in {where}."
    return always(message("Bug report posted", [section(done)]))
