"""The share modal: which of the sessions, with or without the name, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.core.sessions import SessionList
from bot.slack import answer, texts
from bot.slack.answer import Reader
from bot.slack.blocks import MAX_OPTIONS, View, context, input_block, modal, option, shorten
from bot.slack.request import input_value

FORM: Final = "share_form"
WHICH: Final = "which"
NAME: Final = "name"
WHERE: Final = "where"
ALL: Final = "all"
IN_THREAD: Final = "thread"
IN_CHANNEL: Final = "channel"

TITLE: Final = "Share sessions"

_MAX_NAME: Final = 50  # characters


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen in the modal: the number of a session, or None for all of them."""

    number: int | None
    is_named: bool
    is_in_thread: bool


def options(found: SessionList, reader: Reader) -> list[str]:
    """Return the names of the sessions in the modal's menu."""
    names = [answer.time_in_words(session, reader) for session in found.sessions]
    return [f"{texts.at_moment(found.moment_of_first)}: {names[0]}", *names[1:]] if names else []


def share_form(sessions: Sequence[str], person: str, metadata: str, *, is_in_thread: bool) -> View:
    """Ask which of the sessions, with or without the name, and where."""
    choices = [option(text, str(number)) for number, text in enumerate(sessions[:MAX_OPTIONS])]
    if len(sessions) > 1:
        choices.insert(1, option(f"All {len(sessions)} sessions", ALL))
    which = {"type": "static_select", "options": choices[:MAX_OPTIONS]}
    name = {
        "type": "checkboxes",
        "options": [option(f"Say that it is {shorten(person, _MAX_NAME)}", NAME)],
    }
    places = [option("In this thread", IN_THREAD), option("In the channel", IN_CHANNEL)]
    where = {"type": "radio_buttons", "options": places, "initial_option": places[0]}
    hint = f"Otherwise it says “{texts.A_CUSTOMER}”."
    blocks = [
        input_block(WHICH, "Which session?", which | {"initial_option": choices[0]}),
        input_block(NAME, "With the name?", name, hint, is_optional=True),
        *([input_block(WHERE, "Where?", where)] if is_in_thread else []),
        context(
            "Everyone in the conversation will see it, and that you shared it. " + texts.SIGN_IN
        ),
    ]
    return modal(TITLE, blocks, FORM, "Share", metadata)


def read_choice(view: dict[str, Any]) -> Choice:
    """Read what was chosen in a submitted modal."""

    def chosen(name: str) -> str:
        selected = input_value(view, name, "selected_option")
        return str(selected["value"]) if isinstance(selected, dict) else ""

    which = chosen(WHICH) or "0"
    number = int(which) if which.isdecimal() and len(which) < 4 else -1
    return Choice(
        number=None if which == ALL else number,
        is_named=bool(input_value(view, NAME, "selected_options")),
        is_in_thread=chosen(WHERE) == IN_THREAD,
    )
