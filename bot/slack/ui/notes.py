"""Short messages: what was wrong, what went wrong, help, the offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.errors import FullstoryError
from bot.slack.ui import action_ids, wording
from bot.slack.ui.pieces import (
    SHOWN,
    Message,
    Room,
    button,
    code,
    context,
    escape,
    message,
    note,
    section,
    shorten,
)
from bot.typed.query import Limits, Refused

MAX_CHOICES: Final = 10
_AROUND_BUTTONS: Final = 500  # characters of a question besides its buttons


def help_message(command: str, limits: Limits) -> Message:
    """How to call the bot, on one screen."""
    intro, examples, remark = wording.help_lines(command, limits)
    lines = [f"{code(example)}  {escape(meaning)}" for example, meaning in examples]
    return message(
        f"{intro} {examples[0][0]}",
        [section(escape(intro)), section("\n".join(lines)), context(remark)],
    )


def refusal(refused: Refused, command: str, limits: Limits) -> Message:
    """What was wrong with a text, and a line that would work."""
    sentence = wording.refusal(refused, limits)
    shown = shorten(refused.shown, SHOWN)
    example = f"{command} {refused.example}"
    return message(
        f"{shown + ': ' if shown else ''}{sentence} {wording.TRY}: {example}",
        [
            section(f"{code(shown)}: {escape(sentence)}" if shown else escape(sentence)),
            section(f"{wording.TRY}: {code(example)}"),
        ],
    )


def failure(error: FullstoryError, reference: str, value: str = "") -> Message:
    """What Fullstory's side did; `value` is for a button to try again, or "" for none."""
    return note_with_retry(wording.failure(error, reference), value)


def note_with_retry(sentence: str, value: str) -> Message:
    """One sentence, a way back to the sessions, and a way to be rid of it."""
    if not value:
        return note(sentence)
    again = button(action_ids.REFRESH, wording.TRY_AGAIN, value)
    return note(sentence, again, button(action_ids.DISMISS, wording.DISMISS, value))


def choice(people: Sequence[tuple[str, str]], room: Room) -> Message:
    """Asks which of the people in a message is meant: what to show of each, and the value."""
    buttons = [
        button(f"{action_ids.CHOOSE}:{number}", name, value)
        for number, (name, value) in enumerate(people[:MAX_CHOICES])
    ]
    while (left := room.left_beside(buttons)) is not None and left < _AROUND_BUTTONS:
        buttons.pop()
    if len(buttons) == len(people):
        return note(wording.CHOOSE, *buttons)
    return note(wording.choose_among_first(len(buttons)), *buttons)


def offer() -> Message:
    """Under a message in a support channel, for everybody; so it names nobody."""
    show = button(action_ids.SHOW_SESSIONS, wording.SHOW_SESSIONS, action_ids.SHOW_SESSIONS)
    return note(wording.OFFER, show)
