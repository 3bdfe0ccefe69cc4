"""The share modal: which of the sessions, with or without the name, with what note, and where.

https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element#conversations_select
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from bot.core.sessions import SessionList
from bot.slack import answer, texts
from bot.slack.answer import Reader
from bot.slack.blocks import (
    MAX_FIELD,
    MAX_OPTIONS,
    Block,
    View,
    context,
    input_block,
    modal,
    option,
    plain,
    shorten,
)
from bot.slack.request import input_value

FORM: Final = "share_form"
WHICH: Final = "which"
NAME: Final = "name"
NOTE: Final = "note"
WHERE: Final = "where"
ALL: Final = "all"
IN_THREAD: Final = "thread"
IN_CHANNEL: Final = "channel"

TITLE: Final = "Share sessions"

MAX_NOTE: Final = 500  # characters
_MAX_NAME: Final = 50  # characters


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen in the modal: the number of a session, or None for all of them.

    `channel` and its `response_url` are "" if the person had no channel to choose.
    """

    number: int | None
    is_named: bool
    is_in_thread: bool
    note: str = ""
    channel: str = ""
    response_url: str = ""


class Places(Enum):
    """Where the person may share."""

    HERE = auto()
    THREAD_OR_CHANNEL = auto()
    ANY_CHANNEL = auto()
    """From a modal or a direct message with the bot, where no one else is."""


def options(found: SessionList, reader: Reader) -> list[str]:
    """Return the names of the sessions in the modal's menu."""
    names = [answer.time_in_words(session, reader) for session in found.sessions]
    return [f"{texts.at_moment(found.moment_of_first)}: {names[0]}", *names[1:]] if names else []


def share_form(sessions: Sequence[str], person: str, metadata: str, places: Places) -> View:
    """Ask which of the sessions, with or without the name, with what note, and where."""
    choices = [option(text, str(number)) for number, text in enumerate(sessions[:MAX_OPTIONS])]
    if len(sessions) > 1:
        choices.insert(1, option(f"All {len(sessions)} sessions", ALL))
    which = {"type": "static_select", "options": choices[:MAX_OPTIONS]}
    name = {
        "type": "checkboxes",
        "options": [option(f"Say that it is {shorten(person, _MAX_NAME)}", NAME)],
    }
    hint = f"Otherwise it says “{texts.A_CUSTOMER}”."
    looked_at = plain("Look at 2:10", MAX_FIELD)
    note = {"type": "plain_text_input", "max_length": MAX_NOTE, "placeholder": looked_at}
    blocks = [
        input_block(WHICH, "Which session?", which | {"initial_option": choices[0]}),
        input_block(NAME, "Include the customer's name?", name, hint, is_optional=True),
        input_block(NOTE, "Note", note, is_optional=True),
        *_where(places),
        context(
            "Everyone in the conversation will see it, and that you shared it. " + texts.SIGN_IN
        ),
    ]
    return modal(TITLE, blocks, FORM, "Share", metadata)


def _where(places: Places) -> list[Block]:
    element: Block
    match places:
        case Places.HERE:
            return []
        case Places.THREAD_OR_CHANNEL:
            options = [option("In this thread", IN_THREAD), option("In the channel", IN_CHANNEL)]
            element = {"type": "radio_buttons", "options": options, "initial_option": options[0]}
        case Places.ANY_CHANNEL:
            # Slack sends a response_url with it, so the bot need not be a member.
            element = {
                "type": "conversations_select",
                "response_url_enabled": True,
                "default_to_current_conversation": True,
                "filter": {
                    "include": ["public", "private"],
                    "exclude_external_shared_channels": True,
                    "exclude_bot_users": True,
                },
            }
    return [input_block(WHERE, "Where?", element)]


def read_choice(body: dict[str, Any]) -> Choice:
    """Read what was chosen in a submitted modal."""
    view = body["view"]

    def chosen(name: str) -> str:
        selected = input_value(view, name, "selected_option")
        return str(selected["value"]) if isinstance(selected, dict) else ""

    which = chosen(WHICH) or "0"
    number = int(which) if which.isdecimal() and len(which) < 4 else -1
    (place, *_) = body.get("response_urls") or [{}]
    return Choice(
        number=None if which == ALL else number,
        is_named=bool(input_value(view, NAME, "selected_options")),
        is_in_thread=chosen(WHERE) == IN_THREAD,
        note=str(input_value(view, NOTE) or "").strip()[:MAX_NOTE],
        channel=str(place.get("channel_id", "")),
        response_url=str(place.get("response_url", "")),
    )
