"""The share modal: which of the sessions, with or without the name, with what note, and where.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.core.sessions import SessionList
from bot.slack import answer, texts
from bot.slack.answer import Reader
from bot.slack.api import MAX_FIELD, MAX_OPTIONS
from bot.slack.blocks import (
    View,
    context,
    input_block,
    modal,
    option,
    plain,
    shorten,
)
from bot.slack.request import input_value
from bot.slack.sharing import Places, where_input

FORM: Final = "share_form"
WHICH: Final = "which"
NAME: Final = "name"
NOTE: Final = "note"
ALL: Final = "all"

TITLE: Final = "Share sessions"

MAX_NOTE: Final = 500  # characters
_MAX_NAME: Final = 50  # characters


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen in the modal: the number of a session, or None for all of them."""

    number: int | None
    is_named: bool
    note: str = ""


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
        *where_input(places),
        context(
            "Everyone in the conversation will see it, and that you shared it. " + texts.SIGN_IN
        ),
    ]
    return modal(TITLE, blocks, FORM, "Share", metadata)


def read_choice(body: dict[str, Any]) -> Choice:
    """Read what was chosen in a submitted modal."""
    view = body["view"]
    selected = input_value(view, WHICH, "selected_option")
    which = str(selected["value"]) if isinstance(selected, dict) else "0"
    number = int(which) if which.isdecimal() and len(which) < 4 else -1
    return Choice(
        number=None if which == ALL else number,
        is_named=bool(input_value(view, NAME, "selected_options")),
        note=str(input_value(view, NOTE) or "").strip()[:MAX_NOTE],
    )
